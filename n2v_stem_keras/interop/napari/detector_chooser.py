"""Say which image layers hold the detectors of a movie."""

from __future__ import annotations

import re

from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from ...counting import counted
from ...io import MovieError
from ...io.metadata import guess_detector
from . import layers

ONE_EACH, ONE_FOR_ALL = "one layer each", "one layer, along an axis"
NONE = "choose a layer"


class LayerCombo(QComboBox):
    """The image layers of a viewer; keeps its choice while layers come and go."""

    def __init__(self, viewer):
        super().__init__()
        self._viewer, self._layers = viewer, []
        self.setMinimumContentsLength(10)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.refresh()

    @property
    def layer(self):
        """The chosen layer, or None."""
        index = self.currentIndex()
        return self._layers[index - 1] if index > 0 else None

    @layer.setter
    def layer(self, layer):
        known = [i for i, one in enumerate(self._layers) if one is layer]
        self.setCurrentIndex(known[0] + 1 if known else 0)

    @property
    def listed(self) -> list:
        """The layers that can be chosen."""
        return list(self._layers)

    def refresh(self) -> None:
        """List the viewer's image layers anew."""
        chosen = self.layer
        before = self.blockSignals(True)
        self.clear()
        self._layers = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        self.addItems([NONE, *(layer.name for layer in self._layers)])
        self.layer = chosen
        self.blockSignals(before)
        if self.layer is not chosen:
            self.currentIndexChanged.emit(self.currentIndex())


class DetectorChooser(QWidget):
    """A layer for each detector, or one layer and the axis of the detectors in it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    editable : bool
        Whether the user names the detectors.
    """

    def __init__(self, viewer, editable: bool = False):
        super().__init__()
        self._viewer, self._editable, self._detectors = viewer, editable, ()
        self.names: list[QLineEdit] = []
        self.combos: list[LayerCombo] = []
        self.kind, self.layer = QComboBox(), LayerCombo(viewer)
        self.axis, self.all_names = QComboBox(), QLineEdit()
        self.pixel_size = QDoubleSpinBox()
        self.kind.addItems([ONE_EACH, ONE_FOR_ALL])
        self.all_names.setPlaceholderText("names, e.g. ADF, BF")
        self.pixel_size.setDecimals(5)
        self.pixel_size.setRange(0, 1000)
        self.pixel_size.setSingleStep(0.001)
        self.pixel_size.setSpecialValueText("unknown")
        self.pixel_size.setSuffix(" nm")
        self.pixel_size.setToolTip("Taken from the layer, if it says; 0 is unknown")
        self._make_pages()
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.layers.events.reordered.connect(self._on_layers)
        self.kind.currentTextChanged.connect(self._on_kind)
        self.layer.currentIndexChanged.connect(self._on_layer)
        self._on_layers()
        self._on_kind()

    def _make_pages(self):
        top, self.each, self.whole, size = (QWidget() for _ in range(4))
        forms = [QFormLayout(page) for page in (top, self.each, self.whole, size)]
        for form in forms:
            form.setContentsMargins(0, 0, 0, 0)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        forms[0].addRow("Detectors in", self.kind)
        forms[2].addRow("Layer", self.layer)
        forms[2].addRow("Detector axis", self.axis)
        if self._editable:
            forms[2].addRow("Names", self.all_names)
        forms[3].addRow("Pixel size", self.pixel_size)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for page in (top, self.each, self.whole, size):
            layout.addWidget(page)
        self._top = top

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors, as they are written now."""
        if not self._editable:
            return self._detectors
        if self.kind.currentText() == ONE_FOR_ALL:
            return tuple(n.strip() for n in self.all_names.text().split(",") if n.strip())
        return tuple(name.text().strip() for name in self.names)

    def set_detectors(self, detectors) -> None:
        """Show a row for each of these detectors, and find layers that fit them."""
        self._detectors = tuple(detectors)
        self._top.setVisible(self._editable or len(self._detectors) > 1)
        if len(self._detectors) == 1 and not self._editable:
            self.kind.setCurrentText(ONE_EACH)
        form, kept = self.each.layout(), [combo.layer for combo in self.combos]
        while form.rowCount():
            form.removeRow(0)
        self.combos = [LayerCombo(self._viewer) for _ in self._detectors]
        self.names = [QLineEdit(detector) for detector in self._detectors]
        for n, (combo, name) in enumerate(zip(self.combos, self.names)):
            if self._editable:
                name.setPlaceholderText("name")
                row = QHBoxLayout()
                row.addWidget(name, 1)
                row.addWidget(combo, 2)
                form.addRow(f"Detector {n + 1}", row)
                if n < len(kept):
                    combo.layer = kept[n]
            else:
                form.addRow(self._detectors[n], combo)
            combo.currentIndexChanged.connect(self._on_layer)
        self._suggest()

    def source(self) -> layers.Source:
        """Return what is chosen.

        Raises
        ------
        MovieError
            Something is not chosen.
        """
        size = self.pixel_size.value() or None
        if self.kind.currentText() == ONE_FOR_ALL:
            if self.layer.layer is None:
                raise MovieError("no layer is chosen; choose the one that holds all detectors")
            layers.image_data(self.layer.layer)
            if not self.detectors:
                raise MovieError("the detectors have no names; expected for example ADF, BF")
            return layers.Source(
                (self.layer.layer,), self.detectors, self.axis.currentIndex(), size
            )
        missing = [d for d, combo in zip(self.detectors, self.combos) if combo.layer is None]
        if missing:
            n_images = len(self.layer._layers)
            raise MovieError(
                f"no layer is chosen for {', '.join(missing)}; expected one for each of "
                f"{', '.join(self.detectors)} (the viewer has "
                f"{counted(n_images, 'image layer')}), or one layer with a detector axis"
            )
        if not all(self.detectors):
            raise MovieError("a detector has no name; expected for example ADF, BF or HAADF")
        return layers.Source(
            tuple(combo.layer for combo in self.combos), self.detectors, None, size
        )

    # -- what follows from a choice --------------------------------------------------------------
    def _suggest(self):
        """Choose layers that say that they are the detector; of one detector, the only layer."""
        known = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        known = [layer for layer in known if not layers.is_denoised(layer)]
        for n, combo in enumerate(self.combos):
            if combo.layer is not None:
                continue
            if self._editable:
                taken = [other.layer for other in self.combos]
                free = [la for la in known if not any(la is t for t in taken)]
            else:
                free = [la for la in known if _says(la, self._detectors[n])]
            if not free and len(self.combos) == 1 and len(known) == 1:
                free = known
            if free:
                combo.layer = free[0] if self._editable else free[-1]
        self._on_layer()

    def _on_layers(self, *_):
        if not isalive(self):  # the widget was closed, the viewer lives on
            return
        for combo in [self.layer, *self.combos]:
            combo.refresh()
        for layer in self._viewer.layers:  # once each: napari keeps a set of what is connected
            layer.events.name.disconnect(self._on_name)
            layer.events.name.connect(self._on_name)
        self._suggest()

    def _on_name(self, *_):
        if not isalive(self):
            return
        for combo in [self.layer, *self.combos]:
            combo.refresh()

    def _on_kind(self, *_):
        together = self.kind.currentText() == ONE_FOR_ALL
        self.whole.setVisible(together)
        self.each.setVisible(not together)
        self._on_layer()

    def _on_layer(self, *_):
        together = self.kind.currentText() == ONE_FOR_ALL
        if together:
            self._list_axes()
        chosen = [self.layer] if together else self.combos
        first = next((combo.layer for combo in chosen if combo.layer is not None), None)
        if first is not None:
            self.pixel_size.setValue(layers.pixel_size_nm(first) or 0)
        for combo, name in zip(self.combos, self.names):
            if self._editable and combo.layer is not None and not name.text().strip():
                name.setText(_detector_of(combo.layer))
        for chosen in [*self.combos, self.layer]:
            chosen.setToolTip(chosen.currentText())

    def _list_axes(self):
        """List the axes of the one layer; those of as many entries as detectors stand out."""
        self.axis.clear()
        if self.layer.layer is None or self.layer.layer.rgb:
            return
        shape = layers.image_data(self.layer.layer).shape
        self.axis.addItems([f"{i} (size {n})" for i, n in enumerate(shape)])
        labels = [str(label).upper() for label in self.layer.layer.axis_labels]
        wanted = len(self._detectors)
        fits = [i for i, n in enumerate(shape) if labels[i] == "C"]
        if not self._editable or not fits:
            fits += [i for i, n in enumerate(shape) if n == wanted or (self._editable and n <= 8)]
        self.axis.setCurrentIndex(fits[0] if fits else 0)


def _detector_of(layer) -> str:
    """Return the detector that a layer says it is, else an empty name."""
    return layers.known_of(layer).get("detector") or guess_detector(layer.name) or ""


def _says(layer, detector: str) -> bool:
    """Return whether a layer says that it is a detector: the reader's note, or a word in its name.

    >>> from types import SimpleNamespace
    >>> _says(SimpleNamespace(name="scan_1 bf", metadata={}), "BF")
    True
    >>> _says(SimpleNamespace(name="scan ABF", metadata={}), "BF")
    False
    """
    noted = layers.known_of(layer).get("detector")
    if noted:
        return noted.lower() == detector.lower()
    word = rf"(?<![a-z0-9]){re.escape(detector.lower())}(?![a-z0-9])"
    return re.search(word, layer.name.lower()) is not None
