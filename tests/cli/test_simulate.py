"""``n2v-stem simulate``: files whose truth fits their frames, and that can be made again."""

import csv
import json

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from n2v_stem_keras import noise, simulate
from n2v_stem_keras.cli import main
from n2v_stem_keras.io import read_movie

SMALL = ["--movies", "2", "--frames", "2", "--size", "40,48", "--quiet"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_noise_differs_between_movies_and_levels(tmp_path):
    out = tmp_path / "out"
    flat = ["--density", "0", "--motion", "none", "--psnr", "10", "--psnr", "10.0001"]
    assert main(["simulate", str(out), *SMALL, *flat]) == 0
    added = []
    for i in range(2):
        clean = read_movie(out / f"movie-0{i}_clean.ome.tif").to_array()
        for label in ("10-10dB", "10.0001-10.0001dB"):
            noisy = read_movie(out / f"movie-0{i}_noisy_{label}.ome.tif").to_array()
            added.append((noisy - clean)[0].ravel())
    assert np.abs(np.corrcoef(added) - np.eye(4)).max() < 0.1


def test_clusters_pairs_and_holes_reach_the_movies(tmp_path):
    out = tmp_path / "out"
    assert main(["simulate", str(out), "--movies", "1", "--frames", "1", "--size", "96", "--quiet",
                 "--clusters", "1,7", "--pairs", "1,0.5nm", "--hole", "500pm", "--density", "0",
                 "--motion", "none"]) == 0  # fmt: skip
    rows = table(out / "movie-00_positions.csv")
    nm = np.array([[float(row["y_nm"]), float(row["x_nm"])] for row in rows])
    assert len(nm) == 9
    assert np.linalg.norm(nm[7] - nm[8]) == pytest.approx(0.5, abs=1e-5)
    (hole,) = json.loads((out / "simulation.json").read_text())["movies"][0]["holes_px"]
    assert np.ptp(hole, axis=0) * 0.046 == pytest.approx([1.0, 1.0], abs=1e-3)


def test_reference_movies(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["simulate", str(out), *SMALL, "--reference", "--motion", "hops"]) == 0
    movie = simulate.reference_movie([0, 1], (40, 48), 2, hops=True)
    written = read_movie(out / "movie-01_clean.ome.tif")
    assert np.array_equal(written.frame(0, 1), movie.clean[1])
    for extra in (["--density", "0.3"], ["--motion", "none"], ["--drift-walk", "1"]):
        assert main(["simulate", str(tmp_path / "x"), "--reference", *extra]) == 2
        assert f"leave {extra[0]}" in capsys.readouterr().err


def test_counting_noise_keeps_the_unit_of_the_clean_movie(tmp_path, monkeypatch):
    asked = []

    def add_poisson_noise(clean, dose_e_px, seed, gain=1.0, offset=0.0, readout_e=0.0):
        asked.append((dose_e_px, seed, offset, readout_e))
        counts = np.random.default_rng(seed).poisson(np.maximum(clean, 0) * dose_e_px)
        return (gain * counts + offset).astype(np.float32)

    monkeypatch.setattr(noise, "add_poisson_noise", add_poisson_noise, raising=False)
    out = tmp_path / "out"
    assert main(["simulate", str(out), *SMALL, "--dose", "350", "--dose", "1860"]) == 0
    assert [dose for dose, *_ in asked] == [350, 1860] * 2
    assert len({str(seed) for _, seed, *_ in asked}) == 4
    clean = read_movie(out / "movie-00_clean.ome.tif").frame(0, 0)
    for dose in (350, 1860):
        noisy = read_movie(out / f"movie-00_noisy_{dose}e.ome.tif")
        assert noisy.provenance["dose"] == dose
        frame = noisy.frame(0, 0)[..., 1]
        assert frame.mean() == pytest.approx(clean[..., 1].mean(), rel=0.02)
        assert frame.var() > 0.8 * clean[..., 1].mean() / dose
    assert not list(out.glob("*dB*"))


def test_after_glow_glows_in_the_truth_too(tmp_path):
    plain, glowing = tmp_path / "plain", tmp_path / "glowing"
    command = [*SMALL, "--psnr", "10"]
    assert main(["simulate", str(plain), *command]) == 0
    assert main(["simulate", str(glowing), *command, "--after-glow", "0.3"]) == 0
    for kind, theirs in (("clean", "clean"), ("noisy_10-10dB", "noisy_10-10dB_glow-0.3")):
        before = read_movie(plain / f"movie-00_{kind}.ome.tif").frame(0, 1)
        after = read_movie(glowing / f"movie-00_{theirs}.ome.tif").frame(0, 1)
        assert after == pytest.approx(noise.after_glow(before, 0.3), abs=1e-6)
        assert not np.allclose(after, before, atol=1e-4)


def test_a_scan_distorts_frames_truth_and_positions_alike(tmp_path):
    out = tmp_path / "out"
    command = ["--movies", "1", "--frames", "2", "--size", "96", "--density", "2"]
    command += ["--psnr", "10", "--psnr", "20", "--scan", "bad"]
    assert main(["simulate", str(out), *command]) == 0
    clean, undistorted, noisy, less = (
        read_movie(out / f"movie-00_{kind}.ome.tif").frame(0, 1)
        for kind in (
            "clean",
            "undistorted",
            "noisy_10-10dB_scan-bad",
            "noisy_20-20dB_scan-bad",
        )
    )
    apart = np.corrcoef(clean[..., 0].ravel(), undistorted[..., 0].ravel())[0, 1]
    assert 0.3 < apart < 0.95
    # the same distortions, in other noise, and less of it
    assert (noisy - clean).std() > 2.5 * (less - clean).std()
    again = np.corrcoef((noisy - clean)[..., 0].ravel(), (less - clean)[..., 0].ravel())[0, 1]
    assert abs(again) < 0.2
    rows = np.genfromtxt(
        out / "movie-00_positions.csv", delimiter=",", names=True, usecols=range(3)
    )
    rows = rows[rows["frame"] == 1]
    where = np.stack([rows["y"], rows["x"]])
    seen, before = (map_coordinates(f[..., 0], where, order=1) for f in (clean, undistorted))
    # an adatom stands where the table says, in the frame that the scan shows
    assert seen.mean() > np.quantile(clean[..., 0], 0.9)
    assert seen.mean() > before.mean()
    assert main(["simulate", str(out), *command, "--overwrite"]) == 0  # and are all replaced


def test_dry_run_writes_nothing(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["simulate", str(out), "--psnr", "16", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "8 movies of 12 frames, 256 x 256 px" in said
    assert "96 MiB" in said  # 8 * 12 * 256^2 px * 2 detectors * 4 bytes, clean and noisy
    assert not out.exists()


def test_adatom_visibility_is_printed_beside_the_psnr(tmp_path, capsys):
    command = ["simulate", str(tmp_path / "out"), "--movies", "1", "--frames", "1", "--size", "96"]
    assert main([*command, "--density", "0.8", "--psnr", "16"]) == 0
    said = capsys.readouterr().out
    assert "16-16dB: a lone adatom stands ADF 5." in said or "ADF 6." in said
    assert "n2v-stem train" in said


def test_structure_files_are_read_by_ase(tmp_path, capsys):
    build = pytest.importorskip("ase.build")
    file, out = tmp_path / "sheet.xyz", tmp_path / "out"
    build.graphene(a=2.46, vacuum=5).write(file)
    assert main(["simulate", str(out), *SMALL, "--lattice", str(file)]) == 0
    record = json.loads((out / "simulation.json").read_text())
    assert record["movies"][0]["lattice"] == "C2"
    file.write_text("no structure")
    assert main(["simulate", str(tmp_path / "x"), "--lattice", str(file), "--dry-run"]) == 2
    assert "ASE cannot read it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "OUT_DIR is missing"),
        (["out", "--movies", "0"], "--movies 0: expected 1 or more"),
        (["out", "--size", "big"], "--size big"),
        (["out", "--size", "1,2,3"], "--size 1,2,3"),
        (["out", "--lattice", "mos"], "did you mean 'mos2'"),
        (["out", "--lattice", "graphene,hbm"], "did you mean 'hbn'"),
        (["out", "--adatom-density", "1"], "unrecognized arguments"),
        (["out", "--clusters", "3"], "--clusters 3: expected 2 whole numbers"),
        (["out", "--clusters", "3,1"], "clusters is (3, 1)"),
        (["out", "--pairs", "3"], "expected N,DISTANCE"),
        (["out", "--density", "-1"], "density_nm2 is -1"),
        (["out", "--psnr", "1,2,3"], "expected one number or 2, ADF,BF"),
        (["out", "--psnr", "nan"], "expected one number or 2"),
        (["out", "--dose", "0"], "--dose 0"),
        (["out", "--after-glow", "1"], "expected 0 <= RHO < 1"),
        (["out", "--scan", "awful"], "expected one of mild, typical, bad"),
        (["out", "--scan", "bad", "--after-glow", "0.2"], "leave --after-glow away"),
        (["out", "--seed", "-1"], "--seed -1"),
        (["out", "--size", "20", "--hole", "3nm"], "does not fit"),
    ],
)
def test_wrong_options_are_one_sentence(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["simulate", *arguments])
    except SystemExit as stopped:  # argparse
        code = stopped.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.tif"))


def test_missing_abtem_and_unwritable_pixel_sizes(tmp_path, monkeypatch, capsys):
    from n2v_stem_keras.simulate import movies

    find = movies.importlib.util.find_spec
    monkeypatch.setattr(
        movies.importlib.util, "find_spec", lambda name: None if name == "abtem" else find(name)
    )
    out = tmp_path / "out"
    assert main(["simulate", str(out), "--imaging", "multislice"]) == 3
    assert "n2v_stem_keras[sim]" in capsys.readouterr().err
    assert main(["simulate", str(out), "--pixel-size", "0nm"]) == 2
    assert "not a positive number" in capsys.readouterr().err
    assert not out.exists()


def test_defects_and_twist_reach_the_movies(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["simulate", str(out), "--movies", "1", "--frames", "2", "--size", "96", "--quiet"]
    command += ["--layers", "2", "--twist", "13", "--density", "0", "--motion", "none"]
    command += ["--drift", "0.5", "--defects", "V2_C:2,Si_C:1", "--overwrite"]
    assert main(command) == 0
    rows = table(out / "movie-00_defects.csv")
    assert [row["defect"] for row in rows] == 2 * (4 * ["V2_C"] + ["Si_C"])
    record = json.loads((out / "simulation.json").read_text())["movies"][0]
    assert record["twist_rad"] == pytest.approx(np.radians(13))
    assert "movie-00_defects.csv" in record["files"]
    # Si is where it is said to be, in the frame it is said for
    clean = read_movie(out / "movie-00_clean.ome.tif")
    for t in (0, 1):
        silicon = next(r for r in rows if r["defect"] == "Si_C" and r["frame"] == str(t))
        image = clean.frame(0, t)[..., 0]
        y, x = float(silicon["y"]), float(silicon["x"])
        apart = np.hypot(*(np.array(np.unravel_index(image.argmax(), image.shape)) - (y, x)))
        assert apart < 1
    # made again without: the table is gone
    assert main([*command[:-3], "--overwrite"]) == 0
    assert not (out / "movie-00_defects.csv").exists()
    for wrong in ("V_S", "V_S:2", "V_C:-1", "vacancy:1", "V_C:9999"):
        assert main([*command[:-2], wrong, "--overwrite"]) == 2
        assert "V" in capsys.readouterr().err


def test_boundaries_and_edges_reach_the_movies(tmp_path, capsys):
    common = ["simulate", str(tmp_path), "--movies", "1", "--frames", "2", "--size", "64"]
    for option, key in ((["--tilt", "20"], "boundary"), (["--edge"], "edge")):
        assert main([*common, *option, "--overwrite"]) == 0
        record = json.loads((tmp_path / "simulation.json").read_text())["movies"][0]
        assert np.linalg.norm(record[key]["normal"]) == pytest.approx(1, abs=1e-5)
        assert all(10 < place < 54 for place in record[key]["point_px"])
    assert main([*common, "--reference", "--edge", "--overwrite"]) == 2
    assert "leave --edge away" in capsys.readouterr().err


def test_atoms_lie_on_amorphous_carbon_alone(tmp_path):
    command = ["simulate", str(tmp_path), "--movies", "1", "--frames", "1", "--size", "64"]
    assert main([*command, "--lattice", "none", "--support", "2nm"]) == 0
    record = json.loads((tmp_path / "simulation.json").read_text())["movies"][0]
    assert record["lattice"] == "none"
    clean = read_movie(tmp_path / "movie-00_clean.ome.tif").frame(0, 0)
    assert clean[..., 0].min() > 0  # carbon everywhere scatters onto ADF


def test_a_scan_moves_the_sites_of_defects(tmp_path):
    out = tmp_path / "out"
    command = ["simulate", str(out), "--movies", "1", "--frames", "1", "--size", "128", "--quiet"]
    command += ["--lattice", "mos2", "--density", "0", "--defects", "V_Mo:3"]
    found = []
    for more in ([], ["--scan", "bad", "--overwrite"]):
        assert main([*command, *more]) == 0
        rows = table(out / "movie-00_defects.csv")
        found.append(np.array([[float(r["y"]), float(r["x"])] for r in rows]))
    assert 0.05 < np.abs(found[0] - found[1]).max() < 20
