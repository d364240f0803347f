"""What hands models and movies to other programs: packages of bioimage.io, the plugin of napari.

Each is imported when it is needed.
"""
