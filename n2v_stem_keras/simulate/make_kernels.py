"""Compute the kernels of `fast` with abTEM: ``python -m n2v_stem_keras.simulate.make_kernels``.

Two kinds, both without the blur of the source:

- **isolated**: the image of a single atom at each of several depths, for several elements.
- **in graphene**, for one to six layers. Scattering is not quite linear: in ADF the carbon columns
  of a perfect stack are 1.7 times as strong as the sum of their atoms, in BF 0.6 times, since the
  waves from atoms above each other interfere. A periodic lattice has but a few Fourier
  coefficients, so the carbon kernels are corrected at just those frequencies (shared by all odd
  and by all even layers, smooth in between), which makes the linear image of the perfect stack
  equal to that of multislice. Au is the mean over azimuth and over several places of an adatom
  of (stack with adatom) - (stack without): the best radially symmetric kernel that there is.

Takes about half an hour on two cores. Writes ``kernels.npz`` beside this file.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np

from ..atomic import atomic
from . import multislice, structures
from .optics import PAPER
from .specimen import ADATOM_HEIGHT_NM

ELEMENTS = ("B", "C", "N", "O", "Si", "S", "Ti", "Se", "Sr", "Mo", "W", "Pt", "Au")
DEPTHS_NM = np.arange(0.0, 2.51, 0.25)
R_NM = np.arange(0.0, 0.801, 0.01)
LAYERS = range(1, 7)
SHELLS_NM = (0.0, 4.694, 8.130, 9.388, 12.419, 14.082)  # |f| of graphene's orders in the transfer
N_PLACES, N_ANGLES = 8, 12
_MARGIN_NM = 1.0


def isolated(element, depth_nm):
    """Image of one atom against the distance from it, (C, R) [fraction of the beam]."""
    places = np.column_stack([np.zeros(len(R_NM)), R_NM])
    run = {"method": "multislice", "margin_nm": _MARGIN_NM}
    atom = multislice.signals({element: np.array([[depth_nm, 0.0, 0.0]])}, places, **run)
    return (atom - _empty_beam(len(R_NM), R_NM[-1])).T


@cache
def _empty_beam(n_places, span_nm):
    """Signal without a specimen in a cell around a row of places, (C,).

    Detectors cut the cell's discrete angles, so that it differs a little from cell to cell.
    """
    places = np.column_stack([np.zeros(n_places), np.linspace(0.0, span_nm, n_places)])
    return multislice.signals({}, places, method="multislice", margin_nm=_MARGIN_NM).mean(axis=0)


def hankel(values, r_nm, f_nm):
    """Fourier transform at |f| of radial functions (..., R) given at r, (..., F).

    Its own inverse with r and f exchanged. Simpson's rule.
    """
    from scipy.integrate import simpson
    from scipy.special import j0

    kernel = 2 * np.pi * r_nm * j0(2 * np.pi * np.outer(f_nm, r_nm))  # (F, R)
    return simpson(np.asarray(values)[..., None, :] * kernel, x=r_nm, axis=-1)


def carbon_in_graphene(n_layers, single):
    """Kernels of the carbon atoms of each layer of a perfect stack, (layers, C, R).

    Parameters
    ----------
    n_layers : int
        Layers.
    single : numpy.ndarray
        (layers, C, R) kernels of isolated atoms at the layers' depths.
    """
    coefficients, orders = lattice_coefficients(n_layers)
    f = np.linspace(0.0, PAPER.cutoff_nm, 401)
    shells = np.linalg.norm(orders, axis=1)
    layer = np.arange(n_layers) % 2
    kernel = hankel(single, R_NM, f)  # (layers, C, F)
    for parity, added in _corrections(coefficients, orders, shells, hankel(single, R_NM, shells)):
        smooth = _smooth(added, f)  # (C, F)
        kernel[layer == parity] += smooth / np.count_nonzero(layer == parity)
    back = hankel(kernel, f, R_NM)
    return back * _fade(R_NM)


def lattice_coefficients(n_layers):
    """Fourier coefficients of the multislice image of a perfect stack.

    Returns
    -------
    coefficients : numpy.ndarray
        (orders, C) complex [fraction of the beam], that of f = 0 above the empty beam.
    orders : numpy.ndarray
        (orders, 2) frequencies y, x [nm^-1], those within the transfer of the probe.
    """
    cell = np.array([3 * structures.CARBON_BOND_NM, structures.LATTICE_CONSTANT_NM])
    n = np.array([20, 12])  # more than twice the highest order within the transfer
    grid = np.stack(np.meshgrid(*(np.arange(k) / k for k in n), indexing="ij"), -1).reshape(-1, 2)
    run = {"method": "multislice", "margin_nm": _MARGIN_NM}
    stack = {"C": _stack(n_layers, reach_nm=2.0)}
    image = multislice.signals(stack, grid * cell, **run)
    image -= multislice.signals({}, grid * cell, **run)
    spectrum = np.fft.fft2(image.reshape(*n, -1), axes=(0, 1)) / n.prod()
    index = np.stack(np.meshgrid(*(np.fft.fftfreq(k, 1 / k) for k in n), indexing="ij"), -1)
    kept = np.linalg.norm(index / cell, axis=-1) < PAPER.cutoff_nm
    kept &= (index.sum(axis=-1) % 2) == 0  # the rectangular cell is centred
    return spectrum[kept], index[kept] / cell


def _stack(n_layers, reach_nm):
    """Perfect graphene with zigzag rows along x, below a surface at z = 0, (n, 3) z, y, x [nm]."""
    window = (-reach_nm, reach_nm + 0.5, -reach_nm, reach_nm + 0.5)
    atoms = structures.graphene(window, n_layers)
    return atoms + np.array([ADATOM_HEIGHT_NM, 0.0, 0.0])


def _corrections(coefficients, orders, shells, single):
    """Find what to add to the kernels' transforms at each shell: parity and (shells, C).

    Solved by least squares with the smallest norm, so that odd and even layers share what the
    lattice does not tell apart.
    """
    n_layers = single.shape[0]
    layer = np.arange(n_layers) % 2
    phases = np.stack([_layer_phase(orders, parity) for parity in (0, 1)], axis=-1)  # (orders, 2)
    linear = np.einsum("lco,ol->oc", single, phases[:, layer])
    missing = coefficients - linear
    found = np.zeros((2, len(SHELLS_NM), missing.shape[1]))
    present = [parity for parity in (0, 1) if np.any(layer == parity)]
    for s, shell in enumerate(SHELLS_NM):
        rows = np.abs(shells - shell) < 0.05
        matrix = phases[rows][:, present]
        matrix = np.concatenate([matrix.real, matrix.imag])
        right = np.concatenate([missing[rows].real, missing[rows].imag])
        found[present, s] = np.linalg.lstsq(matrix, right, rcond=1e-6)[0]
    return [(parity, found[parity]) for parity in present]


def _layer_phase(orders, parity):
    """Structure factor of one layer per area [nm^-2] at frequencies (n, 2), (n,)."""
    bond = structures.CARBON_BOND_NM
    atoms = np.array([[bond, 0.0], [-bond, 0.0]]) + np.array([bond * parity, 0.0])
    area = 3**0.5 / 2 * structures.LATTICE_CONSTANT_NM**2
    return np.exp(-2j * np.pi * orders @ atoms.T).sum(axis=1) / area


def _smooth(at_shells, f_nm):
    """Interpolate values at the shells (shells, C) to any frequency, to 0 at the cutoff, (C, F)."""
    from scipy.interpolate import PchipInterpolator

    nodes = [*SHELLS_NM, PAPER.cutoff_nm]
    return PchipInterpolator(nodes, np.vstack([at_shells, 0 * at_shells[:1]]))(f_nm).T


def adatom_on_graphene(n_layers, element="Au", seed=0):
    """Mean image of an adatom on a stack beyond that of the stack, (C, R)."""
    rng = np.random.default_rng(seed)
    r = R_NM[::2]
    angles = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    places = r[:, None, None] * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    places = places.reshape(-1, 2)
    stack, mean = _stack(n_layers, reach_nm=2.5), 0.0
    run = {"method": "multislice", "margin_nm": _MARGIN_NM}
    for _ in range(N_PLACES):
        shift = rng.uniform(0.0, 0.5, 2)
        carbon = stack - [0.0, *shift]
        adatom = np.zeros((1, 3))
        with_it = multislice.signals({"C": carbon, element: adatom}, places, **run)
        mean = mean + with_it - multislice.signals({"C": carbon}, places, **run)
    mean = mean.reshape(len(r), N_ANGLES, -1).mean(axis=1).T / N_PLACES
    from scipy.interpolate import CubicSpline

    return CubicSpline(r, mean, axis=1)(R_NM) * _fade(R_NM)


def _fade(r_nm):
    """Weight that goes smoothly to 0 over the last fifth of the radius."""
    return np.cos(np.pi / 2 * np.clip(5 * r_nm / r_nm[-1] - 4, 0, 1)) ** 2


def main(argv=None):
    """Compute everything and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=Path(__file__).with_name("kernels.npz"), type=Path)
    args = parser.parse_args(argv)
    depths = [ADATOM_HEIGHT_NM + n * structures.INTERLAYER_NM for n in LAYERS]
    table = {"r_nm": R_NM, "depths_nm": DEPTHS_NM}
    for element in ELEMENTS:
        single = np.stack([isolated(element, depth) for depth in DEPTHS_NM])
        table[f"isolated_{element}"] = single * _fade(R_NM)
        print(f"isolated {element}", flush=True)
    single = np.stack([isolated("C", depth) for depth in depths])
    for n_layers in LAYERS:
        table[f"graphene_{n_layers}_C"] = carbon_in_graphene(n_layers, single[:n_layers])
        table[f"graphene_{n_layers}_Au"] = adatom_on_graphene(n_layers)
        print(f"graphene of {n_layers} layers", flush=True)
    with atomic(args.out) as temporary:
        np.savez_compressed(temporary, **{key: np.float32(value) for key, value in table.items()})
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
