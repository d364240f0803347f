"""Files on the command line: one per detector, all formats out, going on, a video."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from instrument_files import write_ser, write_velox

from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import main, options
from n2v_stem_keras.cli.movie_files import movie_stem
from n2v_stem_keras.folder.folder import WEIGHTS_BEST, save_weights
from n2v_stem_keras.io import MovieWriter, intensities, read_movie

# .ser files hold a series of images and do not say of what
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")


@pytest.fixture
def counts(noisy_movie):
    """(T, C, Y, X) uint16, eight frames of two detectors."""
    return np.rint(noisy_movie[:8] * 10).astype("u2").transpose(0, 3, 1, 2)


@pytest.fixture
def scan(tmp_path, counts):
    for c, name in enumerate(("ADF", "BF")):
        write_ser(tmp_path / f"au_{name}.ser", counts[:, c], pixel_size_nm=0.046)
    return [f"{name}={tmp_path / f'au_{name}.ser'}" for name in ("ADF", "BF")]


@pytest.fixture(scope="module")
def made(tmp_path_factory, plain_config):
    """A model whose weights are as good as any."""
    model = N2VStem(plain_config, "tiny", tmp_path_factory.mktemp("models"))
    save_weights(model.keras_model, model.logdir / WEIGHTS_BEST)
    model.trained = True
    return model


@pytest.fixture
def model(tmp_path, made):
    """That model, in a folder beside the files."""
    shutil.copytree(made.logdir, tmp_path / "tiny")
    return made


def denoise(tmp_path, *arguments):
    out = tmp_path / "out"
    model = str(tmp_path / "tiny")
    return main(["denoise", *arguments, "--model", model, "--out", str(out)]), out


def test_one_file_per_detector_to_every_format(tmp_path, scan, model, counts):
    expected = model.predict(counts, axes="TCYX", detectors=("ADF", "BF"))
    for form, name in (("ome.tif", "au_denoised.ome.tif"), ("imagej", "au_denoised.tif"),
                       ("hspy", "au_denoised.hspy")):  # fmt: skip
        code, out = denoise(
            tmp_path, "--detector-files", *scan, "--format", form, "--no-picture", "--voltage",
            "80kV", "--frame-time", "40ms"
        )  # fmt: skip
        assert code == 0
        movie = read_movie(out / name)
        assert (movie.axes, movie.detectors) == ("TCYX", ("ADF", "BF"))
        assert np.array_equal(movie.to_array(), expected)
        assert (movie.voltage_kV, movie.frame_time_s) == (80, pytest.approx(0.04))
        assert movie.pixel_size_nm == pytest.approx(0.046)
        assert movie.provenance["model"] == "tiny"
        assert movie.provenance["model_fingerprint"].startswith("sha256:")
        assert movie.provenance["source_type"] == "uint16"
    code, out = denoise(
        tmp_path, "--detector-files", *scan, "--dtype", "input", "--overwrite", "--no-picture"
    )
    stored = read_movie(out / "au_denoised.ome.tif")
    assert (code, stored.dtype) == (0, np.uint16)
    slopes = stored.provenance["scaling"]["slope"]
    np.testing.assert_allclose(intensities(stored).to_array(), expected, atol=max(slopes))


def test_pairs_by_their_names_and_a_place_inside(tmp_path, scan, model, counts, capsys):
    pattern = str(tmp_path / "{name}_{detector}.ser")
    code, out = denoise(tmp_path, "--pair", pattern, "--no-picture")
    assert code == 0
    first = read_movie(out / "au_denoised.ome.tif").to_array()
    velox = write_velox(
        tmp_path / "v.emd", {"ADF": counts[:, 0], "BF": counts[:, 1], "X": counts[:, 0]}
    )
    code, out = denoise(tmp_path, f"{velox}::ADF,BF", "--no-picture")
    assert code == 0
    assert np.array_equal(read_movie(out / "v-ADF-BF_denoised.ome.tif").to_array(), first)
    assert main(["info", "--pair", pattern]) == 0
    assert "ADF, BF" in capsys.readouterr().out


def test_interrupted_and_gone_on_with(tmp_path, scan, model, monkeypatch, capsys):
    files = ["--detector-files", *scan, "--residual"]
    code, out = denoise(tmp_path, *files)
    names = ["au_denoised.ome.tif", "au_residual.ome.tif", "au_denoised.png"]
    whole = {name: (out / name).read_bytes() for name in names}
    for name in names:
        (out / name).unlink()
    write, stop = MovieWriter.write, [7]

    def interrupted(self, frame):
        stop[0] -= 1
        if stop[0] == 0:
            raise KeyboardInterrupt
        write(self, frame)

    monkeypatch.setattr(MovieWriter, "write", interrupted)
    assert denoise(tmp_path, *files)[0] == 130
    assert not [p for p in out.iterdir() if p.name in names]
    monkeypatch.setattr(MovieWriter, "write", write)
    capsys.readouterr()
    assert denoise(tmp_path, *files)[0] == 0
    assert "Going on after 3 of 8 frames" in capsys.readouterr().out
    assert {p.name: p.read_bytes() for p in out.iterdir()} == whole
    assert code == 0


def test_another_model_does_not_go_on_with_it(tmp_path, scan, model, monkeypatch, capsys):
    files = ["--detector-files", *scan, "--no-picture"]
    finish = MovieWriter._finish
    monkeypatch.setattr(MovieWriter, "_finish", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        denoise(tmp_path, *files)
    monkeypatch.setattr(MovieWriter, "_finish", finish)
    capsys.readouterr()
    assert denoise(tmp_path, *files, "--tta")[0] == 0
    printed = capsys.readouterr()
    assert "Going on" not in printed.out
    assert "unfinished output of other settings" in printed.err


def test_a_video(tmp_path, scan, model):
    pytest.importorskip("imageio_ffmpeg")
    code, out = denoise(tmp_path, "--detector-files", *scan, "--video", "--dtype", "input")
    assert code == 0
    assert (out / "au_denoised.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--detector-files ADF=a.ser"),
        (["--detector-files", "ADF"], 2, "expected NAME=FILE"),
        (["--detector-files", "ADF=a", "ADF=b"], 2, "each name once"),
        (["--detector-files", "ADF=no.ser", "BF=no.ser"], 4, "no.ser: no such file"),
        (["--pair", "{name}.ser"], 3, "must hold {name} and {detector}"),
        (["a.tif", "--fps", "-1"], 2, "--fps -1: expected"),
        (["a.tif", "--voltage", "x"], 2, "voltage 'x' is not a positive number"),
        (["a.tif", "--frame-time", "3 parsec"], 2, "time '3 parsec' is not"),
    ],
)
def test_wrong_options_are_explained(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    Path("a.tif").touch()  # options are looked at before files are read
    assert main(["denoise", *arguments, "--model", "graphene-au", "--dry-run"]) == code
    assert message in capsys.readouterr().err


def test_a_run_file_names_the_files_of_detectors(tmp_path, scan, model):
    run = tmp_path / "run.yaml"
    run.write_text(f"detector_files: [{scan[0]}, {scan[1]}]\nmodel: {tmp_path / 'tiny'}\n"
                   f"out: {tmp_path / 'out'}\nno_picture: true\n")  # fmt: skip
    assert main(["denoise", "--run", str(run)]) == 0
    assert (tmp_path / "out" / "au_denoised.ome.tif").exists()


def test_names_of_outputs():
    assert movie_stem("/a/m.h5::/scan/haadf") == "m-scan-haadf"
    assert movie_stem("v.emd::ADF,BF") == "v-ADF-BF"
    assert movie_stem("/a/b.c.ome.tif") == "b.c"


def test_lines_about_movies_say_what_is_known():
    from n2v_stem_keras.io import Movie

    movie = Movie.from_array(np.ones((2, 3, 4)), "TYX", frame_time_s=0.5, voltage_kV=80)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert options.describe_movie(movie).endswith("unknown, 0.5 s a frame, 80 kV")
