"""Files of a simulation: movies, positions and record belong together, and none is lost."""

import csv
import json

import numpy as np
import pytest

from n2v_stem_keras import simulate
from n2v_stem_keras.cli import main
from n2v_stem_keras.io import read_movie

SMALL = ["--movies", "2", "--frames", "2", "--size", "40,48", "--quiet"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_movies_positions_and_record_belong_together(tmp_path):
    out = tmp_path / "out"
    command = ["simulate", str(out), *SMALL, "--psnr", "16,14", "--psnr", "10", "--density", "2",
               "--drift", "0.5", "--seed", "3"]  # fmt: skip
    assert main(command) == 0
    kinds = ("clean.ome.tif", "noisy_16-14dB.ome.tif", "noisy_10-10dB.ome.tif", "positions.csv")
    names = {f"movie-0{i}_{kind}" for i in range(2) for kind in kinds}
    assert {path.name for path in out.iterdir()} == names | {"simulation.json"}

    movies = simulate.simulate_movies(3, 2, shape=(40, 48), n_frames=2, density_nm2=2.0,
                                      drift_px=0.5)  # fmt: skip
    record = json.loads((out / "simulation.json").read_text())
    for i, movie in enumerate(movies):
        clean = read_movie(out / f"movie-0{i}_clean.ome.tif")
        assert clean.detectors == ("ADF", "BF")
        assert sorted(clean.axes) == sorted("TYXC")
        assert clean.pixel_size_nm == pytest.approx(0.046)
        frames = np.stack([clean.frame(0, t) for t in range(2)])
        assert np.array_equal(frames, movie.clean)
        for label, psnr in (("16-14dB", [16, 14]), ("10-10dB", [10, 10])):
            noisy = read_movie(out / f"movie-0{i}_noisy_{label}.ome.tif")
            assert noisy.provenance["psnr"] == psnr
            added = np.stack([noisy.frame(0, t) for t in range(2)]) - movie.clean
            found = 20 * np.log10(np.ptp(movie.clean, axis=(1, 2)) / added.std(axis=(1, 2)))
            assert found == pytest.approx(np.broadcast_to(psnr, (2, 2)), abs=0.5)
        rows = table(out / f"movie-0{i}_positions.csv")
        for t in range(2):
            mine = [row for row in rows if row["frame"] == str(t)]
            placed = np.array([[float(row["y"]), float(row["x"])] for row in mine])
            assert placed == pytest.approx(movie.positions[t], abs=1e-4)
            assert [int(row["id"]) for row in mine] == movie.ids[t].tolist()
            nm = np.array([[float(row["y_nm"]), float(row["x_nm"])] for row in mine])
            assert nm == pytest.approx(0.046 * placed, abs=1e-5)
        assert {row["element"] for row in rows} == {"Au"}
        entry = record["movies"][i]
        assert entry["seed"] == [3, i]
        assert entry["rotation_rad"] == movie.scene.specimen.rotation_rad
        assert entry["drift_px"][1] == pytest.approx(movie.drift_px[1], abs=1e-6)
        assert set(entry["files"]) == {name for name in names if name.startswith(entry["name"])}
        height = movie.lone_adatom_height()[0] * 10 ** (16 / 20)
        if np.isfinite(height):
            assert entry["adatom_height_to_sigma"]["16-14dB"]["ADF"] == pytest.approx(
                height, abs=0.01
            )


def test_the_recorded_options_make_the_same_movies_again(tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    command = ["simulate", str(first), *SMALL, "--clusters", "1,4", "--hole", "0.3nm", "--motion",
               "hops", "--psnr", "12", "--pairs", "1,0.34nm", "--drift-walk", "0.3"]  # fmt: skip
    assert main(command) == 0
    options = json.loads((first / "simulation.json").read_text())["options"]
    (tmp_path / "run.yaml").write_text(json.dumps(options))
    assert main(["simulate", str(again), "--run", str(tmp_path / "run.yaml"), "--quiet"]) == 0
    for file in first.glob("movie-*"):
        if file.suffix == ".csv":
            assert (again / file.name).read_text() == file.read_text()
        else:
            mine, theirs = (read_movie(folder / file.name) for folder in (first, again))
            assert np.array_equal(mine.to_array(), theirs.to_array())


def test_an_earlier_simulation_is_not_lost(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["simulate", str(out), *SMALL]) == 0
    (out / "notes.txt").write_text("mine")
    (out / "movie-00_notes.csv").write_text("mine too")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(["simulate", str(out), *SMALL, "--seed", "1"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    (out / "simulation.json").unlink()  # as after Ctrl-C
    assert main(["simulate", str(out), *SMALL, "--seed", "1"]) == 2
    assert all((out / n).read_bytes() == b for n, b in before.items() if n != "simulation.json")

    smaller = [*SMALL, "--movies", "1", "--seed", "1", "--psnr", "12"]
    assert main(["simulate", str(out), *smaller, "--overwrite"]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"movie-00_clean.ome.tif", "movie-00_noisy_12-12dB.ome.tif", "notes.txt",
                     "movie-00_positions.csv", "movie-00_notes.csv", "simulation.json"}  # fmt: skip
    assert (out / "movie-00_clean.ome.tif").read_bytes() != before["movie-00_clean.ome.tif"]
