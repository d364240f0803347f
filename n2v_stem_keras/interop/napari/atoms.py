"""Widget that finds atoms with a model's thresholds and shows them as points."""

from __future__ import annotations

import contextlib

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QVBoxLayout, QWidget

from ...config import ConfigError
from ...counting import counted
from ...folder.folder import FolderError
from ...folder.thresholds import read_thresholds
from . import layers, process
from .denoise import boxed, grid_of
from .detector_chooser import DetectorChooser
from .job import JobRow
from .model_chooser import ModelChooser

DIAMETER_NM = 0.28  # of the circle around an atom
DIAMETER_PX = 6  # where the size of a pixel is not known
COLORS = ["#ffd92f", "#66c2ff", "#ff7f7f", "#7fff9f"]


class AtomsWidget(QWidget):
    """Choose model and layers, find atoms; a table comes with the points.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.model, self.detectors = ModelChooser(), DetectorChooser(napari_viewer)
        self.height, self.distance = QDoubleSpinBox(), QDoubleSpinBox()
        self.refine = QComboBox()
        self.height.setRange(0, 100)
        self.height.setDecimals(2)
        self.height.setSingleStep(0.1)
        self.height.setToolTip(
            "Least height of an atom above its surroundings, in units of the noise of the raw "
            "pixels.\n0: the thresholds of the model, set at a counted rate of false atoms"
        )
        self.distance.setRange(0, 10)
        self.distance.setDecimals(3)
        self.distance.setSingleStep(0.01)
        self.distance.setSuffix(" nm")
        for field in (self.height, self.distance):
            field.setSpecialValueText("the model's")
        self.refine.addItems(["raw", "denoised"])
        self.job = JobRow("Find atoms", "Cancel", self._begin)
        options = QWidget()
        form = QFormLayout(options)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Height [noise sigma]", self.height)
        form.addRow("Least distance", self.distance)
        form.addRow("Fit positions on pixels", self.refine)
        layout = QVBoxLayout(self)
        layout.addWidget(boxed("Model", self.model))
        layout.addWidget(boxed("Layers (noisy)", self.detectors))
        layout.addWidget(boxed("Options", options))
        layout.addWidget(self.job)
        layout.addStretch()
        self.model.changed.connect(self._on_model)
        self._on_model()

    def _on_model(self):
        with contextlib.suppress(FolderError, ConfigError):
            self.detectors.set_detectors(self.model.config.channels)

    def _begin(self):
        """Start with what is chosen now."""
        source, folder, config = self.detectors.source(), self.model.folder, self.model.config
        movie = source.movie()
        height, distance = self.height.value() or None, self.distance.value() or None
        thresholds = read_thresholds(folder, config.channels)
        if height is None and not any(part.get("atoms") for part in thresholds.values()):
            raise FolderError(
                f"the model {folder.name!r} has no thresholds for atoms; set a height here, in "
                "units of the noise of the raw pixels, or calibrate it: n2v-stem atoms MOVIE "
                f"--model {folder} --calibrate"
            )
        how = {"height_sigma": height, "min_distance_nm": distance}
        how["refine_on"] = self.refine.currentText()

        def work(report):
            options = {"folder": str(folder), "how": how}
            return source, movie, process.do("find_atoms", movie, options, report)

        self.job.run(work, self._add, lambda: self.job.say("Stopped; nothing was added."))

    def _add(self, found):
        """Add the atoms as points, each in its frame."""
        source, movie, table = found
        if not len(table):
            self.job.say("No atoms were found.")
            return
        n_frames = movie.n_series * movie.n_frames
        self._viewer.add_points(**points(source, movie, table))
        text = f"{counted(len(table), 'atom')} in {counted(n_frames, 'frame')} "
        text += f"({len(table) / n_frames:.1f} each)."
        grid = grid_of(self._viewer)
        if grid.enabled:  # there, points would lie beside the images
            grid.enabled = False
            text += " The grid is switched off, so that they lie on the images."
        self.job.say(text)


def points(source: layers.Source, movie, table) -> dict:
    """Return the arguments of ``viewer.add_points`` for a table of atoms.

    Where one layer holds all detectors, an atom lies in the one in which it stands out most.
    """
    number = {name: c for c, name in enumerate(source.detectors)}
    size = movie.pixel_size_nm
    found = {a: table[a] for a in table}
    return {
        "data": layers.places_of(source, table, table["detector"].map(number)),
        "features": found,
        "name": f"{movie.name} atoms",
        "size": max(3.0, DIAMETER_NM / size) if size else DIAMETER_PX,
        "face_color": "transparent",
        "border_color": "detector",
        "border_color_cycle": COLORS,
        "border_width": 0.12,
        **layers.like(source.layers[0], layers.PLACED),
    }
