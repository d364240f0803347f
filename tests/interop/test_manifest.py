"""The manifest by which napari knows the plugin; read without napari."""

from pathlib import Path

import yaml

from n2v_stem_keras.interop import napari
from n2v_stem_keras.io.read import SUFFIXES


def test_the_manifest_names_every_suffix_that_is_read():
    path = Path(napari.__file__).with_name("napari.yaml")
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    (reader,) = manifest["contributions"]["readers"]
    assert sorted(reader["filename_patterns"]) == sorted(f"*{suffix}" for suffix in SUFFIXES)
