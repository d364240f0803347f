"""Noise2Void denoising of atomic-resolution STEM movies on Keras 3."""

from ._version import __version__

__all__ = ["__version__"]
