"""ImageJ's TIFF: pixel size, frame time and detectors from and to its description.

ImageJ orders planes (Y, X) as T, Z, C. Separate movies (S) are stored as its Z; what it has no
place for stands as one line of JSON in its Info, which Fiji shows (Image > Show Info).
"""

import json
import re

from .metadata import NAMESPACE, Tags, frame_time, own_record, pixel_size, plain, unique_names
from .movie import Movie, MovieError

TYPES = ("uint8", "uint16", "float32")
AXES = "TSCYX"  # as stored, S as ImageJ's Z


def imagej_tags(metadata: dict, resolution: tuple, n_detectors: int, where: str) -> Tags:
    """Read what ImageJ says.

    Parameters
    ----------
    metadata : dict
        ImageJ's description, as tifffile gives it.
    resolution : tuple
        XResolution and YResolution [px/unit], each a fraction (numerator, denominator).
    n_detectors : int
        Length of C; labels are names only if there is one per detector.
    where : str
        The file, for warnings.
    """
    x, y = (den / num if num else None for num, den in resolution)
    unit = str(metadata.get("unit", ""))
    unit_y = str(metadata.get("yunit", unit))
    own = _own_entries(metadata)
    labels = own.get("detectors") or metadata.get("Labels") or ()
    if n_detectors == 1 and "detectors" not in own:
        labels = ()
    return Tags(
        detectors=unique_names(labels, n_detectors, where),
        pixel_size_nm=pixel_size(x, y, unit, unit_y, where),
        frame_time_s=frame_time(metadata.get("finterval"), metadata.get("tunit", "s"), where),
        **own_record(own),
    )


def imagej_metadata(movie: Movie, scaling=None) -> dict:
    """Return the description of `movie` for ImageJ, as tifffile takes it.

    Parameters
    ----------
    movie : Movie
        What is written.
    scaling : scaling.Scaling, optional
        How stored integers became of intensities; ImageJ shows the latter if it is one for all.

    Raises
    ------
    MovieError
        If ImageJ has no such type of values.
    """
    if movie.dtype.name not in TYPES:
        raise MovieError(
            f"{movie.name}: ImageJ's TIFF holds no {movie.dtype}; choose one of {', '.join(TYPES)}"
        )
    entries = {"axes": movie.axes, "shape": movie.shape, "provenance": movie.provenance}
    for key in ("detectors", "voltage_kV"):
        if getattr(movie, key) is not None:
            entries[key] = getattr(movie, key)
    info = f"{NAMESPACE} = {json.dumps(entries, default=plain)}"
    described = {"axes": "TZCYXS", "Info": info}
    if movie.n_detectors > 1:
        described["mode"] = "grayscale"
    if movie.pixel_size_nm is not None:
        described["unit"] = "nm"
    if movie.frame_time_s is not None:
        described |= {"finterval": movie.frame_time_s, "tunit": "s"}
    if movie.detectors is not None:
        described["Labels"] = list(movie.detectors) * (movie.n_frames * movie.n_series)
    if scaling is not None and len(set(zip(scaling.slope, scaling.offset))) == 1:
        described |= {"cf": 0, "c0": scaling.offset[0], "c1": scaling.slope[0]}
        described["vunit"] = "intensity"
    return described


def _own_entries(metadata: dict) -> dict:
    """Return what a file of our own says in its Info; empty if it is none or damaged."""
    found = re.search(rf"^{NAMESPACE} = (.*)$", str(metadata.get("Info", "")), re.MULTILINE)
    try:
        entries = json.loads(found[1]) if found else {}
    except ValueError:
        return {}
    if not isinstance(entries, dict):
        return {}
    if not isinstance(entries.get("detectors"), list):
        entries.pop("detectors", None)
    return entries
