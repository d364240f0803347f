"""Widget that trains a model on the movie in the viewer."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...config import PRESETS, ConfigError, N2VStemConfig
from ...folder.folder import WEIGHTS_BEST
from . import process
from .denoise import boxed
from .detector_chooser import DetectorChooser
from .job import JobRow
from .loss_plot import LossPlot
from .messages import Failed
from .models import known_models

PREFERRED = "laptop"


class TrainWidget(QWidget):
    """Choose layers and a preset, train, watch the loss come down to the noise floor.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.n_detectors, self.preset = QSpinBox(), QComboBox()
        self.detectors = DetectorChooser(napari_viewer, editable=True)
        self.name, self.basedir = QLineEdit(), QLineEdit(str(Path("models").absolute()))
        self.epochs, self.steps = QSpinBox(), QSpinBox()
        self.overwrite = QCheckBox("Replace a model of this name")
        self.browse_button = QPushButton("...")
        self.plot = LossPlot()
        self.job = JobRow("Train", "Stop", self._begin)
        self._set_up()
        layout = QVBoxLayout(self)
        movie = QWidget()
        inside = QVBoxLayout(movie)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addLayout(_form(("Number of detectors", self.n_detectors)))
        inside.addWidget(self.detectors)
        layout.addWidget(boxed("Layers", movie))
        layout.addWidget(boxed("Model", self._model_page()))
        layout.addWidget(self.job)
        layout.addWidget(self.plot, 1)

    def _set_up(self):
        self.n_detectors.setRange(1, 16)
        self.preset.addItems(list(PRESETS))
        self.preset.setToolTip(
            "laptop: minutes on two CPU cores\npaper: the published values, for a GPU\n"
            "live: small and fast, for frames as they come"
        )
        self.epochs.setRange(1, 10**6)
        self.steps.setRange(0, 10**7)
        self.steps.setSpecialValueText("one pass")
        self.name.setPlaceholderText("name of the model, e.g. au-graphene")
        self.job.stop_button.setToolTip(
            "Keeps what was reached; Train with the same settings goes on from there"
        )
        self.browse_button.setMaximumWidth(36)
        self.n_detectors.valueChanged.connect(self._on_number)
        self.preset.currentTextChanged.connect(self._on_preset)
        self.browse_button.clicked.connect(self.browse)
        self.preset.setCurrentText(PREFERRED)
        self._on_preset(self.preset.currentText())
        self._on_number(1)

    def _model_page(self):
        page, folder = QWidget(), QHBoxLayout()
        folder.addWidget(self.basedir)
        folder.addWidget(self.browse_button)
        rows = [("Preset", self.preset), ("Name", self.name), ("In folder", folder)]
        rows += [("Epochs", self.epochs), ("Steps each", self.steps)]
        form = _form(*rows)
        form.addRow(self.overwrite)
        page.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        return page

    def browse(self) -> None:
        """Let the user choose the folder that models lie in."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for models", self.basedir.text())
        if folder:
            self.basedir.setText(folder)

    def _on_number(self, number):
        written = [name.text() for name in self.detectors.names]
        self.detectors.set_detectors([*written, *[""] * number][:number])

    def _on_preset(self, preset):
        config = N2VStemConfig.preset(preset)
        self.epochs.setValue(config.train_epochs)
        self.steps.setValue(config.train_steps_per_epoch or 0)

    def _begin(self):
        """Start with what is chosen now."""
        source = self.detectors.source()
        movie = source.movie()
        name, basedir = self.name.text().strip(), self.basedir.text().strip()
        if not name or not basedir:
            raise ConfigError("the model has no name or no folder; give both")
        folder = Path(basedir).expanduser() / name
        config = N2VStemConfig.preset(
            self.preset.currentText(),
            pixel_size_nm=movie.pixel_size_nm,
            n_frames=movie.n_frames,
            channels=source.detectors,
            train_epochs=self.epochs.value(),
            train_steps_per_epoch=self.steps.value() or None,
        ).check()
        how = {"folder": str(folder), "values": config.to_dict()}
        how["overwrite"] = self.overwrite.isChecked()

        def work(report):
            return folder, *process.do("train", movie, how, report)

        self.overwrite.setChecked(False)  # so that the next start goes on
        self.plot.show_history({})
        self.job.run(work, self._finish, self._stopped_early, self._show)

    def _show(self, shown):
        self.plot.show_history(*shown)

    def _stopped_early(self):
        self.job.say("Stopped before the training began; nothing was written.")

    def _finish(self, done):
        """Say how it ended, and let the other widgets know of the model."""
        folder, n_epochs, stopped, problem = done
        usable = (folder / WEIGHTS_BEST).exists()
        if usable:
            known_models().add(folder)
        kept = f"{folder.name!r} can be chosen for denoising." if usable else "No model was kept."
        if stopped:
            epochs = f"{n_epochs} epoch{'' if n_epochs == 1 else 's'}"
            self.job.say(f"Stopped after {epochs}. {kept} Train again to go on.")
        elif problem:
            self.job.fail(Failed(f"{problem} {kept}"))
        else:
            self.job.say(f"Trained. {kept}")
            show_info(f"Trained. {kept}")


def _form(*rows) -> QFormLayout:
    """Return rows of a label and a field that takes all the width."""
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for label, field in rows:
        form.addRow(label, field)
    return form
