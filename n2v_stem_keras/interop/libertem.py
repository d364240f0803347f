"""Virtual detectors of 4D data that LiberTEM reads, as movies that models denoise, lazily.

A detector is a ring of the diffraction pattern, whose intensity is summed for each place of the
beam. Nothing is read before something is computed: the result is a dask array (T, Y, X, C), which
`Predictor.predict` takes and gives.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def virtual_movie(dataset, detectors: Mapping[str, tuple[float, float]], centre=None):
    """Return the virtual detectors of a 4D scan, or of several in one data set.

    Parameters
    ----------
    dataset : libertem DataSet
        What ``Context.load`` returns, with two axes of the detector; of the scan (Y, X), or
        (T, Y, X) for scans one after the other.
    detectors : mapping
        Name -> (inner, outer) radius of a ring around the centre [px of the detector]; 0 and a
        radius make a disc. ADF and BF are e.g. ``{"ADF": (24, 60), "BF": (0, 8)}``.
    centre : (float, float), optional
        Of the pattern, (y, x) [px of the detector]; default its middle.

    Returns
    -------
    dask.array.Array
        (T, Y, X, C) float32, detectors in their order, one frame a chunk.

    Raises
    ------
    ValueError
        The data are of other dimensions, or a ring holds no pixel.
    ImportError
        LiberTEM is not installed (``pip install libertem``).

    Examples
    --------
    >>> import libertem.api as lt  # doctest: +SKIP
    >>> scan = lt.Context().load("auto", path="scan.hdr")  # doctest: +SKIP
    >>> movie = virtual_movie(scan, {"ADF": (24, 60), "BF": (0, 8)})  # doctest: +SKIP
    >>> denoised = model.predict(movie, detectors=("ADF", "BF"))  # doctest: +SKIP
    >>> denoised[0].compute()  # doctest: +SKIP
    """
    try:
        import dask.array as da
        from libertem.contrib.daskadapter import make_dask_array
    except ImportError:
        raise ImportError("4D data need LiberTEM and dask: pip install libertem dask") from None
    scan, pattern = tuple(dataset.shape.nav), tuple(dataset.shape.sig)
    if len(scan) not in (2, 3) or len(pattern) != 2:
        raise ValueError(
            f"a data set of scan {scan} and detector {pattern}: expected (Y, X) or (T, Y, X), and "
            "a detector with two axes; say nav_shape and sig_shape when it is loaded"
        )
    rings = np.stack([ring(pattern, name, *radii, centre) for name, radii in detectors.items()])
    # a pattern is read once for all of them
    patterns, _ = make_dask_array(dataset, dtype=np.float32)
    axes = (len(scan), len(scan) + 1), (1, 2)  # dask does not take negative ones
    found = da.tensordot(patterns, rings.astype(np.float32), axes=axes)
    found = found if len(scan) == 3 else found[None]
    return found.rechunk((1, -1, -1, -1))


def ring(pattern, name: str, inner: float, outer: float, centre=None) -> np.ndarray:
    """Return which pixels of a detector lie in a ring, (Y, X) bool.

    Parameters
    ----------
    pattern : (int, int)
        Shape of the detector [px].
    name : str
        Of the ring, for the error.
    inner, outer : float
        Its radii [px]; pixels at the inner one belong to it, those at the outer one do not.
    centre : (float, float), optional
        Its centre; default the middle of the detector [px].

    >>> ring((5, 5), "BF", 0, 1.1).astype(int)
    array([[0, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0]])
    """
    y0, x0 = ((n - 1) / 2 for n in pattern) if centre is None else centre
    y, x = np.ogrid[: pattern[0], : pattern[1]]
    radius = np.hypot(y - y0, x - x0)
    inside = (radius >= inner) & (radius < outer)
    if not inside.any():
        raise ValueError(
            f"detector {name!r}: no pixel of {pattern[0]}x{pattern[1]} lies from {inner:g} to "
            f"{outer:g} px of ({y0:g}, {x0:g})"
        )
    return inside
