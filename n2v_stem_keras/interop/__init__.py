"""What hands models and movies to other programs: packages of bioimage.io, the plugin of napari,
a server of frames, 4D data through LiberTEM.

Each is imported when it is needed.
"""
