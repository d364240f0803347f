"""One movie denoised from file to file: gone on with after a stop, in little memory."""

import tracemalloc

import numpy as np
import pytest
import scenes
from archives import RESULTS, denoise, files, make_model
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import main
from n2v_stem_keras.folder.thresholds import write_thresholds
from n2v_stem_keras.io import Movie, MovieWriter, read_movie, write_movie
from n2v_stem_keras.noise import Scan, scan_movie
from n2v_stem_keras.prediction import tiles as inference
from n2v_stem_keras.undistort import displaced_rows, undistorted

pytestmark = pytest.mark.filterwarnings("ignore:.*npy holds no axes")


@pytest.fixture
def model(tmp_path, plain_config):
    return make_model(tmp_path / "m", plain_config)


def test_a_stopped_run_goes_on(archive, model, tmp_path, capsys, monkeypatch):
    """Ctrl-C leaves no half of a movie under its name; --skip-existing leaves alone what is there.

    What there is of the second movie lies hidden beside it, and is gone on with.
    """
    out, write, n_written = tmp_path / "out", MovieWriter.write, []

    def interrupted(self, frame):
        n_written.append(1)
        if len(n_written) == 5:  # the second movie's second frame
            raise KeyboardInterrupt
        write(self, frame)

    monkeypatch.setattr(MovieWriter, "write", interrupted)
    assert denoise(archive, out=out, model=model) == 130
    assert [name for name in files(out) if "/." not in name] == RESULTS[:1]
    assert "The same command with --skip-existing goes on." in capsys.readouterr().err
    monkeypatch.undo()

    assert denoise(archive, out=out, model=model) == 3  # neither --skip-existing nor --overwrite
    assert "Going on after 1 of 3 frames" in capsys.readouterr().out
    assert files(out) == RESULTS
    before = (out / RESULTS[0]).stat().st_ino
    (out / RESULTS[1]).unlink()
    assert denoise(archive, "--skip-existing", out=out, model=model) == 0
    assert files(out) == RESULTS
    assert (out / RESULTS[0]).stat().st_ino == before
    printed = capsys.readouterr().out
    assert "3 movies: 1 denoised, 2 were there already, 0 failed." in printed


def test_resuming_completes_what_is_missing(archive, model, tmp_path):
    out = tmp_path / "out"
    assert denoise(archive / "a.npy", out=out, model=model) == 0
    assert denoise(archive / "a.npy", "--skip-existing", "--residual", out=out, model=model) == 0
    assert files(out) == ["a_denoised.ome.tif", "a_residual.ome.tif"]


def test_resuming_does_not_mix_models(archive, model, tmp_path, plain_config, capsys):
    out = tmp_path / "out"
    assert denoise(archive, out=out, model=model) == 0
    other = make_model(tmp_path / "elsewhere" / "m", plain_config, seed=1)
    assert denoise(archive, "--skip-existing", out=out, model=other) == 3
    assert "its model_fingerprint is 'sha256:" in capsys.readouterr().err
    assert denoise(archive, "--skip-existing", "--tta", out=out, model=model) == 3
    assert "its tta is False, this run's True; use --overwrite" in capsys.readouterr().err
    assert denoise(archive, "--skip-existing", "--context", "past", out=out, model=model) == 3
    assert "its context is 'both', this run's 'past'; use --overwrite" in capsys.readouterr().err
    assert denoise(archive, "--skip-existing", "--context", "both", out=out, model=model) == 0


@pytest.mark.filterwarnings("ignore:.*equal one before them")
def test_memory_does_not_grow_with_the_movie(model, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "PIXELS_PER_CALL", 128 * 128)
    monkeypatch.setattr("n2v_stem_keras.prediction.ahead.KEPT_BYTES", 0)
    monkeypatch.setattr("n2v_stem_keras.prediction.restoration.KEPT_BYTES", 2**21)
    monkeypatch.setattr("n2v_stem_keras.temporal.context._KEPT.n_bytes", 2**18)
    build = inference.Denoiser.__init__

    def built(self, *options):
        build(self, *options)
        tracemalloc.reset_peak()  # which takes 31 MiB for a moment

    monkeypatch.setattr(inference.Denoiser, "__init__", built)
    frames = scenes.movie(10, shape=(128, 128))
    peaks = []
    for name, n in (("warm", 1), ("short", 2), ("long", 8)):
        np.save(tmp_path / f"{name}.npy", np.concatenate([frames] * n))
        tracemalloc.start()
        assert denoise(tmp_path / f"{name}.npy", "--quiet", out=tmp_path, model=model) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 2**20  # the longer movie has 7.5 MiB more


def test_rows_are_put_back_on_request(model, tmp_path, capsys):
    y, x = np.mgrid[:96, :96] / 6.0
    waves = sum(np.cos(2 * np.pi * (np.cos(a) * y + np.sin(a) * x)) for a in (0.3, 1.35, 2.4))
    clean = np.stack([waves, -waves], -1)[None].astype(np.float32)
    scanned = scan_movie(clean, Scan(hum_px=(0.5,), hum_cycles=(0.21,)), 0, psnr_db=25)
    empty = np.random.default_rng(0).normal(size=clean.shape)
    np.save(tmp_path / "a.npy", np.concatenate([scanned.noisy, empty]).astype(np.float32))
    out = tmp_path / "out"
    assert denoise(tmp_path / "a.npy", "--undistort", out=out, model=model) == 0
    assert files(out) == ["a_denoised.ome.tif", "a_rows.csv", "a_undistorted.ome.tif"]
    assert "px rms along x (1 of 2 frames)" in capsys.readouterr().out
    table = np.genfromtxt(out / "a_rows.csv", delimiter=",", names=True)
    assert len(table) == 96  # nothing is known of noise alone
    true = scanned.displacement_px[0, :, 48, 1]
    assert np.corrcoef(table["x_px"], true)[0, 1] > 0.9
    denoised = read_movie(out / "a_denoised.ome.tif").to_array()
    straight = read_movie(out / "a_undistorted.ome.tif").to_array()
    np.testing.assert_array_equal(straight[1], denoised[1])
    assert np.abs(straight[0] - denoised[0]).max() > 0
    expected = undistorted(denoised[0], displaced_rows(scanned.noisy[0]))
    np.testing.assert_allclose(straight[0], expected, atol=1e-5)


@pytest.fixture
def crystal_model(tmp_path, plain_config):
    """A model that knows movies of a lattice with a pixel size of 0.046 nm."""
    folder = make_model(tmp_path / "m", plain_config.replace(channels=("HAADF",)))
    domain = {"noise_to_sd": [0.0, 1.3], "slow_share": [0.0, 0.1], "pixel_size_nm": [0.04, 0.05]}
    write_thresholds(folder, {"HAADF": {"domain": domain}})
    return folder


def carbon(path, pixel_size_nm=0.046):
    """A movie whose grey is uneven over tens of pixels."""
    rng = np.random.default_rng(0)
    slow = gaussian_filter(rng.normal(size=(128, 128)), 24)
    frames = 100 + 5 * slow / slow.std() + rng.normal(0, 1, (2, 128, 128))
    movie = Movie.from_array(
        frames.astype(np.float32), "TYX", detectors=("HAADF",), pixel_size_nm=pixel_size_nm
    )
    return write_movie(path, movie)


@pytest.mark.filterwarnings("always:.*uneven background")
def test_a_movie_of_another_specimen_is_said_to_be_one(crystal_model, tmp_path, capsys):
    """At the end, in the file; with --strict nothing is written."""
    movie, out = carbon(tmp_path / "c.ome.tif"), tmp_path / "out"
    command = ["denoise", str(movie), "--model", str(crystal_model), "--out", str(out)]
    command.append("--no-picture")
    assert main([*command, "--strict"]) == 3
    assert "refused, as --strict says: HAADF: " in capsys.readouterr().err
    assert files(out) == []
    assert main(command) == 0
    said = capsys.readouterr()
    assert "Warning: c: HAADF: " in said.err.splitlines()[-1]
    assert "is uneven background, in training at most 10 %" in said.err
    (text,) = read_movie(out / "c_denoised.ome.tif").provenance["warnings"]
    assert "is uneven background" in text


@pytest.mark.filterwarnings("always:.*(uneven background|pixel size is not known)")
def test_an_unknown_pixel_size_is_said_once(crystal_model, tmp_path, capsys):
    movie = carbon(tmp_path / "c.ome.tif", None)
    command = ["denoise", str(movie), "--model", str(crystal_model), "--out", str(tmp_path)]
    assert main([*command, "--no-picture"]) == 0
    said = capsys.readouterr().err
    assert said.count("the pixel size is not known") == 1
    assert "Say it with --pixel-size" in said
    assert "2 warnings:" in said


def test_the_picture_shows_no_rim(crystal_model, tmp_path, monkeypatch):
    """Where a frame is larger than what is shown; and its difference is not white."""
    rng = np.random.default_rng(0)
    frame = rng.normal(100, 1, (1, 256, 256)).astype(np.float32)
    frame[:, :4, :] += 50  # peaks of the rim
    frame[:, 120:130:4, 120:130:4] += 5
    movie = Movie.from_array(frame, "TYX", detectors=("HAADF",), pixel_size_nm=0.046)
    path, drawn = write_movie(tmp_path / "f.ome.tif", movie), []
    monkeypatch.setattr(
        "n2v_stem_keras.plot.column_figure", lambda _, rows, **k: drawn.append(rows)
    )
    command = ["denoise", str(path), "--model", str(crystal_model), "--out", str(tmp_path)]
    assert main(command) == 0
    ((row,),) = drawn
    window = row["window"]
    assert row["noisy"][window].shape == (200, 200)
    assert row["noisy"][window].max() < 140
    # the profile goes through what stands out most inside, not at the edge of what is shown
    inner = row["denoised"][window][20:180, 20:180]
    assert row["profile_y"] == 20 + np.unravel_index(inner.argmax(), inner.shape)[0]


@pytest.fixture
def three_frames(tmp_path):
    """Three frames, of which the last has the brightest atom."""
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 1, (3, 64, 96)).astype(np.float32)
    for t in range(3):
        frames[t, 30, 20 + 10 * t] += 20 * (t + 1)
    movie = Movie.from_array(frames, "TYX", detectors=("HAADF",), pixel_size_nm=0.046)
    return frames, write_movie(tmp_path / "f.ome.tif", movie)


@pytest.mark.parametrize("part", [[], ["--frames", "1:3"]])
def test_the_frame_and_the_part_that_are_asked_for_are_shown(
    crystal_model, three_frames, tmp_path, monkeypatch, part
):
    """Numbers are those of the file, whichever part of it is denoised."""
    (frames, path), drawn = three_frames, []
    monkeypatch.setattr("n2v_stem_keras.plot.column_figure", lambda *a, **k: drawn.append((*a, k)))
    command = ["denoise", str(path), "--model", str(crystal_model), "--out", str(tmp_path)]
    command += ["--frame", "1", "--crop", "10:50,:40", "--picture-width", "85", *part]
    assert main([*command, "--picture-format", "pdf"]) == 0
    ((file, (row,), how),) = drawn
    assert file == tmp_path / "f_denoised.pdf"
    np.testing.assert_array_equal(row["noisy"], frames[1])
    assert row["window"] == (slice(10, 50), slice(0, 40))
    assert how["width_mm"] == 85
    assert "frame 1" in how["title"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["--frame", "3"], "--frame 3: f has frames 0 to 2 here"),
        (["--frame", "0", "--frames", "1:3"], "--frame 0: f has frames 1 to 2 here"),
        (["--crop", "0:20"], "--crop 0:20: expected Y0:Y1,X0:X1 in pixels"),
        (["--crop", "0:65,:"], "--crop: Y from 0 to 65, but f has frames of 64x96 px"),
        (["--crop", ":,90:"], "--crop: X from 90 to 96, but f has frames of 64x96 px; expected 8"),
    ],
)
def test_a_frame_or_a_part_that_is_not_there_is_refused_at_once(
    crystal_model, three_frames, tmp_path, capsys, wanted, said
):
    out = tmp_path / "out"
    command = ["denoise", str(three_frames[1]), "--model", str(crystal_model), "--out", str(out)]
    assert main([*command, *wanted]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists() or files(out) == []


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_pictures_of_all_kinds_are_written(crystal_model, three_frames, tmp_path, kind):
    command = ["denoise", str(three_frames[1]), "--model", str(crystal_model), "--out"]
    assert main([*command, str(tmp_path), "--picture-format", kind]) == 0
    assert (tmp_path / f"f_denoised.{kind}").stat().st_size > 10_000


def test_standard_errors_are_written_beside(archive, model, tmp_path, capsys, monkeypatch):
    """And an interruption among them leaves the movie to be gone on with."""
    out, command = tmp_path / "out", ("--standard-error",)
    known = {"detectors": ("ADF", "BF"), "verbose": False}
    found = model_of(model).standard_error(archive / "a.npy", "TYXC", **known)
    monkeypatch.setattr(N2VStem, "standard_error", interrupted)
    assert denoise(archive / "a.npy", *command, out=out, model=model) == 130
    assert [name for name in files(out) if not name.startswith(".")] == []
    monkeypatch.undo()
    assert denoise(archive / "a.npy", *command, out=out, model=model) == 0
    assert files(out) == ["a_denoised.ome.tif", "a_standard_error.ome.tif"]
    written = read_movie(out / "a_standard_error.ome.tif")
    np.testing.assert_array_equal(written.to_array(), found)
    assert written.provenance["content"] == "standard error of the output"
    middle = np.median(found[..., 0])
    assert f"median standard error {middle:.3g} " in capsys.readouterr().out
    before = (out / "a_denoised.ome.tif").stat().st_ino
    assert denoise(archive / "a.npy", *command, "--skip-existing", out=out, model=model) == 0
    assert (out / "a_denoised.ome.tif").stat().st_ino == before


def interrupted(*_, **__):
    raise KeyboardInterrupt


def model_of(folder):
    return N2VStem(None, folder.name, folder.parent)
