"""ImageJ TIFF, hspy, scaled integers, and writers that go on: read back by others and by us."""

import json
import os

import h5py
import numpy as np
import pytest
import tifffile

from n2v_stem_keras.io import (
    Movie,
    MovieError,
    MovieWriter,
    Scaling,
    intensities,
    read_movie,
    unfinished,
    write_movie,
)

RNG = np.random.default_rng(0)
SIZE = {"S": 2, "T": 3, "C": 2, "Y": 5, "X": 7}
PROVENANCE = {"model": "au", "model_fingerprint": "sha256:ab", "tta": False, "n": 1.5}


def some_movie(axes, **known):
    array = RNG.normal(100, 10, [SIZE[a] for a in axes]).astype("f4")
    known = {"pixel_size_nm": 0.0293, "frame_time_s": 1 / 3, "voltage_kV": 60.0} | known
    return Movie.from_array(array, axes, detectors=("ADF", "BF")[: array.ndim and
                            (2 if "C" in axes else 1)], **known)  # fmt: skip


@pytest.mark.parametrize("axes", ["YX", "TYX", "TYXC", "CTYX", "SCYX", "STCYX", "CTSYX", "YXT"])
@pytest.mark.parametrize("form", ["imagej", "hspy", "ome"])
def test_what_is_written_comes_back(tmp_path, form, axes):
    movie = some_movie(axes)
    path = tmp_path / {"imagej": "m.tif", "hspy": "m.hspy", "ome": "m.ome.tif"}[form]
    back = read_movie(write_movie(path, movie, format=form, provenance=PROVENANCE))
    assert (back.axes, back.shape, back.dtype) == (axes, movie.shape, np.float32)
    assert np.array_equal(back.to_array(), movie.to_array())
    assert (back.detectors, back.provenance) == (movie.detectors, PROVENANCE)
    assert back.pixel_size_nm == pytest.approx(0.0293, rel=1e-7)
    assert back.frame_time_s == pytest.approx(1 / 3)
    assert back.voltage_kV == 60
    assert not back.axes_guessed


def test_imagej_sees_a_calibrated_hyperstack(tmp_path):
    movie = some_movie("TYXC")
    path = write_movie(tmp_path / "m.tif", movie, format="imagej", provenance=PROVENANCE)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "TCYX"
        found = tif.imagej_metadata
        numerator, denominator = tif.pages.first.tags["XResolution"].value
    assert (found["channels"], found["frames"], found["unit"]) == (2, 3, "nm")
    assert found["Labels"][:2] == ["ADF", "BF"]
    assert found["finterval"] == pytest.approx(1 / 3)
    assert denominator / numerator == pytest.approx(0.0293)
    assert '"model_fingerprint": "sha256:ab"' in found["Info"]
    assert np.array_equal(tifffile.imread(path), movie.to_array().transpose(0, 3, 1, 2))


def test_a_file_that_imagej_cropped_is_read_as_it_is(tmp_path):
    path = write_movie(tmp_path / "m.tif", some_movie("TCYX"), format="imagej")
    with tifffile.TiffFile(path) as tif:
        info, data = tif.imagej_metadata["Info"], tif.asarray()
    metadata = {"axes": "TCYX", "Info": info, "unit": "nm"}
    tifffile.imwrite(path, data[:2], imagej=True, resolution=(10, 10), metadata=metadata)
    with pytest.warns(UserWarning, match="was changed after it was written"):
        movie = read_movie(path)
    assert (movie.shape, movie.detectors) == ((2, 2, 5, 7), ("ADF", "BF"))
    assert movie.pixel_size_nm == pytest.approx(0.1)


def test_imagej_has_few_types(tmp_path):
    with pytest.raises(MovieError, match=r"holds no float64; choose one of uint8, uint16"):
        MovieWriter(tmp_path / "m.tif", "YX", (5, 7), dtype="f8", format="imagej")
    assert not list(tmp_path.iterdir())


def test_the_format_must_suit_the_suffix(tmp_path):
    with pytest.raises(MovieError, match=r"format hspy has suffix .hspy, not '.tif'"):
        write_movie(tmp_path / "m.tif", some_movie("YX"), format="hspy")
    with pytest.raises(MovieError, match="unknown format 'dm4'; known are ome, imagej"):
        write_movie(tmp_path / "m.tif", some_movie("YX"), format="dm4")
    with pytest.raises(MovieError, match=r"unknown suffix '.dm4'; written are"):
        write_movie(tmp_path / "m.dm4", some_movie("YX"))


@pytest.mark.filterwarnings("ignore")
def test_rosettasciio_and_hyperspy_read_our_hspy(tmp_path):
    hs = pytest.importorskip("hyperspy.api")
    movie = some_movie("TYXC")
    path = write_movie(tmp_path / "m.hspy", movie, provenance=PROVENANCE)
    stored = movie.to_array().transpose(0, 3, 1, 2)
    for lazy in (False, True):
        signal = hs.load(path, lazy=lazy)
        assert type(signal).__name__ == "LazySignal2D" if lazy else "Signal2D"
        assert np.array_equal(np.asarray(signal.data), stored)
        names = [axis.name for axis in signal.axes_manager._axes]
        assert names == ["time", "detector", "y", "x"]
        assert signal.axes_manager["x"].units == "nm"
        assert signal.axes_manager["x"].scale == pytest.approx(0.0293)
        assert signal.axes_manager["time"].scale == pytest.approx(1 / 3)
        assert signal.metadata.Acquisition_instrument.TEM.beam_energy == 60
        assert signal.metadata.General.title == "m"
        assert signal.metadata.n2v_stem_keras.model == "au"
        assert signal.metadata.n2v_stem_keras.detectors == "ADF, BF"
    with h5py.File(path) as file:
        assert np.array_equal(file["Experiments/m/data"][()], stored)


def test_hspy_needs_no_rosettasciio_to_be_written(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rsciio", None)
    path = write_movie(tmp_path / "m.hspy", some_movie("TYX"))
    inside = read_movie(f"{path}::/Experiments/m/data", "TYX")
    assert inside.shape == (3, 5, 7)


# integers with their scaling


def test_scaling_keeps_what_rounding_to_counts_loses(tmp_path):
    counts = RNG.integers(100, 130, (3, 2, 16, 16)).astype("u2")
    counts[:, 1] += 5000
    noisy = Movie.from_array(counts, "TCYX", detectors=("ADF", "BF"))
    fine = counts * 0.5 + counts.mean((2, 3), keepdims=True) * 0.5
    denoised = Movie.from_array(fine.astype("f4"), "TCYX")
    scaling = Scaling.of_movie(noisy)
    assert len(set(scaling.slope)) == 2 or len(set(scaling.offset)) == 2
    for form, name in (("imagej", "m.tif"), ("ome", "m.ome.tif"), ("hspy", "m.hspy")):
        path = write_movie(tmp_path / name, denoised, scaling=scaling, format=form)
        stored = read_movie(path)
        assert stored.dtype == np.uint16
        assert stored.provenance["scaling"]["type"] == "uint16"
        np.testing.assert_allclose(intensities(stored).to_array(), fine, atol=max(scaling.slope))
    assert max(scaling.slope) < 1e-3


def test_imagej_shows_intensities_of_one_detector(tmp_path):
    counts = RNG.integers(100, 130, (3, 16, 16)).astype("u2")
    movie = Movie.from_array(counts, "TYX")
    scaling = Scaling.of_movie(movie)
    path = write_movie(tmp_path / "m.tif", movie, scaling=scaling, format="imagej")
    with tifffile.TiffFile(path) as tif:
        found = tif.imagej_metadata
        shown = found["c0"] + found["c1"] * tif.asarray()
    assert found["cf"] == 0
    np.testing.assert_allclose(shown, counts, atol=scaling.slope[0])


def test_values_beyond_the_range_are_counted(tmp_path):
    movie = Movie.from_array(np.array([[[0, 255]]], "u1"), "TYX")
    scaling = Scaling.of_movie(movie)
    beyond = np.array([[[-7.0, 300.0]]], "f4")
    with pytest.warns(UserWarning, match="2 values lay beyond the range of uint8"):
        path = write_movie(tmp_path / "m.tif", Movie.from_array(beyond, "TYX"), scaling=scaling)
    assert read_movie(path).to_array().ravel().tolist() == [0, 255]


def test_scaling_of_signed_and_constant_movies():
    signed = Movie.from_array(np.array([[[-3, 5]]], "i2"), "TYX")
    scaling = Scaling.of_movie(signed)
    stored, beyond = scaling.encode(np.array([[[-3.0], [5.0]]]))
    assert (stored.ravel().tolist(), beyond) == ([-32768, 32767], 0)
    flat = Scaling.of_movie(Movie.from_array(np.full((1, 2, 2), 9, "u2"), "TYX"))
    assert flat.encode(np.full((2, 2, 1), 9.0))[0].ravel().tolist() == [9] * 4
    with pytest.raises(MovieError, match="holds float32, expected integers"):
        Scaling.of_movie(some_movie("YX"))


def test_a_damaged_scaling_is_refused():
    movie = some_movie("YX").replace(provenance={"scaling": {"slope": [1], "type": "u1"}})
    with pytest.raises(MovieError, match="states the scaling"):
        intensities(movie)
    plain = some_movie("YX")
    assert intensities(plain) is plain


# going on after an interruption


class Killed(Exception):
    pass


def write_some(path, movie, stop=None, key="0123456789abcdef", **options):
    with MovieWriter(path, movie.axes, movie.shape, key=key, overwrite=True, **options) as writer:
        begun = writer.n_written
        for number in range(begun, writer.n_frames):
            if number == stop:
                raise Killed
            writer.write(movie.frame(*divmod(number, movie.n_frames)))
    return begun


@pytest.mark.parametrize("name", ["m.ome.tif", "m.hspy", "m.npy", "m.tif"])
@pytest.mark.filterwarnings("ignore:.*npy holds no axes")
def test_a_writer_goes_on_where_it_was_stopped(tmp_path, name):
    movie, path = some_movie("STCYX"), tmp_path / name
    form = "imagej" if name == "m.tif" else None
    with pytest.raises(Killed):
        write_some(path, movie, stop=4, format=form)
    assert not path.exists()
    assert write_some(path, movie, format=form) == 4
    assert [p.name for p in tmp_path.iterdir()] == [name]
    whole = write_movie(tmp_path / f"whole-{name}", movie, format=form)
    axes = "STCYX" if name == "m.npy" else None
    assert np.array_equal(read_movie(path, axes).to_array(), read_movie(whole, axes).to_array())


def test_frames_that_are_there_can_be_looked_at(tmp_path):
    movie = some_movie("TCYX")
    with pytest.raises(Killed):
        write_some(tmp_path / "m.tif", movie, stop=2)
    with MovieWriter(tmp_path / "m.tif", movie.axes, movie.shape, key="0123456789abcdef") as writer:
        assert np.array_equal(writer.read(1), movie.frame(0, 1))
        with pytest.raises(IndexError, match="frame 2 of 2 written"):
            writer.read(2)
        writer.write(movie.frame(0, 2))
    assert np.array_equal(read_movie(tmp_path / "m.tif").to_array(), movie.to_array())


def test_a_killed_writer_leaves_what_was_synced(tmp_path, monkeypatch):
    """As SIGKILL leaves it: no exit, frames beyond the journal not to be trusted."""
    monkeypatch.setattr(unfinished, "SYNCED_NBYTES", 2 * 2 * 5 * 7 * 4)
    movie, path = some_movie("STCYX"), tmp_path / "m.tif"
    writer = MovieWriter(path, movie.axes, movie.shape, key="0123456789abcdef").__enter__()
    for number in range(5):
        writer.write(movie.frame(*divmod(number, 3)))
    writer._close()
    assert write_some(path, movie) == 4
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_another_key_starts_anew_and_leaves_the_other(tmp_path):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    other = MovieWriter(path, movie.axes, movie.shape, key="f" * 16)
    assert [p.name for p in other.others] == [".m.tif.0123456789abcdef.part"]
    assert write_some(path, movie, key="f" * 16) == 0
    assert write_some(path, movie) == 2
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    assert write_some(path, movie, anew=True) == 0


@pytest.mark.parametrize("journal", ["", "{", "[1]", '{"frames": -1, "offset": 0}',
                                     '{"frames": "2", "offset": 9}', '{"frames": 99, "offset": 9}',
                                     '{"frames": 2, "offset": 99999}'])  # fmt: skip
def test_a_damaged_journal_means_to_start_anew(tmp_path, journal):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    (tmp_path / ".m.tif.0123456789abcdef.json").write_text(journal)
    assert write_some(path, movie) == 0
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_two_processes_do_not_write_the_same_file(tmp_path):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    key = "0123456789abcdef"
    with MovieWriter(path, movie.axes, movie.shape, key=key) as first:
        first.write(movie.frame(0, 0))
        with pytest.raises(MovieError, match="is being written by another process now"):
            MovieWriter(path, movie.axes, movie.shape, key=key).__enter__()
        for t in (1, 2):
            first.write(movie.frame(0, t))
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_a_file_that_appears_meanwhile_costs_no_work(tmp_path):
    movie, path, key = some_movie("TCYX"), tmp_path / "m.tif", "0123456789abcdef"
    writer = MovieWriter(path, movie.axes, movie.shape, key=key).__enter__()
    for t in range(3):
        writer.write(movie.frame(0, t))
    path.write_bytes(b"of another program")
    with pytest.raises(MovieError, match=r"m\.tif: exists"):
        writer.__exit__(None, None, None)
    assert path.read_bytes() == b"of another program"
    assert write_some(path, movie) == 3
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_nothing_is_kept_if_no_frame_came(tmp_path):
    with pytest.raises(Killed):
        write_some(tmp_path / "m.tif", some_movie("TCYX"), stop=0)
    assert os.listdir(tmp_path) == []


def test_the_key_is_of_all_facts():
    facts = ["model", {"tta": False, "n": 1}]
    assert unfinished.resume_key(*facts) == unfinished.resume_key(*json.loads(json.dumps(facts)))
    assert unfinished.resume_key(*facts) != unfinished.resume_key("model", {"tta": True, "n": 1})
