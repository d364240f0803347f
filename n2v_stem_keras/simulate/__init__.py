"""Simulated STEM movies with known truth: structures, and two ways of imaging them."""

from .fast import Kernels, contrast, kernels
from .movies import SimulatedMovie, reference_movie
from .optics import Optics
from .structures import adatom_movie, adatoms, graphene

__all__ = [
    "Kernels",
    "Optics",
    "SimulatedMovie",
    "adatom_movie",
    "adatoms",
    "contrast",
    "graphene",
    "kernels",
    "reference_movie",
]
