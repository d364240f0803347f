"""ImageJ TIFF, hspy, scaled integers, and writers that go on: read back by others and by us."""

import h5py
import numpy as np
import pytest
from some_movies import PROVENANCE, some_movie

from n2v_stem_keras.io import (
    MovieError,
    read_movie,
    write_movie,
)


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


def test_the_format_must_suit_the_suffix(tmp_path):
    with pytest.raises(MovieError, match=r"format hspy has suffix .hspy, not '.tif'"):
        write_movie(tmp_path / "m.tif", some_movie("YX"), format="hspy")
    with pytest.raises(MovieError, match="unknown format 'dm4'; known are ome, imagej"):
        write_movie(tmp_path / "m.tif", some_movie("YX"), format="dm4")
    with pytest.raises(MovieError, match=r"unknown suffix '.dm4'; written are"):
        write_movie(tmp_path / "m.dm4", some_movie("YX"))


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


def test_hyperspy_finds_the_pixel_size_of_our_ome_tiff(tmp_path):
    """In the tags that every TIFF may have, as it does not read OME-XML."""
    hs = pytest.importorskip("hyperspy.api")
    path = write_movie(tmp_path / "m.ome.tif", some_movie("TYXC"))
    signal = hs.load(path, force_read_resolution=True)
    for axis in signal.axes_manager.signal_axes:
        assert axis.units == "µm"
        assert axis.scale == pytest.approx(0.0293e-3, rel=1e-6)
    for size in (None, 0.001):  # unknown, and too small for such a tag
        other = some_movie("TYXC").replace(pixel_size_nm=size)
        path = write_movie(tmp_path / f"{size}.ome.tif", other)
        assert read_movie(path).pixel_size_nm == size


def test_hspy_needs_no_rosettasciio_to_be_written(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rsciio", None)
    path = write_movie(tmp_path / "m.hspy", some_movie("TYX"))
    inside = read_movie(f"{path}::/Experiments/m/data", "TYX")
    assert inside.shape == (3, 5, 7)
