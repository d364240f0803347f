"""Picture of the napari plugin: the window after denoising.

Opens the simulated sample (gold on graphene, 10 dB) and denoises it with the ready-made model,
through the widget's own buttons. Needs OpenGL. Writes benchmarks/results/napari_window.png.

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
    from n2v_stem_keras.plot.canvas import write_png

    app = QApplication.instance() or QApplication([])
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    for data in gold_on_graphene():
        viewer.add_layer(Layer.create(*data))
    denoise = DenoiseWidget(viewer)
    viewer.window.add_dock_widget(denoise, name="Denoise (Noise2Void for STEM)")
    press(app, denoise)
    denoise.fit_button.click()
    viewer.reset_view()
    wait(app, 3)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    print(write_png(RESULTS / "napari_window.png", pixels[..., :3]))
    viewer.close()


def press(app, widget):
    """Press a widget's first button, and print what it says until it is done."""
    widget.job.start_button.click()
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
