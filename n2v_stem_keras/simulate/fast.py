"""Linear imaging: each atom adds a radially symmetric kernel, one per detector, element and depth.

Fast enough to make training and test movies on the spot, without abTEM, where the paper (Methods,
simulation) computed single frames by multislice. The kernels were computed by multislice
(`make_kernels`; the optics of the paper, `optics.PAPER`) and ship with the package. Adatoms on the
surface in focus come out bright in ADF and dark in BF.

What linear imaging leaves out: how neighbouring adatoms, and an adatom and the very carbon atoms
below it, change each other's images. How much that is, `benchmarks/fast_vs_multislice.py` prints.

All kernels of a layer are added at once: atoms are spread over a grid of half the pixel size as
cubic B-splines, convolved by FFT with the kernel (and with the inverse of the spline, Hockney and
Eastwood, Computer Simulation Using Particles, ch. 5), and every other grid point is kept. The
kernels' band limit makes this exact to 0.3 % of a kernel's height at any sub-pixel position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from .optics import PAPER

DETECTORS = tuple(PAPER.detectors_mrad)
KERNEL_RADIUS_NM = 0.8
SOURCE_SIGMA_NM = PAPER.source_sigma_nm
LATTICES = ("isolated", "graphene")
_FINEST_NM = 0.025  # grid spacing at which the kernels' band (15.3 nm^-1) is far from aliasing
_FREQUENCIES = 512


@dataclass(frozen=True)
class Kernels:
    """Kernels of one element, on all detectors, as functions of depth.

    Attributes
    ----------
    r_nm : numpy.ndarray
        (R,) distances from the atom [nm].
    depths_nm : numpy.ndarray
        (D,) depths below the surface in focus [nm].
    values : numpy.ndarray
        (D, C, R) kernels [fraction of the beam], without the blur of the source.
    """

    r_nm: np.ndarray
    depths_nm: np.ndarray
    values: np.ndarray

    def at(self, depth_nm):
        """Kernels at one depth, interpolated between the tabulated ones, (C, R)."""
        index = np.interp(depth_nm, self.depths_nm, np.arange(len(self.depths_nm)))
        low = int(index)
        high = min(low + 1, len(self.values) - 1)
        return self.values[low] + (index - low) * (self.values[high] - self.values[low])


@cache
def _table():
    with np.load(Path(__file__).with_name("kernels.npz"), allow_pickle=False) as file:
        return {key: file[key].astype(float) for key in file.files}


def elements():
    """Return the symbols of the elements that have kernels."""
    return tuple(key.removeprefix("isolated_") for key in _table() if key.startswith("isolated_"))


def kernels(element, lattice="isolated", n_layers=4):
    """Kernels of an element.

    Parameters
    ----------
    element : str
        Symbol.
    lattice : {"isolated", "graphene"}
        Surroundings for which they were computed: none, or Bernal graphene below the adatoms,
        where C and Au have kernels of their own and every other element those of an isolated atom.
    n_layers : int
        Layers of graphene, 1 to 6.

    Returns
    -------
    Kernels

    Raises
    ------
    ValueError
        No kernels for this element, lattice or number of layers.
    """
    from .specimen import ADATOM_HEIGHT_NM
    from .structures import INTERLAYER_NM

    table = _table()
    if lattice not in LATTICES:
        raise ValueError(f"lattice is {lattice!r}; expected one of {LATTICES}")
    if element not in elements():
        raise ValueError(
            f"no kernels for the element {element!r}; there are {', '.join(elements())}. "
            "imaging='multislice' takes any element"
        )
    if lattice == "isolated":
        return Kernels(table["r_nm"], table["depths_nm"], table[f"isolated_{element}"])
    if f"graphene_{n_layers}_C" not in table:
        raise ValueError(
            f"no kernels for graphene of {n_layers} layers, expected 1 to 6; "
            "imaging='multislice' takes any number"
        )
    if element == "C":
        depths = ADATOM_HEIGHT_NM + INTERLAYER_NM * np.arange(n_layers)
        return Kernels(table["r_nm"], depths, table[f"graphene_{n_layers}_C"])
    if element == "Au":
        return Kernels(table["r_nm"], np.zeros(1), table[f"graphene_{n_layers}_Au"][None])
    return kernels(element)


def background(detector):
    """Signal of the empty beam on a detector [fraction of the beam]."""
    return PAPER.empty_beam(detector)


def contrast(
    atoms,
    shape,
    pixel_size_nm,
    lattice="isolated",
    n_layers=4,
    source_sigma_nm=SOURCE_SIGMA_NM,
):
    """Sum of the atoms' kernels on all detectors, above the empty beam.

    Parameters
    ----------
    atoms : dict
        element -> (n, 3) positions z, y, x [nm]; z is the depth below the surface in focus, pixel
        (0, 0) is centred at y = x = 0. Atoms outside the frame count as far as their kernels
        reach into it (0.8 nm).
    shape : tuple of int
        (Y, X) [px].
    pixel_size_nm : float
        [nm/px].
    lattice, n_layers
        Which kernels, as in `kernels`.
    source_sigma_nm : float
        Standard deviation of the Gaussian effective source [nm].

    Returns
    -------
    numpy.ndarray
        (Y, X, C) float64 [fraction of the beam], C as in `DETECTORS`.
    """
    fine = max(1, int(np.ceil(pixel_size_nm / _FINEST_NM)))
    step = pixel_size_nm / fine
    border = int(np.ceil(KERNEL_RADIUS_NM / step)) + 2
    grid = _grid(shape, fine, border)
    spectrum = np.zeros((len(DETECTORS), grid[0], grid[1] // 2 + 1), np.complex128)
    f_nm = _frequencies(grid, step)
    for element, positions in atoms.items():
        positions = np.asarray(positions, float).reshape(-1, 3)
        table = kernels(element, lattice, n_layers)
        for depth in np.unique(np.round(positions[:, 0], 4)):
            layer = positions[np.abs(positions[:, 0] - depth) < 1e-4, 1:]
            spread = np.fft.rfft2(_spread(layer / step + border, grid))
            transfer = _transfer(table, float(depth), source_sigma_nm)
            for c, values in enumerate(transfer):
                spectrum[c] += spread * np.interp(f_nm, _f_grid(), values)
    spectrum /= _spline(grid) * step**2
    last = [border + fine * n for n in shape]
    image = np.fft.irfft2(spectrum, grid)[:, border : last[0] : fine, border : last[1] : fine]
    return np.moveaxis(image, 0, -1)


def _grid(shape, fine, border):
    """Points of the grid, with a border, good for FFT."""
    from scipy.fft import next_fast_len

    return tuple(next_fast_len(fine * n + 2 * border, real=True) for n in shape)


def _frequencies(grid, step):
    """Magnitude |f| of the spatial frequencies of rfft2 [nm^-1]."""
    return np.hypot(np.fft.fftfreq(grid[0], step)[:, None], np.fft.rfftfreq(grid[1], step))


def _f_grid():
    """Frequencies at which transfers are tabulated, to the cutoff of the probe [nm^-1]."""
    return np.linspace(0.0, PAPER.cutoff_nm, _FREQUENCIES)


def _transfer(table, depth_nm, source_sigma_nm):
    """Fourier transforms of the kernels with the source's blur, (C, F), 0 at the cutoff."""
    from scipy.integrate import simpson
    from scipy.special import j0

    f = _f_grid()
    radial = table.at(depth_nm)[:, None, :] * (
        2 * np.pi * table.r_nm * j0(2 * np.pi * np.outer(f, table.r_nm))
    )
    transfer = simpson(radial, x=table.r_nm, axis=-1)
    transfer *= np.exp(-2 * (np.pi * source_sigma_nm * f) ** 2)
    transfer[:, -1] = 0.0
    return transfer


def _spread(positions, grid):
    """Spread points (n, 2) [grid spacings] over a grid as cubic B-splines."""
    near = np.all((positions > 1) & (positions < np.array(grid) - 2), axis=1)
    positions = positions[near]
    corner = np.floor(positions).astype(int)
    weights = _bspline_weights(positions - corner)  # (2, 4, n)
    flat, value = [], []
    for i in range(4):
        for j in range(4):
            flat.append((corner[:, 0] + i - 1) * grid[1] + corner[:, 1] + j - 1)
            value.append(weights[0, i] * weights[1, j])
    total = np.bincount(np.concatenate(flat), np.concatenate(value), grid[0] * grid[1])
    return total.reshape(grid)


def _bspline_weights(fraction):
    """Cubic B-spline at the four nearest grid points of a point, (2, 4, n)."""
    t = fraction.T[:, None, :]
    return np.concatenate(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ],
        axis=1,
    ) / 6  # fmt: skip


def _spline(grid):
    """Fourier transform of the spread spline, on the grid of rfft2."""
    return np.sinc(np.fft.fftfreq(grid[0]))[:, None] ** 4 * np.sinc(np.fft.rfftfreq(grid[1])) ** 4
