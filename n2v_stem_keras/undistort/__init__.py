"""What a scan did to the places of an image, measured in the image itself.

`rows` finds by how much each row of a crystal's image lies beside its place, and the frequencies of
mains hum in that; `neighbours` by how much rows of any image lie beside those around them.
`straighten` puts rows back, and `moving` moves them.
"""

from .moving import moved_rows
from .neighbours import RowJitter, row_jitter
from .rows import Hum, RowDisplacement, find_hum, row_displacement
from .straighten import (
    DisplacedRows,
    displaced_rows,
    rows_lie_beside,
    straightened,
    undistorted,
)

__all__ = [
    "DisplacedRows",
    "Hum",
    "RowDisplacement",
    "RowJitter",
    "displaced_rows",
    "find_hum",
    "moved_rows",
    "row_displacement",
    "row_jitter",
    "rows_lie_beside",
    "straightened",
    "undistorted",
]
