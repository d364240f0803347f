"""Movies to score on: paired with their truth and positions, or an error that says why not."""

import json
import shutil

from n2v_stem_keras.cli import evaluation_movies, main


def run(*arguments):
    return main(["evaluate", *map(str, arguments)])


def rows_of(out):
    return json.loads((out / "evaluation.json").read_text())["rows"]


def test_folders_that_lack_files_are_explained(simulated, tmp_path, capsys, no_picture):
    folder = tmp_path / "sim"
    shutil.copytree(simulated, folder)
    (folder / "movie-01_noisy_7-6dB.ome.tif").unlink()
    command = ["--simulated", folder, "--methods", "none", "--out", tmp_path / "out"]
    assert run(*command) == 3
    assert "movie-01 has no noisy file 7-6dB" in capsys.readouterr().err
    (folder / "movie-00_noisy_7-6dB.ome.tif").unlink()
    table = folder / "movie-00_positions.csv"
    table.write_text("frame,y,x\n5,1,1\n")
    assert run(*command) == 3
    assert "frame 5, but the movie has 3 frames" in capsys.readouterr().err
    table.write_text("t,y,x\n0,1,1\n")
    assert run(*command) == 3
    assert "columns frame, y, x [px]" in capsys.readouterr().err
    table.unlink()
    assert run(*command) == 0
    assert rows_of(tmp_path / "out")[0]["adatom_snr"] is None


def test_positions_are_read_by_frame(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "frame,y,x,y_nm,x_nm,id,element\n0,1.5,2,0,0,0,Au\n2,3,4,0,0,0,Au\n2,5,6,0,0,1,Au\n"
    )
    first, second, third = evaluation_movies.read_positions(path, 3)
    assert first.tolist() == [[1.5, 2]]
    assert second.shape == (0, 2)
    assert third.tolist() == [[3, 4], [5, 6]]
