"""Columns of layers that lie over each other are found where they are, not where they are drawn."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from n2v_stem_keras.deviations.columns import Columns
from n2v_stem_keras.deviations.lattices import (
    bright,
    coincide,
    columns_of_layers,
    lattices_of,
    layers_of,
)
from n2v_stem_keras.deviations.movie import Block
from n2v_stem_keras.deviations.search import Filter

SIZE_NM, SHAPE = 0.05, (160, 176)
HEIGHTS = np.array([[4.0, -3.0], [3.0, 1.5]])  # of a column in two detectors, of two layers
WIDTH_PX, CELL_PX, TWIST = 1.4, 4.9, 0.23


def hexagonal(angle, shift=(0.0, 0.0), bend=0.0, shape=SHAPE):
    """Places of a honeycomb in view and beyond, (n, 2) [px]."""
    i, j = np.meshgrid(*[np.arange(-60, 60)] * 2, indexing="ij")
    first = np.stack([i + j / 2, j * 3**0.5 / 2], -1).reshape(-1, 2)
    second = first + np.array([0.5, 0.5 / 3**0.5])
    places = CELL_PX * np.concatenate([first, second])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = places @ turn.T + np.array(shape) / 2 + shift
    places = places + bend * np.sin(places[:, ::-1] / 25)
    return places[((places > -8) & (places < np.array(shape) + 8)).all(1)]


def drawn(layers, shape=SHAPE, heights=HEIGHTS, shares=None):
    """Frame (Y, X, 2) of layers of Gaussian columns, each times a share."""
    y, x = (np.arange(n) for n in shape)
    image = np.full((*shape, 2), (1.0, 9.0))
    for k, places in enumerate(layers):
        share = np.ones(len(places)) if shares is None else shares[k]
        gy = np.exp(-((y - places[:, :1]) ** 2) / (2 * WIDTH_PX**2)) * share[:, None]
        gx = np.exp(-((x - places[:, 1:]) ** 2) / (2 * WIDTH_PX**2))
        image += (gy.T @ gx)[..., None] * heights[k]
    return image.astype(np.float32)


def inside(places, margin=6):
    return places[((places > margin) & (places < np.array(SHAPE) - margin - 1)).all(1)]


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["straight", "bent"])
def moire(request):
    layers = [hexagonal(0.1, bend=request.param), hexagonal(0.1 + TWIST, (1.3, 0.7), request.param)]
    return layers, drawn(layers)


def test_both_lattices_are_found(moire):
    lattices = lattices_of([bright(moire[1], (1, -1))], SIZE_NM)
    assert len(lattices) == 2
    nearest = [np.abs(np.linalg.norm(one, axis=1) - 2 / 3**0.5 / CELL_PX).min() for one in lattices]
    assert max(nearest) < 0.003


def test_columns_of_each_layer_are_where_they_are(moire):
    layers, frame = moire
    lattices = lattices_of([bright(frame, (1, -1))], SIZE_NM)
    found = columns_of_layers(frame, (1, -1), SIZE_NM, lattices)
    assert not coincide(found, SIZE_NM)
    of = np.abs(found.heights).argmax(axis=1)
    errors = []
    for layer in layers:
        apart = [cKDTree(found.places[of == k]).query(inside(layer))[0] for k in (0, 1)]
        errors.append(min(np.quantile(a, 0.95) for a in apart))
    assert max(errors) < 0.4
    seen = cKDTree(np.concatenate(layers)).query(inside(found.places))[0]
    assert np.mean(seen < 1.0) > 0.98
    assert np.array_equal(found.heights != 0, np.eye(2, dtype=bool)[of])  # kinds are told by it


def test_one_layer_is_one_lattice_and_a_frame_without_one_has_none():
    assert len(lattices_of([drawn([hexagonal(0.3)])[..., 0]], SIZE_NM)) == 1
    assert lattices_of([np.ones((64, 64))], SIZE_NM) == []
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 1.5)
    assert len(lattices_of([noise], SIZE_NM)) < 2


def test_a_layer_that_ends_has_no_columns_beyond():
    layers = [hexagonal(0.1), hexagonal(0.1 + TWIST)]
    layers[1] = layers[1][layers[1][:, 1] < 88]
    image = drawn(layers)[..., 0]
    whole = drawn([layers[0], hexagonal(0.1 + TWIST)])[..., 0]
    lattices = lattices_of([whole], SIZE_NM)
    images = layers_of(image, lattices, SIZE_NM)
    stds = np.array([[part[:, :60].std(), part[:, 130:].std()] for part in images])
    ends = np.argmin(stds[:, 1] / stds[:, 0])
    assert stds[ends, 1] < 0.02 * stds[ends, 0]
    assert stds[1 - ends, 1] > 0.7 * stds[1 - ends, 0]


def test_grains_side_by_side_are_where_they_are_drawn():
    layers = [hexagonal(0.1), hexagonal(0.1 + TWIST)]
    layers = [layers[0][layers[0][:, 1] < 88], layers[1][layers[1][:, 1] > 91]]
    clean = drawn(layers, heights=HEIGHTS[[0, 0]])
    raw = clean + np.random.default_rng(0).normal(size=clean.shape)
    filters = Filter.tried([raw], [clean], (1, -1), SIZE_NM)
    assert filters[0].lattices == []


def test_a_superstructure_is_no_lattice_of_its_own():
    places = hexagonal(0.1)
    first = np.concatenate([places, places[::7]])
    heights = np.zeros((len(first), 2))
    heights[: len(places), 0] = heights[len(places) :, 1] = 1
    assert coincide(Columns(first, heights), SIZE_NM)


def test_what_is_missing_of_one_layer_is_found_and_drawn(moire, monkeypatch):
    layers, perfect = moire
    rng = np.random.default_rng(3)
    which = ((layers[1] > 14) & (layers[1] < np.array(SHAPE) - 15)).all(1)
    gone = rng.permutation(np.flatnonzero(which))[:16]
    shares = [np.ones(len(layers[0])), np.ones(len(layers[1]))]
    shares[1][gone] = 0
    clean = drawn(layers, shares=shares)
    sigma = 2.0
    raws = clean + rng.normal(0, sigma, (8, *clean.shape)).astype(np.float32)
    given = (raws, [perfect] * 8, np.zeros((8, 2)), np.ones((8, 8), bool), (1, -1), SIZE_NM, (0,))

    def contrast():
        block = Block(*given)
        wanted = clean - perfect
        slopes = [(block.drawn(t) * wanted).sum() / (wanted**2).sum() for t in range(8)]
        return block, np.mean(slopes)

    block, found = contrast()
    assert len(block.filter.lattices) == 2
    # the negative control: columns where they are drawn
    monkeypatch.setattr("n2v_stem_keras.deviations.search.lattices_of", lambda *_: [])
    assert found > contrast()[1] + 0.1
    assert found > 0.5
