"""The manifest by which napari knows the plugin; read without napari."""

import configparser
from pathlib import Path

import yaml

from n2v_stem_keras.interop import napari
from n2v_stem_keras.io.read import SUFFIXES


def test_the_manifest_names_every_suffix_that_is_read():
    path = Path(napari.__file__).with_name("napari.yaml")
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    (reader,) = manifest["contributions"]["readers"]
    assert sorted(reader["filename_patterns"]) == sorted(f"*{suffix}" for suffix in SUFFIXES)


def test_the_package_is_installed_with_its_manifest():
    found = configparser.ConfigParser()
    found.read(Path(__file__).parents[2] / "setup.cfg")
    entry = "n2v_stem_keras = n2v_stem_keras.interop.napari:napari.yaml"
    assert found["options.entry_points"]["napari.manifest"].strip() == entry
    assert "napari.yaml" in found["options.package_data"]["n2v_stem_keras.interop.napari"]
