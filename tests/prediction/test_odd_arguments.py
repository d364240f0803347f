"""Objects that are no movies, frames, tiles or threads are refused by own errors."""

import numpy as np
import pandas as pd
import pytest

from n2v_stem_keras import open_model
from n2v_stem_keras.atoms.find import columns
from n2v_stem_keras.atoms.track import link
from n2v_stem_keras.normalize import DataError
from n2v_stem_keras.prediction import engines


@pytest.fixture(scope="module")
def model(exported_model):
    return open_model(exported_model[0] / "m", "onnx")


@pytest.mark.parametrize("n_tiles", [5, (0, 0), (1.5, 2), ("a", "b"), (1, 2, 3), True])
def test_tiles_are_two_whole_numbers(model, exported_model, n_tiles):
    with pytest.raises(ValueError, match=r"n_tiles is .*, expected two positive whole numbers"):
        model.predict(exported_model[1], n_tiles=n_tiles)


def test_tiles_of_numpy_are_numbers(model, exported_model):
    movie = exported_model[1]
    found = model.predict(movie, n_tiles=np.array([2, 2]))
    np.testing.assert_allclose(found, model.predict(movie), rtol=1e-4)


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([np.ones((32, 32, 2), "c8")], "frame 0 of the stream has values of type complex64"),
        ([np.ones((32, 32, 2), object)], "values of type object"),
        ([np.ones((32, 32, 2), bool)], "values of type bool"),
        (["a"], "values of type <U1"),
        ([None], "values of type object"),
        ([[[1, 2], [3]]], "no array"),
        (3, "frames is a int, expected an iterable"),
    ],
)
def test_streams_are_of_numbers(model, frames, said):
    with pytest.raises(DataError, match=said):
        list(model.stream(frames))


def test_frames_of_a_stream_may_change_their_shape(model):
    rng = np.random.default_rng(0)
    frames = [rng.normal(500, 20, (side, 48, 2)).astype("f4") for side in (45, 32, 64)]
    assert [f.shape for f in model.stream(frames)] == [f.shape for f in frames]


def test_more_threads_than_any_machine_has_are_refused(model, exported_model):
    with pytest.raises(ValueError, match=r"threads is 5000, expected at most \d+"):
        model.predict(exported_model[1], threads=5000)
    engines.check("tensorflow", engines.MOST_THREADS)


@pytest.mark.parametrize("n_frames", [None, 0, 4])
def test_no_atoms_have_no_tracks(n_frames):
    pytest.importorskip("trackpy")
    found = link(pd.DataFrame(columns=columns(["ADF"])), n_frames=n_frames)
    assert len(found.table) == len(found.residence) == 0
    assert "particle" in found.table


def test_names_in_pictures_are_no_formulas(tmp_path):
    from n2v_stem_keras.plot import before_after

    image = np.random.default_rng(0).normal(size=(32, 32))
    row = {"name": "a$b_{c$", "panels": [("$x^{", image), ("b", image)]}
    before_after(tmp_path / "a.png", [row], title="a$b_{c$ \udcff\x1b[2J, frame 3")
    assert (tmp_path / "a.png").stat().st_size
