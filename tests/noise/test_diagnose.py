"""The diagnosis: right verdicts on noise of known kind, and silence where there is nothing."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from scenes import both, movie, scene, words
from scipy.ndimage import gaussian_filter, zoom

from n2v_stem_keras import noise
from n2v_stem_keras.cli import main
from n2v_stem_keras.io import Movie, MovieError


# -- the blind spot -------------------------------------------------------------------------------
def test_white_noise_justifies_one_pixel_and_nothing_else_is_said():
    frames = movie()
    before = frames.copy()
    found = noise.diagnose(frames, detectors=("ADF", "BF"), pixel_size_nm=0.046)
    assert np.array_equal(frames, before)
    assert list(found.detectors) == ["ADF", "BF"]
    for one in both(found):
        assert one.justified is True
        assert one.span == (1, 1)
        assert one.cause == "white"
        assert one.noise.sigma == pytest.approx(1, rel=0.03)
        assert one.row_noise == pytest.approx(1, abs=0.4)
        assert not one.gain.is_significant
        assert not any([one.resampled, one.noise_free, one.constant, one.odd_image])
        assert not any([one.levels.quantised, one.levels.clipped_low, one.levels.clipped_high])
        assert one.dead == one.bright == one.dark == []
    assert found.correlation[0, 1] == pytest.approx(0, abs=3 * found.correlation_se)
    assert found.warnings == []
    assert "one pixel is justified" in str(found)
    assert "0.046 nm/px" in str(found)
    assert "Nothing needs attention" in str(found)


@pytest.mark.parametrize(("rho1", "span"), [(0.12, 3), (0.2, 3), (0.3, 5)])
def test_after_glow_is_named_and_gets_the_span_that_covers_it(rho1, span):
    found = noise.diagnose(noise.after_glow(movie(), rho1))
    for one in both(found):
        assert one.justified is False
        assert one.cause == "after-glow"
        assert one.span == (1, span)
    assert "decays at once" in words(found)
    assert f"n2v_span=(1, {span})" in words(found)
    assert "To look into" not in str(found)  # the verdict is not said twice


@pytest.mark.parametrize("lattice", [True, False])
def test_displaced_scan_lines_are_told_and_are_no_noise(lattice):
    """A coarse pattern with steep sides, so that displacement shows over several pixels."""
    y, x = np.mgrid[:128, :128] / 30
    clean = 10 * np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)
    if not lattice:
        atoms = np.random.default_rng(1).uniform(size=clean.shape) < 0.01
        clean = 400 * gaussian_filter(atoms.astype(float), 4)
    frames = np.repeat(clean[None, ..., None], 8, axis=0)
    white = np.random.default_rng(0).normal(size=frames.shape) / 2
    jittered = noise.scan_line_jitter(frames, 0.6, seed=0) + white
    (estimate,) = [noise.estimate_noise(jittered[..., 0])]
    assert estimate.lag1_x > 0.2  # as it is
    found = noise.diagnose(jittered)
    (one,) = both(found)
    assert one.noise.sigma == pytest.approx(0.5, rel=0.03)
    assert one.span[1] <= 3
    beside = "their places" if lattice else "those around them"
    assert re.search(rf"rows lie 0\.[3-6]\d px rms beside {beside}", found.rows)
    still = noise.diagnose(frames + white)  # negative control
    assert still.warnings == []
    assert still.rows in ("", "rows lie 0.00 px rms beside their places along x")


def test_row_offsets_are_a_plateau_that_no_span_covers():
    found = noise.diagnose(noise.row_offsets(movie(), 0.5, seed=3))
    for one in both(found):
        assert one.row_share == pytest.approx(0.2, abs=0.06)
        assert one.row_noise == pytest.approx(1 + 0.25 * 96 / 1.25, rel=0.4)
        assert one.justified is False
        assert one.span == (1, 1)
    assert "row offsets, which no span keeps out" in words(found)
    glowing = noise.row_offsets(noise.after_glow(movie(), 0.3), 0.4, seed=3)
    for one in both(noise.diagnose(glowing)):  # both at once
        assert one.row_share > 0.1
        assert one.cause == "after-glow"
        assert one.span == (1, 5)


def test_weak_row_noise_is_told_without_forbidding_the_blind_spot():
    found = noise.diagnose(noise.row_offsets(movie(shape=(96, 256)), 0.2, seed=3))
    for one in both(found):
        assert one.justified is True
        assert one.row_noise == pytest.approx(1 + 0.04 * 256 / 1.04, rel=0.35)
    assert "row noise: the means of rows vary" in words(found)


@pytest.mark.parametrize("order", [1, 3])
def test_interpolated_frames_are_called_resampled(order):
    doubled = zoom(movie(4), (1, 2, 2, 1), order=order)
    found = noise.diagnose(doubled)
    assert all(one.resampled and one.justified is False for one in both(found))
    assert words(found).count("interpolated, resampled") == 2
    assert not any(one.resampled for one in both(noise.diagnose(movie(4, shape=(192, 192)))))
    glow = noise.after_glow(movie(4), 0.6)  # along x alone is not resampling
    assert not any(one.resampled for one in both(noise.diagnose(glow)))


def test_correlation_along_y_alone_is_no_raw_scan():
    turned = noise.after_glow(movie().transpose(0, 2, 1, 3), 0.2).transpose(0, 2, 1, 3)
    found = noise.diagnose(turned)
    assert all(one.justified is False and not one.resampled for one in both(found))
    assert "correlate along y (0." in words(found)


def test_noise_free_frames_are_not_judged_by_their_rounding():
    y, x = np.mgrid[:96, :96] / 15
    found = noise.diagnose((np.sin(y) * np.cos(x)).astype(np.float32))
    (one,) = both(found)
    assert one.noise_free
    assert one.justified is False


# -- frames together ------------------------------------------------------------------------------
def test_drift_is_told():
    clean = scene((96, 110))
    noise_of = np.random.default_rng(1)
    frames = [clean[:, t : t + 96] + noise_of.normal(size=(96, 96, 2)) for t in range(12)]
    found = noise.diagnose(np.array(frames, np.float32))
    assert found.drift.startswith("1.0")
    assert "px from frame to frame" in found.drift
    assert "x -1.0" in found.drift or "x -0.99" in found.drift
    assert found.warnings == []
    assert f"Drift: {found.drift[:20]}" in str(found)
    assert found.as_dict()["drift"] == found.drift
    assert noise.diagnose(movie(12)).drift.startswith("0.0")


def test_of_one_frame_no_drift_is_told():
    found = noise.diagnose(movie(1))
    assert found.drift == ""
    assert "Drift" not in str(found)


def test_frames_that_share_noise_are_named():
    frames = movie(8)
    repeated = np.repeat(frames, 2, axis=0)
    averaged = (frames[1:] + frames[:-1]) / 2
    for shared, which in ((repeated, "frames 1, 3, 5, 7, 9, ..."), (averaged, "frames 1, 2, 3")):
        found = noise.diagnose(shared)
        assert f"{which}" in words(found)
        assert "share noise with frames before" in words(found)
    both_kinds = noise.diagnose(np.stack([frames, frames[[0, 1, 2, 2, 3, 4, 5, 6]]]), "STYXC")
    assert "movie 1: frame 3 share" in words(both_kinds)
    assert "movie 0: " in both_kinds.drift
    assert "movie 0: frame" not in words(both_kinds)


# -- signal and noise, detectors ------------------------------------------------------------------
def test_counted_electrons_are_recognised():
    clean = np.repeat(scene(height=0.9)[None, ..., :1], 8, axis=0) + 0.1
    counts = noise.add_poisson_noise(clean, 200, 0, gain=2.0, offset=50.0).astype(np.uint16)
    (one,) = both(noise.diagnose(counts))
    assert one.gain.is_significant
    assert one.gain.gain == pytest.approx(2, abs=4 * one.gain.gain_se)
    assert one.gain.n_pairs == 4
    assert one.justified is True


def test_single_frames_and_separate_images_have_no_pairs():
    for axes, frames in (("YX", movie(1)[0, ..., 0]), ("SYX", movie(4)[..., 0])):
        (one,) = both(noise.diagnose(frames, axes))
        assert one.gain is None
        assert one.justified is True


def test_noise_that_detectors_share_is_told():
    frames = movie()
    frames[..., 1] += frames[..., 0] - scene()[..., 0]
    found = noise.diagnose(frames)
    assert found.correlation[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert "detector 0 and detector 1: their noise correlates by +0.7" in words(found)


def test_paths_arrays_and_axes(tmp_path):
    frames = movie(3)
    np.save(tmp_path / "scan_ADF.npy", frames[..., 0])
    found = noise.diagnose(tmp_path / "scan_ADF.npy", "TYX")
    assert list(found.detectors) == ["ADF"]
    same = noise.diagnose(frames[..., 0])  # three axes of an array are TYX
    assert both(same)[0].noise.sigma == both(found)[0].noise.sigma
    assert noise.diagnose(frames[0, ..., 0]).axes == "YX"
    with pytest.raises(MovieError, match="axes"):
        noise.diagnose(frames, "TYX")
    small = noise.diagnose(frames[:, :24, :24])
    assert both(small)[0].justified is None
    assert "cannot be judged" in str(small)
    assert "too small" in str(small)


def test_as_dict_is_json_with_the_verdict():
    found = noise.diagnose(noise.after_glow(movie(3), 0.2), detectors=("ADF", "BF"))
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["detectors"]["BF"]["span"] == [1, 3]
    assert read["detectors"]["BF"]["justified"] is False
    assert read["detectors"]["ADF"]["noise"]["lag1_x"] == pytest.approx(0.2, abs=0.03)
    assert "n2v_span=(1, 3)" in read["detectors"]["ADF"]["blind_spot"]
    assert read["warnings"] == found.warnings


def test_diagnosing_imports_no_keras(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from n2v_stem_keras.noise import diagnose\n"
        "print(diagnose(np.random.default_rng(0).normal(size=(2, 40, 40))))\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- the command line -----------------------------------------------------------------------------
def test_info_prints_the_diagnosis(tmp_path, capsys):
    np.save(tmp_path / "scan.npy", noise.after_glow(movie(4), 0.2)[..., 0])
    command = ["info", str(tmp_path / "scan.npy"), "--axes", "TYX", "--detectors", "HAADF"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "frames           4" in printed
    assert "--set n2v_span=1,3" in " ".join(printed.split())
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 4
    assert facts["diagnosis"]["detectors"]["HAADF"]["span"] == [1, 3]


def test_rows_beside_their_places_and_hum_are_said():
    lattice = simulate_lattice()
    scan = noise.Scan(hum_px=(0.4,), hum_cycles=(0.21,))
    scanned = noise.scan_movie(lattice, scan, 0, psnr_db=12).noisy
    said = noise.diagnose(scanned, detectors=("ADF", "BF"))
    found = re.search(
        r"rows lie ([\d.]+) px rms .*; hum of ([\d.]+) cycles a row \(([\d.]+) px\)", said.rows
    )
    rms, cycles, hum = map(float, found.groups())
    assert cycles == pytest.approx(0.21, abs=0.003)
    assert rms == pytest.approx(0.4, abs=0.08)
    assert hum == pytest.approx(0.4, abs=0.08)
    assert "Rows: rows lie" in str(said)
    known = Movie.from_array(scanned, "TYXC", detectors=("ADF", "BF"), frame_time_s=0.8)
    hertz = re.search(r"cycles a row, ([\d.]+) Hz by the frame time", noise.diagnose(known).rows)
    assert float(hertz.group(1)) == pytest.approx(0.21 * 192 / 0.8, rel=0.03)
    straight = noise.diagnose(noise.add_white_noise(lattice, 12, 0), detectors=("ADF", "BF"))
    assert float(re.search(r"rows lie ([\d.]+) px", straight.rows).group(1)) < 0.1
    assert "hum" not in straight.rows
    assert noise.diagnose(movie()).rows == ""


def simulate_lattice():
    """Two detectors that show a crystal, (2, Y, X, 2)."""
    y, x = np.mgrid[:192, :192] / 6.0
    waves = sum(np.cos(2 * np.pi * (np.cos(a) * y + np.sin(a) * x)) for a in (0.3, 1.35, 2.4))
    return np.stack([np.stack([waves, -waves], -1)] * 2).astype(np.float32)
