"""Holes in a perfect lattice: found where a model tears them, and nowhere else."""

import numpy as np
import pytest

from n2v_stem_keras.check import false_holes, lattice_in_hole
from n2v_stem_keras.check.false_holes import contrasts, holes_among

BOTH = ("ADF", "BF")


def torn(movie, radius_px=25, times=slice(None)):
    """Flatten a disc of some frames."""
    out = np.array(movie)
    y, x = np.indices(movie.shape[1:3])
    disc = np.hypot(y - 60, x - 130) < radius_px
    out[times, disc] = movie[:, disc].mean(axis=(0, 1))
    return out


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_lattice_has_no_holes_however_weakly_it_is_drawn(share):
    for found in false_holes(lambda m: share * m, BOTH, 40, n_frames=2):
        assert (found.share, found.n_holes) == (0, 0)
        assert found.contrast == pytest.approx(share, abs=0.02)


def test_a_hole_is_measured_and_counted_once_a_movie():
    for found in false_holes(torn, BOTH, 40, n_frames=4):
        assert found.n_holes == 2  # in each of two movies
        area = np.pi * 25**2 / (256 - 2 * 11) ** 2
        assert 0.5 * area < found.share < 1.1 * area
    for found in false_holes(lambda m: torn(m, times=[0]), BOTH, 40, n_frames=4):
        assert found.n_holes == 2
        assert 0.25 * area < found.share < 0.55 * area
        # the picture shows the frame that is torn
        assert found.denoised[55:65, 125:135].std() < 0.2 * found.denoised.std()


def test_frames_by_themselves_are_looked_at_beside_the_hole():
    for found in lattice_in_hole(lambda m: m, BOTH, 1.0, 40, n_frames=2):
        assert (found.missing, found.n_missing) == (0, 0)
    for found in lattice_in_hole(torn, BOTH, 1.0, 40, n_frames=2):
        assert found.n_missing == 2
        assert 0.01 < found.missing < 0.05


def test_contrast_is_that_of_the_place():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((1, 200, 200))
    drawn = clean * np.where(np.arange(200) < 100, 0.2, 1.0) + 7
    slopes = contrasts(clean, drawn, 0.046)
    assert slopes[:, :, :60] == pytest.approx(0.2, abs=0.02)
    assert slopes[:, :, -60:] == pytest.approx(1.0, abs=0.02)
    share, number, mean = holes_among(slopes, slopes[0] < 0.5)
    assert (share, number) == (0, 0)  # where nothing is drawn better, there is no hole
    assert mean == pytest.approx(0.2, abs=0.02)
