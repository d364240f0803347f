"""thresholds.json: numbers tuned after training, read back as if a stranger had written them."""

import json

import pytest

from n2v_stem_keras.atomic import write_json
from n2v_stem_keras.folder.folder import FORMAT_VERSION, FolderError
from n2v_stem_keras.folder.thresholds import read_thresholds, write_thresholds

THRESHOLDS = {
    "ADF": {
        "atoms": {
            "height_sigma": 4.1,
            "sign": 1,
            "min_distance_nm": 0.2,
            "method": "noise",
            "false_alarms_per_Mpx": 0.4,
            "interval_95": [0.3, 0.6],
            "frames": 400,
            "data_fingerprint": "sha256:abc",
        },
        "noise": {"lag1_x_max": 0.02, "lag1_y_max": 0.02, "residual_mean_max_sigma": 0.02},
        "domain": {"noise_to_sd": [0.5, 0.98], "pixel_size_nm": [0.03, 0.06]},
    },
    "BF": {},
}
CHANNELS = ("ADF", "BF")


def test_thresholds_come_back_as_written(tmp_path):
    write_thresholds(tmp_path, THRESHOLDS)
    assert read_thresholds(tmp_path, CHANNELS) == THRESHOLDS
    stored = json.loads((tmp_path / "thresholds.json").read_text())
    assert stored == {"format_version": FORMAT_VERSION, **THRESHOLDS}


def test_missing_thresholds_are_empty(tmp_path):
    assert read_thresholds(tmp_path, CHANNELS) == {"ADF": {}, "BF": {}}
    write_thresholds(tmp_path, {"BF": {"noise": {}}})
    assert read_thresholds(tmp_path, CHANNELS) == {"ADF": {}, "BF": {"noise": {}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"HAADF": {}}, "unknown detector 'HAADF', expected ADF, BF"),
        ({"adf": {}}, "unknown detector 'adf', expected ADF, BF"),
        ({"ADF": None}, "ADF: found None, expected an object"),
        ({"ADF": []}, "ADF: found [], expected an object"),
        ({"ADF": {"atom": {}}}, "ADF: unknown key 'atom', expected atoms, noise or domain"),
        ({"ADF": {"atoms": 4}}, "ADF.atoms: found 4, expected an object"),
        (
            {"BF": {"noise": {"lag1": 1}}},
            "BF.noise: unknown key 'lag1', expected one of lag1_x_max",
        ),
        ({"BF": {"domain": {"sign": 1}}}, "BF.domain: unknown key 'sign'"),
    ],
)
def test_unknown_thresholds_are_named(tmp_path, changes, expected):
    write_thresholds(tmp_path, changes)
    with pytest.raises(FolderError) as error:
        read_thresholds(tmp_path, CHANNELS)
    assert str(error.value).startswith(f"{tmp_path / 'thresholds.json'}: {expected}")


WRONG = {
    "a finite number of at least 0": ["4", None, True, [4], {}, -0.1, 10**400],
    "two finite numbers of at least 0 [low, high]": [
        *(4, None, [1], [1, 2, 3], [2, 1], [-1, 1], ["1", 2], [1, None], [True, 2], {"low": 1}),
        [0, 10**400],
    ],
    "a number from 0 to 1000 [nm]": ["4", None, True, -0.1, 1e6, 10**400],
    "1 or -1": [0, 2, "1", True, None, 1.5],
    "'truth', 'noise' or 'lattice'": ["guess", None, 1, ["noise"], "Noise"],
    "a string": [1, None, ["sha256:"]],
}
KINDS = {
    "height_sigma": "a finite number of at least 0",
    "min_distance_nm": "a number from 0 to 1000 [nm]",
    "sign": "1 or -1",
    "method": "'truth', 'noise' or 'lattice'",
    "interval_95": "two finite numbers of at least 0 [low, high]",
    "data_fingerprint": "a string",
    "noise_to_sd": "two finite numbers of at least 0 [low, high]",
    "pixel_size_nm": "two finite numbers of at least 0 [low, high]",
}


@pytest.mark.parametrize(
    ("part", "key"), [(part, key) for part, keys in THRESHOLDS["ADF"].items() for key in keys]
)
def test_thresholds_of_a_wrong_type_or_range_are_named(tmp_path, part, key):
    expected = KINDS.get(key, "a finite number of at least 0")
    for value in WRONG[expected]:
        write_thresholds(tmp_path, {"ADF": {part: {key: value}}})
        with pytest.raises(FolderError) as error:
            read_thresholds(tmp_path, CHANNELS)
        where = f"{tmp_path / 'thresholds.json'}: ADF.{part}.{key}"
        assert str(error.value) == f"{where}: found {value!r}, expected {expected}"


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_numbers_beyond_all_floats_are_refused(tmp_path, number):
    text = '{"format_version": %d, "ADF": {"atoms": {"height_sigma": %s}}}'
    (tmp_path / "thresholds.json").write_text(text % (FORMAT_VERSION, number))
    with pytest.raises(FolderError, match=r"height_sigma: found -?inf, expected a finite number"):
        read_thresholds(tmp_path, CHANNELS)


@pytest.mark.parametrize("version", [0, "1", 1.0, True, None])
def test_an_unknown_format_is_refused(tmp_path, version):
    write_json(tmp_path / "thresholds.json", {"format_version": version})
    expected = rf"format_version is {version!r}, expected {FORMAT_VERSION}$"
    with pytest.raises(FolderError, match=expected):
        read_thresholds(tmp_path, CHANNELS)


def test_a_missing_format_is_said(tmp_path):
    write_json(tmp_path / "thresholds.json", {})
    with pytest.raises(FolderError, match="format_version is None, expected"):
        read_thresholds(tmp_path, CHANNELS)


def test_a_newer_format_asks_for_an_update(tmp_path):
    newer = FORMAT_VERSION + 1
    write_json(tmp_path / "thresholds.json", {"format_version": newer, "new": 3})
    expected = rf"format_version {newer} was written by a newer .*pip install"
    with pytest.raises(FolderError, match=expected):
        read_thresholds(tmp_path, CHANNELS)
