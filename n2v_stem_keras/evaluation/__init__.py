"""Models and classical methods against the truth of simulated movies.

`evaluate` runs the comparison, `contenders` are what it compares, `scores` is the table it makes.
"""
