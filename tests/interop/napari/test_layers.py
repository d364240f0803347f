"""Layers as movies and back: what belongs together is joined, what does not is refused by name."""

from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras import Movie, MovieError
from n2v_stem_keras.interop.napari import layers
from n2v_stem_keras.io.metadata import NAMESPACE


class Image:
    """As much of a layer of napari's as is read; nothing may be written to it."""

    def __init__(self, data, name="scan", rgb=False, labels=(), **known):
        self.data, self.name, self.rgb, self.axis_labels = data, name, rgb, labels
        self.data.setflags(write=False)
        self.metadata = {NAMESPACE: known} if known else {}

    def as_layer_data_tuple(self):
        return self.data, {"name": self.name, "scale": (1, 0.05, 0.05), "visible": False}, "image"


@pytest.fixture
def two(noisy_movie):
    """A layer for each detector, frames of 64 x 48 px."""
    return tuple(
        Image(noisy_movie[..., c].copy(), f"gold {d}") for c, d in enumerate(("ADF", "BF"))
    )


def frames_of(movie):
    return np.stack([movie.frame(0, t) for t in range(movie.n_frames)])


def test_a_layer_for_each_detector_is_one_movie(two, noisy_movie):
    movie = layers.Source(two[::-1], ("BF", "ADF"), pixel_size_nm=0.05).movie()
    assert (movie.detectors, movie.pixel_size_nm) == (("BF", "ADF"), 0.05)
    assert movie.name == "gold"
    assert np.array_equal(frames_of(movie), noisy_movie[..., ::-1])


@pytest.mark.parametrize("axis", range(4))
def test_one_layer_may_hold_all_detectors_along_any_axis(noisy_movie, axis):
    layer = Image(np.moveaxis(noisy_movie, -1, axis).copy())
    movie = layers.Source((layer,), ("ADF", "BF"), axis).movie()
    assert np.array_equal(frames_of(movie), noisy_movie)


def test_a_pyramid_is_read_at_its_finest(two, noisy_movie):
    pyramid = SimpleNamespace(data=[two[0].data, two[0].data[:, ::2, ::2]], multiscale=True)
    assert layers.image_data(pyramid) is two[0].data


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (lambda a, b: (a, a), "chosen twice .ADF: 'gold ADF', BF: 'gold ADF'"),
        (lambda a, b: (a, Image(b.data[:5])), "different shapes .ADF 12 x 64 x 48, BF 5 x 64 x 48"),
        (lambda a, b: (a, Image(b.data, "photo", rgb=True)), "'photo' is in colour"),
        (lambda a, b: (a, Image(b.data[0, 0], "line")), "'line' has 1 axes"),
    ],
)
def test_layers_that_are_no_detectors_of_one_scan_are_refused(two, chosen, message):
    with pytest.raises(MovieError, match=message):
        layers.Source(chosen(*two), ("ADF", "BF")).movie()


def test_an_axis_of_another_length_is_refused(noisy_movie):
    layer = Image(noisy_movie.copy(), "both")
    with pytest.raises(MovieError, match="'both': axis 0 has 12 entries, expected 2 detectors"):
        layers.Source((layer,), ("ADF", "BF"), axis=0).movie()


@pytest.mark.parametrize(
    ("layer", "axis", "axes"),
    [
        (Image(np.zeros((4, 8, 8)), labels=("s", "y", "x")), None, "SYX"),
        (Image(np.zeros((4, 8, 8)), axes="SYX"), None, "SYX"),
        (Image(np.zeros((4, 8, 8)), labels=("t", "y", "x"), axes="SYX"), None, "TYX"),
        (Image(np.zeros((4, 8, 8)), labels=("0", "1", "2")), None, "TYX"),
        (Image(np.zeros((8, 8))), None, "YX"),
        (Image(np.zeros((3, 4, 8, 8))), None, "STYX"),
        (Image(np.zeros((3, 2, 8, 8)), labels=("t", "c", "y", "x")), 1, "TCYX"),
        (Image(np.zeros((2, 8, 8))), 0, "CYX"),
    ],
)
def test_axes_are_those_that_are_said_else_the_usual_ones(layer, axis, axes):
    assert layers.axes_of(layer, axis) == axes


def test_too_many_axes_are_refused_with_a_way_out():
    five = Image(np.zeros((2, 3, 4, 8, 8)), "five")
    with pytest.raises(MovieError, match=r"'five' has 5 axes; .* choose an axis of detectors"):
        layers.axes_of(five)
    assert layers.axes_of(five, 2) == "STCYX"


@pytest.mark.parametrize("axis", [None, 1])
def test_frames_come_back_to_where_they_were(two, noisy_movie, axis):
    chosen = two if axis is None else (Image(noisy_movie.transpose(0, 3, 1, 2).copy()),)
    source = layers.Source(chosen, ("ADF", "BF"), axis)
    results = layers.Results(source, source.movie())
    for t, frame in enumerate(noisy_movie):
        results.put(0, t, 2 * frame)
    made = results.layer_data({"model": "gold"})
    assert [options["name"] for _, options, _ in made] == [f"{la.name} denoised" for la in chosen]
    for layer, (data, options, kind) in zip(chosen, made):
        assert np.array_equal(data, 2 * layer.data)
        assert data.dtype == np.float32
        assert options["metadata"][NAMESPACE]["provenance"] == {"model": "gold"}
        assert options["scale"] == (1, 0.05, 0.05)
        assert "visible" not in options  # what is shown is the user's affair
        assert kind == "image"
        assert NAMESPACE not in layer.metadata


def test_a_result_that_does_not_fit_into_memory_is_refused_at_once(two, monkeypatch):
    import psutil

    source = layers.Source(two, ("ADF", "BF"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(MemoryError, match="n2v-stem denoise MOVIE"):
        layers.Results(source, source.movie())


def test_a_watched_movie_is_the_same_and_tells_of_each_frame(noisy_movie):
    seen = []
    movie = layers.watched(Movie.from_array(noisy_movie, "TYXC"), lambda: seen.append(1))
    assert seen == []
    assert np.array_equal(frames_of(movie), noisy_movie)
    assert len(seen) == len(noisy_movie)
