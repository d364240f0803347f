"""Pixel size, frame time, detector names and axes of all formats, and the XML of OME.

Our own OME-TIFF has planes (Y, X). OME knows no axis of separate movies: S is stored as its Z,
marked by OME's "modulo" annotation as no depth; a map annotation holds the axes as we name them.
"""

import contextlib
import dataclasses
import json
import math
import re
import warnings
from xml.etree import ElementTree

from .._version import __version__
from ..escaping import escaped
from .movie import Movie, MovieError, check_axes
from .units import LENGTH, TIME, is_calibrated, plain_unit

NAMESPACE = "n2v_stem_keras"
DETECTORS = ("HAADF", "ADF", "MAADF", "LAADF", "ABF", "BF", "DF", "iDPC")
AXIS_NAMES = {
    "time": "T", "t": "T", "frame": "T", "frames": "T",
    "detector": "C", "detectors": "C", "channel": "C", "channels": "C", "c": "C",
    "series": "S", "movie": "S", "s": "S",
    "y": "Y", "scan_y": "Y", "height": "Y", "x": "X", "scan_x": "X", "width": "X",
}  # fmt: skip
OME_TYPES = {
    "int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint16": "uint16",
    "uint32": "uint32", "float32": "float", "float64": "double",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tags:
    """What a file says about its movie; None where it says nothing.

    Attributes
    ----------
    detectors : tuple of str or None
        Names of the detectors.
    pixel_size_nm : float or None
        Scan step [nm/px].
    frame_time_s : float or None
        Time from one frame to the next [s].
    voltage_kV : float or None
        Acceleration voltage [kV].
    axes, shape
        The movie's own axes and shape, in files written by this package.
    provenance : dict or None
        What was stored about how the file was made.
    """

    detectors: tuple[str, ...] | None = None
    pixel_size_nm: float | None = None
    frame_time_s: float | None = None
    voltage_kV: float | None = None
    axes: str | None = None
    shape: tuple[int, ...] | None = None
    provenance: dict | None = None


def guess_detector(name: str) -> str | None:
    """Return the one detector that a file name holds as a separate word, else None.

    >>> guess_detector("Au_haadf_0012")
    'HAADF'
    """
    words = {word.lower() for word in re.split(r"[\W_]+", name)}
    found = [detector for detector in DETECTORS if detector.lower() in words]
    return found[0] if len(found) == 1 else None


def ome_tags(xml: str, index: int, where: str) -> Tags:
    """Read what OME-XML says about image number `index`.

    Raises
    ------
    MovieError
        If the XML cannot be read.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise MovieError(f"{where}: its OME-XML cannot be read: {error}") from error
    pixels = root.findall("{*}Image/{*}Pixels")
    if index >= len(pixels):
        return Tags()
    attributes = pixels[index].attrib
    names = [channel.get("Name") for channel in pixels[index].findall("{*}Channel")]
    return Tags(
        detectors=unique_names(names, len(names), where),
        pixel_size_nm=pixel_size(
            number(attributes.get("PhysicalSizeX")),
            number(attributes.get("PhysicalSizeY")),
            attributes.get("PhysicalSizeXUnit", "um"),
            attributes.get("PhysicalSizeYUnit", "um"),
            where,
        ),
        frame_time_s=frame_time(
            attributes.get("TimeIncrement"), attributes.get("TimeIncrementUnit", "s"), where
        ),
        **_own_annotation(root),
    )


def ome_xml(movie: Movie) -> str:
    """Return the OME-XML (ASCII) of `movie` in planes (Y, X), its S, T and C before them in order.

    Raises
    ------
    MovieError
        If OME has no name for the type of the values.
    """
    if movie.dtype.name not in OME_TYPES:
        raise MovieError(
            f"{movie.name}: OME-TIFF holds no {movie.dtype}; choose one of {', '.join(OME_TYPES)}"
        )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    root = ElementTree.Element("OME", {"xmlns": schema, "Creator": f"{NAMESPACE} {__version__}"})
    root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root.set("xsi:schemaLocation", f"{schema} {schema}/ome.xsd")
    name = "".join(character for character in movie.name if character.isprintable())
    image = ElementTree.SubElement(root, "Image", ID="Image:0", Name=name)
    pixels = ElementTree.SubElement(image, "Pixels", ID="Pixels:0", **_pixels(movie))
    for c in range(movie.n_detectors):
        channel = ElementTree.SubElement(pixels, "Channel", ID=f"Channel:0:{c}")
        channel.set("SamplesPerPixel", "1")
        if movie.detectors is not None:
            channel.set("Name", movie.detectors[c])
    planes = movie.n_series * movie.n_frames * movie.n_detectors
    ElementTree.SubElement(pixels, "TiffData", IFD="0", PlaneCount=str(planes))
    _annotate(root, image, movie)
    return ElementTree.tostring(root, encoding="us-ascii").decode("ascii")


def _pixels(movie: Movie) -> dict[str, str]:
    """Return the attributes of OME's Pixels."""
    stored = movie.axes.replace("S", "Z")
    stored = [a for a in stored if a in "TZC"] + [a for a in "TZC" if a not in stored]
    attributes = {
        "DimensionOrder": "XY" + "".join(reversed(stored)),
        "Type": OME_TYPES[movie.dtype.name],
        "SizeX": str(movie.frame_shape[1]),
        "SizeY": str(movie.frame_shape[0]),
        "SizeZ": str(movie.n_series),
        "SizeC": str(movie.n_detectors),
        "SizeT": str(movie.n_frames),
    }
    if movie.pixel_size_nm is not None:
        size = repr(movie.pixel_size_nm)
        attributes |= {"PhysicalSizeX": size, "PhysicalSizeXUnit": "nm"}
        attributes |= {"PhysicalSizeY": size, "PhysicalSizeYUnit": "nm"}
    if movie.frame_time_s is not None:
        attributes |= {"TimeIncrement": repr(movie.frame_time_s), "TimeIncrementUnit": "s"}
    return attributes


def _annotate(root, image, movie: Movie) -> None:
    """Add what OME has no place for: that Z is S, the movie's own axes, the provenance."""
    annotations = ElementTree.Element("StructuredAnnotations")
    if movie.n_series > 1:
        value = _annotation(
            annotations, image, "XMLAnnotation", "openmicroscopy.org/omero/dimension/modulo"
        )
        schema = "http://www.openmicroscopy.org/Schemas/Additions/2011-09"
        modulo = ElementTree.SubElement(value, "Modulo", namespace=schema)
        along = {"Type": "other", "TypeDescription": "movie", "Start": "0"}
        ElementTree.SubElement(modulo, "ModuloAlongZ", **along, End=str(movie.n_series - 1))
    own = _annotation(annotations, image, "MapAnnotation", NAMESPACE)
    provenance = json.dumps(movie.provenance, default=plain)
    entries = {"axes": movie.axes, "shape": json.dumps(movie.shape), "provenance": provenance}
    if movie.voltage_kV is not None:
        entries["voltage_kV"] = repr(movie.voltage_kV)
    for key, text in entries.items():
        ElementTree.SubElement(own, "M", K=key).text = text
    root.append(annotations)


def _annotation(annotations, image, kind: str, namespace: str):
    """Add an empty annotation and the image's reference to it; return its value element."""
    identity = f"Annotation:{len(annotations)}"
    element = ElementTree.SubElement(annotations, kind, ID=identity, Namespace=namespace)
    ElementTree.SubElement(image, "AnnotationRef", ID=identity)
    return ElementTree.SubElement(element, "Value")


def _own_annotation(root) -> dict:
    """Return axes, shape and provenance from our own annotation; empty if absent or damaged."""
    for annotation in root.iterfind("{*}StructuredAnnotations/{*}MapAnnotation"):
        if annotation.get("Namespace") == NAMESPACE:
            entries = {m.get("K"): m.text or "" for m in annotation.iterfind("{*}Value/{*}M")}
            with contextlib.suppress(TypeError, ValueError):
                for key in ("shape", "provenance", "voltage_kV"):
                    entries[key] = json.loads(entries.get(key, "null"))
                return own_record(entries)
    return {}


def own_record(entries: dict) -> dict:
    """Return what our own files say of themselves as fields of `Tags`; empty if damaged.

    Parameters
    ----------
    entries : dict
        ``axes``, ``shape``, ``provenance`` and ``voltage_kV`` as they were written.
    """
    try:
        axes, shape = check_axes(entries["axes"], entries["shape"], NAMESPACE)
    except (KeyError, TypeError, ValueError):
        return {}
    voltage = number(entries.get("voltage_kV"))
    voltage = voltage if voltage and 0 < voltage < math.inf else None
    provenance = entries.get("provenance")
    if not isinstance(provenance, dict):
        provenance = None
    return {"axes": axes, "shape": shape, "provenance": provenance, "voltage_kV": voltage}


def plain(value):
    """Return numbers and lists for numpy values, text for what JSON does not know."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def number(text) -> float | None:
    """Return text as a number, None if it is none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def pixel_size(x, y, unit_x, unit_y, where: str) -> float | None:
    """Return the pixel size [nm/px], None (with a warning if it is odd) where not calibrated.

    Parameters
    ----------
    x, y : float or None
        Steps along the fast and the slow axis.
    unit_x, unit_y : str
        Their units.
    where : str
        The file, for warnings.
    """
    if x is None or not is_calibrated(unit_x):
        return None
    size = _length_nm(x, unit_x)
    if size is None:
        _warn(
            f"{where}: pixel size {x} {plain_unit(unit_x)!r} is not understood; say pixel_size_nm="
        )
        return None
    if y is None or not is_calibrated(unit_y):
        return size
    other = _length_nm(y, unit_y)
    if other is None:
        found = f"{y} {plain_unit(unit_y)!r}, which is not understood,"
    elif math.isclose(size, other, rel_tol=1e-4):
        return size
    else:
        found = f"{other:g} nm"
    _warn(f"{where}: pixels are {size:g} nm in X but {found} in Y; X is used")
    return size


def _length_nm(step: float, unit: str) -> float | None:
    """Return a length [nm]; None if the unit is unknown or it is not above 0."""
    scale = LENGTH.scale(unit)
    return step * scale if scale and 0 < step * scale < math.inf else None


def frame_time(interval, unit: str, where: str) -> float | None:
    """Return the time between frames [s]; 0 is what some programs write for unknown."""
    value, scale = number(interval), TIME.scale(unit)
    if not value or not is_calibrated(unit):
        return None
    if scale is None or not 0 < value * scale < math.inf:
        _warn(
            f"{where}: frame time {interval} {plain_unit(unit)!r} is not understood; say "
            "frame_time_s="
        )
        return None
    return value * scale


def unique_names(names, count: int, where: str) -> tuple[str, ...] | None:
    """Return the detectors' names if each has one of its own."""
    names = tuple(" ".join(str(name or "").split()) for name in names)
    if len(names) != count or not all(names):
        return None
    if len({name.lower() for name in names}) != count:
        _warn(f"{where}: detector names {names} repeat and are not used; say detectors=")
        return None
    return names


def _warn(message: str) -> None:
    warnings.warn(escaped(message), UserWarning, stacklevel=5)
