"""Rows are put back by what a lattice, or the rows around them, say."""

import numpy as np
import pytest
from scanned_crystals import crystal, scanned
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from n2v_stem_keras.noise import Scan, estimate_noise, scan_movie
from n2v_stem_keras.undistort import (
    RowDisplacement,
    displaced_rows,
    row_displacement,
    rows_lie_beside,
    straightened,
    undistorted,
)


def atoms(**scan):
    """Scan atoms here and there, without any lattice, (1, Y, X, 1)."""
    rng = np.random.default_rng(5)
    image = np.zeros((256, 256))
    image[tuple(rng.integers(0, 256, (2, 400)))] = rng.uniform(0.5, 1, 400)
    image = gaussian_filter(image, 4.0)
    return scan_movie((image / image.max())[None, ..., None], Scan(**scan), 3, psnr_db=22)


@pytest.mark.parametrize(
    ("scan", "better"),
    [
        ({"hum_px": (0.36,), "hum_cycles": (0.21,), "jitter_px": (0.0, 0.2)}, 3),
        ({"walk_px": (0.1, 0.0)}, 2),  # along y
    ],
)
def test_rows_are_put_back(scan, better):
    movie = scanned(psnr_db=20, **scan)
    measured = row_displacement(movie.noisy[0])
    perfect, inside = crystal()[0], np.s_[8:-8, 8:-8]
    before = np.square(movie.truth[0] - perfect)[inside].mean()
    after = np.square(undistorted(movie.truth[0], measured) - perfect)[inside].mean()
    assert after < before / better


def test_a_frame_of_other_rows_is_refused():
    measured = RowDisplacement(np.zeros((5, 2)), np.ones((5, 2)), np.array([7.0]))
    with pytest.raises(ValueError, match="6 rows, 5 were measured"):
        undistorted(np.zeros((6, 8)), measured)


@pytest.mark.parametrize(
    ("movie", "expected"),
    [
        (scanned(), False),
        (scanned(jitter_px=(0.0, 0.4)), True),
        (atoms(), False),
        (atoms(glow=0.3), False),
        (atoms(jitter_px=(0.0, 1.2)), True),
    ],
)
def test_rows_lie_beside_their_places_or_not(movie, expected):
    frame = movie.noisy[0]
    assert rows_lie_beside(frame) is expected
    assert rows_lie_beside(frame[:60]) is False  # too small to tell


def test_rows_of_atoms_are_put_back_and_what_displaced_them_is_no_noise_any_more():
    movie = atoms(jitter_px=(0.0, 1.2))
    raw = movie.noisy[0]
    before = raw.copy()
    straight, moved = straightened(raw)
    np.testing.assert_array_equal(raw, before)
    true = movie.displacement_px[0, :, :, 1].mean(axis=1)
    rest = moved - true
    assert np.std((rest - gaussian_filter1d(rest, 3))[4:-4]) < 0.5 * np.std(true)
    noise = (raw - movie.truth[0]).std()
    raw, straight = (estimate_noise(frame[..., 0]) for frame in (raw, straight))
    assert raw.lag1_x > 0.06
    assert abs(straight.lag1_x) < 0.03
    assert abs(straight.sigma / noise - 1) < 0.02


def test_a_lattice_and_its_rows_together_tell_of_a_walk_and_of_jitter():
    movie = scanned(psnr_db=20, jitter_px=(0.0, 0.4), walk_px=(0.0, 0.1))
    _, moved = straightened(movie.noisy[0])
    true = movie.displacement_px[0, :, :, 1].mean(axis=1)
    rows = np.arange(len(true))
    rest = (moved - true)[4:-4]
    rest -= np.polyval(np.polyfit(rows[4:-4], rest, 1), rows[4:-4])
    assert rest.std() < 0.1


def test_a_blank_frame_tells_nothing():
    blank = np.zeros((96, 96, 2), "f4")
    assert rows_lie_beside(blank) is False
    assert straightened(blank)[1] is None


def test_rows_without_a_lattice_are_put_back_in_what_is_denoised():
    movie = atoms(jitter_px=(0.0, 1.2))
    measured = displaced_rows(movie.noisy[0])
    assert measured.rms_px == pytest.approx(1.2, rel=0.3)
    (displaced, error), likely = measured.measured_px, measured.likely_px
    assert displaced.shape == error.shape == likely.shape == (256, 2)
    assert np.isinf(error[:, 0]).all()
    perfect, inside = atoms().truth[0], np.s_[8:-8, 8:-8]
    before = np.square(movie.truth[0] - perfect)[inside].mean()
    after = np.square(undistorted(movie.truth[0], measured) - perfect)[inside].mean()
    assert after < 0.6 * before
    assert displaced_rows(atoms().noisy[0]) is None
    assert displaced_rows(atoms().noisy[0][:40]) is None


def test_a_lattice_comes_first():
    measured = displaced_rows(scanned(psnr_db=20, walk_px=(0.1, 0.1)).noisy[0])
    assert measured.rms_px == measured.lattice.rms_px[1]
    np.testing.assert_array_equal(measured.measured_px[0], measured.lattice.displacement_px)
    assert np.abs(measured.likely_px[:, 0]).max() > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_straight_rows_of_a_scan_that_stopped_stay(seed):
    movie = scanned(psnr_db=20)
    frame = movie.noisy[0].astype(np.float32)
    stopped = frame.copy()
    stopped[150 + 20 * seed :] = 0
    straight, moved = straightened(stopped)
    assert moved is None or np.abs(moved).max() < 0.1
    np.testing.assert_array_equal(straight[160 + 20 * seed :], 0)


def test_rows_of_a_scan_that_stopped_are_put_back_as_those_of_a_whole_one():
    movie = scanned(psnr_db=20, jitter_px=(0.0, 0.4))
    frame = movie.noisy[0].astype(np.float32)
    whole = displaced_rows(frame).likely_px[:180]
    stopped = frame.copy()
    stopped[200:] = 0
    found = displaced_rows(stopped)
    assert found.likely_px.shape == (len(frame), 2)
    np.testing.assert_array_equal(found.likely_px[200:], 0)
    assert np.isinf(found.measured_px[1][200:]).all()
    off = (found.likely_px[:180] - whole)[:, 1]
    assert (off - off.mean()).std() < 0.1
