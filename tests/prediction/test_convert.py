"""Converted networks compute what they did in TensorFlow, in the folder and in memory."""

import shutil

import numpy as np
import pytest
from networks import SMALL, frames_with_lattice, samples_with_lattice

from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.network.unet import build_network
from n2v_stem_keras.prediction import engines
from n2v_stem_keras.prediction.convert import convert
from n2v_stem_keras.prediction.tiles import Denoiser

pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

OTHERS = tuple(engines.MODULES)
VARIANTS = [
    {},
    {"unet_pool": "blur", "unet_upsample": "transposed", "unet_top_skip": False},
    {"unet_lattice": "frame", "unet_stem": 4},
    {"unet_lattice": "frame", "unet_stem": 2, "unet_blurs": 1, "unet_context": True},
]
MORE_VARIANTS = [
    {"channels": ("HAADF",)},
    {"unet_pool": "max", "unet_upsample": "nearest"},
    {"unet_block": "separable", "unet_bottleneck": "aspp"},
    {"unet_block": "aspp", "unet_context": True},
    {"unet_lattice": "windows", "unet_lattice_window": 16},
    {"unet_lattice": "waves", "unet_lattice_window": 16},
    {"unet_lattice": "windows", "unet_lattice_window": 16, "unet_blurs": 2},
    {"unet_lattice": "waves", "unet_lattice_window": 16, "unet_blurs": 3, "unet_context": True},
    {"unet_lattice": "frame", "unet_independent_detectors": True, "unet_context": True},
    {
        "unet_lattice": "windows",
        "unet_lattice_window": 32,
        "unet_independent_detectors": True,
        "unet_context": True,
    },
]


@pytest.mark.parametrize(
    "changes",
    [*VARIANTS, *(pytest.param(changes, marks=pytest.mark.slow) for changes in MORE_VARIANTS)],
    ids=lambda c: " ".join(map(str, c.values())) or "-",
)
def test_engines_agree(changes):
    """To 1e-4 of the data's standard deviation; odd sizes, tiles and flips included."""
    config = N2VStemConfig(**{**SMALL, **changes}).check()
    network = build_network(config)
    reference = Denoiser(engines.TensorFlowEngine(network, config), config)
    export = convert(network, config)
    assert export.tile_overlap == reference.halo
    others = [Denoiser(engines.open_engine(name, export), config) for name in OTHERS]
    cases = [
        ((64, 48), {}),
        ((67, 41), {}),
        ((1, 17), {}),
        ((150, 130), {"n_tiles": (2, 3)}),
        ((33, 64), {"tta": True}),
    ]
    for shape, options in cases:
        frames = samples_with_lattice(shape, config)
        expected = reference(frames, **options)
        for other in others:
            found = other(frames, **options)
            assert found.shape == expected.shape
            assert found.dtype == np.float32
            assert np.abs(found - expected).max() < 1e-4 * frames.std(), other.engine.name
    assert expected.std() > 0


def test_the_lattice_of_this_test_passes_the_filter():
    """The control: were there no lattice image, its agreement would prove nothing."""
    config = N2VStemConfig(**SMALL, unet_lattice="windows", unet_lattice_window=16).check()
    layer = build_network(config).get_layer("wiener")
    assert layer(frames_with_lattice((64, 48), 2)).numpy().std() > 0.5


@pytest.mark.parametrize("engine", OTHERS)
def test_a_network_that_looks_around_can_be_converted_for_frames_alone(engine):
    config = N2VStemConfig(**SMALL, unet_context=True).check()
    network = build_network(config)
    network.set_weights([w + 0.01 for w in network.get_weights()])
    export = convert(network, config, single=True)
    assert export.weights == convert(network, config).weights  # of the same network
    frames = frames_with_lattice((32, 48), 2)
    # stands for itself: no other frame shows anything
    one, zero = np.ones_like(frames), np.zeros_like(frames)
    expected = network(np.concatenate([frames, one, zero, one, zero], axis=-1)).numpy()
    denoiser = Denoiser(engines.open_engine(engine, export), config.replace(unet_context=False))
    assert np.abs(denoiser(frames) - expected).max() < 1e-4 * frames.std()
    assert expected.std() > 0


@pytest.fixture
def trained(exported_model):
    return exported_model


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of its folder, to be tampered with."""
    return shutil.copytree(trained[0] / "m", tmp_path / "m")


@pytest.mark.parametrize("basedir", [None, "folder"])
def test_without_an_export_the_network_is_converted_in_memory(trained, folder, basedir):
    _, movie = trained
    (folder / model_folder.EXPORT).unlink()
    model = N2VStem(None, "m", folder.parent)
    if basedir is None:
        weights = model.keras_model.get_weights()
        model = N2VStem(model.config, basedir=None)
        model.keras_model.set_weights(weights)
        model.trained = True
    found = model.predict(movie, engine="onnx")
    assert np.abs(found - model.predict(movie)).max() < 1e-4 * movie.std()
    assert not (folder / model_folder.EXPORT).exists()
