"""Simulated STEM movies with known truth: structures, and fast linear imaging of them."""

from .fast import RadialKernel, contrast, image, kernels
from .movies import SimulatedMovie, reference_movie
from .structures import adatom_movie, adatoms, graphene

__all__ = [
    "RadialKernel",
    "SimulatedMovie",
    "adatom_movie",
    "adatoms",
    "contrast",
    "graphene",
    "image",
    "kernels",
    "reference_movie",
]
