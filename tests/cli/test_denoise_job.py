"""One movie denoised from file to file: gone on with after a stop, in little memory."""

import tracemalloc

import numpy as np
import pytest
import scenes
from archives import RESULTS, denoise, files, make_model

from n2v_stem_keras.io import MovieWriter, read_movie
from n2v_stem_keras.noise import Scan, scan_movie
from n2v_stem_keras.prediction import tiles as inference
from n2v_stem_keras.undistort import row_displacement, undistorted

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
    expected = undistorted(denoised[0], row_displacement(scanned.noisy[0]))
    np.testing.assert_allclose(straight[0], expected, atol=1e-5)
