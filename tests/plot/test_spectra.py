"""Spectra and folded polar maps: orders where they are, one intensity range, SNR as measured."""

import numpy as np
import pytest

from n2v_stem_keras.metrics.fourier import GRAPHENE_ORDERS_NM
from n2v_stem_keras.plot import spectra

PIXEL_NM = 0.046


@pytest.fixture
def lattice():
    """Six-fold waves of the first order of graphene, (128, 128)."""
    y, x = np.mgrid[:128, :128] * PIXEL_NM
    angles = np.arange(3) * np.pi / 3
    waves = [np.cos(2 * np.pi * GRAPHENE_ORDERS_NM[0] * (x * np.cos(a) + y * np.sin(a)))
             for a in angles]  # fmt: skip
    return 100 + sum(waves)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw panels; return the figure that would be saved."""

    def draw(*panels, **options):
        figures = []
        monkeypatch.setattr(spectra, "save", lambda figure, path, *_, **__: figures.append(figure))
        rows = [{"name": "BF", "panels": list(panels)}]
        spectra.fourier_panels(tmp_path / "f.png", rows, PIXEL_NM, **options)
        return figures[0]

    return draw


def images(figure):
    """What the panels show, in the order in which they are drawn."""
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_all_panels_of_a_row_have_one_range(drawn, lattice):
    noisy = lattice + np.random.default_rng(0).normal(0, 5, lattice.shape)
    figure = drawn(("noisy", noisy), ("truth", lattice))
    limits = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert len(limits) == 4
    assert limits[0] == limits[1]
    assert limits[2] == limits[3]
    # black lies below what is left of the noise, but not so far that the lattice is all there is
    low, high = limits[0]
    middle = np.median(images(figure)[0])
    assert low < middle < high


def test_a_gain_makes_every_panel_brighter_and_nothing_else(drawn, lattice):
    noisy = lattice + np.random.default_rng(0).normal(0, 1, lattice.shape)
    once, again = (drawn(("noisy", gain * noisy)) for gain in (1, 1000))
    for one, other in zip(images(once), images(again)):
        # powers of ten; at zero frequency there is nothing but rounding
        assert np.mean(np.isclose(other - one, 3, atol=1e-3)) > 0.97


def test_frames_are_left_as_they_are(drawn, lattice):
    before = lattice.copy()
    lattice.setflags(write=False)
    drawn(("truth", lattice), max_frequency=8)
    assert np.array_equal(lattice, before)


def test_polar_maps_of_all_detectors_stand_below_all_magnitudes_where_asked(
    tmp_path, monkeypatch, lattice
):
    figures = []
    monkeypatch.setattr(spectra, "save", lambda figure, path, *_, **__: figures.append(figure))
    rows = [{"name": name, "panels": [("truth", lattice)]} for name in ("ADF", "BF")]
    for last in (False, True):
        spectra.fourier_panels(tmp_path / "f.png", rows, PIXEL_NM, maps_last=last)
    found = [
        [ax.get_ylabel().replace("\n", " ") for ax in figure.axes if ax.get_ylabel()]
        for figure in figures
    ]
    magnitude = "$f_y$ [nm$^{-1}$]"
    assert found[0] == [f"ADF {magnitude}", "angle [deg]", f"BF {magnitude}", "angle [deg]"]
    assert found[1] == [f"ADF {magnitude}", f"BF {magnitude}", "ADF angle [deg]", "BF angle [deg]"]
