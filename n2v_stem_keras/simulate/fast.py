"""Linear imaging: each atom adds a radially symmetric kernel, one per detector and element.

Fast enough to make training and test movies on the spot, where the paper (Methods, simulation)
computed single frames by multislice. Thin, light specimens are nearly linear in this sense: the
image of few-layer graphene with adatoms is close to the sum of the images of its atoms.

The kernels are a **stand-in** until ones computed by multislice replace them: the incoherent
transfer function of an aberration-free probe at 80 kV and 32 mrad, times a Gaussian for the
thermal and electrostatic width of the atom and one for the effective source. Au to C is
(79/6)^1.7 in ADF (Z contrast; Krivanek et al., Nature 464, 571 (2010)) and (79/6)^0.8 in BF, where
each atom is dark with a faint bright surround. Strengths are plausible fractions of the beam, not
computed ones. Defocus, residual aberrations and dynamical scattering are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

WAVELENGTH_NM = 4.1757e-3  # at 80 kV
CONVERGENCE_MRAD = 32.0
BF_OUTER_MRAD = 18.7
SOURCE_SIGMA_NM = 0.035
KERNEL_RADIUS_NM = 0.5
DETECTORS = ("ADF", "BF")

_AU_TO_C = 79 / 6
_ADF_PEAK_AU = 0.03  # height of a lone Au adatom, source blur included [fraction of the beam]
_BF_PEAK_C = -0.003  # depth of a lone C atom, ditto [fraction of the beam]
_BF_SURROUND = 0.6  # share of the dark centre's integral that returns in the bright surround
_BF_SURROUND_SIGMA_NM = 0.08
# Scattering to high angles comes from near the nucleus, phase contrast from the wider potential.
_ATOM_SIGMA_NM = {"ADF": 0.01, "BF": 0.03}


@dataclass(frozen=True)
class RadialKernel:
    """Image of one atom as a table over the distance from its centre.

    Attributes
    ----------
    r_nm : numpy.ndarray
        Distances [nm], rising from 0 in equal steps.
    value : numpy.ndarray
        Kernel [fraction of the beam]; zero at the last distance and beyond.
    """

    r_nm: np.ndarray
    value: np.ndarray

    def __call__(self, r_nm):
        """Kernel at any distances [nm], same shape, float64."""
        return np.interp(r_nm, self.r_nm, self.value, right=0.0)

    @property
    def radius_nm(self):
        """Distance [nm] beyond which the kernel is zero."""
        return float(self.r_nm[-1])


def probe_transfer(f_nm):
    """Incoherent transfer function of an aberration-free round aperture.

    Parameters
    ----------
    f_nm : numpy.ndarray
        Spatial frequencies [1/nm].

    Returns
    -------
    numpy.ndarray
        1 at zero frequency, 0 from 2 * convergence angle / wavelength (15.3 nm^-1) on.
    """
    q = np.clip(np.abs(f_nm) * WAVELENGTH_NM / (2e-3 * CONVERGENCE_MRAD), 0.0, 1.0)
    return 2 / np.pi * (np.arccos(q) - q * np.sqrt(1 - q**2))


@cache
def kernels(source_sigma_nm=SOURCE_SIGMA_NM):
    """Kernels of all detectors and elements, blurred by the effective source.

    Parameters
    ----------
    source_sigma_nm : float
        Standard deviation of the Gaussian effective source [nm].

    Returns
    -------
    dict
        detector -> element -> `RadialKernel`.
    """
    out = {detector: {} for detector in DETECTORS}
    for element, z_ratio in (("C", 1 / _AU_TO_C), ("Au", 1.0)):
        out["ADF"][element] = _table(_adf_transfer, source_sigma_nm, _ADF_PEAK_AU * z_ratio**1.7)
        depth = _BF_PEAK_C * (z_ratio * _AU_TO_C) ** 0.8
        out["BF"][element] = _table(_bf_transfer, source_sigma_nm, depth)
    return out


def background(detector):
    """Signal of the empty beam on a detector [fraction of the beam]."""
    return {"ADF": 0.0, "BF": (BF_OUTER_MRAD / CONVERGENCE_MRAD) ** 2}[detector]


def image(atoms, kernel, shape, pixel_size_nm, level=0.0):
    """Sum of the atoms' kernels at the pixel centres, exact at any sub-pixel position.

    Parameters
    ----------
    atoms : dict
        element -> (n, 2) positions y, x [nm]; pixel (0, 0) is centred at the origin. Atoms
        outside the frame count as far as their kernels reach into it.
    kernel : dict
        element -> `RadialKernel`, those of one detector.
    shape : tuple of int
        (Y, X) [px].
    pixel_size_nm : float
        [nm/px].
    level : float
        Background [fraction of the beam].

    Returns
    -------
    numpy.ndarray
        (Y, X) float64 [fraction of the beam].
    """
    frame = np.full(shape, float(level))
    for element, positions in atoms.items():
        _add(frame, np.asarray(positions, float) / pixel_size_nm, kernel[element], pixel_size_nm)
    return frame


def contrast(atoms, shape, pixel_size_nm):
    """Sum of the atoms' kernels on all detectors, without the background.

    Parameters
    ----------
    atoms : dict
        element -> (n, 3) positions z, y, x [nm]; z is the depth below the surface in focus.
    shape : tuple of int
        (Y, X) [px].
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    numpy.ndarray
        (Y, X, C) float64 [fraction of the beam], C as in `DETECTORS`.
    """
    flat = {element: np.asarray(positions, float)[:, 1:] for element, positions in atoms.items()}
    table = kernels()
    return np.stack([image(flat, table[d], shape, pixel_size_nm) for d in DETECTORS], axis=-1)


def _add(frame, positions, kernel, pixel_size_nm, chunk=4096):
    """Add a kernel at positions (n, 2) [px] to a frame (Y, X), in place."""
    reach = int(np.ceil(kernel.radius_nm / pixel_size_nm))
    offsets = np.arange(-reach, reach + 1)
    height, width = frame.shape
    near = np.all((positions > -reach - 1) & (positions < np.array(frame.shape) + reach), axis=1)
    positions = positions[near]
    for start in range(0, len(positions), chunk):
        part = positions[start : start + chunk]
        y = np.rint(part[:, :1]).astype(int) + offsets  # (n, P)
        x = np.rint(part[:, 1:]).astype(int) + offsets
        dy, dx = (y - part[:, :1])[:, :, None], (x - part[:, 1:])[:, None, :]
        value = kernel(pixel_size_nm * np.hypot(dy, dx))  # (n, P, P)
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
        flat = (y[:, :, None] * width + x[:, None, :])[inside]
        frame += np.bincount(flat, value[inside], height * width).reshape(frame.shape)


def _gauss(f_nm, sigma_nm):
    """Fourier transform of a normalised 2-D Gaussian."""
    return np.exp(-2 * (np.pi * sigma_nm * f_nm) ** 2)


def _hankel(transfer, r_nm, n=200):
    """Radial profile whose 2-D Fourier transform is probe * transfer [nm^-2]."""
    from scipy.special import j0

    f_max = 2e-3 * CONVERGENCE_MRAD / WAVELENGTH_NM
    nodes, weights = np.polynomial.legendre.leggauss(n)
    f, weights = f_max * (nodes + 1) / 2, weights * f_max / 2
    return j0(2 * np.pi * np.outer(r_nm, f)) @ (
        2 * np.pi * f * probe_transfer(f) * transfer(f) * weights
    )


def _adf_transfer(f_nm):
    """Transfer of an atom seen by ADF."""
    return _gauss(f_nm, _ATOM_SIGMA_NM["ADF"])


def _bf_transfer(f_nm):
    """Transfer of an atom seen by BF: a centre and a wider surround of opposite sign."""
    return _gauss(f_nm, _ATOM_SIGMA_NM["BF"]) * (
        1 - _BF_SURROUND * _gauss(f_nm, _BF_SURROUND_SIGMA_NM)
    )


def _table(transfer, source_sigma_nm, height):
    """Tabulate a profile of a given height, smoothly to zero over the last fifth of the radius."""
    r = np.linspace(0.0, KERNEL_RADIUS_NM, 501)
    taper = np.cos(np.pi / 2 * np.clip(5 * r / KERNEL_RADIUS_NM - 4, 0, 1)) ** 2
    profile = taper * _hankel(lambda f: transfer(f) * _gauss(f, source_sigma_nm), r)
    return RadialKernel(r, height / profile[0] * profile)
