"""Can a model be trusted? Tests that need no truth from the experiment.

Each asks one question that the paper asks of its artefacts (Results), or should have: `noise_only`,
`point`, `atoms_in_hole`, `lattice_in_hole`, `detector_crosstalk`. `check_model` asks all of them,
and `write_page` puts the answers on a page.
"""

from .crosstalk import Crosstalk, detector_crosstalk
from .hole import HoleAtoms, HoleLattice, atoms_in_hole, lattice_in_hole
from .noise_only import NoiseOnly, noise_only
from .page import write_page
from .point import Point, point
from .report import Answer, Report, check_model

__all__ = [
    "Answer",
    "Crosstalk",
    "HoleAtoms",
    "HoleLattice",
    "NoiseOnly",
    "Point",
    "Report",
    "atoms_in_hole",
    "check_model",
    "detector_crosstalk",
    "lattice_in_hole",
    "noise_only",
    "point",
    "write_page",
]
