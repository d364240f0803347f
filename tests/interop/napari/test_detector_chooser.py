"""Which layer is which detector: layers may come and go and change their names."""

import numpy as np
from napari_driving import QEvent, press, widgets

from n2v_stem_keras.interop.napari.detector_chooser import ONE_FOR_ALL


def test_a_wrong_detector_axis_is_said(viewer, denoise, said):
    layer = viewer.add_image(np.zeros((5, 3, 32, 32)), name="three")
    widget = denoise(viewer)
    widget.detectors.kind.setCurrentText(ONE_FOR_ALL)
    widget.detectors.layer.layer = layer
    widget.detectors.axis.setCurrentIndex(1)
    press(widget)
    assert "axis 1 has 3 entries, expected 2 detectors (ADF, BF)" in said()[0]


def test_layers_may_come_and_go_and_change_their_names(two_layers, denoise):
    widget = denoise(two_layers)
    adf, bf = widget.detectors.combos
    two_layers.layers["scan ADF"].name = "renamed"
    assert adf.currentText() == "renamed"
    two_layers.layers.remove("scan BF")
    assert bf.layer is None
    assert adf.layer is two_layers.layers["renamed"]
    two_layers.add_image(np.zeros((12, 64, 48)), name="again BF")
    assert bf.layer is two_layers.layers["again BF"]


def test_a_closed_widget_leaves_the_viewer_alone(two_layers, denoise):
    widget = denoise(two_layers)
    kept = widget.detectors  # as a reference of Python's may outlive the window
    widget.deleteLater()
    widgets.QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    two_layers.layers["scan ADF"].name = "renamed"
    two_layers.add_image(np.zeros((4, 8, 8)), name="more")
    assert len(two_layers.layers) == 3
    assert kept is not None
