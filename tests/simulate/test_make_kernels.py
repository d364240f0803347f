import numpy as np
import pytest

from n2v_stem_keras.simulate import make_kernels
from n2v_stem_keras.simulate.optics import PAPER


def test_hankel_of_a_gaussian_is_a_gaussian_and_its_own_inverse():
    sigma, r, f = 0.05, make_kernels.R_NM, np.linspace(0.0, PAPER.cutoff_nm, 401)
    gaussian = np.exp(-(r**2) / (2 * sigma**2))
    transform = make_kernels.hankel(gaussian, r, f)
    exact = 2 * np.pi * sigma**2 * np.exp(-2 * (np.pi * sigma * f) ** 2)
    assert np.abs(transform - exact).max() < 1e-3 * exact[0]
    assert np.abs(make_kernels.hankel(transform, f, r) - gaussian).max() < 4e-3


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_corrections_give_the_lattice_the_coefficients_asked_for(n_layers):
    """Odd and even layers are corrected so that the sum over layers is what multislice found."""
    orders = np.array([[0.0, 0.0], [4.694, 0.0], [2.347, 4.065], [0.0, 8.130]])
    shells = np.linalg.norm(orders, axis=1)
    layer = np.arange(n_layers) % 2
    phases = np.stack([make_kernels._layer_phase(orders, parity) for parity in (0, 1)], axis=-1)
    rng = np.random.default_rng(n_layers)
    single = rng.normal(size=(n_layers, 2, len(orders)))
    # reachable: real kernels, those of a parity alike beyond the isolated ones, equal on a shell
    wanted = rng.normal(size=(2, 2, 3))[:, :, [0, 1, 1, 2]]
    missing = sum(
        phases[:, parity, None] * wanted[parity].T for parity in (0, 1) if np.any(layer == parity)
    )
    coefficients = np.einsum("lco,ol->oc", single, phases[:, layer]) + missing
    found = dict(make_kernels._corrections(coefficients, orders, shells, single))
    index = [list(make_kernels.SHELLS_NM).index(s) for s in (0.0, 4.694, 4.694, 8.130)]
    total = sum(phases[:, parity, None] * added[index] for parity, added in found.items())
    assert np.allclose(total, missing, atol=1e-6)
