"""Spikes are found, named, and do not set sigma; noise, counts and atoms are none."""

import numpy as np
import pytest
from scenes import both, movie, scene, words

from n2v_stem_keras import noise
from n2v_stem_keras.noise.spikes import find_spikes, without_spikes
from n2v_stem_keras.simulate import reference_movie

SOUND = 0.3 * movie(6)[..., 0]


def hit(frames, share, sigmas, seed=3):
    """Let pixels of single frames stand out by so many sigma of 0.3; also return where."""
    places = np.random.default_rng(seed).random(frames.shape) < share
    return frames + 0.3 * sigmas * places, places


@pytest.mark.parametrize(
    ("share", "sigmas"), [(1e-3, 28), (1e-4, 100), (2e-3, -20), (5e-3, 15), (1e-3, 10), (1e-4, 12)]
)
def test_sigma_is_that_of_the_noise(share, sigmas):
    frames, places = hit(SOUND, share, sigmas)
    sound, found = noise.estimate_noise(SOUND), noise.estimate_noise(frames)
    assert sound.sigma == pytest.approx(0.3, rel=0.01)
    assert sound.spikes == 0
    assert found.sigma == pytest.approx(sound.sigma, rel=0.03)
    assert found.lag1_x == pytest.approx(sound.lag1_x, abs=3 * sound.lag1_se)
    assert found.spikes == pytest.approx(places.mean(), rel=0.25)
    if share * sigmas**2 > 0.5:  # negative control: they would have set it
        with_spikes = np.sqrt(noise.noise_spectrum(frames).mean())
        assert with_spikes > 1.15 * sound.sigma


@pytest.mark.parametrize("share", [1e-4, 1e-3])
def test_info_names_them(share):
    frames, places = hit(SOUND, share, 28)
    (one,) = both(noise.diagnose(frames, "TYX"))
    assert one.noise.sigma == pytest.approx(0.3, rel=0.02)
    expected = {(0, *map(int, place)) for place in np.argwhere(places)}
    assert len(set(one.spikes) & expected) > 0.8 * len(expected)
    assert set(one.spikes) <= expected
    said = words(noise.diagnose(frames, "TYX"))
    n = len(one.spikes)
    assert f"{n} spikes in {len({s[1] for s in one.spikes})} of the frames" in said
    _, t, y, x = one.spikes[0]
    assert f"frame {t} (y {y}, x {x})" in said
    assert "stand out of single frames (spikes)" in str(noise.diagnose(frames, "TYX"))


def test_a_hot_pixel_is_no_spike():
    frames = movie(6)
    frames[:, 20, 30, 0] += 60
    one = both(noise.diagnose(frames))[0]
    assert (one.bright, one.spikes) == ([[20, 30]], [])
    assert one.noise.sigma == pytest.approx(1, rel=0.03)


COUNTS = np.random.default_rng(0)


@pytest.mark.parametrize(
    "frames",
    [
        COUNTS.normal(size=(2, 512, 512)),
        COUNTS.poisson(0.002, (3, 256, 256)),
        COUNTS.poisson(0.02, (3, 256, 256)),
        COUNTS.poisson(0.15, (3, 256, 256)),
        COUNTS.poisson(2.4, (3, 256, 256)),
        noise.after_glow(movie(4), 0.3)[..., 0],
        scene()[None, ..., 0],
        -scene()[None, ..., 0],
    ],
    ids=["white", "few counts", "counts", "more counts", "many", "after-glow", "atoms", "dark"],
)
def test_noise_counts_and_atoms_are_no_spikes(frames):
    assert noise.estimate_noise(frames).spikes == 0


def test_adatoms_of_a_clean_movie_are_no_spikes():
    clean = reference_movie(0, shape=(128, 128), n_frames=2).clean
    for c in range(2):
        sigma = 0.05 * np.ptp(clean[0, ..., c])
        assert not len(find_spikes(clean[0, ..., c], sigma))
        assert noise.estimate_noise(clean[..., c]).spikes == 0


def test_replacing_leaves_the_frame_as_it_is():
    frame = np.random.default_rng(0).normal(0, 0.1, (30, 40))
    sound = frame.copy()
    frame[4, 4], frame[20, 30] = 50, -50
    places = find_spikes(frame, 1.0)
    assert sorted(map(tuple, places)) == [(4, 4), (20, 30)]
    mended = without_spikes(frame, places)
    assert np.abs(mended).max() < 1
    assert frame[4, 4] == 50
    mended[4, 4], mended[20, 30] = sound[4, 4], sound[20, 30]
    assert np.array_equal(mended, sound)
    assert without_spikes(frame, places[:0]) is frame
    assert not len(find_spikes(frame, 0.0))
