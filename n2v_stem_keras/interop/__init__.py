"""Objects and formats of other programs: signals as they come, packages as they go.

Each is imported when it is needed.
"""
