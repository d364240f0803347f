"""Training divided among devices: the same as on one. (The loss and one step: test_losses.)"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import n2v_stem_keras
from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.training.devices import open_strategy

TWO_DEVICES = """
import json, sys
import numpy as np, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.training import data
from n2v_stem_keras.training.devices import open_strategy

data.MIN_VALIDATION_PIXELS, data.FEW_PIXELS = 2000, 0
basedir = sys.argv[1]
movie = np.random.default_rng(0).normal(size=(12, 64, 48, 2)).astype("f4")
config = N2VStemConfig.preset(
    "laptop", unet_n_depth=1, unet_n_first=2, unet_lattice_window=16, n2v_patch_shape=(32, 32),
    train_epochs=2, train_steps_per_epoch=3, train_batch_size=4,
)


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def train(name, strategy, stop=False):
    model = N2VStem(config, name, basedir)
    # SGD: Adam divides by the size of gradients, and so blows rounding up
    model.prepare_for_training(keras.optimizers.SGD(0.1))
    model.callbacks = [Stop()] if stop else []
    try:
        model.train(movie, strategy=strategy, verbose=False)
    except KeyboardInterrupt:
        model.callbacks = []
        model.train(movie, strategy=strategy, verbose=False)
    return model


def distance(a, b):
    pairs = zip(a.keras_model.get_weights(), b.keras_model.get_weights())
    return max(float(np.abs(p - q).max()) for p, q in pairs)


def losses(model):
    history = model.record["history"]
    return {key: history[key] for key in history if "loss" in key}


one, two = train("one", None), train("two", "mirrored")
resumed = train("resumed", "mirrored", stop=True)
start = N2VStem(config, basedir=None)
print(json.dumps({
    "replicas": [m.record["runs"][-1]["replicas"] for m in (one, two)],
    "moved": distance(one, start),
    "weights": distance(one, two),
    "losses": [losses(one), losses(two)],
    "resumed": distance(two, resumed),
    "resumed losses": losses(resumed),
}))
try:
    open_strategy("mirrored", config.replace(train_batch_size=3))
except ValueError as error:
    print(error, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    """Results of a process that sees two devices."""
    path = os.pathsep.join(map(str, (Path(n2v_stem_keras.__file__).parents[1], *sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path_factory.mktemp("models"))],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.slow
def test_a_training_on_two_devices_is_that_on_one(two_devices):
    found, _ = two_devices
    assert found["replicas"] == [1, 2]
    assert found["moved"] > 1e-3
    assert found["weights"] < 1e-6
    one, two = found["losses"]
    assert {"loss", "val_loss", "loss_ADF", "val_loss_BF"} <= set(one)
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=1e-6, abs=1e-6), name


@pytest.mark.slow
def test_it_resumes(two_devices):
    found, _ = two_devices
    assert found["resumed"] < 1e-6
    assert found["resumed losses"]["val_loss"] == pytest.approx(
        found["losses"][1]["val_loss"], rel=1e-6
    )


@pytest.mark.slow
def test_a_batch_that_cannot_be_divided_is_refused(two_devices):
    assert "train_batch_size = 3 cannot be divided among 2 devices in 1 parts" in two_devices[1]


def test_one_device_is_refused(tiny_config, noisy_movie):
    with pytest.raises(ValueError, match="needs several GPUs on this host, found"):
        N2VStem(tiny_config, basedir=None).train(noisy_movie, strategy="mirrored")
    with pytest.raises(ValueError, match="strategy is 'tpu', expected None or 'mirrored'"):
        open_strategy("tpu", N2VStemConfig())
    assert open_strategy(None, N2VStemConfig()).num_replicas_in_sync == 1
