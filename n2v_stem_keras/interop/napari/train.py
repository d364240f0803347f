"""Widget that trains a model on the movie in the viewer."""

from __future__ import annotations

import re
from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.compat import isalive
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...config import PRESETS, ConfigError, N2VStemConfig
from ...counting import counted
from ...folder.folder import WEIGHTS_BEST, check_trained
from ...noise.estimate import MAX_SPAN
from . import layers, process
from .denoise import boxed
from .detector_chooser import DetectorChooser
from .job import JobRow
from .loss_plot import LossPlot
from .messages import Failed
from .models import known_models

PREFERRED = "laptop"
SCRATCH = "nothing (from scratch)"
A_PART, OTHER_LAYERS = "a part of the movie, held out", "other layers"


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
        self.span, self.look_button, self.noise = (
            QSpinBox(),
            QPushButton("Look at the noise"),
            QLabel(),
        )
        self.held_out, self.validation = QComboBox(), DetectorChooser(napari_viewer)
        self.start = QComboBox()
        self.overwrite = QCheckBox("Replace a model of this name")
        self.browse_button = QPushButton("...")
        self.plot = LossPlot()
        self.job = JobRow("Train", "Stop", self._begin)
        self.export_button = QPushButton("Export to ONNX")
        self._set_up()
        layout = QVBoxLayout(self)
        movie = QWidget()
        inside = QVBoxLayout(movie)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addLayout(_form(("Number of detectors", self.n_detectors)))
        inside.addWidget(self.detectors)
        layout.addWidget(boxed("Layers", movie))
        layout.addWidget(boxed("Model", self._model_page()))
        layout.addWidget(boxed("Blind spot", self._noise_page()))
        layout.addWidget(boxed("Validation", self._validation_page()))
        layout.addWidget(self.job)
        layout.addWidget(self.export_button)
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
        self.look_button.clicked.connect(self.look_at_noise)
        self.export_button.clicked.connect(self.export)
        self.held_out.currentIndexChanged.connect(self._on_held_out)
        known_models().changed.connect(self._list_models)
        self._viewer.layers.events.inserted.connect(self._on_layers)
        self.preset.setCurrentText(PREFERRED)
        self._on_preset(self.preset.currentText())
        self._list_models()
        self._on_held_out()
        self._on_number(1)
        self._on_layers()

    def _model_page(self):
        page, folder = QWidget(), QHBoxLayout()
        folder.addWidget(self.basedir)
        folder.addWidget(self.browse_button)
        rows = [("Preset", self.preset), ("Name", self.name), ("In folder", folder)]
        rows += [("Epochs", self.epochs), ("Steps each", self.steps), ("Start from", self.start)]
        form = _form(*rows)
        form.addRow(self.overwrite)
        page.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        return page

    def _noise_page(self):
        self.span.setRange(0, MAX_SPAN)
        self.span.setSingleStep(2)
        self.span.setSpecialValueText("as the preset says")
        self.span.setSuffix(" px along x")
        self.span.setToolTip(
            "Length of the blind spot along the fast scan axis, an odd number.\n"
            "Noise that neighbours share stays in the result if it is too short"
        )
        self.noise.setWordWrap(True)
        page = QWidget()
        form = _form(("Length", self.span))
        form.addRow(self.look_button)
        form.addRow(self.noise)
        page.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        return page

    def _validation_page(self):
        self.held_out.addItems([A_PART, OTHER_LAYERS])
        page, inside = QWidget(), QVBoxLayout()
        inside.addWidget(self.held_out)
        inside.addWidget(self.validation)
        inside.setContentsMargins(0, 0, 0, 0)
        page.setLayout(inside)
        return page

    def _on_held_out(self, *_):
        self.validation.setVisible(self.held_out.currentText() == OTHER_LAYERS)
        self.validation.set_detectors(self.detectors.detectors)

    def _list_models(self, *_):
        """List what a training may start from, and keep what is chosen."""
        if not isalive(self):
            return
        chosen = self.start.currentText()
        self.start.clear()
        self.start.addItems([SCRATCH, *known_models().names()])
        self.start.setCurrentIndex(max(0, self.start.findText(chosen)))

    def _on_layers(self, *_):
        """Take all detectors of the first movie, as long as nothing else was chosen."""
        if not isalive(self):
            return
        first = self.detectors.combos[0].layer if self.detectors.combos else None
        if first is None:
            return
        beside = layers.detectors_beside(first, self.detectors.combos[0].listed)
        if self.n_detectors.value() == 1 and len(beside) > 1:
            self.n_detectors.setValue(len(beside))
        if not self.name.text():
            name = str(layers.known_of(first).get("movie") or first.name)
            self.name.setText(re.sub(r"[^\w.-]+", "-", name).strip("-."))

    def look_at_noise(self) -> None:
        """Say what `n2v-stem info` says of the blind spot, and take the length that it suggests."""
        self.noise.setText("")
        self.job.begin(self._begin_to_look)

    def _begin_to_look(self):
        movie = self.detectors.source().movie()

        def work(report):
            return process.do("look_at_noise", movie, {}, report)

        self.job.run(work, self._say_noise, lambda: self.job.say("Stopped."))

    def _say_noise(self, found):
        self.noise.setText("\n".join(f"{name}: {words}" for name, (words, _) in found.items()))
        self.span.setValue(max(length for _, length in found.values()))
        self.job.say("The length of the blind spot is set as the noise asks for.")

    def export(self) -> None:
        """Write the network of the trained model as ONNX, for the faster engines."""
        self.job.begin(self._begin_to_export)

    def _begin_to_export(self):
        folder = self._folder()
        check_trained(folder)

        def work(report):
            return process.do("export", (), {"folder": str(folder)}, report)

        def done(path):
            known_models().add(folder)
            self.job.say(f"Wrote {path}. Denoise with the engine onnx or openvino.")

        self.job.run(work, done, lambda: self.job.say("Stopped; nothing was written."))

    def _folder(self) -> Path:
        """Return the folder of the model that is named.

        Raises
        ------
        ConfigError
            Nothing is named.
        """
        name, basedir = self.name.text().strip(), self.basedir.text().strip()
        if not name or not basedir:
            raise ConfigError("the model has no name or no folder; give both")
        return Path(basedir).expanduser() / name

    def browse(self) -> None:
        """Let the user choose the folder that models lie in."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for models", self.basedir.text())
        if folder:
            self.basedir.setText(folder)

    def _on_number(self, number):
        written = [name.text() for name in self.detectors.names]
        self.detectors.set_detectors([*written, *[""] * number][:number])
        self._on_held_out()

    def _on_preset(self, preset):
        config = N2VStemConfig.preset(preset)
        self.epochs.setValue(config.train_epochs)
        self.steps.setValue(config.train_steps_per_epoch or 0)

    def _begin(self):
        """Start with what is chosen now."""
        source = self.detectors.source()
        movie = source.movie()
        folder = self._folder()
        span = self.span.value()
        if span and not span % 2:
            raise ConfigError(f"the blind spot is {span} px long; expected an odd number of pixels")
        movies, others = [movie], {"n2v_span": (1, span)} if span else {}
        if self.held_out.currentText() == OTHER_LAYERS:
            if self.validation.detectors != source.detectors:
                self.validation.set_detectors(source.detectors)
            held = self.validation.source()
            if any(one is other for one in held.layers for other in source.layers):
                raise ConfigError(
                    "a layer is trained on and validated on; expected layers of another movie, or "
                    f"{A_PART!r}"
                )
            movies.append(held.movie())
        config = N2VStemConfig.preset(
            self.preset.currentText(),
            pixel_size_nm=movie.pixel_size_nm,
            n_frames=movie.n_frames,
            channels=source.detectors,
            train_epochs=self.epochs.value(),
            train_steps_per_epoch=self.steps.value() or None,
            **others,
        ).check()
        how = {"folder": str(folder), "values": config.to_dict()}
        how["overwrite"] = self.overwrite.isChecked()
        if self.start.currentText() != SCRATCH:
            how["transfer_from"] = str(known_models().folder(self.start.currentText()))

        def work(report):
            return folder, *process.do("train", movies, how, report)

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
            self.job.say(
                f"Stopped after {counted(n_epochs, 'epoch')}. {kept} Train again to go on."
            )
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
