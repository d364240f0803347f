"""HyperSpy signals: denoised with axes and metadata kept, lazily where they are lazy."""

import numpy as np
import pytest
from hyperspy_signals import gold, hs

from n2v_stem_keras import MovieError, N2VStem

pytestmark = pytest.mark.filterwarnings("ignore:the model was never trained")


@pytest.fixture
def signal(noisy_movie):
    return gold(noisy_movie)


@pytest.fixture
def model(tiny_config):
    return N2VStem(tiny_config, "tiny", basedir=None)


def test_axes_and_metadata_are_kept(signal, model, noisy_movie):
    before = signal.data.copy()
    denoised = model.predict(signal)
    assert type(denoised) is type(signal)
    assert denoised.data.dtype == np.float32
    for mine, theirs in zip(denoised.axes_manager._axes, signal.axes_manager._axes):
        assert mine.get_axis_dictionary() == theirs.get_axis_dictionary()
    assert denoised.metadata.Acquisition_instrument.TEM.beam_energy == 80
    assert denoised.metadata.General.title == "gold"
    assert denoised.metadata.n2v_stem_keras.model == "tiny"
    assert denoised.metadata.n2v_stem_keras.model_fingerprint.startswith("sha256:")
    assert not signal.metadata.has_item("n2v_stem_keras")
    assert np.array_equal(signal.data, before)
    expected = model.predict(noisy_movie).transpose(0, 3, 1, 2)
    assert np.array_equal(denoised.data, expected)
    assert denoised.metadata.n2v_stem_keras.context == "both"
    past = model.predict(signal, context="past")
    expected = model.predict(noisy_movie, context="past").transpose(0, 3, 1, 2)
    assert np.array_equal(past.data, expected)
    assert past.metadata.n2v_stem_keras.context == "past"
    assert not np.array_equal(past.data, denoised.data)


@pytest.mark.parametrize("context", ["both", "past"])
def test_lazy_in_lazy_out(signal, model, context, monkeypatch):
    eager, calls = model.predict(signal, context=context), []
    monkeypatch.setattr("n2v_stem_keras.prediction.tiles.PIXELS_PER_CALL", 5 * 64 * 48)
    denoise = model.denoiser.__class__.__call__

    def count(self, frames, *args):
        calls.append(len(frames))
        return denoise(self, frames, *args)

    monkeypatch.setattr(model.denoiser.__class__, "__call__", count)
    lazy = model.predict(signal.as_lazy(), context=context)
    assert type(lazy).__name__ == "LazySignal2D"
    assert calls == []
    frame = lazy.data[7].compute()
    assert calls == ([5, 5, 2] if context == "both" else [5])  # what is restored takes its block
    np.testing.assert_allclose(frame, eager.data[7], rtol=1e-6)
    np.testing.assert_allclose(lazy.data.compute(), eager.data, rtol=1e-6)
    assert lazy.axes_manager["time"].offset == 7


@pytest.mark.slow
def test_train_takes_signals(signal, plain_config, few_validation_pixels):
    model = N2VStem(plain_config, "plain", basedir=None)
    history = model.train(signal.as_lazy(), verbose=False)
    assert len(history.history["loss"]) == 2


@pytest.mark.filterwarnings("ignore:.*a guess, as the file")
def test_images_of_one_detector(tiny_config):
    model = N2VStem(tiny_config.replace(channels=("HAADF",)), basedir=None)
    image = hs.signals.Signal2D(np.random.default_rng(0).normal(size=(32, 48)))
    image.metadata.General.title = "au HAADF 3"
    assert model.predict(image).data.shape == (32, 48)
    stack = hs.signals.Signal2D(np.random.default_rng(0).normal(size=(3, 32, 48)))
    assert model.predict(stack.as_lazy(), axes="SYX").data.compute().shape == (3, 32, 48)


def test_more_detectors_than_the_model_has_are_refused(model):
    three = hs.signals.Signal2D(np.ones((4, 3, 16, 16)))
    three.axes_manager[0].name, three.axes_manager[1].name = "detector", "time"
    with pytest.raises(MovieError, match="has 3 detectors, the model 2"):
        model.predict(three, detectors=("ADF", "BF", "DF"))
