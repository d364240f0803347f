"""Standard errors of denoised pixels."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import Movie, N2VStem, open_model
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.noise.empty import with_empty_rows
from n2v_stem_keras.prediction.standard_error import standard_error
from n2v_stem_keras.simulate import reference_movie

SIGMA = 2.0


def found_with(blur, clean, n_repeats=12):
    """Return the standard error, and the error, of a denoiser."""
    noisy = clean + SIGMA * np.random.default_rng(1).standard_normal(clean.shape)
    noisy = noisy.astype(np.float32)

    def denoise(frames):
        for place in np.ndindex(frames.shape[:2]):
            yield place, blur(frames[place])

    denoised = np.stack([[frame for _, frame in denoise(noisy)]])
    before = noisy.copy(), denoised.copy()
    found = standard_error(denoise, lambda s, t: noisy[s, t], denoised, n_repeats, seed=0)
    np.testing.assert_array_equal(noisy, before[0])
    np.testing.assert_array_equal(denoised, before[1])
    return found, denoised - clean


def blur(frame, width=2.0):
    return gaussian_filter(frame, (width, width, 0), mode="reflect")


def covered(found, error):
    return (np.abs(error) < 1.645 * found).mean()


def test_intervals_hold_the_truth_where_it_is_smooth():
    clean = np.broadcast_to(np.linspace(0, 30, 128)[:, None], (1, 3, 128, 128))[..., None]
    found, error = found_with(blur, clean)
    assert found.shape == error.shape
    assert covered(found, error) == pytest.approx(0.90, abs=0.03)


def test_detail_that_is_blurred_away_makes_errors_larger():
    """No repeat can tell, since what was drawn lacks it; the residual does."""
    y, x = np.indices((128, 128))
    wave = 1.0 * np.cos(2 * np.pi * x / 8) * np.cos(2 * np.pi * y / 8)
    clean = np.broadcast_to(wave, (1, 6, 128, 128))[..., None]
    found, error = found_with(blur, clean)
    without, _ = found_with(blur, 0 * clean)
    assert np.sqrt(np.mean(found**2)) > 1.4 * np.sqrt(np.mean(without**2))
    assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.25)


def test_a_detector_without_noise_has_no_error():
    clean = np.zeros((1, 2, 64, 64, 1))
    found = standard_error(
        lambda frames: (((s, t), frames[s, t]) for s, t in np.ndindex(frames.shape[:2])),
        lambda s, t: clean[s, t],
        clean.astype(np.float32),
        4,
        seed=0,
    )
    np.testing.assert_array_equal(found, 0)


@pytest.fixture(scope="module")
def model():
    return open_model("graphene-au")


@pytest.fixture(scope="module")
def movie():
    simulated = reference_movie(105, shape=(96, 96), n_frames=3)
    noisy = add_white_noise(simulated.clean, 10, seed=3)
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": simulated.pixel_size_nm, "name": "au"}
    return Movie.from_array(noisy, "TYXC", **known), simulated.clean


def test_a_model_gives_the_standard_error_of_what_it_predicts(model, movie):
    movie, clean = movie
    denoised, steps = model.predict(movie, verbose=False), []
    found = model.standard_error(
        movie, n_repeats=4, verbose=False, progress=lambda: steps.append(1)
    )
    assert found.shape == denoised.shape
    assert found.dtype == np.float32
    assert len(steps) == 4 * 3
    assert 0.88 < covered(found, denoised - clean) <= 1
    # an atom is less sure than the lattice beside it
    atoms = denoised[..., 0] > np.quantile(denoised[..., 0], 0.995)
    assert np.median(found[..., 0][atoms]) > 1.5 * np.median(found[..., 0][~atoms])
    again = model.standard_error(movie, n_repeats=4, verbose=False)
    np.testing.assert_array_equal(found, again)


def test_detectors_come_in_the_order_of_the_movie(model, movie):
    movie, _ = movie
    frames = np.moveaxis(movie.to_array()[:1, ..., ::-1], -1, 1)
    turned = Movie.from_array(
        frames, "TCYX", detectors=("BF", "ADF"), pixel_size_nm=movie.pixel_size_nm
    )
    straight = Movie.from_array(
        movie.to_array()[:1], "TYXC", detectors=("ADF", "BF"), pixel_size_nm=movie.pixel_size_nm
    )
    found = model.standard_error(turned, n_repeats=2, verbose=False)
    expected = model.standard_error(straight, n_repeats=2, verbose=False)
    assert found.shape == (1, 2, 96, 96)
    # the noise is another one, but ADF's error is ADF's
    for c in (0, 1):
        ratio = np.median(found[:, 1 - c]) / np.median(expected[..., c])
        assert ratio == pytest.approx(1, rel=0.3)
    ratio = np.median(expected[..., 0]) / np.median(expected[..., 1])
    assert abs(np.log(ratio)) > 0.1  # else the order could not be told


@pytest.mark.parametrize("number", [1, 2.5, "8", None])
def test_a_number_of_repeats_that_tells_nothing_is_refused(model, movie, number):
    with pytest.raises(ValueError, match="expected a whole number of at least 2"):
        model.standard_error(movie[0], n_repeats=number)


def test_a_dask_array_is_told_what_to_do(model):
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="compute"):
        model.standard_error(da.zeros((2, 64, 64, 2)))


def test_a_signal_gives_a_signal(model, movie):
    hs = pytest.importorskip("hyperspy.api")
    frames = np.moveaxis(movie[0].to_array()[:1, :64, :64], -1, 1)
    for lazy in (False, True):
        signal = hs.signals.Signal2D(frames)
        signal = signal.as_lazy() if lazy else signal
        found = model.standard_error(
            signal, "TCYX", n_repeats=2, pixel_size_nm=0.046, verbose=False
        )
        assert isinstance(found, hs.signals.Signal2D)
        assert not found._lazy
        assert found.data.shape == frames.shape
        content = found.metadata.n2v_stem_keras.content
        assert content == "standard error of the output"


def test_an_untrained_model_says_so_once(movie):
    from n2v_stem_keras import N2VStemConfig

    config = N2VStemConfig.preset("laptop", unet_n_depth=2, unet_n_first=4, unet_lattice="none")
    untrained = N2VStem(config, basedir=None)
    with pytest.warns(UserWarning, match="never trained") as told:
        untrained.standard_error(movie[0], n_repeats=2, verbose=False)
    assert len([one for one in told if "never trained" in str(one.message)]) == 1


@pytest.mark.parametrize("broken", ["blank", "stopped"])
def test_a_frame_that_was_not_recorded_changes_nothing_of_others(broken):
    y, x = np.indices((128, 128))
    clean = (10 * np.cos(2 * np.pi * x / 32) * np.cos(2 * np.pi * y / 32))[None, None, ..., None]
    clean = np.repeat(clean, 5, axis=1)
    expected, _ = found_with(blur, clean)
    noisy = (clean + SIGMA * np.random.default_rng(1).standard_normal(clean.shape)).astype(
        np.float32
    )
    rows = np.s_[0, 0, 0 if broken == "blank" else 64 :]
    noisy[rows] = 50

    def denoise(frames):
        for place in np.ndindex(frames.shape[:2]):
            yield place, with_empty_rows(blur(frames[place]), frames[place])

    denoised = np.stack([[frame for _, frame in denoise(noisy)]])
    found = standard_error(denoise, lambda s, t: noisy[s, t], denoised, 12, seed=0)
    np.testing.assert_allclose(found[:, 1:].mean(), expected[:, 1:].mean(), rtol=0.25)
    assert found[rows][4:].max() < 1e-3
