"""Where the viewer is not installed, the modules that draw its windows are not looked at."""

import importlib.util

collect_ignore_glob = []
if not all(importlib.util.find_spec(name) for name in ("napari", "qtpy")):
    collect_ignore_glob.append("n2v_stem_keras/interop/napari/*")
