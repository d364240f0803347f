"""What the baselines are called, and where their parameters are searched.

The paper (Methods) searched the Gaussian's sigma among 0.5, 1 and 2 px, the weight of TV from 0.1
to 2.0 in steps of 0.1, and the sigma of BM3D from 0.4 to 1.2 in its images' own scale. The grids
here cover the same ranges in the same steps or finer. `tune` looks between and beyond them, up to
a limit. Where adatoms are few and noise is strong, the least squared error is that of a **blank**
frame (27.7 dB in ADF on the reference movies, more than any blur gives at 10 dB and below), and
the search would blur without end. A parameter at its limit says: here PSNR rewards erasing.
"""

from __future__ import annotations

from dataclasses import dataclass

from .denoisers import import_bm3d


@dataclass(frozen=True)
class Method:
    """One baseline and the search for its parameter.

    Attributes
    ----------
    name, label : str
        For programs and for people.
    parameter_name, unit : str
        What is tuned.
    grid : tuple of float
        Values tried first.
    step : float
        Distance of the values tried at last.
    least, limit : float
        No value outside is tried.
    tuning_frames : int or None
        Frames of a detector, evenly spaced, on which the parameter is tuned on the truth; None
        for all.
    """

    name: str
    label: str
    parameter_name: str
    unit: str
    grid: tuple
    step: float
    least: float
    limit: float
    tuning_frames: int | None


def _tenths(first, last, step=1):
    return tuple(n / 10 for n in range(first, last + 1, step))


_BM3D = ("strength", "noise sigma", _tenths(4, 12, 2), 0.05, 0.02, 3.0, 2)

# Limits. Beyond 6 px (0.28 nm on the reference movies) neighbours merge; beyond 10 sigma TV is
# flat; beyond 3 sigma BM3D lets only clusters through; 99 frames are most of a movie.
# Frames. The best strength of BM3D hardly differs between frames of a movie: tuned on two of
# eight it lost at most 0.01 dB.
METHODS = {
    method.name: method
    for method in (
        Method("gaussian", "Gaussian", "sigma", "px", _tenths(3, 30), 0.1, 0.02, 6.0, None),
        Method("tv", "TV", "weight", "noise sigma", _tenths(1, 20), 0.1, 0.02, 10.0, 4),
        Method("bm3d", "BM3D", *_BM3D),
        Method("anscombe_bm3d", "Anscombe + BM3D", *_BM3D),
        Method("temporal", "temporal mean", "k", "frames", tuple(range(1, 12, 2)), 2, 1, 99, None),
    )
}


def find(name):
    """Return the method of a name, or raise a ValueError that lists all names."""
    if name not in METHODS:
        raise ValueError(f"method is {name!r}; expected one of {sorted(METHODS)}")
    return METHODS[name]


def available(name):
    """Tell why a method cannot run here.

    Parameters
    ----------
    name : str
        Key of `METHODS`.

    Returns
    -------
    str or None
        None if it can run; else a sentence that says what is missing and how to get it.

    Raises
    ------
    ValueError
        If there is no such method.
    """
    if "bm3d" in find(name).name:
        try:
            import_bm3d()
        except ImportError as error:
            return str(error)
    return None
