"""Training on several GPUs of one host, through TensorFlow's MirroredStrategy.

Each device holds a copy of the network and works on its part of every batch; losses and gradients
are summed over devices and divided by the global count of blind pixels (`losses`), so that they are
those of one device. Several hosts are not offered: `MultiWorkerMirroredStrategy` fails in Keras 3's
`fit`.
"""

from __future__ import annotations

import tensorflow as tf

from ..config import ConfigError, N2VStemConfig


def open_strategy(name: str | None, config: N2VStemConfig) -> tf.distribute.Strategy:
    """Return the strategy of a training.

    Parameters
    ----------
    name : {None, 'mirrored'}
    config : N2VStemConfig

    Raises
    ------
    ConfigError
        No such strategy, one device only, or a batch that cannot be divided evenly.
    """
    if name is None:
        return tf.distribute.get_strategy()
    if name != "mirrored":
        raise ConfigError(f"strategy is {name!r}, expected None or 'mirrored'")
    # without a GPU, the logical CPUs: for tests
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise ConfigError(
            f"strategy 'mirrored' needs several GPUs on this host, found {devices[0].name}; "
            "train without it"
        )
    n_parts = config.train_gradient_accumulation_steps
    if config.train_batch_size % (len(devices) * n_parts):
        raise ConfigError(
            f"train_batch_size = {config.train_batch_size} cannot be divided among "
            f"{len(devices)} devices in {n_parts} parts; choose a multiple of "
            f"{len(devices) * n_parts}"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])
