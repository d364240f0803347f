"""Which model: its card is shown, and a folder that holds none is said."""

from napari_driving import widgets


def test_a_folder_without_a_model_is_said(viewer, denoise, said, tmp_path):
    widget = denoise(viewer)
    widget.model.add(tmp_path)
    assert "not a model folder" in said()[0]
    assert widget.model.combo.currentText() == "tiny"


def test_the_card_of_the_model_is_shown(viewer, denoise, trained):
    widget = denoise(viewer)
    assert "ADF + BF" in widget.model.summary.text()
    dialog = widget.model.show_card()
    text = dialog.findChild(widgets.QTextBrowser).toPlainText()
    assert "A Noise2Void model for STEM movies" in text
    dialog.close()
