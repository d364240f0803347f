"""Packages for the BioImage Model Zoo: valid, whole, and honest about what the network takes."""

import io
import socket
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tifffile
import yaml
from packages import contents, converted, movie_with_lattice

from n2v_stem_keras import DataError, FolderError, Movie, N2VStem, N2VStemConfig
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.interop import bioimageio_rdf
from n2v_stem_keras.interop.bioimageio import export_bioimageio, standardise
from n2v_stem_keras.prediction import convert as conversion

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
spec = pytest.importorskip("bioimageio.spec")

WHO = {"authors": ["Jane Doe"], "license": "CC-BY-4.0"}
FILES = {
    "rdf.yaml", "weights.keras", "weights.onnx", "test_input.npy", "test_output.npy", "README.md",
    "cover.png", "environment.yaml", "sample_input.tif", "sample_output.tif",
}  # fmt: skip


def untrained(**changes):
    """A model that passes for a trained one, with weights that matter."""
    config = N2VStemConfig.preset(
        "laptop",
        **{
            "unet_n_depth": 2,
            "unet_n_first": 3,
            "unet_lattice": "windows",
            "unet_lattice_window": 16,
            "n2v_patch_shape": (32, 32),
            **changes,
        },
    )
    made = N2VStem(config, "tiny.model", basedir=None)
    made.trained = True
    return made


@pytest.fixture(scope="module")
def movie():
    return movie_with_lattice()


@pytest.fixture(scope="module")
def tiny():
    return untrained()


@pytest.fixture(scope="module")
def package(tiny, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "convert", lambda *_, single: converted(tiny))
        return export_bioimageio(tiny, tmp_path_factory.mktemp("zoo") / "tiny.zip", **WHO)


@pytest.fixture
def converted_once(tiny, monkeypatch):
    """Spare the seconds that each conversion takes, where another's graph will do."""
    monkeypatch.setattr(conversion, "convert", lambda *_, single: converted(tiny))


def array(files, name):
    return np.load(io.BytesIO(files[name]))


def run_onnx(graph, frames):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: frames})[0]


def check_with_the_specification(path, monkeypatch):
    """Hashes, test tensors and pictures included; nothing may be fetched."""

    def refuse(*arguments):
        raise AssertionError(f"network access: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    # from memory: the specification's library leaves files open
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as opened:
        found = spec.load_description(opened, perform_io_checks=True)
    summary = found.validation_summary
    assert summary.status != "failed", summary.format()
    said = [w.msg for detail in summary.details for w in detail.warnings]
    assert [text for text in said if "github_user" not in text] == []  # needed for an upload only
    assert not isinstance(found, spec.InvalidDescr)
    return found


def test_the_specification_accepts_a_package(package, monkeypatch):
    found = check_with_the_specification(package, monkeypatch)
    assert found.type == "model"
    assert found.format_version == bioimageio_rdf.FORMAT_VERSION
    assert set(found.weights.available_formats) == {"keras_v3", "onnx"}
    assert [author.name for author in found.authors] == ["Jane Doe"]
    assert {str(entry.doi).lower() for entry in found.cite} == {
        "10.1038/s41524-025-01939-1",
        "10.1109/cvpr.2019.00223",
    }
    (frames,), (denoised,) = found.inputs, found.outputs
    for tensor in (frames, denoised):
        y, x = tensor.axes[1:3]
        assert y.unit == x.unit == "nanometer"
        assert y.scale == x.scale == pytest.approx(0.046)
        assert tensor.axes[3].channel_names == ["ADF", "BF"]


def test_the_specification_writes_the_same_description(package, monkeypatch):
    """Built by bioimageio.spec it would be what is written by hand, beside defaults it fills in."""
    ours = yaml.safe_load(contents(package)["rdf.yaml"])
    theirs = spec.dump_description(check_with_the_specification(package, monkeypatch))
    [tolerance] = theirs["config"]["bioimageio"]["reproducibility_tolerance"]
    del tolerance["mismatched_elements_per_million"]
    first, *theirs["inputs"][0]["preprocessing"] = theirs["inputs"][0]["preprocessing"]
    assert first == {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    while theirs["inputs"][0]["preprocessing"][-1]["id"] == "ensure_dtype":
        theirs["inputs"][0]["preprocessing"].pop()
    if theirs["outputs"][0].get("postprocessing"):
        assert {p["id"] for p in theirs["outputs"][0].pop("postprocessing")} == {"ensure_dtype"}
    assert theirs == ours


def test_the_specification_of_this_test_does_refuse(package, tmp_path, monkeypatch):
    """The control: a test output of another shape, and a file that was changed."""
    files = contents(package)
    for name, data in (("test_output.npy", files["test_input.npy"][:-4]), ("cover.png", b"x")):
        broken = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(broken, "w") as file:
            for key, value in {**files, name: data}.items():
                file.writestr(key, value)
        with pytest.raises(AssertionError, match=r"sha256|SHA-256|SHA256|mismatch"):
            check_with_the_specification(broken, monkeypatch)


def test_what_is_in_a_package(package, tiny):
    files = contents(package)
    assert set(files) == FILES
    assert files["cover.png"].startswith(b"\x89PNG")
    assert len(files["cover.png"]) < 500_000
    described = yaml.safe_load(files["rdf.yaml"])
    own = described["config"]["n2v_stem_keras"]
    assert own["fingerprint"] == tiny.fingerprint
    assert own["config"]["unet_lattice_window"] == 16
    text = files["README.md"].decode()
    assert "import keras, n2v_stem_keras.network" in text
    assert "denoised = output * sd + mean" in text
    assert f"tiles must overlap by {own['tile_overlap_px']} px" in text
    assert "## Validation" in text
    assert any("n2v_stem_keras==" in p for p in yaml.safe_load(files["environment.yaml"])[
        "dependencies"][-1]["pip"])  # fmt: skip
    assert str(package.parent) not in "".join(f.decode(errors="ignore") for f in files.values())


def test_the_samples_are_the_test_frame_as_fiji_opens_it(package):
    files = contents(package)
    for kind in ("input", "output"):
        with tifffile.TiffFile(io.BytesIO(files[f"sample_{kind}.tif"])) as file:
            assert file.imagej_metadata["unit"] == "nm"
            assert file.series[0].axes == "CYX"
            tag = file.pages[0].tags["XResolution"].value
            assert tag[1] / tag[0] == pytest.approx(0.046, rel=1e-3)
            expected = array(files, f"test_{kind}.npy")[0].transpose(2, 0, 1)
            np.testing.assert_array_equal(file.asarray(), expected)


def test_onnx_reproduces_the_test_output(package, tiny):
    files = contents(package)
    frames, expected = array(files, "test_input.npy"), array(files, "test_output.npy")
    assert frames.dtype == expected.dtype == np.float32
    assert expected.std() > 0.05
    found = run_onnx(files["weights.onnx"], standardise(frames))
    assert np.abs(found - expected).max() < 1e-4
    # the controls: raw frames, or other ones, give something else
    assert np.abs(run_onnx(files["weights.onnx"], frames) - expected).max() > 0.01
    other = standardise(frames[:, ::-1])
    assert np.abs(run_onnx(files["weights.onnx"], other) - expected).max() > 0.01


@pytest.mark.slow
def test_keras_reproduces_the_test_output_once_the_layers_are_imported(package, tmp_path):
    """In another process, as the README says; before the import it is refused."""
    with zipfile.ZipFile(package) as file:
        file.extractall(tmp_path)
    code = """
import keras, numpy as np
try:
    keras.saving.load_model("weights.keras")
except TypeError as error:
    assert "Could not locate class" in str(error), error
else:
    raise AssertionError("loads without the layers of the package")
import n2v_stem_keras.network
network = keras.saving.load_model("weights.keras")
x = np.load("test_input.npy").astype(float)
x = (x - x.mean((0, 1, 2))) / (x.std((0, 1, 2)) + 1e-9)
found = np.asarray(network(x.astype(np.float32)))
assert np.abs(found - np.load("test_output.npy")).max() < 1e-4
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"unet_context": False}, id="two detectors", marks=pytest.mark.slow),
        pytest.param({"channels": ("HAADF",), "unet_lattice": "none"}, id="one, context"),
        pytest.param(
            {"unet_independent_detectors": True}, id="two, context", marks=pytest.mark.slow
        ),
    ],
)
def test_the_steps_of_the_readme_denoise_a_movie(changes, movie, tmp_path, monkeypatch):
    """Standardise, run the ONNX graph, times sd plus mean: what `predict` gives."""
    made = untrained(**changes)
    movie = movie[:, :64, :88, : len(made.config.channels)]
    path = export_bioimageio(made, tmp_path / "m.zip", test_input=movie, pixel_size_nm=0.03, **WHO)
    found = check_with_the_specification(path, monkeypatch)
    files = contents(path)
    assert found.inputs[0].axes[3].channel_names == list(made.config.channels)
    said = "Each is denoised by itself" in " ".join(files["README.md"].decode().split())
    assert said is made.config.unet_context
    mean, sd = movie.mean((0, 1, 2), np.float64), movie.std((0, 1, 2), dtype=np.float64)
    frames = ((movie - mean) / sd).astype(np.float32)
    denoised = run_onnx(files["weights.onnx"], frames) * sd + mean
    expected = made.predict(movie, context="none", restore=False)
    assert (np.abs(denoised - expected).max((0, 1, 2)) < 2e-4 * sd).all()
    if made.config.unet_context:  # the control: with the frames around it is another
        more = made.predict(movie, restore=False)
        assert (np.abs(denoised - more).max((0, 1, 2)) > 0.01 * sd).all()


def test_a_test_frame_of_ones_own(converted_once, tiny, movie, tmp_path):
    """The middle frame, its middle, in raw units, with its pixel size."""
    own = Movie.from_array(
        movie[..., ::-1], "TYXC", detectors=("BF", "ADF"), pixel_size_nm=0.021, name="own"
    )
    files = contents(export_bioimageio(tiny, tmp_path / "a.zip", test_input=own, **WHO))
    frames = array(files, "test_input.npy")
    np.testing.assert_array_equal(frames[0], movie[3, 1:69, 1:89])
    described = yaml.safe_load(files["rdf.yaml"])
    assert described["inputs"][0]["axes"][1]["scale"] == pytest.approx(0.021)
    assert described["config"]["n2v_stem_keras"]["test_input"] == "given by the authors"


def test_the_card_of_the_folder_comes_along(converted_once, tiny, tmp_path):
    tiny_folder = tmp_path / "tiny"
    made = N2VStem(tiny.config, "tiny", tmp_path)
    (tiny_folder / "README.md").write_text("# My card\n\nFigures of merit.\n")
    made.keras_model.set_weights(tiny.keras_model.get_weights())
    model_folder.save_weights(made.keras_model, tiny_folder / "weights_best.weights.h5")
    opened = N2VStem(None, "tiny", tmp_path)
    text = contents(export_bioimageio(opened, tmp_path / "a.zip", **WHO))["README.md"].decode()
    assert text.startswith("# My card\n\nFigures of merit.\n\n## Use of this package")


def test_existing_files_stay_unless_they_may_go(converted_once, tiny, tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    path.write_bytes(b"mine")
    with pytest.raises(FolderError, match=r"a\.zip exists; .* overwrite=True"):
        export_bioimageio(tiny, path, **WHO)

    def fail(*arguments):
        raise OSError(5, "no more bytes")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", fail)
        with pytest.raises(OSError, match="no more bytes"):
            export_bioimageio(tiny, path, overwrite=True, **WHO)
    assert path.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    export_bioimageio(tiny, path, overwrite=True, **WHO)
    assert set(contents(path)) == FILES


RAMP = np.arange(32 * 32 * 2, dtype=np.float32).reshape(1, 32, 32, 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"authors": None}, ValueError, r"no authors given; .*authors=\['Jane"),
        ({"authors": []}, ValueError, "no authors given"),
        ({"authors": [{"affiliation": "x"}]}, ValueError, "expected a name without slashes"),
        ({"authors": [{"name": "J", "orcd": "x"}]}, ValueError, "unknown entry 'orcd', expected"),
        ({"authors": [{"name": "J", "orcid": "1"}]}, ValueError, "expected 0000-0000-0000-0000"),
        ({"authors": [3]}, ValueError, "found int, expected a name"),
        ({"license": None}, ValueError, r"no licence given; .*license='CC"),
        ({"license": "see file"}, ValueError, "expected an identifier of https://spdx.org"),
        ({"license": "NO-SUCH-1.0"}, ValueError, "not written, bioimageio.spec refuses.*license"),
        ({"name": "ä"}, ValueError, "expected 5 to 128 letters"),
        ({"test_input": RAMP}, DataError, "pixel size is not known"),
        ({"test_input": RAMP[:, :3], "pixel_size_nm": 1}, DataError, "3 px, expected at least"),
    ],
)  # fmt: skip
def test_bad_input_is_explained(converted_once, tiny, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        export_bioimageio(tiny, tmp_path / "a.zip", **{**WHO, **options})
    assert not list(tmp_path.iterdir())


def test_blank_test_movies_folders_and_other_suffixes_are_refused(converted_once, tiny, tmp_path):
    with pytest.raises(FolderError, match=r"expected a name that ends in \.zip"):
        export_bioimageio(tiny, tmp_path / "a.tar", **WHO)
    (tmp_path / "b.zip").mkdir()
    with pytest.raises(FolderError, match="is a folder"):
        export_bioimageio(tiny, tmp_path / "b.zip", overwrite=True, **WHO)
    blank = np.ones((2, 32, 32, 2), np.float32)
    with pytest.warns(UserWarning, match="blank"), pytest.raises(DataError, match="are blank"):
        export_bioimageio(tiny, tmp_path / "c.zip", test_input=blank, pixel_size_nm=0.1, **WHO)


def test_untrained_models_and_a_missing_extra_are_explained(
    tiny_config, tiny, tmp_path, monkeypatch
):
    new = N2VStem(tiny_config, "new", basedir=None)
    with pytest.raises(FolderError, match="was never trained"):
        export_bioimageio(new, tmp_path / "a.zip", **WHO)
    filtering = tiny_config.replace(unet_lattice="frame")
    live = N2VStem(filtering, "live", basedir=None)
    live.trained = True
    with pytest.raises(ValueError, match="live has a lattice image of whole frames"):
        export_bioimageio(live, tmp_path / "a.zip", **WHO)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[onnx\]'"):
        export_bioimageio(tiny, tmp_path / "a.zip", **WHO)
    assert not list(tmp_path.iterdir())
