"""The diagnosis: right verdicts on noise of known kind, and silence where there is nothing."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from n2v_stem_keras import noise
from n2v_stem_keras.cli import main
from n2v_stem_keras.io import Movie, MovieError
from n2v_stem_keras.noise import pixels


def scene(shape=(96, 96), seed=0, height=10.0):
    """(Y, X, 2): atoms bright on one detector, dark on the other; noise sigma is meant to be 1."""
    rng = np.random.default_rng(seed)
    points = np.zeros(shape)
    points[rng.integers(0, shape[0], 30), rng.integers(0, shape[1], 30)] = 1
    image = gaussian_filter(points, 1.5, mode="wrap")
    image = height * image / image.max()
    return np.stack([image, 100 - image], axis=-1)


def movie(n_frames=8, seed=1, shape=(96, 96), sigma=1.0):
    """(T, Y, X, 2) with white noise."""
    clean = scene(shape)
    noisy = clean + sigma * np.random.default_rng(seed).normal(size=(n_frames, *clean.shape))
    return noisy.astype(np.float32)


def both(diagnosis):
    return list(diagnosis.detectors.values())


def words(diagnosis):
    return " | ".join(diagnosis.warnings)


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
    assert f"--set n2v_span=1,{span}" in words(found)
    assert "To look into" not in str(found)  # the verdict is not said twice


def test_displaced_scan_lines_are_named():
    """A coarse pattern with steep sides, so that displacement shows over several pixels."""
    y, x = np.mgrid[:128, :128] / 40
    clean = 60 * np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)
    frames = np.repeat(clean[None, ..., None], 8, axis=0)
    jittered = noise.scan_line_jitter(frames, 0.15, seed=0)
    found = noise.diagnose(jittered + np.random.default_rng(0).normal(size=frames.shape) / 2)
    (one,) = both(found)
    assert one.cause == "jitter"
    assert one.span[1] > 5
    assert "decays slowly" in words(found)
    still = frames + np.random.default_rng(0).normal(size=frames.shape) / 2  # negative control
    assert noise.diagnose(still).warnings == []


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
    assert "correlate along y too" in words(found)


def test_noise_free_frames_are_not_judged_by_their_rounding():
    y, x = np.mgrid[:96, :96] / 15
    found = noise.diagnose((np.sin(y) * np.cos(x)).astype(np.float32))
    (one,) = both(found)
    assert one.noise_free
    assert one.justified is False


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


# -- values and pixels ----------------------------------------------------------------------------
def test_saturated_frames_are_reported():
    frames = np.rint(20 * movie()).astype(np.int16)
    top = int(np.quantile(frames[..., 0], 0.99))
    clipped = frames.copy()
    clipped[..., 0] = np.minimum(clipped[..., 0], top)
    clipped[..., 1] = np.maximum(clipped[..., 1], int(np.quantile(frames[..., 1], 0.03)))
    first, second = both(noise.diagnose(clipped))
    assert first.levels.clipped_high
    assert first.levels.share_highest == pytest.approx(0.01, rel=0.1)
    assert first.levels.highest == top
    assert not first.levels.clipped_low
    assert second.levels.clipped_low
    assert not second.levels.clipped_high
    found = noise.diagnose(clipped)
    assert "detector 0: saturated: 1" in words(found)
    assert "detector 1: cut off below: 3" in words(found)
    assert "saturated" not in words(noise.diagnose(frames))


def test_few_levels_are_called_quantised():
    frames = movie()[..., 0]
    low, high = frames.min(), frames.max()
    coarse = np.rint(31 * (frames - low) / (high - low)) * 8  # 32 levels in 8 bits
    found = noise.diagnose(coarse.astype(np.uint8), "TYX")
    (one,) = both(found)
    assert one.levels.number == 32
    assert one.levels.step == 8
    assert "quantised: 32 levels only" in words(found)
    assert not any([one.levels.clipped_low, one.levels.clipped_high])
    fine = np.rint(127 * (frames - low) / (high - low)).astype(np.uint8)
    assert noise.diagnose(fine, "TYX").warnings == []


def test_counted_zeros_are_not_called_cut_off():
    counts = np.random.default_rng(0).poisson(0.5, (1, 128, 128))
    found = pixels.levels(counts)
    assert found.share_lowest == pytest.approx(np.exp(-0.5), abs=0.02)
    assert not found.clipped_low
    assert not found.clipped_high


def test_dead_and_standing_out_pixels_are_found_at_their_place():
    frames = movie(12)
    frames[:, 20, 31, 0] = 2.5  # stuck within the range of the noise
    frames[:, 40, 50, 0] += 25
    frames[:, 70, 11, 1] -= 25
    frames[3, 60, 60, 0] += 60  # a passing spark
    first, second = both(noise.diagnose(frames))
    assert first.dead == [[20, 31]]
    assert first.bright == [[40, 50]]
    assert first.dark == second.dead == second.bright == []
    assert second.dark == [[70, 11]]
    found = words(noise.diagnose(frames))
    assert "1 pixel never changing: (y 20, x 31)" in found
    assert "1 pixel brighter than all around" in found
    single = noise.diagnose(frames[3:4])  # one frame: the spark counts too, stuck cannot be known
    assert both(single)[0].bright == [[40, 50], [60, 60]]
    assert both(single)[0].dead == []


def test_atoms_and_counting_noise_do_not_stand_out_and_dark_counts_are_not_dead():
    """Atoms of 2.4 px at half maximum, 100 sigma high; a dose of a tenth of an electron."""
    y, x = np.mgrid[:96, :96]
    atoms = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 2) for a, b in [(20, 20), (50.5, 60.5)])
    sharp = 100 * atoms + np.random.default_rng(0).normal(size=(8, 96, 96))
    bright, dark = pixels.isolated_pixels(sharp, 1.0)
    assert len(bright) == len(dark) == 0
    counts = np.random.default_rng(0).poisson(0.1, (1, 256, 256))
    assert len(pixels.isolated_pixels(counts, np.sqrt(0.1))[0]) == 0
    zeros = np.random.default_rng(0).poisson(0.05, (8, 64, 64))
    assert np.any(np.ptp(zeros, axis=0) == 0)  # many pixels never change, by chance
    assert len(pixels.stuck_pixels(zeros)) == 0
    assert len(pixels.stuck_pixels(np.zeros((4, 32, 32)))) == 0


def test_bad_frames_are_named_and_left_out():
    frames = movie(6)
    frames[1, 5, 5, 0] = np.nan
    frames[2, 5:7, 5, 1] = np.inf
    frames[4, ..., 1] = 7
    found = noise.diagnose(frames, detectors=("ADF", "BF"))
    assert [bad[:2] for bad in found.bad_frames] == [(0, 1), (0, 2), (0, 4)]
    assert "frame 1: 1 NaN or infinite pixels" in words(found)
    assert "frame 4: one value throughout (BF)" in words(found)
    assert [one.noise.sigma for one in both(found)] == pytest.approx([1, 1], rel=0.05)
    frames[..., 1] = 7
    found = noise.diagnose(frames, detectors=("ADF", "BF"))
    assert found.detectors["BF"].constant
    assert "BF: nothing to measure; was the detector switched on?" in words(found)
    json.dumps(found.as_dict(), allow_nan=False)
    nothing = noise.diagnose(np.full((2, 40, 40), np.nan), "TYX")
    assert nothing.detectors["detector"].noise is None
    assert "nothing to measure" in str(nothing).replace("\n", " ")


# -- what is read ---------------------------------------------------------------------------------
def test_long_lazy_movies_are_read_in_a_few_pairs(monkeypatch):
    asked = []

    def read_frame(s, t):
        asked.append((s, t))
        return movie(1, seed=t)[0]

    lazy = Movie("long", "TYXC", (5000, 96, 96, 2), np.float32, read_frame, detectors=("ADF", "BF"))
    found = noise.diagnose(lazy)
    assert len(asked) == len(found.looked_at) == 16
    times = [t for _, t in asked]
    assert [b - a for a, b in zip(times[::2], times[1::2])] == [1] * 8
    assert times[0] == 0
    assert times[-1] == 4999
    assert found.detectors["ADF"].gain.n_pairs == 8
    budget = importlib.import_module("n2v_stem_keras.noise.sample")
    monkeypatch.setattr(budget, "MAX_VALUES", 5 * 96 * 96 * 2)  # large frames: fewer
    assert len(noise.diagnose(lazy).looked_at) == 4
    monkeypatch.setattr(budget, "MAX_VALUES", 10)
    assert [t for _, t in noise.diagnose(lazy).looked_at] == [0, 1]


def test_separate_images_are_summed_up_and_the_odd_one_named():
    images = np.concatenate([50.0**k * movie(1, seed=k)[..., 0] for k in range(5)])  # any gain
    found = noise.diagnose(images, "SYX")
    assert both(found)[0].justified is True
    assert found.warnings == []
    images[3] = noise.after_glow(images[3][..., None], 0.22)[..., 0]
    found = noise.diagnose(images, "SYX")
    assert both(found)[0].odd_image[0] == 3
    assert "image 3 is correlated more than the others" in words(found)


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
    assert "n2v_span=(1, 3)" in printed.replace("\n" + " " * 20, " ")
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 4
    assert facts["diagnosis"]["detectors"]["HAADF"]["span"] == [1, 3]
