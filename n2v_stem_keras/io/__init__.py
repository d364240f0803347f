"""Movies on disk and in memory: axes, detectors, pixel size, frame time; read and written by frame.

Knows nothing of Keras. Files are TIFF (plain, ImageJ, OME, BigTIFF) and npy.
"""

from .metadata import parse_length_nm
from .movie import Movie, MovieError
from .read import read_movie
from .write import MovieWriter, write_movie

__all__ = ["Movie", "MovieError", "MovieWriter", "parse_length_nm", "read_movie", "write_movie"]
