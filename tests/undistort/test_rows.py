"""Rows of a crystal's image are found where they lie, to the error that is said."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scanned_crystals import SHAPE, crystal, scanned, straight
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.noise import Scan, scan_movie
from n2v_stem_keras.undistort import find_hum, row_displacement


@pytest.mark.parametrize(
    "scan",
    [
        {},
        {"jitter_px": (0.0, 0.3)},
        {"jitter_px": (0.2, 0.4)},
        {"walk_px": (0.0, 0.1)},
        {"hum_px": (0.36,), "hum_cycles": (0.21,)},
        {"drift_px": (0.0, 3.0)},
    ],
)
def test_rows_are_found_to_the_error_that_is_said(scan):
    movie = scanned(**scan)
    frame = movie.noisy[0].copy()
    measured = row_displacement(frame)
    assert_array_equal(frame, movie.noisy[0])
    true = straight(movie.displacement_px[0].mean(axis=1))
    # what lies beyond the border has been mirrored
    errors = straight((measured.displacement_px - true)[3:-3]).std(axis=0)
    said = np.sqrt(np.mean(measured.error_px**2, axis=0))
    assert_allclose(errors, said, rtol=0.25)
    assert said.max() < 0.15
    assert_allclose(measured.rms_px, true.std(axis=0), atol=0.07)


def test_the_lattice_is_known():
    measured = row_displacement(scanned().noisy[0])
    assert_allclose(measured.periods_px[:3], 7, rtol=0.01)


def test_hum_is_told_by_its_frequency():
    hums = find_hum(row_displacement(scanned(hum_px=(0.3, 0.2), hum_cycles=(0.21, 0.36)).noisy[0]))
    assert_allclose([hum.cycles for hum in hums], [0.21, 0.36], atol=0.003)
    # most of a hum is along x
    assert_allclose([hum.rms_px for hum in hums], [0.3, 0.2], rtol=0.3)


@pytest.mark.parametrize("scan", [{}, {"jitter_px": (0.1, 0.3)}, {"walk_px": (0.02, 0.1)}])
def test_no_hum_is_found_where_there_is_none(scan):
    for seed in range(4):
        assert find_hum(row_displacement(scanned(seed=seed, **scan).noisy[0])) == []


@pytest.mark.parametrize("psnr_db", [14, 8])
def test_straight_rows_stay(psnr_db):
    measured = row_displacement(scanned(psnr_db=psnr_db).noisy[0])
    assert np.sqrt(np.mean(measured.displacement_px**2)) > 0.03  # all of it noise
    assert np.sqrt(np.mean(measured.likely_px**2)) < 0.25 * np.sqrt(np.mean(measured.error_px**2))


@pytest.mark.parametrize(
    "scan", [{"walk_px": (0.0, 0.1)}, {"hum_px": (0.36,), "hum_cycles": (0.21,)}]
)
def test_what_is_likely_is_nearer_to_the_truth_than_what_is_measured(scan):
    movie = scanned(psnr_db=8, **scan)
    measured = row_displacement(movie.noisy[0])
    true = straight(movie.displacement_px[0].mean(axis=1))[:, 1]
    errors = [
        straight((found - true)[:, None])[3:-3].std()
        for found in (measured.displacement_px[:, 1], measured.likely_px[:, 1])
    ]
    assert errors[1] < 0.7 * errors[0]


def test_nothing_is_said_of_what_is_no_crystal_or_too_noisy():
    rough = gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE), 3)
    assert row_displacement(rough + 0.01 * np.random.default_rng(1).standard_normal(SHAPE)) is None
    assert row_displacement(np.zeros(SHAPE)) is None
    faint = row_displacement(scanned(psnr_db=0).noisy[0])
    assert faint is None or (np.isnan(faint.rms_px).all() and find_hum(faint) == [])


@pytest.mark.parametrize("shape", [(64, 48), (32, 32), (5, 200), (90, 61)])
def test_noise_of_any_shape_has_no_rows(shape):
    for seed in range(40):
        noise = np.random.default_rng([seed, *shape]).standard_normal(shape)
        found = row_displacement(noise)
        assert found is None or np.isnan(found.rms_px).all()


def test_detectors_help_each_other():
    movie = np.concatenate([crystal(), -crystal()], axis=-1)
    noisy = scan_movie(movie, Scan(jitter_px=(0.0, 0.3)), 0, psnr_db=14).noisy[0]
    one, both = (row_displacement(frame).error_px[:, 1].mean() for frame in (noisy[..., 0], noisy))
    assert_allclose(both, one / np.sqrt(2), rtol=0.1)


def test_a_blank_detector_says_nothing_and_spoils_nothing():
    noisy = scanned(jitter_px=(0.0, 0.3)).noisy[0]
    alone, beside = (
        row_displacement(noisy),
        row_displacement(np.concatenate([noisy, 0 * noisy], -1)),
    )
    assert_allclose(beside.displacement_px, alone.displacement_px, atol=1e-6)
    assert_allclose(beside.error_px, alone.error_px, rtol=1e-6)


def test_rows_of_a_crystal_with_hardly_any_noise_are_found():
    movie = scanned(psnr_db=60, jitter_px=(0.0, 0.3))
    measured = row_displacement(movie.noisy[0])
    true = straight(movie.displacement_px[0].mean(axis=1))
    assert np.isfinite(measured.error_px).all()
    assert np.abs(straight(measured.likely_px - true)[3:-3, 1]).max() < 0.05
