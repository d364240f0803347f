"""By how much rows lie beside those around them is told, to the error that is said."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from n2v_stem_keras.noise import Scan, scan_movie
from n2v_stem_keras.undistort import row_jitter


def scanned(psnr_db=18, seed=0, **scan):
    """Scan atoms here and there, (1, Y, X, 2)."""
    rng = np.random.default_rng(7)
    image = np.zeros((256, 256))
    image[tuple(rng.integers(0, 256, (2, 500)))] = 1
    image = gaussian_filter(image, 4.0)
    clean = np.stack([image, -image], -1)[None] / np.ptp(image)
    return scan_movie(clean, Scan(**scan), seed, psnr_db=psnr_db)


def displaced(movie):
    """Where rows were taken, less their places, along x [px]."""
    return movie.displacement_px[0, :, :, 1].mean(axis=1)


def fast(moved):
    """Take away what many rows have in common, which they cannot tell of each other."""
    return (moved - gaussian_filter1d(moved, 3))[4:-4]


@pytest.mark.parametrize("jitter_px", [0.5, 1.5])
@pytest.mark.parametrize("detectors", [[0], [0, 1]])
def test_jitter_is_measured(jitter_px, detectors):
    movie = scanned(27, jitter_px=(0.0, jitter_px))
    frame = movie.noisy[0][..., detectors]
    before = frame.copy()
    found = row_jitter(frame)
    np.testing.assert_array_equal(frame, before)
    assert found.stands_out
    assert found.rms_px == pytest.approx(jitter_px, rel=0.3)
    error = fast(found.likely_px - displaced(movie)).std()
    assert error < 0.65 * fast(displaced(movie)).std()
    assert error < 2.5 * np.median(found.error_px)


def test_more_detectors_tell_more():
    frame = scanned(jitter_px=(0.0, 0.5)).noisy[0]
    one, both = (np.median(row_jitter(f).error_px) for f in (frame[..., 0], frame))
    assert both < 0.85 * one


@pytest.mark.parametrize(
    "scan", [{}, {"glow": 0.3}, {"row_offset": 0.3}, {"drift_px": (0.0, 3.0)}, {"spikes": 1e-4}]
)
@pytest.mark.parametrize("psnr_db", [10, 18, 30])
def test_straight_rows_stay_where_they_are(scan, psnr_db):
    for seed in range(2):
        found = row_jitter(scanned(psnr_db, seed, **scan).noisy[0])
        assert not found.stands_out
        assert np.sqrt(np.mean(found.likely_px**2)) < 0.1


@pytest.mark.parametrize("period", [3.2, 4.6, 9.0])
@pytest.mark.parametrize("psnr_db", [10, 30])
def test_lattices_are_not_taken_for_jitter(period, psnr_db):
    y, x = np.mgrid[:128, :128] / period
    for angle in (0.1, 0.5):
        waves = sum(np.cos(2 * np.pi * (np.sin(a) * y + np.cos(a) * x)) for a in (angle, angle + 1))
        noisy = scan_movie(waves[None, ..., None] / np.ptp(waves), Scan(), 1, psnr_db=psnr_db).noisy
        assert not row_jitter(noisy[0]).stands_out


def test_noise_alone_and_blank_frames_tell_nothing():
    noise = np.random.default_rng(0).standard_normal((128, 128, 2))
    for frame in (noise, 0 * noise, noise[..., 0], noise * [1, 0]):
        found = row_jitter(frame)
        assert not found.stands_out
        assert np.abs(found.likely_px).max() < 0.05
        assert len(found.likely_px) == len(found.error_px) == 128


@pytest.mark.parametrize("frame", [np.ones((40, 200)), np.full((80, 80), np.nan)])
def test_of_small_frames_and_of_what_is_not_finite_nothing_is_said(frame):
    found = row_jitter(frame)
    assert not found.stands_out
    assert not found.likely_px.any()
    assert found.rms_px == 0
