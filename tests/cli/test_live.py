"""n2v-stem live: a folder that fills while it is watched."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from n2v_stem_keras import N2VStem, read_movie
from n2v_stem_keras.cli import live as live_command
from n2v_stem_keras.cli import main
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.prediction.stream import NEW_MOVIE


@pytest.fixture
def model(tmp_path, plain_config):
    """A model folder with weights."""
    model = N2VStem(plain_config, "m", tmp_path)
    folder = tmp_path / "m"
    model_folder.save_weights(model.keras_model, folder / model_folder.WEIGHTS_BEST)
    return folder


@pytest.fixture
def watched(tmp_path):
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def live(watched, model, *more):
    return main(
        ["live", "--watch", str(watched), "--out", str(watched.parent / "out"), "--model",
         str(model), "--engine", "tensorflow", "--until-idle", "1.0", *more]
    )  # fmt: skip


@pytest.fixture
def read(monkeypatch):
    """Events: a file was read, or in vain, as `read[name, True or False]`."""
    events = {(n, whole): threading.Event() for n in ("a", "b", "slow") for whole in (True, False)}
    read_of_the_command = live_command.LiveJob._read

    def note(self, name, source):
        try:
            found = read_of_the_command(self, name, source)
        except Exception:
            events[name, False].set()
            raise
        if (name, True) in events:
            events[name, True].set()
        return found

    monkeypatch.setattr(live_command.LiveJob, "_read", note)
    return events


def results(watched):
    return sorted(p.name for p in (watched.parent / "out").iterdir())


NAMES = ("--axes", "TYXC", "--detectors", "ADF,BF", "--pixel-size", "0.05nm")


def test_files_are_denoised_as_they_come(watched, model, read, noisy_movie, capsys):
    np.save(watched / "a.npy", noisy_movie[:1])

    def microscope():
        read["a", True].wait(60)
        np.save(watched / "b.npy", noisy_movie[1:2])
        read["b", True].wait(60)
        np.save(watched / "c.npy", noisy_movie[2:5])

    thread = threading.Thread(target=microscope)
    thread.start()
    assert live(watched, model, *NAMES) == 0
    thread.join()
    assert results(watched) == [f"{n}_denoised.ome.tif" for n in "abc"]
    made = read_movie(watched.parent / "out" / "c_denoised.ome.tif")
    assert made.shape == (3, 2, 64, 48) or made.shape == (3, 64, 48, 2)
    assert made.detectors == ("ADF", "BF")
    assert made.pixel_size_nm == pytest.approx(0.05)
    assert made.provenance["model"] == "m"
    assert made.provenance["context"] == "past"
    printed = capsys.readouterr().out
    assert "3 files, 0 left out; 5 frames, 0 dropped" in printed
    # one file goes on where the one before it ended
    files = [read_movie(watched.parent / "out" / f"{n}_denoised.ome.tif") for n in "abc"]
    found = np.concatenate([frames_of(file) for file in files])
    expected = list(N2VStem(None, "m", watched.parent).stream(iter(noisy_movie[:5])))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def frames_of(movie):
    """All frames, (N, Y, X, C)."""
    places = [(s, t) for s in range(movie.n_series) for t in range(movie.n_frames)]
    return np.stack([movie.frame(*place) for place in places])


def test_separate_movies_of_a_file_know_nothing_of_each_other(watched, model, noisy_movie):
    np.save(watched / "a.npy", noisy_movie[:6].reshape(2, 3, 64, 48, 2))
    options = ("--axes", "STYXC", "--detectors", "ADF,BF", "--pixel-size", "0.05nm")
    assert live(watched, model, *options) == 0
    found = frames_of(read_movie(watched.parent / "out" / "a_denoised.ome.tif"))
    network = N2VStem(None, "m", watched.parent)
    marked = [NEW_MOVIE, *noisy_movie[:3], NEW_MOVIE, *noisy_movie[3:6]]
    np.testing.assert_allclose(found, list(network.stream(iter(marked))), rtol=1e-5)
    together = list(network.stream(iter(noisy_movie[:6])))
    assert np.abs(found[3] - together[3]).max() > 0.01 * noisy_movie.std()


def test_a_file_that_is_being_written_is_waited_for(watched, model, read, noisy_movie):
    """Half a file, left alone for longer than --settle, is not taken for a whole one."""
    whole = watched.parent / "whole.npy"
    np.save(whole, noisy_movie[:2])
    data = whole.read_bytes()

    def microscope():
        with open(watched / "slow.npy", "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            read["slow", False].wait(60)
            file.write(data[len(data) // 2 :])

    thread = threading.Thread(target=microscope)
    thread.start()
    assert live(watched, model, *NAMES) == 0
    thread.join()
    assert read_movie(watched.parent / "out" / "slow_denoised.ome.tif").n_frames == 2


def test_room_that_was_made_beforehand_is_no_frame(watched, model, read, noisy_movie):
    """The last frames are zeros until they are written; nothing tells how many there will be."""
    room = np.lib.format.open_memmap(watched / "slow.npy", "w+", np.float32, (2, 64, 48, 2))
    room[0] = noisy_movie[0]
    room.flush()

    def microscope():
        read["slow", False].wait(60)
        room[1] = noisy_movie[1]
        room.flush()
        os.utime(watched / "slow.npy")

    thread = threading.Thread(target=microscope)
    thread.start()
    assert live(watched, model, *NAMES) == 0
    thread.join()
    assert read["slow", False].is_set()
    found = frames_of(read_movie(watched.parent / "out" / "slow_denoised.ome.tif"))
    expected = list(N2VStem(None, "m", watched.parent).stream(iter(noisy_movie[:2])))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_bad_file_does_not_stop_the_others(watched, model, noisy_movie, capsys):
    (watched / "bad.npy").write_bytes(b"no movie")
    np.save(watched / "good.npy", noisy_movie[:1])
    assert live(watched, model, *NAMES) == 3
    assert results(watched) == ["good_denoised.ome.tif"]
    said = capsys.readouterr().err
    assert said.count("bad") >= 2
    assert "could not be denoised: bad" in said


def test_the_same_command_again_goes_on(watched, model, noisy_movie, capsys):
    np.save(watched / "a.npy", noisy_movie[:1])
    assert live(watched, model, *NAMES) == 0
    before = (watched.parent / "out" / "a_denoised.ome.tif").stat().st_mtime_ns
    np.save(watched / "b.npy", noisy_movie[:1])
    assert live(watched, model, *NAMES) == 0
    assert (watched.parent / "out" / "a_denoised.ome.tif").stat().st_mtime_ns == before
    assert "1 file, 0 left out" in capsys.readouterr().out.splitlines()[-1]


def test_all_detectors_of_a_scan_are_waited_for(watched, model, noisy_movie):
    np.save(watched / "s1_ADF.npy", noisy_movie[:1, ..., 0])
    np.save(watched / "s1_BF.npy", noisy_movie[:1, ..., 1])
    np.save(watched / "s2_ADF.npy", noisy_movie[:1, ..., 0])
    pair = ("--pair", str(watched / "{name}_{detector}.npy"), "--axes", "TYX")
    assert live(watched, model, *pair) == 0
    assert results(watched) == ["s1_denoised.ome.tif"]


def test_where_files_pile_up_the_oldest_may_be_left_out(watched, model, noisy_movie, capsys):
    for number in range(6):
        np.save(watched / f"{number}.npy", noisy_movie[:1])
        os.utime(watched / f"{number}.npy", (time.time() + number - 9,) * 2)
    assert live(watched, model, "--when-behind", "drop", "--settle", "0", *NAMES) == 0
    assert results(watched) == [f"{n}_denoised.ome.tif" for n in "45"]
    assert "2 files, 4 left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "scans"], "--out is the folder that is watched"),
        (["--watch", "nowhere"], "--watch nowhere: is no folder"),
        (["--settle", "-1"], "not below 0"),
    ],
)
def test_wrong_options_are_named(watched, model, more, message, capsys, monkeypatch):
    monkeypatch.chdir(watched.parent)
    assert live(watched, model, *more) == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_writes_nothing(watched, model, noisy_movie, capsys):
    np.save(watched / "a.npy", noisy_movie[:1])
    assert live(watched, model, "--dry-run") == 0
    assert "waiting there now: 1 file" in capsys.readouterr().out
    assert not (watched.parent / "out").exists()


WITHOUT_TENSORFLOW = """
import sys
from n2v_stem_keras.cli import main
code = main(sys.argv[1:])
assert "onnxruntime" in sys.modules or "openvino" in sys.modules
assert not {"tensorflow", "keras"} & set(sys.modules), "imported"
sys.exit(code)
"""


@pytest.mark.parametrize("engine", ["onnx", "auto"])
def test_the_ready_made_live_model_needs_no_tensorflow(watched, noisy_movie, engine):
    pytest.importorskip("onnxruntime")
    np.save(watched / "a.npy", noisy_movie[:2])
    out = watched.parent / "out"
    command = ["live", "--watch", watched, "--out", out, "--model", "graphene-au-live"]
    command += ["--engine", engine, "--until-idle", "1.0", *NAMES]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert results(watched) == ["a_denoised.ome.tif"]
    assert read_movie(out / "a_denoised.ome.tif").provenance["model"] == "graphene-au-live"
