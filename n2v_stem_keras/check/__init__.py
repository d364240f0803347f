"""Can a model be trusted? Tests that need no truth from the experiment.

Each asks one question that the paper asks of its artefacts (Results), or should have: `noise_only`,
`point`, `amorphous_waves`, `atoms_in_hole`, `lattice_in_hole`, `false_holes`, `lattice_at_line`,
`defects_drawn`, `detector_crosstalk`; and `implants_drawn`, of a movie of the user's.
`check_model` asks all of them, and `write_page` puts the answers on a page.
"""

from .amorphous import AmorphousWaves, amorphous_waves
from .boundary import LatticeAtLine, lattice_at_line
from .crosstalk import Crosstalk, detector_crosstalk
from .defects import DefectDrawn, defects_drawn
from .false_holes import FalseHoles, false_holes
from .hole import HoleAtoms, HoleLattice, atoms_in_hole, lattice_in_hole
from .implants import Implants, implants_drawn
from .noise_only import NoiseOnly, noise_only
from .page import write_page
from .point import Point, point
from .report import Answer, Report, check_model

__all__ = [
    "AmorphousWaves",
    "Answer",
    "Crosstalk",
    "DefectDrawn",
    "FalseHoles",
    "HoleAtoms",
    "HoleLattice",
    "Implants",
    "LatticeAtLine",
    "NoiseOnly",
    "Point",
    "Report",
    "amorphous_waves",
    "atoms_in_hole",
    "check_model",
    "defects_drawn",
    "detector_crosstalk",
    "false_holes",
    "implants_drawn",
    "lattice_at_line",
    "lattice_in_hole",
    "noise_only",
    "point",
    "write_page",
]
