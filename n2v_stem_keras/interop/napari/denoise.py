"""Widget that denoises layers with a model and adds the results beside them."""

from __future__ import annotations

import contextlib

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ... import engines
from ...config import ConfigError
from ...folder import FolderError
from ...provenance import of_denoising
from . import layers, models
from .detector_chooser import DetectorChooser
from .job import JobRow, Report
from .model_chooser import ModelChooser
from .reader import contrast_limits


class DenoiseWidget(QWidget):
    """Choose model and layers, denoise, compare.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer):
        super().__init__()
        self._viewer, self._pairs = napari_viewer, []
        self.model, self.detectors = ModelChooser(), DetectorChooser(napari_viewer)
        self.engine, self.flips = QComboBox(), QCheckBox("Average over four flips (slower)")
        self.side_by_side = QCheckBox("Show side by side (grid)")
        self.side_by_side.setChecked(True)
        self.engine.addItems(["auto", "tensorflow", *engines.installed()])
        self.engine.setToolTip(
            "What runs the network; results are the same to rounding.\n"
            "auto: the fastest that needs no preparation"
        )
        self.job = JobRow("Denoise", "Cancel", self._begin)
        self.fit_button = QPushButton("Fit contrast to the denoised layers")
        self.fit_button.setEnabled(False)
        self.fit_button.setToolTip("Noisy and denoised layers share their contrast limits")
        self.fit_button.clicked.connect(self.fit_contrast)
        options, engine = QGroupBox("Options"), QFormLayout()
        engine.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        engine.addRow("Engine", self.engine)
        inside = QVBoxLayout(options)
        inside.addLayout(engine)
        inside.addWidget(self.flips)
        inside.addWidget(self.side_by_side)
        layout = QVBoxLayout(self)
        layout.addWidget(boxed("Model", self.model))
        layout.addWidget(boxed("Layers", self.detectors))
        layout.addWidget(options)
        layout.addWidget(self.job)
        layout.addWidget(self.fit_button)
        layout.addStretch()
        self.model.changed.connect(self._on_model)
        self._on_model()

    def _on_model(self):
        with contextlib.suppress(FolderError, ConfigError):
            self.detectors.set_detectors(self.model.config.channels)

    def _begin(self):
        """Start with what is chosen now."""
        source, folder = self.detectors.source(), self.model.folder
        movie = source.movie()
        results = layers.Results(source, movie)
        engine, tta = self.engine.currentText(), self.flips.isChecked()

        def work(report):
            return denoise(report, folder, movie, results, engine, tta)

        self.job.run(work, self._add, lambda: self.job.say("Stopped; nothing was added."))

    def _add(self, results):
        """Add what was denoised above its originals, which stay as they are."""
        from napari.experimental import link_layers
        from napari.layers import Layer

        self._pairs = []
        for original, data in zip(results.source.layers, results.provided):
            denoised = Layer.create(*data)
            there = [i for i, layer in enumerate(self._viewer.layers) if layer is original]
            self._viewer.layers.insert(
                there[0] + 1 if there else len(self._viewer.layers), denoised
            )
            link_layers([original, denoised], ("contrast_limits",))
            self._pairs.append((original, denoised))
        if self.side_by_side.isChecked():
            self._viewer.grid.enabled = True
        self.fit_button.setEnabled(True)
        names = ", ".join(repr(denoised.name) for _, denoised in self._pairs)
        self.job.say(f"Added {names}.")

    def fit_contrast(self) -> None:
        """Set the shared contrast limits by the denoised frames that are shown now."""
        for _, denoised in self._pairs:
            shown = [int(step) for step in self._viewer.dims.current_step[:-2]]
            index = tuple(shown[len(shown) - denoised.ndim + 2 :]) if denoised.ndim > 2 else ()
            low, high = contrast_limits(denoised.data[index])
            first, last = denoised.contrast_limits_range
            denoised.contrast_limits_range = min(low, first), max(high, last)
            denoised.contrast_limits = low, high


def denoise(report: Report, folder, movie, results, engine: str, tta: bool):
    """Denoise a movie into `results`, in a thread; see `job.JobRow.run`."""
    report("Opening the model")
    model = models.open_model(folder, engine)
    engine = engine if engine != "auto" or model.default_engine != "tensorflow" else None
    n_frames, n_read = movie.n_series * movie.n_frames, 0
    report("Preparing the network")
    model.denoiser_on(engine)

    def look():
        nonlocal n_read
        n_read += 1
        if n_read <= n_frames:
            report("Reading frame", n_read, n_frames)
        report.check()

    frames = model.predict_frames(layers.watched(movie, look), tta=tta, engine=engine)
    for n, ((s, t), frame) in enumerate(frames):
        results.put(s, t, frame)
        report("Denoising frame", n + 1, n_frames)
    used = model.denoiser_on(engine).engine.name
    results.provided = results.layer_data(of_denoising(model, movie, tta, engine=used))
    return results


def boxed(title: str, widget) -> QGroupBox:
    """Return a widget in a frame with a title."""
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 6, 6, 6)
    layout.addWidget(widget)
    return box
