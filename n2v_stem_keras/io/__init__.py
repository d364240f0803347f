"""Movies on disk and in memory: axes, detectors, pixel size, frame time; read and written by frame.

Knows nothing of Keras. Reads TIFF (plain, ImageJ, OME, BigTIFF), npy, SER/EMI, MRC, HDF5, zarr and,
through RosettaSciIO, the files of microscopes; writes OME-TIFF, ImageJ TIFF, hspy and npy.
"""

from .movie import Movie, MovieError
from .pair import join_detectors, pair_files
from .read import as_movie, read_movie
from .scaling import Scaling, intensities
from .units import parse_length_nm, parse_time_s, parse_voltage_kV
from .write import MovieWriter, write_movie

__all__ = [
    "Movie",
    "MovieError",
    "MovieWriter",
    "Scaling",
    "as_movie",
    "intensities",
    "join_detectors",
    "pair_files",
    "parse_length_nm",
    "parse_time_s",
    "parse_voltage_kV",
    "read_movie",
    "write_movie",
]
