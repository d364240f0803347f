"""Devices besides the CPU: none is here, so engines stand in for them that are right, or not."""

import warnings

import numpy as np
import pytest
from networks import samples_with_lattice

from n2v_stem_keras import ExportedModel
from n2v_stem_keras.prediction import devices, engines
from n2v_stem_keras.prediction.devices import OnDevice
from n2v_stem_keras.prediction.tiles import PIXEL_FEATURES_PER_TILE

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


class Card:
    """An engine that does what the CPU's does, with a fault; remembers how many frames it got."""

    def __init__(self, cpu, fault):
        self.cpu, self.fault, self.calls = cpu, fault, []

    def run(self, *inputs):
        self.calls.append(len(inputs[0]))
        return self.fault(self.cpu.run(*inputs), len(self.calls))


@pytest.fixture
def model(exported_model):
    return ExportedModel(exported_model[0] / "m")


@pytest.fixture
def on_card(model):
    """Return a function that gives an engine on a card with a fault, and the card."""

    def open_with(fault=lambda found, n: found):
        cpu = engines.OnnxEngine(model.export, 1)
        card = Card(cpu, fault)
        return OnDevice("onnx", "cuda", lambda device: cpu if device == "cpu" else card), card

    return open_with


@pytest.fixture
def frames(model):
    return samples_with_lattice((32, 48), model.config, n_frames=5)


@pytest.fixture
def right(model, frames):
    return engines.OnnxEngine(model.export, 1).run(frames)


def test_a_card_that_is_right_is_used(on_card, frames, right):
    engine, card = on_card()
    assert engine.name == "onnx:cuda"
    np.testing.assert_array_equal(engine.run(frames), right)
    assert card.calls == [1, 5]  # the first is looked at
    engine.run(frames[:2])
    assert card.calls == [1, 5, 2]
    assert engine.name == "onnx:cuda"


# float16 and TF32 round to ten bits; a driver's bug does anything
FAULTS = {
    "ten bits": lambda found, n: found.astype(np.float16).astype(np.float32) * (1 + 2e-3),
    "nan": lambda found, n: np.where(found > 0, np.nan, found).astype(np.float32),
    "shape": lambda found, n: found[:, :-1],
    "shift": lambda found, n: np.roll(found, 1, axis=2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_card_that_is_wrong_is_told_from_the_first_frame(on_card, fault, frames, right):
    engine, card = on_card(FAULTS[fault])
    with pytest.warns(UserWarning, match=r"Using the CPU instead of onnx:cuda: .* differs from"):
        found = engine.run(frames)
    np.testing.assert_array_equal(found, right)
    assert engine.name == "onnx"
    engine.run(frames)
    assert card.calls == [1]


def test_rounding_in_another_order_is_no_fault(on_card, frames):
    engine, _ = on_card(lambda found, n: found * np.float32(1 + 1e-5))
    engine.run(frames)
    assert engine.name == "onnx:cuda"


def failing(when):
    def fault(found, n):
        if when(len(found), n):
            raise RuntimeError("device removed\nstack of the driver")
        return found

    return fault


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_card_that_fails_now_or_later_is_replaced(on_card, number, frames, right):
    engine, _ = on_card(failing(lambda n_frames, n: n >= number))
    with pytest.warns(UserWarning, match=r"onnx:cuda: it failed.* \(RuntimeError: device removed"):
        found = [engine.run(frames), engine.run(frames)]
    np.testing.assert_allclose(found, [right] * 2, rtol=1e-5)
    assert engine.name == "onnx"


def test_a_card_with_little_memory_gets_fewer_frames_at_once(on_card, frames, right):
    engine, card = on_card(failing(lambda n_frames, n: n_frames > 2))
    np.testing.assert_allclose(engine.run(frames), right, rtol=1e-5)
    assert card.calls == [1, 5, 2, 2, 1]
    engine.run(frames)
    assert card.calls[5:] == [2, 2, 1]  # it is remembered
    assert engine.name == "onnx:cuda"


def test_blank_frames_prove_nothing(on_card, frames):
    engine, card = on_card(FAULTS["nan"])
    engine.run(np.zeros_like(frames))
    assert card.calls == [5]
    with pytest.warns(UserWarning, match="differs from"):
        engine.run(frames)


def test_a_card_that_cannot_be_opened_is_said_at_once(model):
    cpu = engines.OnnxEngine(model.export, 1)

    def opened(device):
        if device == "cpu":
            return cpu
        raise OSError("no driver")

    with pytest.warns(UserWarning, match=r"it cannot be used \(OSError: no driver\)"):
        engine = OnDevice("onnx", "dml", opened)
    assert engine.name == "onnx"


def test_a_wheel_for_cards_without_their_libraries(model, monkeypatch):
    """ONNX Runtime takes the CPU in silence, or nearly so; here it is said."""
    monkeypatch.setattr(engines.OnnxEngine, "available", classmethod(lambda cls: ["cuda", "cpu"]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        denoiser = model.denoiser_on("onnx", 1)
    assert denoiser.engine.name == "onnx"
    text = " ".join(str(one.message) for one in said)
    assert "Using the CPU instead of onnx:cuda: it cannot be used" in text
    assert "could not load its CUDAExecutionProvider" in text


def test_devices_are_named_and_looked_for(model, monkeypatch):
    assert model.denoiser_on("onnx:cpu", 1).engine.name == "onnx"
    assert engines.OnnxEngine.available() == ["cpu"]
    with pytest.raises(ImportError, match=r"onnx has no device 'cuda' here, only cpu; .*pip inst"):
        model.denoiser_on("onnx:cuda")
    with pytest.raises(ValueError, match=r"device is 'gpu', and engine 'onnx' has auto, cuda"):
        engines.check("onnx:gpu")
    with pytest.raises(ValueError, match="'tensorflow' finds its device by itself"):
        engines.check("tensorflow:cuda")
    with pytest.raises(ValueError, match="engine is 'onix', expected one of"):
        engines.check("onix:cuda")


def test_a_graphics_card_is_preferred_where_its_wheel_is(monkeypatch):
    assert engines.preferred() == engines.installed()[0]
    monkeypatch.setattr(engines.OnnxEngine, "available", classmethod(lambda cls: ["dml", "cpu"]))
    assert engines.preferred() == "onnx"
    assert engines.OnnxEngine.automatic() == "dml"
    # it makes its engine for each size anew, for minutes: only where it is asked for
    there = classmethod(lambda cls: ["tensorrt", "cpu"])
    monkeypatch.setattr(engines.OnnxEngine, "available", there)
    assert engines.OnnxEngine.automatic() == "cpu"


def test_many_frames_go_into_one_call_on_a_card(model, on_card, monkeypatch):
    denoiser = model.denoiser_on("onnx", 1)
    assert denoiser.frames_per_call((512, 512)) == 1
    engine, card = on_card()
    monkeypatch.setattr(denoiser, "engine", engine)
    many = PIXEL_FEATURES_PER_TILE // model.config.unet_n_first // 512**2
    assert denoiser.frames_per_call((512, 512)) == many > 1
    movie = np.random.default_rng(0).normal(size=(4, 600, 600, 2)).astype(np.float32)
    found = model.predict(movie, engine="onnx", threads=1, restore=False)
    assert max(card.calls) == 4
    monkeypatch.undo()
    expected = model.predict(movie, engine="onnx", threads=1, restore=False)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_was_tried_is_said():
    assert devices.TRIED == ("cpu",)
    assert all("cpu" in kind.DEVICES for kind in engines.EXPORT_ENGINES.values())
