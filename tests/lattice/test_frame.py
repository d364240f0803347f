"""The filter of whole frames: what repeats stays, noise goes, and both libraries agree."""

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from n2v_stem_keras.lattice import frame as frame_filter
from n2v_stem_keras.lattice.layers import FrameFilter, MeanOfAll


def lattice_of(frames, share=1.0):
    """Filter frames (B, Y, X, C)."""
    planes = np.ascontiguousarray(np.moveaxis(frames, -1, 1))
    before = planes.copy()
    images = frame_filter.lattice_of(planes, [share] * planes.shape[1])
    np.testing.assert_array_equal(planes, before)  # the input is not changed
    return np.moveaxis(images, 1, -1)


def hexagonal(shape, period=5.3, angle=0.2):
    """Return three waves at 60 degrees, amplitude 1 each, (Y, X)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    directions = angle + np.arange(3) * np.pi / 3
    waves = [np.cos(2 * np.pi * (y * np.sin(a) + x * np.cos(a)) / period) for a in directions]
    return np.sum(waves, axis=0)


def noisy(lattice, amplitude, seed=0, n_detectors=2):
    """Return frames (1, Y, X, C) of a lattice under white noise of sd 1, and the noise."""
    noise = np.random.default_rng(seed).normal(size=(1, *lattice.shape, n_detectors))
    return (amplitude * lattice[None, ..., None] + noise).astype(np.float32), noise


def test_a_lattice_far_below_the_noise_is_found():
    lattice = hexagonal((256, 256))
    frames, _ = noisy(lattice, 0.15)  # sd 0.18 under a noise of 1
    found = lattice_of(frames)[0, ..., 0]
    assert np.corrcoef(found.ravel(), lattice.ravel())[0, 1] > 0.9
    slope = (found * lattice).sum() / (0.15 * lattice**2).sum()
    assert 0.8 < slope < 1.1


def test_noise_alone_leaves_next_to_nothing():
    frames, _ = noisy(np.zeros((256, 256)), 0)
    assert lattice_of(frames).std() < 0.02


def test_a_half_without_lattice_stays_empty():
    lattice = hexagonal((256, 256))
    lattice[:, 128:] = 0
    frames, _ = noisy(lattice, 0.5)
    found = lattice_of(frames)[0, ..., 0]
    assert found[:, 176:].std() < 0.1 * found[:, :80].std()
    # the negative control: a filter that only looked at the spectrum would draw half of it
    assert np.corrcoef(found[:, :80].ravel(), lattice[:, :80].ravel())[0, 1] > 0.95


def test_what_varies_slowly_is_not_lattice():
    y, x = np.mgrid[:256, :256]
    slow = np.sin(2 * np.pi * y / 64) + np.cos(2 * np.pi * x / 50)
    frames, _ = noisy(slow, 2.0)
    assert lattice_of(frames).std() < 0.05 * (2.0 * slow).std()


def test_scan_lines_are_not_lattice():
    frames, _ = noisy(np.zeros((256, 256)), 0)
    frames += np.random.default_rng(1).normal(size=(1, 256, 1, 1)).astype(np.float32)
    assert lattice_of(frames).std() < 0.05


def test_nothing_passes_from_one_detector_to_another():
    lattice = hexagonal((128, 128))
    frames, _ = noisy(lattice, 1.0)
    frames[..., 1] = np.random.default_rng(3).normal(size=(128, 128))
    found = lattice_of(frames)
    shares = [(found[0, ..., c] * lattice).sum() / (lattice**2).sum() for c in range(2)]
    assert shares[0] > 0.8
    assert abs(shares[1]) < 0.03


@pytest.mark.parametrize("shape", [(1, 128, 128, 2), (2, 512, 512, 2), (1, 80, 208, 3)])
def test_tensorflow_and_numpy_agree(shape):
    """At (2, 512, 512), TensorFlow 2.21 crashes if a product of matrices is written otherwise."""
    lattice = hexagonal(shape[1:3])
    frames = np.concatenate([noisy(lattice, 0.6, s, shape[3])[0] for s in range(shape[0])])
    expected = lattice_of(frames)
    assert expected.std() > 0.3
    np.testing.assert_allclose(FrameFilter()(frames).numpy(), expected, atol=1e-5)


def test_of_frames_that_others_know_the_mean_of_all_is_filtered():
    """Weakened by the share of the frame in it, which alone is blinded."""
    lattice = hexagonal((128, 128))
    frame, mean, error, near = (noisy(lattice, 0.6, seed)[0] for seed in range(4))
    share = np.full_like(frame, 1 / 5)
    share[:, :64] = 1  # no other frame shows this half
    mean[:, :64] = 0
    seen = np.concatenate([frame, share, mean, error, near], axis=-1)
    planes = np.ascontiguousarray(np.moveaxis(seen, -1, 1))
    before = planes.copy()
    found = np.moveaxis(frame_filter.lattice_of(planes, [0.75, 0.5]), 1, -1)
    np.testing.assert_array_equal(planes, before)
    whole = lattice_of(share * frame + (1 - share) * mean)
    expected = whole * (1 - share * np.float32([0.25, 0.5]))
    assert expected.std() > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-6)
    both = MeanOfAll(2)(seen)
    np.testing.assert_allclose(both[0], share * frame + (1 - share) * mean, atol=1e-6)
    np.testing.assert_array_equal(both[1], share)


def disc(radius=22, side=256):
    y, x = np.indices((side, side)) - side / 2 + 0.5
    return np.hypot(y, x) < radius


def drawn_in(found, lattice, where):
    """Return the share of a lattice that is drawn, (C,)."""
    return np.tensordot(lattice[where], found[0][where], 1) / (lattice[where] ** 2).sum()


@pytest.mark.parametrize("depth", [0.6, -0.6])
@pytest.mark.parametrize("amplitude", [0.15, 0.4])
def test_in_a_hole_that_the_level_tells_of_no_lattice_is_drawn(amplitude, depth, monkeypatch):
    """It is smaller than the places over which a lattice is borne out."""
    lattice, hole, beside = hexagonal((256, 256)), disc(), ~disc(60)
    frames, noise = noisy(lattice, amplitude)
    frames[0][hole] = (noise[0] - depth)[hole]
    found = lattice_of(frames)
    assert (np.abs(drawn_in(found, lattice, hole)) < 0.1 * amplitude).all()
    # the negative control
    monkeypatch.setattr(frame_filter, "_presence_by_level", lambda *_: np.float32(1))
    without = lattice_of(frames)
    assert (drawn_in(without, lattice, hole) > 0.25 * amplitude).all()
    expected = drawn_in(without, lattice, beside)
    np.testing.assert_allclose(drawn_in(found, lattice, beside), expected, rtol=0.02)


def test_one_detector_tells_of_a_hole_in_all():
    lattice, hole = hexagonal((256, 256)), disc()
    frames, noise = noisy(lattice, 0.4)
    frames[0][hole] = noise[0][hole]
    frames[0, ..., 1][hole] -= 0.6
    assert (np.abs(drawn_in(lattice_of(frames), lattice, hole)) < 0.04).all()


@pytest.mark.parametrize("amplitude", [0.1, 0.4])
def test_levels_take_nothing_from_a_perfect_crystal(amplitude, monkeypatch):
    frames = np.concatenate([noisy(hexagonal((256, 256)), amplitude, s)[0] for s in range(4)])
    found = lattice_of(frames)
    monkeypatch.setattr(frame_filter, "_presence_by_level", lambda *_: np.float32(1))
    without = lattice_of(frames)
    assert np.abs(found - without).mean() < 0.03 * without.std()


def test_a_bright_place_and_atoms_keep_their_lattice(monkeypatch):
    """A contamination lies under the lattice; atoms sit where it is dark."""
    lattice = hexagonal((256, 256))
    frames, _ = noisy(lattice, 0.4)
    frames[0][disc()] += 1
    sites = np.argwhere(lattice == minimum_filter(lattice, 7))
    sites = sites[np.random.default_rng(1).permutation(len(sites))[:30]]
    y, x = np.indices(lattice.shape)
    for at in sites:
        atom = 8 * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 2 / 1.5**2)
        frames += atom[None, ..., None].astype(np.float32)
    found = lattice_of(frames)
    monkeypatch.setattr(frame_filter, "_presence_by_level", lambda *_: np.float32(1))
    without = lattice_of(frames)
    for where in (disc(), np.ones_like(disc())):
        kept = drawn_in(found, lattice, where) / drawn_in(without, lattice, where)
        assert (kept > 0.95).all()


def test_images_are_weakened():
    frames, _ = noisy(hexagonal((64, 64)), 1.0)
    np.testing.assert_allclose(lattice_of(frames, 0.75), 0.75 * lattice_of(frames), rtol=1e-6)
