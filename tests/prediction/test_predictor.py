"""Models opened with and without TensorFlow: one face, the same results."""

import subprocess
import sys

import numpy as np
import pytest

from n2v_stem_keras import ExportedModel, N2VStem, progress
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction import engines

pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

OTHERS = tuple(engines.MODULES)


@pytest.fixture
def trained(exported_model):
    return exported_model


def test_predict_is_the_same_on_all_engines(trained):
    basedir, movie = trained
    model, light = N2VStem(None, "m", basedir), ExportedModel(basedir / "m")
    expected, past = (model.predict(movie, context=context) for context in ("both", "past"))
    statistics = scan(movie)
    assert np.abs(expected - past).max() > 0.01 * movie.std()
    for engine in (*OTHERS, "auto"):
        for one in (model, light):
            found = one.predict(movie, engine=engine)
            assert np.abs(found - expected).max() < 1e-4 * movie.std()
            found_past = one.predict(movie, engine=engine, context="past")
            assert np.abs(found_past - past).max() < 1e-4 * movie.std()
            by_frame = [frame for _, frame in one.predict_frames(movie, engine=engine)]
            np.testing.assert_allclose(by_frame, found, atol=1e-4)
            known = {"mean": statistics.mean, "sd": statistics.sd}
            streamed = list(one.stream(iter(movie), **known, engine=engine))
            assert np.abs(np.array(streamed) - past).max() < 1e-4 * movie.std()
    np.testing.assert_array_equal(light.predict(movie), light.predict(movie, engine="openvino"))


def test_models_show_in_a_notebook_what_they_are_for(trained):
    basedir, _ = trained
    for model in (N2VStem(None, "m", basedir), ExportedModel(basedir / "m")):
        shown = model._repr_html_()
        assert "<caption>Model m</caption>" in shown
        assert "<td>ADF, BF</td>" in shown
        assert "<td>trained</td>" in shown
    shown = N2VStem.from_pretrained("graphene-au")._repr_html_()
    domain = N2VStem.from_pretrained("graphene-au").thresholds["BF"]["domain"]
    assert "BF, trained for" in shown
    assert "pixels of {:.3g} to {:.3g} nm".format(*domain["pixel_size_nm"]) in shown
    assert "BF, atoms" in shown


@pytest.mark.parametrize("verbose", [True, False])
def test_prediction_and_atoms_show_how_far_they_are(trained, monkeypatch, capsys, verbose):
    """Those of a movie that takes longer than a minute; here every frame says so."""
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    basedir, movie = trained
    model = N2VStem(None, "m", basedir)
    model.predict(movie, verbose=verbose)
    model.find_atoms(movie, height_sigma=3, verbose=verbose, pixel_size_nm=0.05)
    model.deviations(movie, verbose=verbose, pixel_size_nm=0.05)
    said = capsys.readouterr().err
    for what in (
        "Reading array", "Through the network", "Denoising", "Finding atoms in array",
        "Looking for deviations",
    ):  # fmt: skip
        assert (f"{what}: frame 6/6, 00:00 left\n" in said) is verbose
    assert bool(said) is verbose


def test_wrong_engines_and_threads_are_explained(trained, monkeypatch):
    model = N2VStem(None, "m", trained[0])
    with pytest.raises(ValueError, match="engine is 'torch', expected one of 'auto', 'tensorflow'"):
        model.predict(trained[1], engine="torch")
    for threads in (0, -2, 1.5, True):
        with pytest.raises(ValueError, match="threads is"):
            model.predict(trained[1], engine="onnx", threads=threads)
    with pytest.raises(ValueError, match="TF_NUM_INTRAOP_THREADS=1 in its environment"):
        model.predict(trained[1], threads=1)
    light = ExportedModel(trained[0] / "m")
    with pytest.raises(ValueError, match="runs without TensorFlow"):
        light.predict(trained[1], engine="tensorflow")
    monkeypatch.setattr(engines, "is_installed", lambda engine: False)
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[onnx\]'"):
        model.predict(trained[1], engine="onnx")
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[openvino\]'"):
        light.predict(trained[1])


@pytest.mark.parametrize("engine", OTHERS)
def test_an_exported_folder_denoises_without_tensorflow(trained, tmp_path, engine):
    """In Python and on the command line."""
    basedir, movie = trained
    code = f"""
import sys
import numpy as np
from n2v_stem_keras import ExportedModel
from n2v_stem_keras.cli import main
movie = {str(basedir / "movie.npy")!r}
model = ExportedModel({str(basedir / "m")!r})
np.save({str(tmp_path / "python.npy")!r}, model.predict(np.load(movie), engine={engine!r}))
assert main(["denoise", movie, "--model", {str(basedir / "m")!r}, "--engine", {engine!r},
             "--axes", "TYXC", "--threads", "1", "--out", {str(tmp_path)!r}]) == 0
assert not {{"tensorflow", "keras"}} & set(sys.modules), "TensorFlow was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"in the network ({engine})" in done.stdout
    expected = N2VStem(None, "m", basedir).predict(movie)
    from n2v_stem_keras.io import read_movie

    on_disk = read_movie(tmp_path / "movie_denoised.ome.tif").to_array()
    for found in (np.load(tmp_path / "python.npy"), on_disk):
        assert np.abs(found - expected).max() < 1e-4 * movie.std()
