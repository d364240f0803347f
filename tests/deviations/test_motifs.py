"""Columns and their images are learnt from frames in which they overlap."""

import crystals
import numpy as np
import pytest

from n2v_stem_keras.deviations.columns import Columns, columns_of, heights_at
from n2v_stem_keras.deviations.motifs import Motifs, kinds_of, stamped

SIGNS = (1, -1)


def drawn_columns(frame, signs):
    places = columns_of(frame, signs, crystals.SIZE_NM)
    return Columns(places, heights_at(frame, places))


@pytest.fixture(scope="module")
def frame():
    return crystals.drawn(crystals.places())


@pytest.fixture(scope="module")
def motifs(frame):
    return Motifs.tried([frame], [drawn_columns(frame, SIGNS)], crystals.SIZE_NM)[0]


def test_columns_are_found_to_a_fraction_of_a_pixel():
    true = np.concatenate(crystals.places(shift=(0.3, -0.4)))
    frame = crystals.drawn(crystals.places(shift=(0.3, -0.4)))
    found = columns_of(frame, SIGNS, crystals.SIZE_NM)
    seen = true[(true > 2).all(1) & (true < 93).all(1)]
    apart = np.linalg.norm(found[:, None] - seen, axis=-1)
    assert apart.min(axis=0).max() < 0.15
    assert len(found) < 1.1 * len(true)


def test_a_dark_detector_alone_shows_them_too(frame):
    found = columns_of(frame[..., 1:], (-1,), crystals.SIZE_NM)
    apart = np.linalg.norm(found[:, None] - [[48.0, 48.0], [51.0, 51.0]], axis=-1)
    assert apart.min(axis=0).max() < 0.1


def test_kinds_are_told_by_their_heights():
    rng = np.random.default_rng(0)
    heights = np.concatenate([np.full((40, 2), (1.0, -1)), np.full((60, 2), (3.0, -2))])
    kinds, apart = kinds_of(heights + rng.normal(0, 0.05, heights.shape))
    assert kinds.tolist() == [1] * 40 + [0] * 60
    assert not apart


def test_equal_columns_are_of_one_kind():
    rng = np.random.default_rng(0)
    kinds, apart = kinds_of(2 + rng.normal(0, 0.05, (100, 1)))
    assert not kinds.any()
    assert not apart


def test_atoms_that_stand_out_are_a_kind_of_their_own():
    rng = np.random.default_rng(0)
    heights = np.concatenate([rng.uniform(4, 12, 15), rng.normal(1, 0.05, 500)])[:, None]
    kinds, apart = kinds_of(heights)
    assert apart
    assert (kinds[:15] == 0).all()
    assert (kinds[15:] > 0).all()


def test_the_image_of_one_column_is_found_though_neighbours_overlap(motifs):
    assert len(motifs) == 2
    assert motifs.share > 0.98
    r = np.arange(4)
    for kind, heights in enumerate(crystals.HEIGHTS):
        true = heights[:, None] * np.exp(-(r**2) / (2 * crystals.WIDTH_PX**2))
        gaussians = np.exp(-(r**2) / (2 * motifs.widths[:, None] ** 2))
        np.testing.assert_allclose(motifs.weights[kind] @ gaussians, true, atol=0.3)


def test_norms_and_overlaps_are_those_of_the_images(motifs):
    shape = (60, 60, 2)

    def image(x, kind):
        return motifs.drawn(np.array([[30.0, x]]), np.array([kind]), np.ones(1), shape)

    assert motifs.norms[0] == pytest.approx(np.linalg.norm(image(30, 0)), rel=0.01)
    product = float((image(30, 0) * image(33.3, 1)).sum())
    assert motifs.overlap(0, 1, np.array([3.3]))[0] == pytest.approx(product, rel=0.02)


def test_filtering_gives_what_correlation_with_the_image_does(motifs):
    image = np.random.default_rng(0).normal(size=(60, 60, 2)).astype(np.float32)
    one = motifs.drawn(np.array([[30.0, 31.0]]), np.array([1]), np.ones(1), image.shape)
    expected = float((one * image).sum())
    assert motifs.filtered(image)[1, 30, 31] == pytest.approx(expected, abs=0.02 * motifs.norms[1])


def test_what_is_missing_shows_an_image_better_than_a_lattice(motifs):
    true = motifs.weights + 0.3 * np.abs(motifs.weights).max(axis=(1, 2), keepdims=True)
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(12.0, 190, 20)] * 2), axis=-1).reshape(-1, 2)[:80]
    places, kinds = grid + rng.uniform(-3, 3, grid.shape), np.tile([0, 1], 40)
    of = Motifs(motifs.widths, true, motifs.heights, 1.0, False)
    residual = -of.drawn(places, kinds, np.ones(80), (200, 200, 2))
    residual = residual + rng.normal(size=residual.shape)
    refined = motifs.refined([residual], [(places, kinds, -np.ones(80), np.ones(80))])
    options = np.array([[20.0, 20.0]]), np.ones(1), (40, 40, 2)
    for kind in (0, 1):
        wanted, before, after = (
            m.drawn(options[0], np.array([kind]), *options[1:]) for m in (of, motifs, refined)
        )
        assert unlike(after, wanted) < 0.15 * unlike(before, wanted)
        # as high as the lattice shows it
        assert (before * after).sum() == pytest.approx((before**2).sum(), rel=1e-3)


def unlike(image, wanted):
    """Share of an image that is no multiple of another."""
    return 1 - (image * wanted).sum() ** 2 / ((image**2).sum() * (wanted**2).sum())


def test_without_columns_there_are_no_motifs():
    frame = np.ones((40, 40, 1))
    assert Motifs.tried([frame], [drawn_columns(frame, (1,))], crystals.SIZE_NM) == []


def test_stamps_beyond_the_border_are_cut_off():
    image = stamped(np.array([[0.0, 5.0]]), np.ones(1), (12, 12), 1.5)
    assert image[0, 5] == pytest.approx(1)
    assert image[-1].max() == 0
