"""Real time on two cores; the parts of ``python benchmarks/live``."""
