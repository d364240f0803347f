"""Simulated STEM movies with known truth: structures, motion, and imaging of them."""

from .adatoms import Adatoms, Motion, adatom_pair, island
from .defects import Defect
from .fast import Kernels, contrast, kernels
from .movies import SimulatedMovie, nth_movie, reference_movie, simulate_movie, simulate_movies
from .optics import Optics
from .specimen import Scene, Specimen, draw_scene
from .structures import graphene, lattice, lattice_from_ase

__all__ = [
    "Adatoms",
    "Defect",
    "Kernels",
    "Motion",
    "Optics",
    "Scene",
    "SimulatedMovie",
    "Specimen",
    "adatom_pair",
    "contrast",
    "draw_scene",
    "graphene",
    "island",
    "kernels",
    "lattice",
    "lattice_from_ase",
    "nth_movie",
    "reference_movie",
    "simulate_movie",
    "simulate_movies",
]
