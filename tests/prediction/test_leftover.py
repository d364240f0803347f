"""What a residual still holds of the image is put back; where it is noise, nothing is."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import open_model
from n2v_stem_keras.io import Movie
from n2v_stem_keras.noise import after_glow
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction.leftover import REACH, find_leftover
from n2v_stem_keras.prediction.whole import DenoisedMovie
from n2v_stem_keras.series import Series

SIGMA = 1.0


def texture(seed, size=192, width=1.5):
    image = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), width)
    return 0.8 * image / image.std()


def found_by(blur, clean, glow=0.0, seed=1):
    """Return the error before and after, in units of the noise, and the filters."""
    noise = np.random.default_rng(seed).normal(size=(len(clean), *clean[0].shape, 1))
    noise = SIGMA * after_glow(noise, glow) if glow else SIGMA * noise
    frames = (np.stack(clean)[..., None] + noise).astype(np.float32)
    series = Series("texture", frames, scan(frames))

    def run(series, numbers):
        return [blur(np.asarray(series.raw[t], float)[..., 0])[..., None] for t in numbers]

    outputs = run(series, range(len(frames)))
    leftover = find_leftover(series, run)
    added = [leftover.added(frame, output) for frame, output in zip(frames, outputs)]
    before, after = (
        np.mean([(np.asarray(o)[..., 0] - c)[8:-8, 8:-8] ** 2 for o, c in zip(many, clean)])
        for many in (outputs, added)
    )
    return before, after, leftover.kernels


def gaussian(width):
    return lambda frame: gaussian_filter(frame, width)


def test_a_blur_that_is_too_wide_is_made_good():
    """Nearly to the best linear filter of this texture."""
    clean = [texture(seed) for seed in range(3)]
    before, after, _ = found_by(gaussian(2.5), clean)
    best = min(found_by(gaussian(width), clean)[0] for width in (0.8, 1.0, 1.2, 1.5, 1.8))
    assert after < 0.75 * before
    assert after < 1.1 * best


def test_a_blind_spot_that_is_too_long_is_made_good():
    """Pixels along x that are withheld, as noise is correlated, do tell something."""
    spot = np.ones((9, 9))
    spot[4, 2:7] = 0
    spot /= spot.sum()

    def blind(frame):
        from scipy.ndimage import convolve

        return convolve(frame, spot)

    before, after, _ = found_by(blind, [texture(seed) for seed in range(3)], glow=0.2)
    assert after < 0.7 * before


@pytest.mark.parametrize("glow", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_of_noise_next_to_nothing_is_put_back(glow, seed):
    """A perfect denoiser may lose no more than a thousandth of the noise's variance."""
    clean = [np.zeros((192, 192))] * 3
    before, after, _ = found_by(np.zeros_like, clean, glow, seed)
    assert before == 0
    assert after < 1e-3 * SIGMA**2
    # one that averages over many pixels has next to no error, and stays as good
    before, after, _ = found_by(gaussian(8.0), clean, glow, seed)
    assert after < before + 1e-3 * SIGMA**2


def test_spikes_are_not_drawn():
    clean = [texture(seed) for seed in range(3)]
    frames = np.stack(clean)[..., None].astype(np.float32)
    frames += SIGMA * np.random.default_rng(5).normal(size=frames.shape).astype(np.float32)
    series = Series("texture", frames, scan(frames))

    def run(series, numbers):
        return [gaussian_filter(np.asarray(series.raw[t], float), (2.5, 2.5, 0)) for t in numbers]

    leftover = find_leftover(series, run)
    assert leftover.kernels[0, REACH, REACH] > 0.05
    output = np.zeros((64, 64, 1), np.float32)
    spoilt = output.copy()
    spoilt[30, 30] = 500 * SIGMA
    np.testing.assert_allclose(leftover.added(spoilt, output), 0, atol=1e-6)


def test_large_frames_are_looked_at_in_the_middle(monkeypatch):
    """As much is found as of all of it, with less in memory."""
    shapes = []

    def blur(frame):
        shapes.append(frame.shape)
        return gaussian_filter(frame, 2.5)

    clean = [texture(seed) for seed in range(2)]
    expected = found_by(blur, clean)[1]
    monkeypatch.setattr("n2v_stem_keras.prediction.leftover.LARGEST_PX", 128)
    before, after, _ = found_by(blur, clean)
    assert shapes[-1] == (128, 128)
    assert after == pytest.approx(expected, rel=0.05) != before


def test_small_and_constant_frames_are_left_alone():
    small = [texture(0, size=48)] * 3
    assert not found_by(gaussian(2.5), small)[2].any()
    frames = np.full((3, 96, 96, 2), 7.0, np.float32)
    frames[..., 0] += np.random.default_rng(0).normal(size=(3, 96, 96))
    series = Series("half", frames, scan(frames))

    def run(series, numbers):
        return [0 * np.asarray(series.raw[t], float) + 7 for t in numbers]

    leftover = find_leftover(series, run)
    assert not leftover.kernels[1].any()


@pytest.fixture(scope="module")
def textured():
    """A movie that the model was not made for, of which it leaves much."""
    frames = np.stack([[texture(3, 96), -texture(4, 96)]] * 4).transpose(0, 2, 3, 1)
    return (frames + np.random.default_rng(1).normal(size=frames.shape)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:.*(the residual holds|of what repeats|input minus output)")
@pytest.mark.parametrize("context", ["both", "none"])
def test_predict_does_so_where_it_restores(textured, context):
    model = open_model("graphene-au")
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.046}
    movie = Movie.from_array(textured, "TYXC", **known)
    denoised = DenoisedMovie(model, model.denoiser, movie, context=context, restore=True)
    (series,) = denoised.series
    leftover = denoised._leftover(series)
    assert leftover.kernels.any()
    plain = model.predict(movie, context=context, restore=False, verbose=False)
    expected = [leftover.added(raw, frame) for raw, frame in zip(textured, plain)]
    found = model.predict(movie, context=context, verbose=False)
    block, at = denoised.restoration(series).block(0)
    drawn = [block.drawn(at[t]) for t in range(4)]
    np.testing.assert_allclose(found, np.array(expected) + np.array(drawn), atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*(the residual holds|of what repeats|input minus output)")
@pytest.mark.parametrize("chunk", [1, 3])
def test_dask_does_the_same(textured, chunk):
    da = pytest.importorskip("dask.array")
    model = open_model("graphene-au")
    expected = model.predict(textured, pixel_size_nm=0.046, verbose=False)
    lazy = da.from_array(textured, (chunk, -1, -1, -1))
    found = model.predict(lazy, pixel_size_nm=0.046).compute(scheduler="synchronous")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("broken", [0, 2, 5])
def test_a_scan_that_stopped_teaches_nothing(broken):
    """What is drawn where nothing was recorded is no error."""
    clean = np.stack([texture(seed) for seed in range(6)])[..., None]
    noise = SIGMA * np.random.default_rng(1).normal(size=clean.shape)
    frames = (clean + noise).astype(np.float32)
    frames[broken, 100:] = 0
    series = Series("texture", frames, scan(frames))

    def run(series, numbers):
        return [clean[t] for t in numbers]

    leftover = find_leftover(series, run)
    added = leftover.added(frames[1], clean[1]) - clean[1]
    assert np.mean(added**2) < 1e-3 * SIGMA**2
