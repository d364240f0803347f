import numpy as np
import pytest

from n2v_stem_keras.simulate import multislice, structures
from n2v_stem_keras.simulate.optics import PAPER, Optics

COARSE = {"sampling_nm": 0.02}
INNER = Optics(detectors_mrad={"ADF": (40.0, 65.0), "BF": (0.0, 18.7)})


@pytest.fixture
def abtem():
    return pytest.importorskip("abtem", reason="the extra sim is not installed")


def gold(depth=0.0, y=0.23, x=0.276):
    return {"Au": np.array([[depth, y, x]])}


def test_missing_abtem_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "abtem", None)
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[sim\]'"):
        multislice.image(gold(), (12, 12), 0.046)


def test_what_cannot_be_imaged_is_refused(abtem):
    with pytest.raises(ValueError, match=r"ADF reaches to 169.3 mrad.*sample at 0.0082 nm"):
        multislice.image(gold(), (12, 12), 0.046, sampling_nm=0.02)
    with pytest.raises(ValueError, match="above the surface"):
        multislice.image(gold(-0.1), (12, 12), 0.046)
    with pytest.raises(ValueError, match="method"):
        multislice.image(gold(), (12, 12), 0.046, method="bloch")


def test_an_adatom_is_bright_in_adf_dark_in_bf_and_at_its_place(abtem):
    seen = []
    image = multislice.image(
        gold(), (11, 13), 0.046, INNER, progress=lambda *done: seen.append(done), **COARSE
    )
    assert image.shape == (11, 13, 2)
    assert image.dtype == np.float32
    assert np.unravel_index(image[..., 0].argmax(), (11, 13)) == (5, 6)
    assert np.unravel_index(image[..., 1].argmin(), (11, 13)) == (5, 6)
    assert image[..., 1].min() < 0.95 * PAPER.empty_beam("BF")
    assert seen[-1][0] == seen[-1][1] == len(seen)
    # symmetric about its atom
    assert image[4, 6] == pytest.approx(image[6, 6], rel=0.02)


def test_focus_follows_the_atom_down(abtem):
    at_surface = multislice.image(gold(), (9, 9), 0.046, INNER, **COARSE)
    deep = multislice.image(gold(2.0), (9, 9), 0.046, INNER, **COARSE)
    optics = Optics(detectors_mrad=INNER.detectors_mrad, defocus_nm=2.0)
    refocused = multislice.image(gold(2.0), (9, 9), 0.046, optics, **COARSE)
    assert np.allclose(refocused, at_surface, atol=1e-5)
    assert deep[..., 0].max() < 0.95 * at_surface[..., 0].max()


def test_prism_changes_nothing_and_tiles_next_to_nothing(abtem, monkeypatch):
    window = (-0.6, 1.1, -0.6, 1.2)
    carbon = structures.graphene(window, 2) + np.array([0.25, 0.0, 0.0])
    atoms = {"C": carbon, **gold()}
    whole = multislice.image(atoms, (9, 11), 0.046, INNER, method="multislice", **COARSE)
    prism = multislice.image(atoms, (9, 11), 0.046, INNER, method="prism", **COARSE)
    assert np.allclose(prism, whole, atol=1e-5)
    monkeypatch.setattr(multislice, "TILE_NM", 0.4)
    tiled = multislice.image(atoms, (9, 11), 0.046, INNER, method="multislice", **COARSE)
    for c in range(2):  # heights differ a little, as a cell of 1.4 nm has few angles
        assert np.corrcoef(tiled[..., c].ravel(), whole[..., c].ravel())[0, 1] > 0.99


def test_no_seams_between_tiles_and_the_empty_beam_is_exact(abtem, monkeypatch):
    monkeypatch.setattr(multislice, "TILE_NM", 0.3)
    tiles = []
    empty = multislice.image(
        {}, (9, 14), 0.046, INNER, progress=lambda *done: tiles.append(done), **COARSE
    )
    assert tiles[-1][1] > 2
    assert np.ptp(empty, axis=(0, 1)) == pytest.approx([0, 0], abs=1e-6)
    assert empty[0, 0] == pytest.approx([0, PAPER.empty_beam("BF")], abs=1e-4)


def test_interpolated_prism_keeps_the_empty_beam_and_nearly_the_image(abtem):
    options = {"shape": (9, 11), "pixel_size_nm": 0.046, "optics": INNER, **COARSE}
    empty = multislice.image({}, prism_interpolation=3, **options)
    assert empty[0, 0] == pytest.approx([0, PAPER.empty_beam("BF")], abs=1e-4)
    exact = multislice.image(gold(), **options)
    interpolated = multislice.image(gold(), prism_interpolation=3, **options)
    assert not np.allclose(interpolated, exact, rtol=1e-6)  # it is PRISM
    error = np.sqrt(np.mean((interpolated - exact) ** 2, axis=(0, 1)))
    assert np.all(error < 0.05 * np.ptp(exact, axis=(0, 1)))


def test_phonons_are_seeded_and_blur(abtem):
    def run(seed):
        return multislice.image(
            gold(), (7, 7), 0.046, INNER, phonons=2, phonon_sigma_nm=0.02, seed=seed, **COARSE
        )

    assert np.array_equal(run(1), run(1))
    assert not np.allclose(run(1), run(2), atol=1e-5)


def test_prism_pays_for_thick_specimens_only():
    thin = multislice.operations(n_probes=3000, n_slices=5, gpts=350, n_beams=1500)
    thick = multislice.operations(n_probes=3000, n_slices=800, gpts=350, n_beams=1500)
    assert thin["multislice"] < thin["prism"]
    assert thick["prism"] < thick["multislice"]
