"""ImageJ's TIFF: what is written there comes back, and Fiji sees it calibrated."""

import numpy as np
import pytest
import tifffile
from some_movies import PROVENANCE, some_movie

from n2v_stem_keras.io import (
    Movie,
    MovieError,
    MovieWriter,
    Scaling,
    read_movie,
    write_movie,
)

RNG = np.random.default_rng(0)


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
