"""Training runs: reproducible to the bit, resumable to the bit, whole folders at any moment."""

import csv
import json
import shutil
import sys

import keras
import numpy as np
import pytest

from n2v_stem_keras import FolderError, N2VStem, TrainingDiverged
from n2v_stem_keras.cli import main
from n2v_stem_keras.folder.folder import WEIGHTS_BEST, save_weights
from n2v_stem_keras.normalize import DataError
from n2v_stem_keras.series import collect_series
from n2v_stem_keras.training import data
from n2v_stem_keras.training.plan import plan
from n2v_stem_keras.training.run import check_start

pytestmark = pytest.mark.usefixtures("few_validation_pixels")


def weights_of(model):
    return [w.copy() for w in model.keras_model.get_weights()]


def assert_same_weights(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


class StopAfter(keras.callbacks.Callback):
    """Raises in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, epoch, step, error=KeyboardInterrupt):
        super().__init__()
        self.at, self.error, self.epoch = (epoch, step), error, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise self.error


@pytest.mark.slow
def test_training_twice_gives_the_same_bits(tiny_config, noisy_movie, tmp_path):
    histories, weights = [], []
    for name in "ab":
        model = N2VStem(tiny_config, name, tmp_path)
        history = model.train(noisy_movie, verbose=False)
        weights.append(weights_of(model))
        histories.append({k: v for k, v in history.history.items() if k != "seconds"})
    assert histories[0] == histories[1]
    assert_same_weights(*weights)


@pytest.mark.slow
def test_another_seed_gives_other_weights(tiny_config, noisy_movie):
    models = [N2VStem(tiny_config.replace(train_seed=s), basedir=None) for s in (0, 1)]
    for model in models:
        model.train(noisy_movie, epochs=1, verbose=False)
    assert not np.array_equal(weights_of(models[0])[0], weights_of(models[1])[0])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"n2v_early_pitch": 5}, id="averaged, cosine"),
        pytest.param(
            {
                "unet_lattice": "windows",
                "unet_lattice_window": 16,
                "train_gradient_accumulation_steps": 2,
                "train_ema_momentum": 0.0,
                "n2v_span": (1, 3),
                "n2v_pitch": 8,
                "n2v_early_pitch": 6,
            },
            id="accumulated, extended spots",
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.parametrize(
    "stop",
    [pytest.param((0, 0), marks=pytest.mark.slow), (1, 1),
     pytest.param((2, 2), marks=pytest.mark.slow)],
)  # fmt: skip
def test_resuming_ends_bit_equal(plain_config, noisy_movie, tmp_path, stop, changes):
    config = plain_config.replace(train_epochs=3, **changes)
    whole = N2VStem(config, "whole", tmp_path)
    expected = whole.train(noisy_movie, verbose=False)

    broken = N2VStem(config, "broken", tmp_path)
    broken.callbacks.append(StopAfter(*stop))
    with pytest.raises(KeyboardInterrupt):
        broken.train(noisy_movie, verbose=False)
    resumed = N2VStem(config, "broken", tmp_path)
    history = resumed.train(noisy_movie, verbose=False)

    assert history.history["val_loss"] == expected.history["val_loss"]
    assert history.epoch == [0, 1, 2]
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert not (tmp_path / "broken" / "checkpoint").exists()


def test_an_interrupted_training_leaves_a_usable_model(plain_config, noisy_movie, tmp_path):
    model = N2VStem(plain_config, "m", tmp_path)
    model.callbacks.append(StopAfter(0, 1))
    with pytest.raises(KeyboardInterrupt):
        model.train(noisy_movie, verbose=False)
    opened = N2VStem(None, "m", tmp_path)
    assert opened.trained
    assert not opened.record["runs"][-1]["finished"]
    assert np.isfinite(opened.predict(noisy_movie)).all()
    np.testing.assert_array_equal(opened.predict(noisy_movie), model.predict(noisy_movie))


@pytest.mark.slow
def test_resuming_with_other_data_is_refused_with_both_fingerprints(
    tiny_config, noisy_movie, tmp_path
):
    model = N2VStem(tiny_config, "m", tmp_path)
    model.callbacks.append(StopAfter(1, 0))
    with pytest.raises(KeyboardInterrupt):
        model.train(noisy_movie, verbose=False)
    model.callbacks.clear()
    other = noisy_movie.copy()
    other[0, 0, 0, 0] += 1
    with pytest.raises(FolderError, match=r"other data \(fingerprint sha256:\w+ -> sha256:\w+\)"):
        model.train(other, verbose=False)
    with pytest.raises(FolderError, match="steps per epoch"):
        model.train(noisy_movie, steps_per_epoch=4, verbose=False)
    history = model.train(other, resume=False, verbose=False)  # the way out
    assert history.epoch == [0, 1, 2]  # one whole epoch before, two of the new run


@pytest.mark.slow
def test_a_second_training_goes_on_from_the_weights(tiny_config, noisy_movie, tmp_path):
    model = N2VStem(tiny_config, "m", tmp_path)
    model.train(noisy_movie, verbose=False)
    before = weights_of(model)
    started_with = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            started_with.extend(w.copy() for w in self.model.get_weights())

    model.callbacks.append(Watch())
    history = model.train(noisy_movie, epochs=1, verbose=False)
    assert_same_weights(started_with, before)
    assert history.epoch == [0, 1, 2]
    assert len(history.history["loss"]) == 3
    assert [run["first_epoch"] for run in model.record["runs"]] == [0, 2]


@pytest.mark.slow
def test_transfer_starts_from_the_other_models_weights(tiny_config, noisy_movie, tmp_path):
    first = N2VStem(tiny_config, "first", tmp_path)
    first.train(noisy_movie, verbose=False)
    started_with = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            started_with.extend(w.copy() for w in self.model.get_weights())

    second = N2VStem(tiny_config.replace(train_seed=9), "second", tmp_path)
    second.callbacks.append(Watch())
    second.train(noisy_movie, epochs=1, transfer_from=tmp_path / "first", verbose=False)
    assert_same_weights(started_with, weights_of(first))
    assert second.record["runs"][0]["transfer_from"].endswith("first")


def test_weights_of_another_network_are_no_start(tiny_config, noisy_movie, tmp_path):
    first = N2VStem(tiny_config, "first", tmp_path)
    save_weights(first.keras_model, first.logdir / WEIGHTS_BEST)
    wide = N2VStem(tiny_config.replace(unet_n_first=4), "wide", tmp_path)
    with pytest.raises(FolderError, match="its network differs"):
        wide.train(noisy_movie, transfer_from=tmp_path / "first", verbose=False)


def test_the_folder_holds_what_the_design_promises(plain_config, noisy_movie, tmp_path):
    N2VStem(plain_config, "m", tmp_path).train(noisy_movie, pixel_size_nm=0.046, verbose=False)
    folder = tmp_path / "m"
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "config.json",
        "weights_best.weights.h5",
        "weights_last.weights.h5",
        "thresholds.json",
        "training.json",
        "training_log.csv",
        "README.md",
    }
    record = json.loads((folder / "training.json").read_text())
    (run,) = record["runs"]
    assert run["finished"]
    assert run["seed"] == 0
    assert run["movies"][0]["fingerprint"].startswith("sha256:")
    assert run["movies"][0]["pixel_size_nm"] == 0.046
    assert set(run["versions"]) >= {"keras", "tensorflow", "numpy", "n2v_stem_keras", "python"}
    with open(folder / "training_log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["val_loss"]) for r in rows] == record["history"]["val_loss"]
    thresholds = json.loads((folder / "thresholds.json").read_text())
    assert set(thresholds) == {"format_version", "ADF", "BF"}
    assert set(thresholds["ADF"]) == {"noise", "domain"}
    low, high = thresholds["ADF"]["domain"]["pixel_size_nm"]
    assert low < 0.046 < high


@pytest.mark.slow
def test_best_weights_are_those_of_the_lowest_validation_loss(tiny_config, noisy_movie, tmp_path):
    config = tiny_config.replace(
        train_epochs=4,
        train_learning_rate=0.3,
        train_learning_rate_schedule="constant",
        train_ema_momentum=0.0,
    )
    seen = {}

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen[epoch] = [w.copy() for w in self.model.get_weights()]

    model = N2VStem(config, "m", tmp_path)
    model.callbacks.append(Watch())
    history = model.train(noisy_movie, verbose=False)
    best = int(np.argmin(history.history["val_loss"]))
    assert_same_weights(weights_of(model), seen[best])
    model.load_weights("weights_last.weights.h5")
    assert_same_weights(weights_of(model), seen[3])


@pytest.mark.slow
def test_averaged_weights_are_the_average(tiny_config, noisy_movie):
    config = tiny_config.replace(train_ema_momentum=0.5, train_epochs=1)
    steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            steps.append(self.model.get_weights()[0])

        def on_train_batch_end(self, batch, logs=None):
            steps.append(self.model.get_weights()[0])

    model = N2VStem(config, basedir=None)
    model.callbacks.append(Watch())
    model.train(noisy_movie, verbose=False)
    expected = steps[0]
    for n, weight in enumerate(steps[1:]):
        momentum = min(0.5, (1 + n) / (10 + n))
        expected = momentum * expected + (1 - momentum) * weight
    np.testing.assert_allclose(weights_of(model)[0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("least", "early"), [(0.0, 2), (1000.0, 0)])
def test_a_folder_says_how_many_epochs_had_a_denser_grid(
    tiny_config, noisy_movie, tmp_path, least, early, capsys, monkeypatch
):
    monkeypatch.setattr(data, "EARLY_SIGNAL", least)
    config = tiny_config.replace(n2v_early_pitch=5, train_epochs=9)
    model = N2VStem(config, "m", tmp_path)
    model.train(noisy_movie, epochs=4)  # not the configuration's nine
    assert model.record["runs"][-1]["early_epochs"] == early
    assert ("the first 2 epochs with a denser grid" in capsys.readouterr().out) == bool(early)
    card = (model.logdir / "README.md").read_text(encoding="utf-8")
    pitch = f"every {config.n2v_pitch} px"
    assert (f"{pitch} (5 px in the first 2 epochs), jitter" in card) == bool(early)
    assert (f"{pitch}, jitter" in card) != bool(early)
    assert main(["info", str(model.logdir)]) == 0
    assert ("pitch 5 px in the first 2 epochs" in capsys.readouterr().out) == bool(early)
    model.train(noisy_movie, epochs=5, verbose=False)  # goes on, with its own first epochs
    assert model.record["runs"][-1]["early_epochs"] == early


@pytest.mark.slow
def test_accumulated_gradients_equal_those_of_the_whole_batch(tiny_config, noisy_movie):
    """Parts have unequal numbers of blind pixels; a mean of means would differ."""
    config = tiny_config.replace(
        train_batch_size=4,
        train_ema_momentum=0.0,
        train_steps_per_epoch=1,
        train_epochs=1,
        n2v_pitch=24,
        train_validation_fraction=0.0,
    )
    results = []
    for parts in (1, 2, 4):
        model = N2VStem(config.replace(train_gradient_accumulation_steps=parts), basedir=None)
        model.prepare_for_training(keras.optimizers.SGD(1.0))
        model.train(noisy_movie, verbose=False)
        results.append(np.concatenate([w.ravel() for w in weights_of(model)]))
    np.testing.assert_allclose(results[1], results[0], atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], atol=1e-6)


def test_nan_stops_and_keeps_the_best_weights(tiny_config, noisy_movie, tmp_path):
    config = tiny_config.replace(
        train_learning_rate=10.0,
        train_epochs=50,
        train_learning_rate_schedule="constant",
        train_ema_momentum=0.0,
    )
    model = N2VStem(config, "m", tmp_path)
    model.prepare_for_training(keras.optimizers.SGD(1e6))
    with pytest.raises(TrainingDiverged, match="train_learning_rate"):
        model.train(noisy_movie, verbose=False)
    assert all(np.isfinite(w).all() for w in weights_of(model))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*the mean of input minus output")
def test_the_blind_spot_is_what_denoises(noisy_movie, tiny_config):
    """Negative control: without blinding, the same training learns the identity."""
    import tensorflow as tf

    from n2v_stem_keras.training import data

    clean = noisy_movie.mean(axis=0)
    config = tiny_config.replace(
        unet_context=False,  # or the other frames would be copied instead of the noise
        unet_n_depth=2,
        unet_n_first=8,
        train_epochs=2,
        train_steps_per_epoch=150,
        train_batch_size=4,
        train_learning_rate=4e-3,
    )
    noise = np.mean((noisy_movie - clean) ** 2)

    model = N2VStem(config, basedir=None)
    model.train(noisy_movie, verbose=False)
    blind_error = np.mean((model.predict(noisy_movie) - clean) ** 2)
    assert blind_error < 0.3 * noise

    real = data.blind_sample

    def seeing(sample, *options, **more):
        _, target = real(sample, *options, **more)
        return tf.identity(sample), target

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "blind_sample", seeing)
        model = N2VStem(config, basedir=None)
        with pytest.warns(UserWarning, match="lies .* below the noise floor"):
            model.train(noisy_movie, verbose=False)
    seeing_error = np.mean((model.predict(noisy_movie) - clean) ** 2)
    assert seeing_error > 0.5 * noise


@pytest.mark.slow
def test_validation_data_may_be_given(tiny_config, noisy_movie):
    model = N2VStem(tiny_config, basedir=None)
    history = model.train(noisy_movie[:6], validation_data=noisy_movie[6:], verbose=False)
    assert model.record["runs"][0]["training_frames"] == 6
    assert len(history.history["val_loss"]) == 2


@pytest.mark.slow
def test_input_is_never_modified(tiny_config, noisy_movie):
    before = noisy_movie.copy()
    noisy_movie.setflags(write=False)
    model = N2VStem(tiny_config, basedir=None)
    model.train(noisy_movie, verbose=False)
    model.predict(noisy_movie)
    np.testing.assert_array_equal(noisy_movie, before)


def test_noise_floor_and_its_error_stand_beside_the_loss(plain_config, noisy_movie, capsys):
    model = N2VStem(plain_config, basedir=None)
    history = model.train(noisy_movie).history
    truth = np.mean((0.7 * 30) ** 2 / noisy_movie.reshape(-1, 2).var(axis=0))
    assert history["noise_floor"][0] == pytest.approx(truth, rel=0.1)
    loss, floor = history["val_loss"][-1], history["noise_floor"][-1]
    n = 2 * 2000
    assert history["val_loss_se"][-1] == pytest.approx(
        2 * np.sqrt(floor * (loss - floor) / n), rel=0.1
    )
    printed = capsys.readouterr().out
    assert "noise floor" in printed
    assert "left" in printed


def test_bad_movies_are_refused_before_training(tiny_config, noisy_movie):
    model = N2VStem(tiny_config, basedir=None)
    broken = noisy_movie.copy()
    broken[3, 5, 7, 1] = np.nan
    with pytest.raises(DataError, match=r"frame 3 has 1 NaN"):
        model.train(broken, verbose=False)
    constant = noisy_movie.copy()
    constant[..., 1] = 5
    with (
        pytest.warns(UserWarning, match="detector BF has one value"),
        pytest.raises(DataError, match="detector BF is constant"),
    ):
        model.train(constant, verbose=False)
    with pytest.raises(DataError, match="the list of movies is empty"):
        model.train([], verbose=False)
    with pytest.raises(ValueError, match="epochs is 0"):
        model.train(noisy_movie, epochs=0, verbose=False)


@pytest.mark.slow
def test_a_full_disk_leaves_the_version_before(tiny_config, noisy_movie, tmp_path, monkeypatch):
    model = N2VStem(tiny_config, "m", tmp_path)
    model.train(noisy_movie, verbose=False)
    before = (tmp_path / "m" / "weights_best.weights.h5").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left to write"):
        model.train(noisy_movie, verbose=False)
    assert (tmp_path / "m" / "weights_best.weights.h5").read_bytes() == before
    assert not [p for p in (tmp_path / "m").rglob(".tmp-*") if p.is_file()]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused_with_a_way_out(tiny_config, noisy_movie, tmp_path):
    model = N2VStem(tiny_config, "m", tmp_path)
    model.callbacks.append(StopAfter(1, 0))
    with pytest.raises(KeyboardInterrupt):
        model.train(noisy_movie, verbose=False)
    (where,) = (tmp_path / "m" / "checkpoint").iterdir()
    for name, damage in (("arrays.npz", b"PK"), ("state.json", b'{"epoch": "x"}')):
        copy = shutil.copytree(tmp_path / "m", tmp_path / f"copy-{name}")
        (copy / "checkpoint" / where.name / name).write_bytes(damage)
        with pytest.raises(FolderError, match="resume=False"):
            N2VStem(tiny_config, copy.name, tmp_path).train(noisy_movie, verbose=False)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_saves_float32(tiny_config, noisy_movie, tmp_path, precision):
    model = N2VStem(tiny_config.replace(train_precision=precision), "m", tmp_path)
    history = model.train(noisy_movie, verbose=False)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict(noisy_movie).dtype == np.float32
    assert {w.dtype for w in weights_of(model)} == {np.dtype("float32")}


def test_correlated_noise_is_announced_before_training(plain_config, noisy_movie):
    smeared = (noisy_movie + np.roll(noisy_movie, 1, axis=2)) / 2
    fixed = plain_config.replace(n2v_span=(1, 1), n2v_after_glow=None)
    model = N2VStem(fixed, basedir=None)
    with pytest.warns(UserWarning, match=r"correlated along x .* n2v_span=\(1, "):
        model.train(smeared, verbose=False)


@pytest.mark.slow
def test_few_frames_are_announced_unless_another_model_helps(
    tiny_config, noisy_movie, tmp_path, monkeypatch
):
    monkeypatch.setattr(data, "FEW_PIXELS", 9 * 64 * 48 + 1)
    model = N2VStem(tiny_config, "first", tmp_path)
    expected = r"9 frames with 27,648 px of each detector; below about 27,649 px .*transfer_from"
    with pytest.warns(UserWarning, match=expected):
        model.train(noisy_movie, epochs=1, verbose=False)
    model.train(noisy_movie, epochs=1, verbose=False)  # said once
    helped = N2VStem(tiny_config, "second", tmp_path)
    helped.train(noisy_movie, epochs=1, transfer_from=tmp_path / "first", verbose=False)
    monkeypatch.setattr(data, "FEW_PIXELS", 9 * 64 * 48)
    N2VStem(tiny_config, basedir=None).train(noisy_movie, epochs=1, verbose=False)


def test_a_missing_tensorboard_is_named_before_anything_is_written(
    tiny_config, noisy_movie, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    model = N2VStem(tiny_config.replace(train_tensorboard=True), "m", tmp_path)
    with pytest.raises(ImportError, match=r"n2v_stem_keras\[tensorboard\]"):
        model.train(noisy_movie, verbose=False)
    assert [p.name for p in (tmp_path / "m").iterdir()] == ["config.json"]


def test_a_ready_made_model_is_a_start_by_its_name(noisy_movie):
    ready = N2VStem.from_pretrained("graphene-au")
    config = ready.config.replace(n2v_patch_shape=(64, 64), unet_lattice_window=32)
    series = collect_series(noisy_movie, config, axes="TYXC", fingerprint=True)
    weights = check_start(plan(config, series, []), "graphene-au")
    for found, expected in zip(weights, ready.keras_model.get_weights()):
        np.testing.assert_array_equal(found, expected)
