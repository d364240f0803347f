"""Virtual detectors of 4D data; those through LiberTEM are skipped where it is not installed."""

import numpy as np
import pytest

from n2v_stem_keras.interop.libertem import ring, virtual_movie

DETECTORS = {"ADF": (4, 8), "BF": (0, 3)}


def test_rings_are_apart_and_round():
    adf, bf = ring((16, 17), "ADF", 4, 8), ring((16, 17), "BF", 0, 3)
    assert not (adf & bf).any()
    assert bf.sum() == pytest.approx(np.pi * 9, rel=0.15)
    assert adf.sum() == pytest.approx(np.pi * (64 - 16), rel=0.15)
    np.testing.assert_array_equal(adf, adf[::-1, ::-1])
    moved = ring((16, 17), "BF", 0, 3, centre=(9.5, 7))
    np.testing.assert_array_equal(np.roll(bf, (2, -1), (0, 1)), moved)


@pytest.mark.parametrize("radii", [(3, 3), (5, 2), (100, 200)])
def test_a_ring_without_pixels_is_refused(radii):
    with pytest.raises(ValueError, match=r"detector 'BF': no pixel of 16x16 lies from"):
        ring((16, 16), "BF", *radii)


@pytest.fixture(scope="module")
def four_d():
    """Two scans of a lattice that scatters to the outside, (T, Y, X, ky, kx)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :36]
    atoms = np.exp(4 * (np.cos(0.7 * x) + np.cos(0.8 * y)) - 8)
    outer = ring((16, 16), "ADF", *DETECTORS["ADF"])
    inner = ring((16, 16), "BF", *DETECTORS["BF"])
    beam = 0.5 * inner * (2 - atoms[..., None, None]) + 0.6 * outer * atoms[..., None, None]
    return rng.poisson(np.stack([beam, beam])).astype(np.float32)


@pytest.fixture(scope="module")
def load():
    lt = pytest.importorskip("libertem.api")
    context = lt.Context.make_with("inline")
    return lambda data, n=2: context.load("memory", data=data, sig_dims=n)


def test_virtual_detectors_are_sums_over_rings(load, four_d):
    movie = virtual_movie(load(four_d), DETECTORS)
    assert movie.shape == (2, 40, 36, 2)
    assert movie.dtype == np.float32
    assert movie.chunks[0] == (1, 1)
    expected = [
        (four_d * ring((16, 16), name, *radii)).sum(axis=(-2, -1))
        for name, radii in DETECTORS.items()
    ]
    found = movie.compute(scheduler="threads")
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), rtol=1e-5)
    one = virtual_movie(load(four_d[0]), DETECTORS)
    np.testing.assert_allclose(one.compute(scheduler="threads"), found[:1], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:array")  # no scan that the model knows
def test_they_are_denoised_lazily(load, four_d):
    pytest.importorskip("onnxruntime")
    from n2v_stem_keras import open_model

    model = open_model("graphene-au-live", "onnx")
    movie = virtual_movie(load(four_d), DETECTORS)
    lazy = model.predict(movie, detectors=("ADF", "BF"))
    assert type(lazy).__module__.startswith("dask")
    found = lazy.compute(scheduler="threads")
    raw = movie.compute(scheduler="threads")
    expected = model.predict(raw, "TYXC", detectors=("ADF", "BF"))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * raw.std())
    assert np.abs(found - raw).max() > 0.1 * raw.std()


def test_other_dimensions_are_refused(load, four_d):
    with pytest.raises(ValueError, match=r"expected \(Y, X\) or \(T, Y, X\)"):
        virtual_movie(load(four_d[0, 0]), DETECTORS)
    with pytest.raises(ValueError, match="a detector with two axes"):
        virtual_movie(load(four_d[0, 0], 1), DETECTORS)


def test_without_libertem_it_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "libertem.contrib.daskadapter", None)
    monkeypatch.setitem(sys.modules, "libertem", None)
    with pytest.raises(ImportError, match="pip install libertem dask"):
        virtual_movie(None, DETECTORS)
