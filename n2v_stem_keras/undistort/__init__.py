"""What a scan did to the places of an image, measured in the image itself.

`rows` finds by how much each row of a crystal's image lies beside its place, and the frequencies of
mains hum in that, and puts rows back.
"""

from .rows import (
    Hum,
    RowDisplacement,
    find_hum,
    moved_rows,
    row_displacement,
    straightened,
    undistorted,
)

__all__ = [
    "Hum",
    "RowDisplacement",
    "find_hum",
    "moved_rows",
    "row_displacement",
    "straightened",
    "undistorted",
]
