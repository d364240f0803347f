"""The Keras side of training: schedule, progress, time estimate, noise floor."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import samples_with_lattice

from n2v_stem_keras.config import N2VStemConfig
from n2v_stem_keras.network.unet import build_network
from n2v_stem_keras.training import loop
from n2v_stem_keras.training.checkpoint import RunState
from n2v_stem_keras.training.losses import excess_standard_error


def make_trainer(config, n_steps=10):
    network = loop.build_trainer(config)
    network.prepare(config, n_steps)
    return network


def test_cosine_schedule_goes_from_the_rate_to_zero(tiny_config):
    schedule = loop.learning_rate(tiny_config, 100)
    assert float(schedule(0)) == pytest.approx(tiny_config.train_learning_rate)
    assert float(schedule(100)) == pytest.approx(0, abs=1e-9)
    constant = tiny_config.replace(train_learning_rate_schedule="constant")
    assert loop.learning_rate(constant, 100) == constant.train_learning_rate


def test_the_optimizer_is_the_papers_adam():
    network = make_trainer(
        N2VStemConfig(unet_n_first=1, unet_n_depth=1, train_learning_rate=1e-5).check()
    )
    assert isinstance(network.optimizer, keras.optimizers.Adam)
    assert float(network.optimizer.learning_rate) == pytest.approx(1e-5)


def test_metrics_are_no_part_of_the_weights(tiny_config, tmp_path):
    """A weight file of the trainer fits the plain network, and the other way round."""
    network = make_trainer(tiny_config)
    plain = build_network(tiny_config)
    assert [w.shape for w in network.get_weights()] == [w.shape for w in plain.get_weights()]
    plain.save_weights(tmp_path / "plain.weights.h5")
    plain.load_weights(tmp_path / "plain.weights.h5")


def test_losses_of_detectors_average_to_the_whole(tiny_config):
    network = make_trainer(tiny_config)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 32, 32, tiny_config.n_channel_in)).astype(np.float32)
    mask = (rng.uniform(size=(2, 32, 32, 2)) < 0.1).astype(np.float32)
    logs = network.test_on_batch(x, np.concatenate([x[..., :2], mask], axis=-1), return_dict=True)
    n = mask.sum(axis=(0, 1, 2))
    whole = (n[0] * logs["loss_ADF"] + n[1] * logs["loss_BF"]) / n.sum()
    assert logs["loss"] == pytest.approx(whole, rel=1e-5)


@pytest.fixture(params=[False, True], ids=["alone", "with context"])
def lattice_config(tiny_config, request):
    return tiny_config.replace(
        unet_lattice="windows", unet_lattice_window=32, unet_context=request.param
    )


def lattice_trainer(config, **options):
    """A training network with a lattice image, and how it sees blinded and whole frames."""
    network = loop.build_trainer(config)
    network.prepare(config, 10, **options)

    def see(x, blinded):
        return network([x, np.full((len(x), 1), blinded, np.float32)])

    return network, see


def test_lattice_images_count_as_they_are_in_blinded_frames(lattice_config):
    """`lattice.layers.AsBlinded` weakens those of whole frames."""
    network, see = lattice_trainer(lattice_config, optimizer=keras.optimizers.SGD(0.0))
    x = samples_with_lattice((64, 64), lattice_config, 1)
    frame = x[..., :2]
    y = np.concatenate([frame, np.ones_like(frame)], axis=-1)
    blind, whole = (np.mean((see(x, b).numpy() - frame) ** 2) for b in (1, 0))
    assert blind != pytest.approx(whole, rel=1e-4)
    found = network.train_on_batch(x, y, return_dict=True)["loss"]
    assert found == pytest.approx(blind, rel=1e-5)
    network.reset_metrics()
    found = network.test_on_batch(x, y, return_dict=True)["loss"]
    assert found == pytest.approx(blind, rel=1e-5)  # validation is blind


def test_a_network_that_predicts_sees_every_frame_whole(lattice_config):
    network, see = lattice_trainer(lattice_config)
    plain = build_network(lattice_config)
    plain.set_weights(network.get_weights())
    x = samples_with_lattice((64, 64), lattice_config, 2)
    assert np.array_equal(plain(x), see(x, 0))
    assert not np.array_equal(plain(x), see(x, 1))


def test_with_a_teacher_each_sample_counts_as_it_is(lattice_config):
    """Blinded ones have lattice images as strong as the filter makes them, whole ones weaker."""
    options = {"optimizer": keras.optimizers.SGD(1.0), "teacher_weight": 2.0}
    network, see = lattice_trainer(lattice_config, **options)
    x = samples_with_lattice((64, 64), lattice_config, 3)
    frames, mask = x[..., :2], np.ones((3, 64, 64, 2), np.float32)
    mask[1] = 0  # seen whole
    y = np.concatenate([frames, mask, 0 * frames], axis=-1)
    weights = [w.numpy() for w in network.trainable_variables]
    with tf.GradientTape() as tape:
        blind, whole = see(x[::2], 1), see(x[1:2], 0)
        loss = tf.reduce_mean((blind - frames[::2]) ** 2) + 2.0 * tf.reduce_mean(whole**2)
    gradients = tape.gradient(loss, network.trainable_variables)
    found = network.train_on_batch(x, y, return_dict=True)["loss"]
    assert found == pytest.approx(np.mean((blind.numpy() - frames[::2]) ** 2), rel=1e-5)
    for before, after, g in zip(weights, network.trainable_variables, gradients):
        np.testing.assert_allclose(before - after.numpy(), g.numpy(), rtol=1e-3, atol=1e-5)


def test_standard_error_of_the_excess_is_what_scatters():
    """2 sigma e_rms / sqrt(N), against a simulation."""
    rng = np.random.default_rng(0)
    sigma, e_rms, n = 1.0, 0.3, 2000
    errors = rng.normal(0, e_rms, n)
    losses = [np.mean((errors + rng.normal(0, sigma, n)) ** 2) for _ in range(2000)]
    # the noise is the same in all epochs, so only its product with the error scatters
    noise = rng.normal(0, sigma, (2000, n))
    excess = np.mean((errors + noise) ** 2 - noise**2, axis=1)
    expected = excess_standard_error(float(np.mean(losses)), sigma**2, n)
    assert expected == pytest.approx(excess.std(), rel=0.1)
    assert excess_standard_error(0.9, 1.0, n) == 0  # below the floor: nothing to scatter


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_line_an_epoch_with_loss_floor_and_time_left():
    state = RunState(epoch=0, first_epoch=0, epochs=3, steps_per_epoch=5, fingerprints=[])
    stream = io.StringIO()
    progress = loop.Progress(state, 0.5, 0.002, stream)
    progress.on_train_batch_end(0, {"loss": 0.7})
    assert stream.getvalue() == ""  # nothing within an epoch, unless on a terminal
    progress.on_epoch_end(0, {"loss": 0.7, "val_loss": 0.6, "val_loss_se": 0.01})
    line = stream.getvalue()
    assert line.startswith("epoch 1/3  loss 0.7000  val_loss 0.6000 +-0.0100 (noise floor 0.5000")
    assert "+-0.0020)" in line
    assert line.endswith(" left\n")


def test_progress_on_a_terminal_shows_steps():
    state = RunState(epoch=0, first_epoch=0, epochs=3, steps_per_epoch=5, fingerprints=[])
    stream = Terminal()
    progress = loop.Progress(state, None, None, stream)
    progress._shown -= 10
    progress.on_train_batch_end(1, {"loss": 0.7})
    assert "step 2/5" in stream.getvalue()


def test_long_trainings_on_a_cpu_are_announced(tiny_config, monkeypatch):
    network = make_trainer(tiny_config)
    stream = io.StringIO()
    loop.warn_if_slow(network, tiny_config, (32, 32), 10, stream)
    assert stream.getvalue() == ""
    monkeypatch.setattr(loop, "estimate_seconds", lambda *a: 5 * 7 * 86400.0)
    loop.warn_if_slow(network, tiny_config, (32, 32), 10, stream)
    assert "5.0 weeks" in stream.getvalue()
    assert "preset 'laptop'" in stream.getvalue()


def test_the_estimate_grows_with_pixels_and_steps_and_changes_no_weight(tiny_config):
    network = make_trainer(tiny_config)
    before = [w.copy() for w in network.get_weights()]
    small = loop.estimate_seconds(network, tiny_config, (32, 32), 10)
    large = loop.estimate_seconds(network, tiny_config, (512, 512), 1000)
    assert large > 1000 * small > 0
    for one, other in zip(before, network.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_the_estimate_measures_as_many_pixels_behind_a_stem_as_without():
    class Network:
        trainable_variables = ()

        def inputs_of(self, x, y):
            return x

        def __call__(self, x):
            self.shape = x.shape
            return x

    network = Network()
    for stem, context in ((1, False), (4, False), (4, True)):
        config = N2VStemConfig(unet_stem=stem, unet_context=context, n2v_patch_shape=(512, 512))
        loop.estimate_seconds(network, config, (512, 512), 10)
        assert tuple(network.shape) == (1, 64 * stem, 64 * stem, 10 if context else 2)


def test_histories_of_unequal_columns_stay_aligned():
    history = {"epoch": [0], "loss": [1.0]}
    loop.append_row(history, {"epoch": 1, "loss": 0.5, "val_loss": 0.6})
    loop.append_row(history, {"epoch": 2, "loss": 0.4})
    assert history == {
        "epoch": [0, 1, 2], "loss": [1.0, 0.5, 0.4], "val_loss": [None, 0.6, None],
    }  # fmt: skip
