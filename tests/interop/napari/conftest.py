"""Viewers, layers and models for the tests of the plugin; nothing is imported before it is used."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def app():
    from napari_driving import widgets

    return widgets.QApplication.instance() or widgets.QApplication([])


@pytest.fixture
def said():
    """What the viewer's notifications say."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Folder of a tiny model of ADF and BF."""
    from napari_driving import TINY

    from n2v_stem_keras import N2VStem, N2VStemConfig

    small = N2VStemConfig.preset("laptop", **TINY)
    model = N2VStem(small, "tiny", tmp_path_factory.mktemp("models"))
    movie = np.random.default_rng(0).normal(size=(6, 48, 40, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        model.train(movie, verbose=False)
    return model.logdir


@pytest.fixture
def viewer(app):
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def two_layers(viewer, noisy_movie):
    """A viewer with a layer for each detector."""
    from napari_driving import NAMES

    for c, name in enumerate(NAMES):
        data = np.ascontiguousarray(noisy_movie[..., c])
        geometry = {"scale": (1, 0.05, 0.05), "units": ("pixel", "nm", "nm")}
        viewer.add_image(data, name=f"scan {name}", contrast_limits=(900, 1100), **geometry)
    return viewer


@pytest.fixture
def denoise(app, trained):
    """Make a denoise widget of a viewer, with the tiny model chosen."""

    def make(viewer):
        from n2v_stem_keras.interop.napari.denoise import DenoiseWidget

        widget = DenoiseWidget(viewer)
        widget.model.add(trained)
        widget.engine.setCurrentText("tensorflow")
        return widget

    return make
