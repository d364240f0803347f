"""What the commands share: settings, files and movies as options."""

import argparse

import pytest

from n2v_stem_keras import ConfigError, DataError, FolderError, MovieError
from n2v_stem_keras.cli import options
from n2v_stem_keras.cli.options import parse_frames, parse_settings
from n2v_stem_keras.folder.folder import MissingFolder
from n2v_stem_keras.io.files import MissingFile


def test_settings_are_read_as_yaml():
    assert parse_settings(["n2v_span=1,5", "train_learning_rate=1e-3", "train_augment=true"]) == {
        "n2v_span": [1, 5],
        "train_learning_rate": 1e-3,
        "train_augment": True,
    }
    for none in ("null", "None"):
        assert parse_settings([f"n2v_patch_shape={none}"]) == {"n2v_patch_shape": None}


@pytest.mark.parametrize("text", ["n2v_pitch", "n2v_pitch 6", "n2v_pitch=[", "a: b"])
def test_settings_that_are_none_are_refused(text):
    with pytest.raises(options.UsageError, match=r"--set .*: (expected NAME=VALUE|cannot read)"):
        parse_settings([text])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (options.UsageError, 2),
        (ConfigError, 2),
        (DataError, 3),
        (FolderError, 3),
        (MovieError, 3),
        (ImportError, 3),
        (FileNotFoundError, 4),
        (MissingFile, 4),
        (MissingFolder, 4),
        (PermissionError, 4),
    ],
)
def test_each_error_of_a_user_has_a_code_that_is_explained(kind, code):
    assert issubclass(kind, options.user_errors())
    assert options.exit_code(kind("x")) == code
    assert f"\n  {code}    " in options.EXIT_CODES


@pytest.mark.parametrize("kind", [KeyError, ValueError, ZeroDivisionError])
def test_errors_of_the_program_are_none_of_a_users(kind):
    assert not issubclass(kind, options.user_errors())


@pytest.mark.parametrize(
    ("engine", "device", "expected"),
    [
        ("tensorflow", "auto", "tensorflow"),
        ("onnx", "auto", "onnx"),
        ("onnx", "cuda", "onnx:cuda"),
        ("onnx", "cpu", "onnx:cpu"),
        ("auto", "dml", "onnx:dml"),
        ("auto", "npu", "openvino:npu"),
    ],
)
def test_the_device_joins_the_engine(engine, device, expected):
    args = argparse.Namespace(engine=engine, device=device)
    options.set_engine(args)
    assert args.engine == expected
    options.set_engine(args)
    assert args.engine == expected


@pytest.mark.parametrize(
    ("engine", "device", "message"),
    [
        ("tensorflow", "cuda", "--device cuda: is of --engine onnx, found tensorflow"),
        ("auto", "cpu", "--device cpu: is of --engine openvino or onnx, found auto"),
    ],
)
def test_a_device_without_its_engine_is_refused(engine, device, message):
    with pytest.raises(options.UsageError, match=message):
        options.set_engine(argparse.Namespace(engine=engine, device=device))


def test_frames_are_a_first_and_an_end():
    assert parse_frames(None) is None
    assert parse_frames("3:8") == slice(3, 8)
    assert parse_frames(":8") == slice(None, 8)
    assert parse_frames("3:") == slice(3, None)


@pytest.mark.parametrize("text", ["5", ":", "5:5", "8:3", "-3:", "0:9:2", "a:b"])
def test_frames_that_are_none_are_refused(text):
    with pytest.raises(options.UsageError, match=r"--frames .*0:5"):
        parse_frames(text)
