"""Drift found in noisy frames of a lattice, and frames that share noise."""

import functools

import numpy as np
import pytest

from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.simulate import reference_movie, simulate_movie
from n2v_stem_keras.temporal.registration import CORRELATED, DriftTracker, register, still
from n2v_stem_keras.temporal.spectra import Spectra

LATTICE_VECTOR_PX = 0.246 / 0.046


@functools.cache
def movie_of(drift, seed=0, n_frames=10, side=192, level=(10, 10), walk=0.0):
    """A noisy movie of gold on graphene, and its true drift."""
    options = {"motion": "hops", "drift_px": drift, "drift_walk_px": walk}
    movie = simulate_movie([seed, 9], (side, side), n_frames, **options)
    return add_white_noise(movie.clean, level, seed=seed), movie.drift_px


def errors(found, true):
    """Distances from the true places, but for where all begin [px]."""
    off = found - true
    return np.hypot(*(off - np.median(off, axis=0)).T)


@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.4, -0.8), (2.1, 2.1), (-2.9, 0.3)])
def test_drift_is_found_to_a_fraction_of_a_pixel(drift):
    noisy, true = movie_of(drift)
    found = register(noisy)
    assert errors(found.position, true).max() < 0.25
    assert not found.scene.any()


def test_a_drift_of_half_a_lattice_vector_is_not_taken_for_its_opposite():
    # 2.9 px one way and 2.45 px the other look the same but for the adatoms
    noisy, true = movie_of((0.0, 2.9), seed=1)
    assert errors(register(noisy).position, true).max() < LATTICE_VECTOR_PX / 4


def test_an_unsteady_drift_is_followed():
    noisy, true = movie_of((0.5, 0.2), seed=3, n_frames=16, walk=0.4)
    assert errors(register(noisy).position, true).max() < 0.3


def test_frames_before_are_enough():
    noisy, true = movie_of((0.4, -0.8))
    tracker = DriftTracker(noisy.shape[1:])
    for frame in noisy:
        tracker.add(frame)
    assert errors(np.array(tracker.path), true).max() < 0.3


def test_one_detector_is_enough():
    noisy, true = movie_of((0.4, -0.8))
    assert errors(register(noisy[..., :1]).position, true).max() < 0.4


def test_gain_and_number_type_change_nothing():
    noisy, _ = movie_of((0.4, -0.8))
    counts = np.round(20000 + 30000 * (noisy - noisy.mean())).astype(np.uint16)
    assert np.abs(register(counts).position - register(noisy).position).max() < 0.05


def test_another_area_begins_another_scene():
    first, _ = movie_of((0.2, 0.1), seed=0, n_frames=6)
    second, _ = movie_of((0.2, 0.1), seed=5, n_frames=6)
    found = register(np.concatenate([first, second]))
    assert found.scene.tolist() == [0] * 6 + [1] * 6
    (complaint,) = found.complaints()
    assert "frame 6" in complaint
    assert "S axis" in complaint
    assert len(found.steps) == 10


def test_independent_frames_share_no_noise():
    noisy, _ = movie_of((0.4, -0.8))
    found = register(noisy)
    assert np.abs(found.correlation).max() < CORRELATED / 4
    assert not found.complaints()


@pytest.mark.parametrize("side", [8, 16, 32, 48])
def test_chance_is_not_taken_for_shared_noise(side):
    rng = np.random.default_rng(0)
    movies = rng.normal(size=(20, 12, side, side, 1)).astype(np.float32)
    assert not any(text for movie in movies for text in register(movie).complaints())


def test_a_repeated_frame_is_found_and_named():
    noisy, _ = movie_of((0.4, -0.8))
    found = register(np.insert(noisy, 4, noisy[4], axis=0))
    assert found.share_noise(4, 5)
    assert found.share_noise(5, 4)
    assert not found.share_noise(3, 4)
    assert not found.share_noise(5, 6)
    (complaint,) = found.complaints()
    assert "frame 5 " in complaint
    assert "1.00" in complaint


def test_averages_of_neighbouring_frames_share_noise():
    noisy, _ = movie_of((0.0, 0.0))
    found = register((noisy[1:] + noisy[:-1]) / 2)
    assert all(found.share_noise(t, t + 1) for t in range(8))
    assert not any(found.share_noise(t, t + 2) for t in range(7))


def test_a_long_run_of_repeats_shares_noise_from_end_to_end():
    noisy, _ = movie_of((0.0, 0.0))
    found = register(np.concatenate([noisy[:2], np.repeat(noisy[2:3], 7, axis=0), noisy[3:5]]))
    assert found.share_noise(2, 8)
    assert not found.share_noise(1, 8)
    assert not found.share_noise(2, 9)


def test_a_blank_frame_is_passed_over():
    noisy, true = movie_of((0.4, -0.8))
    noisy = noisy.copy()
    noisy[3] = 0.5
    found = register(noisy)
    assert not found.scene.any()
    assert errors(np.delete(found.position, 3, 0), np.delete(true, 3, 0)).max() < 0.25


@pytest.mark.parametrize("detectors", [slice(None), slice(1)])
def test_a_scan_that_stopped_and_a_detector_that_was_off_mark_no_place(detectors):
    noisy, true = movie_of((0.4, -0.8))
    broken = noisy.copy()
    broken[2, 40:] = 0
    broken[4, 120:, :, detectors] = 0
    broken[7, ..., 1] = 0
    found = register(broken)
    assert not found.scene.any()
    shown = np.arange(len(true)) != 2
    assert errors(found.position[shown], true[shown]).max() < 0.3


def test_a_vacuum_that_was_cut_off_is_no_scan_that_stopped():
    """Its edge marks where the specimen lies."""
    noisy, _ = movie_of((0.4, -0.8))
    frame = noisy[0, ..., :1] - noisy.min() + 1
    spectra = Spectra(frame.shape)
    frame[:120] = 0
    assert spectra.of(frame)[0] is None
    half = np.random.default_rng(0).random((10, 192, 1)) < 0.5
    frame[110:120] = half * frame[120:130]
    assert spectra.of(frame)[0].any()


@pytest.mark.parametrize("shape", [(3, 1, 7, 2), (3, 2, 3, 1), (2, 5, 1, 1)])
def test_frames_too_small_to_mark_a_place_stand_still(shape):
    frames = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(register(frames).position, 0)


def test_frames_are_left_as_they_are():
    noisy, _ = movie_of((0.4, -0.8))
    noisy = noisy.copy()
    noisy.setflags(write=False)
    register(noisy)


def test_progress_is_told_of_twice_a_frame():
    noisy, _ = movie_of((0.0, 0.0))
    steps = []
    register(noisy[:4], progress=lambda: steps.append(1))
    assert len(steps) == 8


def test_a_still_movie_has_no_drift():
    found = still(5)
    assert len(found) == 5
    assert not found.position.any()
    assert not found.share_noise(1, 2)
    assert found.share_noise(2, 2)


def test_fine_detail_at_rest_is_not_taken_for_shared_noise():
    # as a camera shows amorphous carbon: detail up to the highest frequencies, the same throughout
    rng = np.random.default_rng(0)
    image = 0.55 * rng.normal(size=(128, 128, 1))
    frames = (image + rng.normal(size=(8, 128, 128, 1))).astype(np.float32)
    for n_frames in (3, 4, 8):
        assert not register(frames[:n_frames]).complaints()
    (complaint,) = register(np.insert(frames, 4, frames[4], axis=0)).complaints()
    assert "frame 5 " in complaint


def test_a_run_of_repeats_at_the_beginning_is_found():
    noisy, _ = movie_of((0.0, 0.0))
    found = register(np.concatenate([np.repeat(noisy[:1], 3, axis=0), noisy[1:6]]))
    assert found.share_noise(0, 1)
    assert found.share_noise(0, 2)
    assert not found.share_noise(2, 3)


def test_a_beam_that_is_blanked_for_long_changes_nothing():
    noisy, true = movie_of((0.4, -0.8))
    dark = np.full((100, *noisy.shape[1:]), 0.5, np.float32)
    tracker = DriftTracker(noisy.shape[1:])
    for frame in np.concatenate([noisy[:5], dark, noisy[5:]]):
        tracker.add(frame)
    assert tracker.scene == 0
    assert errors(np.array(tracker.path[-5:]), true[5:]).max() < 0.3


@pytest.mark.parametrize(("walk", "speed", "seed"), [(0.2, 0.0, 0), (0.2, 0.4, 2), (0.0, 0.4, 2)])
def test_a_bare_crystal_is_not_taken_a_lattice_vector_away(walk, speed, seed):
    """Its peaks are sharp: between two points of a coarse grid the right one looks unlikely."""
    movie = simulate_movie(
        seed, (256, 256), 12, density_nm2=0.0, drift_walk_px=walk, drift_px=speed, motion="hops"
    )
    found = register(add_white_noise(movie.clean, 10.0, seed=seed))
    assert np.abs(found.position - movie.drift_px).max() < 0.1


@pytest.mark.parametrize("seed", [3, 11, 311, 357])
def test_a_specimen_at_rest_does_not_go_a_lattice_vector_a_frame(seed):
    """Few adatoms in strong noise, half of which move a little: they hardly tell."""
    movie = reference_movie(seed)
    found = register(add_white_noise(movie.clean, (7, 6), seed=[1, seed]))
    assert np.abs(found.position).max() < 1
