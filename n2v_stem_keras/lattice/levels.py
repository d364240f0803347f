"""Is the lattice there where a place is as bright as this one? What the level tells of holes.

A lattice that is fainter than the noise of a pixel shows in averages over hundreds of pixels alone,
so that the frame says late where it ends. How bright a place is is known much better, and in a
hole, beyond an edge or on bare support it is another level than on the crystal. So places of one
level are asked together whether they show the lattice: those of a window (`window_levels`), or of
a whole frame (`frame`). It is written once, for whatever library has `frame.NumpyOps`.
"""

from __future__ import annotations

import numpy as np

from .constants import TINY

STANDS_OUT = 3.0  # standard errors of a cell
N_LEVELS, FURTHEST = 13, 6.0  # levels, and how far from the median they go [standard errors]
APART = 2  # levels that lie no farther from each other may be one
SPREAD = 0.5  # that is expected of shares, about 1
RAMP = (0.65, 0.85)  # shares of the slope beside at which none and all of the lattice is drawn
SURE = (6.0, 12.0)  # squared errors, in all, from which on anything and everything is believed


def presence(apart, parts, around, ops):
    """Say how far the lattice is there, from the level of a place.

    The slope of the frame against its lattice image is found for every level, from all places of
    this level, and as a share of that of the places beside them that have another. (A faint lattice
    image fits noise, too, in the middle of a frame less than elsewhere.) Where the share is 0.85 or
    more the lattice stays, where it is 0.65 or less it goes; what is known of it poorly is taken to
    be nearer to 1. If shares do not differ from 1 by more than they do by chance, all is left as it
    is.

    Parameters
    ----------
    apart : (..., cells) array
        Levels of cells, from their median, in standard errors.
    parts : (..., cells, 4) array
        What is added up over cells: frame times lattice image, the lattice image squared, the
        variance of the first, and 1; all 0 for cells that are not asked. They stand out of the
        noise: an atom says nothing of the lattice under it.
    around : callable
        Blurs what cells are, (..., cells, levels), over those around each.
    ops : frame.NumpyOps, or the like

    Returns
    -------
    there : (..., cells) array
        From 0 to 1.
    told : (..., 1) array
        How much levels tell: the squared errors by which shares are less than 1.
    """
    numbers = np.arange(N_LEVELS, dtype=np.float32)
    step = 2 * FURTHEST / (N_LEVELS - 1)
    apart = ops.minimum(ops.maximum(apart, -FURTHEST), FURTHEST)
    # how far a cell is of each level: of two of them, in all 1
    of_level = ops.maximum(1 - abs((apart[..., None] + FURTHEST) / step - numbers), 0.0)
    unlike = (np.abs(numbers - numbers[:, None]) > APART).astype(np.float32)
    beside = around(of_level) * (of_level @ unlike)
    here, other = (ops.transposed_product(w, parts) for w in (of_level, beside))
    scatter = ops.transposed_product(beside * beside, parts[..., 2:3])
    products, power, variance, number = (here[..., i : i + 1] for i in range(4))
    products_beside, power_beside, number_beside = (other[..., i : i + 1] for i in (0, 1, 3))
    usual = ops.maximum(products_beside / ops.maximum(power_beside, TINY), 1.0)
    # no more than the lattice beside has: the rest is an atom's, or a particle's
    most = power_beside / ops.maximum(number_beside, TINY) * number
    expected = usual * ops.maximum(ops.minimum(power, most), TINY)
    share = products / expected
    variance = variance / (expected * expected)
    variance += scatter / ops.maximum(products_beside * products_beside, TINY)
    variance = ops.maximum(variance, TINY)
    known = number_beside > 1
    less = ops.maximum(1 - share, 0.0)
    told = ops.sum(ops.where(known, less * less / variance, 0.0), (-2,))[..., 0]
    doubt = variance / SPREAD**2
    share = ops.where(known, (share + doubt) / (1 + doubt), 1.0)
    lacking = (of_level @ (1 - _ramp(share, RAMP, ops)))[..., 0]
    return 1 - _ramp(told, SURE, ops) * lacking, told


def by_the_one_that_tells_most(seen, ops):
    """Return what `presence` found of that one of some detectors of which it tells most."""
    found, most = seen[0]
    for there, told in seen[1:]:
        found, most = ops.where(told > most, there, found), ops.maximum(told, most)
    return found


def _ramp(x, ends, ops):
    low, high = ends
    return ops.minimum(ops.maximum((x - low) / (high - low), 0.0), 1.0)
