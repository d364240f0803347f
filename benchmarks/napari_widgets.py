"""Pictures of the napari plugin: its widgets after use, and the whole window.

Opens the simulated sample (gold on graphene, 10 dB), denoises it with the ready-made model, trains
the laptop preset for a few short epochs and finds atoms, all through the widgets' own buttons.
Writes benchmarks/results/napari_denoise.png, napari_train.png, napari_atoms.png. With --window a
real viewer is used, and napari_window.png and napari_window_atoms.png show all of it; that needs
OpenGL:

  python benchmarks/napari_widgets.py
  xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/napari_widgets.py --window
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
EPOCHS, STEPS = 8, 25
WIDTH = 360  # of a widget at napari's side [px]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--window", action="store_true", help="use a real viewer (needs OpenGL)")
    args = parser.parse_args()
    if not args.window:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with tempfile.TemporaryDirectory() as folder:
        make(args.window, Path(folder))


def make(window, folder):
    import napari
    from napari.components import ViewerModel
    from napari.layers import Layer
    from qtpy.QtWidgets import QApplication

    from n2v_stem_keras.interop.napari.atoms import AtomsWidget
    from n2v_stem_keras.interop.napari.denoise import DenoiseWidget
    from n2v_stem_keras.interop.napari.sample import gold_on_graphene
    from n2v_stem_keras.interop.napari.train import TrainWidget

    app = QApplication.instance() or QApplication([])
    viewer = napari.Viewer(show=True) if window else ViewerModel()
    if window:
        viewer.window.resize(1600, 1000)
    for data in gold_on_graphene():
        viewer.add_layer(Layer.create(*data))

    denoise, atoms, train = (w(viewer) for w in (DenoiseWidget, AtomsWidget, TrainWidget))
    if window:
        viewer.window.add_dock_widget(denoise, name="Denoise (Noise2Void for STEM)")
    press(app, denoise)
    denoise.fit_button.click()
    if window:
        shoot(app, viewer, "napari_window.png")
        viewer.window.add_dock_widget(atoms, name="Find atoms (Noise2Void for STEM)", tabify=True)
        press(app, atoms)
        viewer.layers["gold on graphene BF denoised"].visible = False
        viewer.layers["gold on graphene BF"].visible = False
        shoot(app, viewer, "napari_window_atoms.png")
        viewer.close()
        return
    grab(app, denoise, 560, "napari_denoise.png")
    press(app, atoms)
    grab(app, atoms, 500, "napari_atoms.png")
    train.n_detectors.setValue(2)
    train.name.setText("gold")
    train.basedir.setText(str(folder))
    train.epochs.setValue(EPOCHS)
    train.steps.setValue(STEPS)
    press(app, train)
    train.basedir.setText("models")
    grab(app, train, 760, "napari_train.png")


def press(app, widget):
    """Press a widget's first button, and print what it says until it is done."""
    widget.job.start_button.click()
    said = ""
    while widget.job.running:
        app.processEvents()
        time.sleep(0.02)
        if widget.job.text.text() != said:
            said = widget.job.text.text()
            print(f"{type(widget).__name__}: {said}", flush=True)
    print(f"{type(widget).__name__}: {widget.job.text.text()}", flush=True)


def grab(app, widget, height, name):
    widget.resize(WIDTH, height)
    widget.show()
    wait(app, 0.5)
    widget.grab().save(str(RESULTS / name))


def shoot(app, viewer, name):
    viewer.reset_view()
    wait(app, 3)
    viewer.screenshot(str(RESULTS / name), canvas_only=False, flash=False)


def wait(app, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        app.processEvents()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
