"""Choose a model: ready-made, trained in this session, or any folder; and read its card."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ...config import ConfigError, N2VStemConfig
from ...folder import pretrained
from ...folder.folder import FolderError, read_config
from .models import card, known_models


class ModelChooser(QWidget):
    """A list of models, a button for others, and what the chosen one is for.

    `changed` is emitted when another model is chosen.
    """

    changed = Signal()

    def __init__(self):
        super().__init__()
        self.combo, self.browse_button = QComboBox(), QPushButton("Open folder ...")
        self.card_button, self.summary = QPushButton("Model card ..."), QLabel()
        self.combo.setMinimumContentsLength(12)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.summary.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.browse_button)
        buttons.addWidget(self.card_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        layout.addWidget(self.summary)
        layout.addLayout(buttons)
        self.combo.addItems(known_models().names())
        known_models().changed.connect(self._on_new)
        self.combo.currentTextChanged.connect(self._on_chosen)
        self.browse_button.clicked.connect(self.browse)
        self.card_button.clicked.connect(self.show_card)
        self._on_chosen()

    @property
    def folder(self) -> Path:
        """Folder of the chosen model.

        Raises
        ------
        FolderError
            There is no model to choose.
        """
        if not self.combo.currentText():
            raise FolderError("no model is chosen; open a model folder, or train one")
        return known_models().folder(self.combo.currentText())

    @property
    def config(self) -> N2VStemConfig:
        """Configuration of the chosen model."""
        return read_config(self.folder)

    def add(self, folder) -> None:
        """Add a folder and choose it; show what is wrong if it holds no model."""
        try:
            self.combo.setCurrentText(known_models().add(folder))
        except (FolderError, ConfigError, OSError) as error:
            show_error(str(error))

    def browse(self) -> None:
        """Let the user choose a folder."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model, or of several")
        if folder:
            self.add(folder)

    def show_card(self) -> QDialog:
        """Show the card of the chosen model in a window of its own."""
        dialog, text = QDialog(self), QTextBrowser()
        dialog.setWindowTitle(f"Model card of {self.combo.currentText()}")
        text.setOpenExternalLinks(True)
        text.setMarkdown(self._describe(card))
        QVBoxLayout(dialog).addWidget(text)
        dialog.resize(900, 700)
        dialog.show()
        return dialog

    def _describe(self, how) -> str:
        try:
            return how(self.folder)
        except (FolderError, ConfigError, OSError) as error:
            return str(error)

    def _on_new(self, name):
        if self.combo.findText(name) < 0:
            self.combo.addItem(name)
        elif name == self.combo.currentText():  # trained on, or anew
            self._on_chosen()

    def _on_chosen(self, *_):
        text = self._describe(lambda folder: pretrained.summary(folder).replace("; ", "\n"))
        self.summary.setText(text)
        self.combo.setToolTip(self._describe(str))
        self.changed.emit()
