"""Movies as layers of the viewer: read frame by frame, one layer a detector."""

import os

import numpy as np
import pytest

from n2v_stem_keras import Movie, MovieError, read_movie, write_movie
from n2v_stem_keras.interop.napari import layers, reader

NAMES = ("ADF", "BF")


def test_frames_are_read_when_they_are_shown_and_once_for_all_detectors(noisy_movie):
    read = []
    movie = Movie.from_array(noisy_movie, "TYXC", detectors=NAMES)
    movie = layers.watched(movie, lambda: read.append(1))
    (adf, _, _), (bf, _, _) = reader.layers_of(movie)
    assert len(read) <= 2 * reader.SAMPLED < movie.n_frames
    read.clear()
    assert np.array_equal(np.asarray(adf[4]), noisy_movie[4, ..., 0])
    assert np.array_equal(np.asarray(bf[4, 3:9, 5]), noisy_movie[4, 3:9, 5, 1])
    assert len(read) == 1
    assert np.array_equal(np.asarray(bf[2:8:3, ::2]), noisy_movie[2:8:3, ::2, :, 1])
    assert len(read) == 3


def test_separate_movies_and_single_images_keep_their_axes(noisy_movie):
    series = np.stack([noisy_movie, noisy_movie[::-1]])
    data, options, _ = reader.layers_of(Movie.from_array(series, "STYXC"))[1]
    assert options["axis_labels"] == tuple("STYX")
    assert np.array_equal(np.asarray(data), series[..., 1])
    image, options, _ = reader.layers_of(Movie.from_array(noisy_movie[0, ..., 0], "YX"))[0]
    assert options["scale"] == (1, 1)
    assert np.array_equal(np.asarray(image), noisy_movie[0, ..., 0])


def test_several_files_are_the_detectors_of_one_scan(tmp_path, noisy_movie):
    paths = []
    for c, name in enumerate(NAMES):
        paths.append(str(tmp_path / f"scan_{name}.ome.tif"))
        write_movie(paths[-1], Movie.from_array(noisy_movie[..., c], "TYX"))
    found = reader.get_reader(paths)(paths)
    assert [layer[1]["metadata"]["n2v_stem_keras"]["detector"] for layer in found] == list(NAMES)
    assert np.array_equal(np.asarray(found[1][0]), noisy_movie[..., 1])


def test_what_no_reader_knows_is_left_to_others(tmp_path):
    assert reader.get_reader("notes.docx") is None
    assert reader.get_reader(str(tmp_path)) is None
    assert reader.get_reader(["movie.tif", "notes.docx"]) is None
    with pytest.raises(MovieError, match="no such file"):
        reader.get_reader("missing.tif")("missing.tif")


@pytest.mark.parametrize(
    "name",
    [
        "stack_3d.dm4",
        "velox_dpc.emd",
        "20241021_00405_movie.mrc",
        "16x16x5_STEM_BF_DF_preview_1.ser",
    ],
)
@pytest.mark.filterwarnings("ignore:.*a guess, as the file")
@pytest.mark.filterwarnings("ignore:.*left out. computed images")
@pytest.mark.filterwarnings("ignore:.*pixel size -1.0 'nm' is not understood")
def test_files_of_microscopes_are_read_as_the_package_reads_them(name):
    folder = os.environ.get("N2V_STEM_DATA")
    if not folder:
        pytest.skip("N2V_STEM_DATA does not say where files of microscopes lie")
    path = os.path.join(folder, "formats", name)
    movie = read_movie(path)
    found = reader.get_reader(path)(path)
    assert len(found) == movie.n_detectors
    for c, (data, options, _) in enumerate(found):
        frame = np.asarray(data[(-1,) * (data.ndim - 2)])
        expected = movie.frame(movie.n_series - 1, movie.n_frames - 1)[..., c]
        assert np.array_equal(frame, expected)
        assert options["scale"][-1] == (movie.pixel_size_nm or 1)
