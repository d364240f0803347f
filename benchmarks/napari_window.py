"""Pictures of the napari plugin: the window after denoising, and with the widget that trains.

Opens the simulated sample (gold on graphene, 10 dB), denoises it with the ready-made model, and
looks at its noise for a training, through the widgets' own buttons. Needs OpenGL. Writes
benchmarks/results/napari_window.png and napari_train.png.

  xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/napari_window.py
"""

import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main():
    """Open, denoise, and write the picture."""
    import napari
    from napari.layers import Layer
    from qtpy.QtWidgets import QApplication

    from n2v_stem_keras.interop.napari.denoise import DenoiseWidget
    from n2v_stem_keras.interop.napari.sample import gold_on_graphene
    from n2v_stem_keras.interop.napari.train import TrainWidget

    app = QApplication.instance() or QApplication([])
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    for data in gold_on_graphene():
        viewer.add_layer(Layer.create(*data))
    denoise = DenoiseWidget(viewer)
    dock = viewer.window.add_dock_widget(denoise, name="Denoise (Noise2Void for STEM)")
    press(app, denoise, denoise.job.start_button)
    denoise.fit_button.click()
    picture(app, viewer, "napari_window.png")
    viewer.window.remove_dock_widget(dock)
    train = TrainWidget(viewer)
    train.basedir.setText("models")  # without the path of this machine
    viewer.window.add_dock_widget(train, name="Train (Noise2Void for STEM)")
    press(app, train, train.look_button)
    picture(app, viewer, "napari_train.png")
    viewer.close()


def picture(app, viewer, name):
    """Write the window as it is seen."""
    from n2v_stem_keras.plot.canvas import write_png

    viewer.reset_view()
    wait(app, 3)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    print(write_png(RESULTS / name, pixels[..., :3]))


def press(app, widget, button):
    """Press a button of a widget, and print what it says until it is done."""
    button.click()
    said = ""
    while widget.job.running:
        app.processEvents()
        time.sleep(0.02)
        if widget.job.text.text() != said:
            said = widget.job.text.text()
            print(said, flush=True)
    print(widget.job.text.text(), flush=True)


def wait(app, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        app.processEvents()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
