"""n2v-stem denoise over archives: folders, bad files, stopped runs, engines."""

import zlib

import numpy as np
import pytest
from archives import RESULTS, denoise, files, make_model

from n2v_stem_keras import N2VStem, plot
from n2v_stem_keras.cli import main, movie_files
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.io import Movie, read_movie, write_movie

pytestmark = pytest.mark.filterwarnings("ignore:.*npy holds no axes")


@pytest.fixture
def model(tmp_path, plain_config):
    return make_model(tmp_path / "m", plain_config)


def test_a_folder_keeps_its_structure(archive, model, tmp_path, capsys, noisy_movie):
    out = tmp_path / "out"
    assert denoise(archive, out=out, model=model) == 0
    assert files(out) == RESULTS
    printed = capsys.readouterr().out
    assert "3 movies: 3 denoised, 0 failed." in printed
    assert "in the network (tensorflow)" in printed
    expected = N2VStem(None, "m", tmp_path).predict(noisy_movie[2:5])
    found = read_movie(out / RESULTS[2]).to_array()
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_it_looks_at_the_frames_that_are_asked_for(
    archive, model, tmp_path, noisy_movie, context, capsys
):
    out = tmp_path / "out"
    assert denoise(archive / "a.npy", "--context", context, out=out, model=model) == 0
    found = read_movie(out / RESULTS[0])
    assert found.provenance["context"] == context
    network = N2VStem(None, "m", tmp_path)
    expected = network.predict(noisy_movie[:3], context=context)
    np.testing.assert_allclose(found.to_array(), expected, atol=1e-3)
    other = network.predict(noisy_movie[:3], context="past" if context == "none" else "none")
    assert np.abs(expected - other).max() > 0.1
    with pytest.raises(SystemExit):
        denoise(archive / "a.npy", "--context", "future", out=out, model=model)
    assert "invalid choice: 'future'" in capsys.readouterr().err


def test_files_of_a_model_of_frames_alone_name_no_context(archive, tmp_path, plain_config):
    alone = make_model(tmp_path / "alone", plain_config.replace(unet_context=False))
    assert denoise(archive / "a.npy", out=tmp_path / "out", model=alone) == 0
    assert "context" not in read_movie(tmp_path / "out" / RESULTS[0]).provenance


def test_patterns(archive, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert denoise(f"{archive}/day1/**/*.npy", out=out, model=model) == 0
    assert files(out) == ["b_denoised.ome.tif", "c_denoised.ome.tif"]
    assert denoise(f"{archive}/*.tif", out=out, model=model) == 2
    assert "no movies there" in capsys.readouterr().err
    # two of one name would end in one place
    np.save(archive / "day1" / "raw" / "b.npy", np.zeros((2, 8, 8, 2)))
    assert denoise(f"{archive}/**/*.npy", out=out, model=model) == 2
    assert "two movies would both be written to b_denoised" in capsys.readouterr().err


def test_bad_files_stop_nothing_and_are_named_at_the_end(archive, model, tmp_path, capsys):
    out = tmp_path / "out"
    (archive / "broken.npy").write_bytes((archive / "a.npy").read_bytes()[:3000])
    late = np.load(archive / "a.npy")
    late[2, 5, 5, 0] = np.nan  # found only when that frame is read
    np.save(archive / "day1" / "late.npy", late)
    assert denoise(archive, out=out, model=model) == 3
    assert files(out) == RESULTS
    said = capsys.readouterr()
    assert "5 movies: 3 denoised, 2 failed." in said.out
    assert "frame 2 has 1 NaN" in said.err
    last = said.err.splitlines()[-1]
    assert "could not be denoised" in last
    assert "broken.npy" in last
    assert "late.npy" in last


def test_surprises_stop_nothing_either(archive, model, tmp_path, capsys, monkeypatch):
    read = movie_files.open_movie

    def surprised(args, stem, source):
        if source.name == "b.npy":
            raise zlib.error("invalid stored block lengths")
        return read(args, stem, source)

    monkeypatch.setattr(movie_files, "open_movie", surprised)
    out = tmp_path / "out"
    assert denoise(archive, out=out, model=model) == 1
    assert files(out) == [RESULTS[0], RESULTS[2]]
    assert (
        "b.npy: invalid stored block lengths (error; please report it)" in capsys.readouterr().err
    )


def test_engines_on_the_command_line(archive, model, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    movie, out = archive / "a.npy", tmp_path / "out"
    assert denoise(movie, "--engine", "onnx", out=out, model=model) == 3
    assert f"has no ONNX export; make one: n2v-stem export {model}" in capsys.readouterr().err
    assert denoise(movie, "--engine", "auto", out=out, model=model) == 0
    assert "in the network (tensorflow)" in capsys.readouterr().out
    expected = read_movie(out / RESULTS[0]).to_array()

    assert main(["export", str(model)]) == 0
    assert f"Next: n2v-stem denoise MOVIE --model {model} --engine onnx" in capsys.readouterr().out
    command = ("--engine", "onnx", "--threads", "1", "--overwrite")
    assert denoise(movie, *command, out=out, model=model) == 0
    assert "in the network (onnx)" in capsys.readouterr().out
    found = read_movie(out / RESULTS[0])
    assert found.provenance["engine"] == "onnx"
    assert np.abs(found.to_array() - expected).max() < 1e-4 * np.load(movie).std()
    # results of another engine are the same results
    assert denoise(movie, "--skip-existing", out=out, model=model) == 0

    network = N2VStem(None, "m", tmp_path).keras_model
    network.set_weights([w + 1 for w in network.get_weights()])
    model_folder.save_weights(network, model / model_folder.WEIGHTS_BEST)
    assert denoise(movie, *command, out=out, model=model) == 3
    assert "made of other weights" in capsys.readouterr().err
    assert denoise(movie, "--threads", "0", out=out, model=model) == 2
    assert "threads is 0" in capsys.readouterr().err


@pytest.fixture
def tiff(tmp_path, noisy_movie):
    """A movie of five frames whose file names its detectors."""
    movie = Movie.from_array(noisy_movie[:5], "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.05)
    return write_movie(tmp_path / "movie.ome.tif", movie)


def test_a_part_is_denoised_as_if_it_were_all(tiff, model, tmp_path, noisy_movie, capsys):
    out = tmp_path / "out"
    command = ["denoise", str(tiff), "--model", str(model), "--out", str(out), "--no-picture"]
    assert main([*command, "--frames", "1:4"]) == 0
    found = read_movie(out / "movie_denoised.ome.tif")
    assert found.provenance["frames"] == "1:4"
    expected = N2VStem(None, "m", tmp_path).predict(noisy_movie[1:4], pixel_size_nm=0.05)
    np.testing.assert_allclose(found.to_array(), expected, atol=1e-3)
    assert "frames 1 to 3" in capsys.readouterr().out
    # a part is not taken for the whole
    assert main([*command, "--skip-existing"]) == 3
    assert "its frames is '1:4', this run's None" in capsys.readouterr().err
    assert main([*command, "--skip-existing", "--frames", "1:4"]) == 0
    assert main([*command, "--overwrite", "--frames", "7:9"]) == 3
    assert "frames 7:9 were asked for, but it has 5" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["ome.tif", "npy", "hspy"])
def test_each_detector_gets_a_file_on_request(tiff, model, tmp_path, form, monkeypatch):
    if form == "hspy":
        pytest.importorskip("rsciio")
    out, drawn = tmp_path / "out", []

    def draw(path, before, after, *rest):
        drawn.append((after.detectors, after.to_array()))
        path.write_bytes(b"a video")

    monkeypatch.setattr(plot, "before_after_video", draw)
    monkeypatch.setattr(plot.video, "check_installed", lambda: None)
    command = ["denoise", str(tiff), "--model", str(model), "--out", str(out), "--no-picture"]
    command += ["--split-detectors", "--format", form, "--residual"]
    assert main(command + ["--video"] * (form != "npy")) == 0
    ending = movie_files.FORMATS[form].ending
    names = [
        f"movie_{d}_{what}{ending}" for d in ("ADF", "BF") for what in ("denoised", "residual")
    ]
    names = sorted(names + ["movie_denoised.mp4"] * (form != "npy"))
    assert files(out) == names
    both = N2VStem(None, "m", tmp_path).predict(read_movie(tiff))
    for c, name in enumerate(("ADF", "BF")):
        bare = {"axes": "TYX"} if form == "npy" else {}
        found = read_movie(out / f"movie_{name}_denoised{ending}", **bare)
        assert found.axes == "TYX"
        assert found.detectors == (name,)
        np.testing.assert_allclose(found.to_array(), both[..., c], atol=1e-3)
    if form != "npy":
        ((detectors, frames),) = drawn  # read back as one movie
        assert detectors == ("ADF", "BF")
        assert frames.shape[-3] == 2
        # one of the two is missing: it is written again
        (out / names[0]).unlink()
        assert main([*command, "--skip-existing"]) == 0
        assert files(out) == names


def test_detectors_that_are_left_out_are_named(tiff, tmp_path, plain_config, capsys):
    lone = make_model(tmp_path / "lone", plain_config.replace(channels=("BF",)))
    command = ["denoise", str(tiff), "--model", str(lone), "--no-picture", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "movie: ADF left out; the model takes BF" in capsys.readouterr().out
    assert main([*command, "--detectors", "BF", "--overwrite"]) == 0
    assert "BF, 0.05 nm/px, without ADF" in capsys.readouterr().out


@pytest.mark.slow
def test_exports_elsewhere(model, tmp_path):
    pytest.importorskip("tf2onnx")
    assert main(["export", str(model), "--out", str(tmp_path / "n.onnx"), "--quiet"]) == 0
    assert (tmp_path / "n.onnx").stat().st_size > 1000
    assert main(["export", str(model), "--out", str(tmp_path / "n.onnx")]) == 3
    assert main(["export", str(model), "--format", "tf_saved_model", "--quiet"]) == 0
    assert (model / "saved_model" / "saved_model.pb").exists()


@pytest.fixture
def crystal(tmp_path):
    """A movie with columns missing, and a model that blurs, so that it draws them."""
    import crystals

    made = crystals.Crystal(n_frames=4, sigma=0.5)
    np.save(tmp_path / "crystal.npy", made.raw)
    return made


@pytest.fixture
def draws_all(crystal, monkeypatch):
    """Let any network draw the perfect crystal."""
    from n2v_stem_keras.prediction import whole

    def denoise_movie(denoiser, series, n_tiles=None, tta=False, numbers=None):
        yield from (crystal.denoised[t] for t in numbers)

    monkeypatch.setattr(whole, "denoise_movie", denoise_movie)


def test_what_the_network_leaves_out_is_restored(crystal, draws_all, model, tmp_path):
    source, found = tmp_path / "crystal.npy", {}
    for flags in ([], ["--no-restore"]):
        out = tmp_path / f"out{len(flags)}"
        known = ("--pixel-size", "0.05nm", "--no-picture")
        assert denoise(source, *known, *flags, out=out, model=model) == 0
        movie = read_movie(out / "crystal_denoised.ome.tif")
        assert movie.provenance["restored"] is (not flags)
        found[len(flags)] = crystal.error(movie.to_array())
    assert found[0] < 0.5 * found[1]


def test_deviations_are_listed_and_marked(crystal, draws_all, model, tmp_path, capsys):
    import pandas as pd

    out = tmp_path / "out"
    command = ["denoise", str(tmp_path / "crystal.npy"), "--model", str(model), "--out", str(out)]
    command += ["--axes", "TYXC", "--detectors", "ADF,BF", "--pixel-size", "0.05nm", "--deviations"]
    assert main(command) == 0
    table = pd.read_csv(out / "crystal_deviations.csv")
    missing = table[(table["frame"] == 0) & (table["kind"] == "missing")]
    apart = np.linalg.norm(missing[["y", "x"]].to_numpy()[:, None] - crystal.missing, axis=-1)
    assert apart.min(axis=0).max() < 1
    assert (out / "crystal_deviations.png").exists()
    assert " missing" in capsys.readouterr().out
    # they are there: an error, unless they may be replaced
    (out / "crystal_denoised.ome.tif").unlink()
    (out / "crystal_denoised.png").unlink()
    assert main(command) != 0
    assert "crystal_deviations" in capsys.readouterr().err


def test_deviations_are_the_same_whether_or_not_they_are_restored(
    crystal, draws_all, model, tmp_path, monkeypatch
):
    """Restored, they are listed while frames are denoised; else the movie is gone through again."""
    from n2v_stem_keras.prediction.predictor import Predictor

    calls, find = [], Predictor.deviations
    monkeypatch.setattr(Predictor, "deviations", lambda *a, **k: calls.append(1) or find(*a, **k))
    tables = []
    for flags in ((), ("--no-restore",)):
        out = tmp_path / f"out{len(flags)}"
        known = ("--pixel-size", "0.05nm", "--no-picture", "--deviations", "--axes", "TYXC")
        source = tmp_path / "crystal.npy"
        assert denoise(source, *known, *flags, out=out, model=model) == 0
        tables.append((out / "crystal_deviations.csv").read_text())
    assert tables[0] == tables[1]
    assert tables[0].count("missing") > 8
    assert calls == [1]


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "many"])
def test_a_rate_is_a_number_above_0(archive, model, tmp_path, rate, capsys):
    flags = ("--deviations", "--false-per-mpx", rate)
    assert denoise(archive / "a.npy", *flags, out=tmp_path / "out", model=model) != 0
    assert f"--false-per-mpx {rate}" in capsys.readouterr().err
