"""Atoms, found, placed, tracked and counted; the parts of ``python benchmarks/atoms``."""
