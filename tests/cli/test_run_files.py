"""Run files: the same options as on the command line, checked the same way, for every command."""

import re
import time

import numpy as np
import pytest
import yaml

from n2v_stem_keras.cli import COMMANDS, build_parser, main, run_files


def parse(*argv):
    """Options as a command gets them."""
    argv = list(map(str, argv))
    found = vars(run_files.with_run_file(build_parser().parse_args(argv), argv))
    return {k: v for k, v in found.items() if k not in ("run", "parser")}


def parser_of(name):
    return build_parser().parse_args([name]).parser


@pytest.fixture
def file(tmp_path):
    """Writes a run file; returns its name."""

    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(
            text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False),
            encoding="utf-8",
        )
        return path

    return write


@pytest.mark.parametrize("name", COMMANDS)
def test_the_template_has_every_option_with_its_default(name, file, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--run-template"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# n2v-stem {name} --run FILE\n")
    assert max(map(len, text.splitlines())) <= 100
    # as it is printed it changes nothing, and neither does it with all the defaults it names
    assert parse(name, "--run", file(text)) == parse(name)
    settings = re.sub(r"^#(\w+:)", r"\1", text, flags=re.MULTILINE)
    assert parse(name, "--run", file(settings)) == parse(name)
    named = yaml.safe_load(settings)
    known = {action.dest for action in parser_of(name)._actions}
    assert set(named) == known - {"help", "run", "run_template"}
    # what an option does is said above it
    for line, before in zip(text.splitlines()[1:], text.splitlines()):
        assert not re.match(r"#\w", line) or before.startswith("# "), line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_and_every_choice_can_be_set(name, file):
    """The control of the test above: values other than the default do arrive."""
    parser = parser_of(name)
    exclusive = {a.dest for g in parser._mutually_exclusive_groups for a in g._group_actions[1:]}
    values = {}
    for action in parser._actions:
        if action.dest in ("help", "run", "run_template", *exclusive):
            continue
        if action.nargs == 0:
            values[action.dest] = True
        elif action.choices:
            values[action.dest] = list(action.choices)[-1]
    found = parse(name, "--run", file(values))
    assert {key: found[key] for key in values} == values


def test_a_flag_with_an_opposite_can_be_set_both_ways(file):
    for value in (True, False):
        assert parse("denoise", "--run", file({"tta": value}))["tta"] is value
    assert parse("denoise")["tta"] is None


def test_values_mean_what_they_mean_on_the_command_line(file):
    values = {
        "movies": ["a.tif", "b.tif"], "set": {"n2v_span": [1, 5], "train_learning_rate": 1e-3},
        "detectors": ["ADF", "BF"], "pixel-size": "0.03nm", "epochs": 3, "validation": ["v", "w"],
        "detector_files": {"ADF": "a.ser", "BF": "b.ser"}, "no_resume": True, "voltage": 80,
    }  # fmt: skip
    found = parse("train", "--run", file(values))
    said = parse(
        "train", "a.tif", "b.tif", "--set", "n2v_span=[1, 5]", "--set",
        "train_learning_rate=0.001", "--detectors", "ADF,BF", "--pixel-size", "0.03nm", "--epochs",
        "3", "--validation", "v", "w", "--detector-files", "ADF=a.ser", "BF=b.ser", "--no-resume",
        "--voltage", "80",
    )  # fmt: skip
    assert found == said
    values = {"drift": -0.5, "psnr": [[16, 12], -3], "out_dir": "m", "pairs": [5, "0.34nm"]}
    found = parse("simulate", "--run", file(values))
    said = parse("simulate", "m", "--drift=-0.5", "--psnr=16,12", "--psnr=-3", "--pairs=5,0.34nm")
    assert found == said


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ("[ADF=a, BF=b]", [["ADF=a", "BF=b"]]),
        ("[[ADF=a, BF=b], [ADF=c]]", [["ADF=a", "BF=b"], ["ADF=c"]]),
        ("[{ADF: a}, {ADF: c}]", [["ADF=a"], ["ADF=c"]]),
        ("ADF=a", [["ADF=a"]]),
    ],
)
def test_files_of_detectors(file, written, groups):
    found = parse("denoise", "--run", file(f"detector_files: {written}"))
    assert found["detector_files"] == groups


def test_the_command_line_has_the_last_word(file):
    run = file({"movies": ["a.tif"], "epochs": 3, "seed": 4, "validation": ["v"],
                "set": {"n2v_pitch": 6, "n2v_jitter": 2}})  # fmt: skip
    found = parse("train", "--run", run, "b.tif", "--epochs", "9", "--set", "n2v_pitch=8")
    assert (found["movies"], found["epochs"], found["seed"]) == (["b.tif"], 9, 4)
    assert found["validation"] == ["v"]
    assert found["set"] == ["n2v_pitch=6", "n2v_jitter=2", "n2v_pitch=8"]
    # a default that is given on the command line counts as given
    assert (
        parse("train", "--run", file("preset: paper"), "--preset", "laptop")["preset"] == "laptop"
    )
    # repeated options are replaced as a whole
    found = parse("simulate", "--run", file("psnr: ['9,9', '8,8']"), "--psnr", "7,7")
    assert found["psnr"] == ["7,7"]


def test_of_options_that_exclude_each_other_that_of_the_command_line_stays(file):
    found = parse("denoise", "--run", file("skip_existing: true"), "--overwrite")
    assert (found["overwrite"], found["skip_existing"]) == (True, False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train", "epoch: 3", "unknown option 'epoch'; did you mean 'epochs'?"),
        ("denoise", "enginee: onnx", "did you mean 'engine'?"),
        ("info", "xyzzy: 3", "unknown option 'xyzzy'; known are axes, detector_files"),
        ("train", "run: other.yaml", "unknown option 'run'"),
        ("train", "quiet: maybe", "quiet: found 'maybe', expected true or false"),
        ("train", "epochs: three", "epochs: invalid int value: 'three'"),
        ("train", "epochs: [1, 2]", "epochs: invalid int value: '1,2'"),
        ("train", "steps-per-epoch: 1.5", "steps_per_epoch: invalid int value: '1.5'"),
        ("denoise", "engine: onxx", "engine: invalid choice: 'onxx' (choose from"),
        ("denoise", "{overwrite: true, skip_existing: true}", "not allowed with argument"),
        ("train", "name: yes", "name: found True, expected a value; text needs quotes"),
        ("train", "name: {a: b}", "name: found {'a': 'b'}, expected one value"),
        ("train", "movies: [a, null]", "movies: found None, expected one value"),
        ("train", "name: []", "name: found [], expected one value"),
        ("train", "epochs: 1\nepochs: 2", "'epochs' is there twice"),
        ("train", "set: {n2v_pitch: 1, n2v_pitch: 2}", "'n2v_pitch' is there twice"),
        ("train", "pixel-size: 1\npixel_size: 2", "option 'pixel_size' is there twice; keep one"),
        ("check", "- 3", "found list, expected 'option: value' lines"),
        ("check", "a: [", "not valid YAML"),
        ("check", "!!python/object/apply:os.system ['echo hacked']", "not valid YAML"),
    ],
)  # fmt: skip
def test_bad_files_are_explained(name, text, message, file, capsys):
    run = file(text)
    assert main([name, "--run", str(run)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"n2v-stem: {run}: ")
    assert message in error


def test_files_that_cannot_be_read(tmp_path, capsys):
    assert main(["train", "--run", str(tmp_path / "nothing.yaml")]) == 4
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert main(["train", "--run", str(tmp_path / "bytes.yaml")]) == 2
    assert "not valid YAML" in capsys.readouterr().err


def test_names_of_the_configuration_are_checked_too(file, tmp_path, capsys):
    np.save(tmp_path / "m.npy", np.zeros((2, 32, 32), np.float32))
    run = file({"movies": [str(tmp_path / "m.npy")], "set": {"n2v_pich": 6}, "axes": "TYX"})
    assert main(["train", "--run", str(run)]) == 2
    assert "did you mean 'n2v_pitch'" in capsys.readouterr().err


def test_commands_that_had_no_run_file_take_one(file, capsys):
    assert main(["info", "--run", str(file("{movies: [graphene-au], json: true}"))]) == 0
    assert '"detectors"' in capsys.readouterr().out
    assert main(["export", "--run", str(file("{model: nowhere, quiet: true}"))]) == 4
    assert "no such model folder" in capsys.readouterr().err


def test_the_parser_is_left_as_it_was(file):
    parser = parser_of("train")
    with pytest.raises(run_files.UsageError):
        run_files._parse(parser, "x", {"epochs": "a"}, run_files._actions(parser))
    assert parser.error.__func__ is type(parser).error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nmovies: [*a, *a]\n", "aliases"),
        ("movies: &a [*a]\n", "aliases"),
        ("movies: " + "[" * 20_000 + "]" * 20_000, "not valid YAML"),
        ("epochs: " + "9" * 5000 + "\n", "not valid YAML"),
        ("epochs: 2020-13-45\n", "not valid YAML"),
        ("# " + "x" * 2**20, "bytes, expected at most 1048576"),
        ("".join(f"k{i}: 1\n" for i in range(50_000)), "unknown option 'k0'"),
        ("name: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
    ids=["aliases", "circle", "deep", "digits", "date", "large", "keys", "object"],
)
def test_files_that_unfold_are_refused(tmp_path, capsys, text, said):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    began = time.monotonic()
    assert main(["train", "--run", str(file), "--dry-run"]) == 2
    assert said in capsys.readouterr().err
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000, "*a", "2020-13-45"])
def test_settings_are_read_as_carefully(tmp_path, capsys, value):
    np.save(tmp_path / "m.npy", np.zeros((2, 32, 32), np.float32))
    movie = [str(tmp_path / "m.npy"), "--axes", "TYX"]
    assert main(["train", *movie, "--set", f"n2v_pitch={value}", "--dry-run"]) == 2
    assert "not valid YAML" in capsys.readouterr().err
