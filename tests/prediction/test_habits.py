"""What users of CSBDeep, N2V and StarDist write is taken as meant, or answered in a sentence."""

import inspect
import zipfile

import numpy as np
import pandas as pd
import pytest

from n2v_stem_keras import FolderError, Movie, MovieError, N2VStem, distill, open_model
from n2v_stem_keras.cli import build_parser
from n2v_stem_keras.prediction import habits


@pytest.fixture(scope="module")
def model(tmp_path_factory, plain_config):
    """A model whose weights are as good as any."""
    made = N2VStem(plain_config, "m", tmp_path_factory.mktemp("models"))
    made.keras_model.save_weights(made.logdir / "weights_best.weights.h5")
    return open_model(made.logdir)


X, X_VAL = np.zeros((1, 2, 3, 1)), np.ones((1, 2, 3, 1))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ((None, None, None, None), (None, None, None, None)),
        (("TYX", "held.tif", 3, 4), ("TYX", "held.tif", 3, 4)),
        ((X_VAL, None, None, None), (None, X_VAL, None, None)),
        ((X_VAL, None, 3, 4), (None, X_VAL, 3, 4)),  # epochs=3, steps_per_epoch=4
        ((X_VAL, 3, None, None), (None, X_VAL, 3, None)),  # by position
        ((X_VAL, 3, 4, None), (None, X_VAL, 3, 4)),
        ((X_VAL, 3, None, 4), (None, X_VAL, 3, 4)),
        (("held.tif", None, None, None), (None, "held.tif", None, None)),
        (([X_VAL, X_VAL], None, None, None), (None, [X_VAL, X_VAL], None, None)),
    ],
)
def test_validation_by_position_is_taken_as_such(given, meant):
    found = habits.training_arguments(*given)
    assert all(a is b or a == b for a, b in zip(found, meant, strict=True))


@pytest.mark.parametrize("given", [(X, X_VAL), (X, (X_VAL, X_VAL)), (None, (X_VAL, X_VAL))])
def test_targets_are_answered_by_what_to_write(given):
    with pytest.raises(TypeError, match=r"write train\(X, validation_data=X_val\)"):
        habits.training_arguments(*given, None, None)


def test_a_model_trains_on_what_n2v_is_given(plain_config, noisy_movie):
    held = noisy_movie[:4] + 1
    one, other = (N2VStem(plain_config, basedir=None) for _ in range(2))
    by_position = one.train(noisy_movie, held, 1, 2, verbose=False)
    by_name = other.train(
        noisy_movie, validation_data=held, epochs=1, steps_per_epoch=2, verbose=False
    )
    assert by_position.history["val_loss"] == by_name.history["val_loss"]
    assert one.record["runs"][0]["training_frames"] == 12


def test_lists_are_many_movies_or_the_frames_of_one(model, noisy_movie, tmp_path):
    a, b = noisy_movie[:2], noisy_movie[2:5, :40]
    expected = [model.predict(one) for one in (a, b)]
    found = model.predict([a, b])
    assert isinstance(found, list)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    movies = [Movie.from_array(one) for one in (a, b)]
    np.testing.assert_array_equal(model.predict(movies)[1], expected[1])
    np.save(tmp_path / "a.npy", a)
    found = model.predict([tmp_path / "a.npy"], "TYXC", detectors=("ADF", "BF"))
    np.testing.assert_array_equal(found[0], expected[0])
    # images of the axes that are given
    images = [noisy_movie[0, :, :40], noisy_movie[1]]
    found = model.predict(images, axes="YXC")
    np.testing.assert_array_equal(found[1], model.predict(images[1], axes="YXC"))
    # frames are one movie, as in a lazy sequence
    np.testing.assert_array_equal(model.predict(list(a)), expected[0])


def test_a_list_where_one_movie_is_expected_is_said(model):
    for call in (model.find_atoms, lambda movie: list(model.predict_frames(movie))):
        with pytest.raises(MovieError, match="2 movies are given, one is expected"):
            call(["a.tif", "b.tif"])


def test_a_normalizer_is_not_needed(model, noisy_movie):
    frame = noisy_movie[0]
    plain = model.predict(frame, "YXC")
    np.testing.assert_array_equal(model.predict(frame, "YXC", normalizer=None), plain)
    with pytest.raises(TypeError, match=r"standardises each movie by itself .* leave normalizer"):
        model.predict(frame, "YXC", normalizer=object())


@pytest.mark.parametrize("call", ["predict", "predict_frames", "find_atoms", "deviations"])
@pytest.mark.parametrize("axes", [np.zeros((2, 3)), [1, 2], 4])
def test_axes_that_are_none_are_said(model, noisy_movie, call, axes):
    with pytest.raises(MovieError, match="axes are letters such as 'TYXC', found"):
        list(getattr(model, call)(noisy_movie, axes))
    with pytest.raises(MovieError, match="axes are letters"):
        Movie.from_array(noisy_movie, axes)


def test_positions_by_position_set_thresholds(model, monkeypatch, noisy_movie):
    seen = []

    def optimise(model, series, criteria, positions, *rest):
        seen.append(positions)
        return {}

    monkeypatch.setattr("n2v_stem_keras.detection.optimise", optimise)
    truth = [np.array([[3.0, 4.0]]), np.empty((0, 2))]
    model.optimize_thresholds(noisy_movie[:2], truth)
    model.optimize_thresholds(list(noisy_movie[:2]), truth)  # a list of images, as in StarDist
    model.optimize_thresholds(noisy_movie[:2], positions=truth)
    table = pd.DataFrame({"frame": [0], "y": [3.0], "x": [4.0], "particle": [7]})
    model.optimize_thresholds(noisy_movie[:2], table)
    for positions in seen:
        for one, other in zip(positions, truth, strict=True):
            np.testing.assert_array_equal(one, other)
    labels = np.zeros((2, 64, 48), int)
    with pytest.raises(TypeError, match="center_of_mass"):
        model.optimize_thresholds(noisy_movie[:2], labels)
    with pytest.raises(TypeError, match="given twice"):
        model.optimize_thresholds(noisy_movie[:2], truth, positions=truth)


@pytest.mark.slow
def test_a_saved_model_is_zipped_as_in_csbdeep(model, tmp_path):
    assert model.export_TF() == model.logdir / "TF_SavedModel.zip"
    with zipfile.ZipFile(model.logdir / "TF_SavedModel.zip") as made:
        assert "saved_model.pb" in made.namelist()
    with pytest.raises(FolderError, match="exists"):
        model.export_TF()


def test_where_a_zip_goes_is_checked(model, plain_config, tmp_path):
    with pytest.raises(FolderError, match=r"ends in \.zip"):
        model.export_TF(tmp_path / "m")
    with pytest.raises(FolderError, match="give fname"):
        N2VStem(plain_config, basedir=None).export_TF()


def test_models_lie_where_the_command_line_has_them():
    args = build_parser().parse_args(["train", "x.tif"])
    for function in (N2VStem, distill):
        assert inspect.signature(function).parameters["basedir"].default == args.basedir
