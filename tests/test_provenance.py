"""How a denoised movie was made: what is stored is true of the model and the movie, and plain."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras import Movie, __version__
from n2v_stem_keras.provenance import of_denoising


def a_model(context=False):
    config = SimpleNamespace(unet_context=context)
    return SimpleNamespace(name="gold", fingerprint="sha256:ab", config=config)


MODEL = a_model()
MOVIE = Movie.from_array(np.zeros((3, 8, 8), ">u2"), "TYX", name="scan 7")


def test_it_names_the_program_the_model_and_the_movie():
    assert of_denoising(MODEL, MOVIE) == {
        "software": f"n2v_stem_keras {__version__}",
        "model": "gold",
        "model_fingerprint": "sha256:ab",
        "source": "scan 7",
        "source_type": str(MOVIE.dtype),
        "tta": False,
        "restored": True,
    }


def test_what_was_chosen_is_told_and_what_was_left_open_is_not():
    said = of_denoising(MODEL, MOVIE, tta=np.bool_(True), engine="onnx", threads=None)
    assert said["engine"] == "onnx"
    assert "threads" not in said
    assert said["tta"] is True


def test_which_frames_a_model_looked_at_is_told_if_it_looks_at_any():
    assert of_denoising(a_model(context=True), MOVIE)["context"] == "both"
    assert of_denoising(a_model(context=True), MOVIE, context="past")["context"] == "past"
    assert "context" not in of_denoising(MODEL, MOVIE, context="past")


@pytest.mark.parametrize("context", [False, True])
def test_it_can_be_written_into_any_file(context):
    said = of_denoising(a_model(context), MOVIE, engine="onnx")
    assert json.loads(json.dumps(said)) == said


def test_with_the_past_alone_nothing_is_restored():
    assert of_denoising(a_model(True), MOVIE, context="past")["restored"] is False
    assert of_denoising(MODEL, MOVIE, restore=False)["restored"] is False
