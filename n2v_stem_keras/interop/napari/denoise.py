"""Widget that denoises layers with a model and adds the results beside them."""

from __future__ import annotations

import contextlib

import numpy as np
from matplotlib.colors import to_rgba
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...atoms import sign_of
from ...config import ConfigError
from ...deviations import KINDS
from ...folder.folder import FolderError
from ...prediction import engines
from . import layers, process
from .detector_chooser import DetectorChooser
from .job import JobRow
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
        self._viewer, self._made = napari_viewer, []
        self.model, self.detectors = ModelChooser(), DetectorChooser(napari_viewer)
        self.engine, self.flips = QComboBox(), QCheckBox("Average over four flips (slower)")
        self.side_by_side = QCheckBox("Show side by side (grid)")
        self.side_by_side.setChecked(True)
        self.deviations = QCheckBox("Mark what the network leaves out (slower)")
        self.deviations.setToolTip(
            "Vacancies, dopants, atoms that the noisy frames show and the network alone does not\n"
            "draw, as points; the denoised layers show them as far as they are sure.\n"
            "About four in 10^6 px are false"
        )
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
        inside.addWidget(self.deviations)
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
        how = {"folder": str(folder), "engine": self.engine.currentText()}
        how["tta"] = self.flips.isChecked() or None  # single images are in any case

        marked = self.deviations.isChecked()

        def work(report):
            provenance = process.do("denoise", movie, how, report, results.put)
            table = process.do("find_deviations", movie, how, report) if marked else None
            return source, movie, results.layer_data(provenance), table

        self.job.run(work, self._add, lambda: self.job.say("Stopped; nothing was added."))

    def _add(self, found):
        """Add what was denoised above its originals, which stay as they are."""
        from napari.experimental import link_layers
        from napari.layers import Layer

        source, movie, made, table = found
        self._made, listed = [], self._viewer.layers
        names = source.detectors if source.axis is None else ("",)
        for original, data, detector in zip(source.layers, made, names):
            denoised = Layer.create(*data)
            there = [i for i, layer in enumerate(listed) if layer is original]
            listed.insert(there[0] + 1 if there else len(listed), denoised)
            link_layers([original, denoised], ("contrast_limits",))
            self._made.append((denoised, sign_of(detector) > 0))
        # in the grid points would lie beside the images
        grid_of(self._viewer).enabled = self.side_by_side.isChecked() and table is None
        self.fit_button.setEnabled(True)
        names = ", ".join(repr(denoised.name) for denoised, _ in self._made)
        text = f"Added {names}."
        if table is not None and len(table):
            self._viewer.add_points(**marks(source, movie, table))
            by_kind = table["kind"].value_counts()
            counted = ", ".join(f"{by_kind[k]} {k}" for k in KINDS if k in by_kind)
            text += f" Deviations: {counted}."
        elif table is not None:
            text += " No deviations were found."
        self.job.say(text)

    def fit_contrast(self) -> None:
        """Set the shared contrast limits by the denoised frames that are shown now."""
        for denoised, bright in self._made:
            steps = self._viewer.dims.current_step[-denoised.ndim :][:-2]
            index = tuple(min(int(step), n - 1) for step, n in zip(steps, denoised.data.shape))
            low, high = contrast_limits(denoised.data[index], bright)
            first, last = denoised.contrast_limits_range
            denoised.contrast_limits_range = min(low, first), max(high, last)
            denoised.contrast_limits = low, high


def marks(source: layers.Source, movie, table) -> dict:
    """Return the arguments of ``viewer.add_points`` for a table of deviations.

    Where one layer holds all detectors, they lie in the first.
    """
    from ...plot.deviations import COLOURS, RADIUS_NM

    size = movie.pixel_size_nm
    return {
        "data": layers.places_of(source, table, np.zeros(len(table))),
        "features": {a: table[a] for a in table},
        "name": f"{movie.name} deviations",
        "size": max(5.0, 2 * RADIUS_NM / size) if size else 9.0,
        "face_color": "transparent",
        "border_color": np.array([to_rgba(COLOURS[kind]) for kind in table["kind"]]),
        "border_width": 0.12,
        **layers.like(source.layers[0], layers.PLACED),
    }


def grid_of(viewer):
    """Return the grid of a viewer, which napari 0.9 keeps with the canvas."""
    return getattr(viewer, "canvas", viewer).grid


def boxed(title: str, widget) -> QGroupBox:
    """Return a widget in a frame with a title."""
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 6, 6, 6)
    layout.addWidget(widget)
    return box
