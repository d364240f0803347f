# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a picture of Nion Swift with the plug-in at work, on a machine without a screen.

    python nion_swift/picture.py window.png

In the Python of Swift, with nionswift-tool, nionswift-usim, Xvfb and ImageMagick (Linux). Starts
Swift in an empty home, on a virtual screen, with a second plug-in beside this one that makes a
project, starts the simulated scan, presses Start, and shows a channel beside what is made of it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DISPLAY, SCREEN = ":77", "1500x640x24"
SECONDS = 60  # that all of it takes, on a busy machine

DRIVER = """
import gc, pathlib, tempfile, threading, time
from nion.instrumentation import HardwareSource
from nionswift_plugin.n2v_stem.panel import PanelDelegate
HIDDEN = ("session-panel", "collections-panel", "scan-control-panel-usim_scan_device",
          "inspector-panel", "histogram-panel", "info-panel", "toolbar-panel")


class DriverExtension:
    extension_id = "n2v_stem_keras.picture"

    def __init__(self, broker):
        self.api = broker.get_api(version="~1.0", ui_version="~1.0")
        threading.Thread(target=self.drive, daemon=True).start()

    def close(self):
        pass

    def drive(self):
        app = None
        while app is None or not list(app.windows):
            time.sleep(0.5)
            app = self.api.application._application
        time.sleep(3)
        place = pathlib.Path(tempfile.mkdtemp())
        app.windows[0].queue_task(lambda: app.create_project_reference(place, "live"))
        windows = []
        while not windows:
            time.sleep(0.5)
            windows = [w for w in self.api.application.document_windows
                       if hasattr(w._document_controller, "workspace_controller")]
        self.window = windows[0]
        for wait, task in ((3, self.scan), (5, self.press), (8, self.arrange)):
            time.sleep(wait)
            self.window.queue_task(task)

    def scan(self):
        for panel in self.window._document_controller.workspace_controller.dock_panels:
            if panel.panel_id == "n2v-stem-panel":
                panel.show()
            elif panel.panel_id in HIDDEN:
                panel.hide()
        manager = HardwareSource.HardwareSourceManager()
        scan = manager.get_hardware_source_for_hardware_source_id("usim_scan_device")
        source = self.api.get_hardware_source_by_id("usim_scan_device", "~1.0")
        parameters = dict(source.get_frame_parameters_for_profile_by_index(0))
        parameters.update(pixel_size=(256, 256), fov_nm=8, pixel_time_us=1)
        scan.set_channel_enabled(0, True)
        scan.set_channel_enabled(1, True)
        source.set_frame_parameters(parameters)
        source.start_playing(parameters)
        self.window._document_controller._document_window.fill_screen()

    def press(self):
        [panel] = [o for o in gc.get_objects() if isinstance(o, PanelDelegate)]
        panel.start_or_stop()

    def arrange(self):
        controller = self.window._document_controller
        items = {item.title: item._data_item for item in self.window.library.data_items}
        names = [n for n in items if "(HAADF" in n] + [n for n in items if n.startswith("ADF (")]
        found = [controller.document_model.get_display_item_for_data_item(items[n]) for n in names]
        workspace = controller.workspace_controller
        workspace.display_panels[0].set_display_panel_display_item(found[0])
        workspace.insert_display_panel(workspace.display_panels[0], "right", found[1])
"""


def main(path):
    """Start Swift, wait, take the picture, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "nionswift_plugin" / "n2v_picture"
        plugin.mkdir(parents=True)
        (plugin / "__init__.py").write_text(DRIVER)
        (Path(folder) / "home").mkdir()
        places = [HERE.parent, HERE, folder, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "DISPLAY": DISPLAY, "HOME": str(Path(folder) / "home")}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, places)))
        launcher = Path(sys.prefix) / "bin" / "NionSwiftLauncher" / "NionSwiftLauncher"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        screen = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", SCREEN], **quiet)
        time.sleep(1)
        swift = [str(launcher), sys.prefix, "nionui_app.nionswift"]
        swift = subprocess.Popen(swift, env=environment, **quiet)
        try:
            time.sleep(SECONDS)
            take = ["import", "-window", "root", "-colors", "128", f"PNG8:{path}"]
            subprocess.run(take, env=environment, check=True)
        finally:
            for process in (swift, screen):
                process.kill()
                process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
