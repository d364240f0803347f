"""What columns look like is learnt from what deviates, and that from what columns look like."""

import numpy as np
import pytest
from crystals import SIZE_NM, Crystal, drawn, inner, places

from n2v_stem_keras.deviations import Block
from n2v_stem_keras.deviations.search import Filter
from n2v_stem_keras.deviations.sites import N_TRIED, Sites
from n2v_stem_keras.simulate import simulate_movie

LAYERS = {
    "two twisted layers of graphene": (
        {"lattice": "graphene", "n_layers": 2, "twist_rad": np.deg2rad(13.2)},
        "V2_C",
        0.45,
    ),
    "one layer of hBN": ({"lattice": "hbn"}, "V_B", 0.8),
    "MoS2": ({"lattice": "mos2"}, "V_S", 0.8),
}


@pytest.mark.parametrize("name", LAYERS)
def test_vacancies_are_restored_from_single_frames_where_columns_overlap(name):
    """The crystal is drawn as perfect, and a filter that knew the vacancy would see it at 6."""
    options, kind, least = LAYERS[name]
    options = {**options, "shape": (256, 256), "n_frames": 4, "density_nm2": 0.0}
    clean = simulate_movie([3, 31], defects={kind: 16}, **options).clean
    perfect = simulate_movie([3, 31], **options).clean
    change = clean - perfect
    sigma = np.sqrt((change[0] ** 2).sum() / 16) / 6
    raw = clean + sigma * np.random.default_rng(5).standard_normal(clean.shape)
    alone = np.ones((4, 4), bool)
    block = Block(
        list(raw.astype(np.float32)),
        list(perfect.astype(np.float32)),
        np.zeros((4, 2)),
        alone,
        (1, -1),
        0.046,
        spans=(0,),
    )
    drawn = np.stack([block.drawn(t) for t in range(4)])
    share = (drawn * change).sum() / (change**2).sum()
    assert share > least


def test_neighbours_that_a_movie_shows_beyond_doubt_are_not_asked_as_pairs(monkeypatch):
    """What is drawn of divacancies is what the frames show, not what a pair would lack."""
    options = {"lattice": "graphene", "shape": (192, 192), "n_frames": 8, "density_nm2": 0.0}
    clean = simulate_movie([4, 31], defects={"V2_C": 8}, **options).clean
    perfect = simulate_movie([4, 31], **options).clean
    change = clean - perfect
    sigma = np.sqrt((change[0] ** 2).sum() / 8) / 6
    raw = clean + sigma * np.random.default_rng(6).standard_normal(clean.shape)
    frames = [list(part.astype(np.float32)) for part in (raw, perfect)]
    known = np.zeros((8, 2)), np.ones((8, 8), bool), (1, -1), 0.046
    asked, of = [], Sites._find_pairs
    monkeypatch.setattr(Sites, "_find_pairs", lambda self: asked.append(1) or of(self))
    drawn = {}
    for spans in ((0,), (0, 1, 3, 6)):
        block = Block(*frames, *known, spans=spans)
        drawn[spans] = np.stack([block.drawn(t) for t in range(8)])
        assert bool(asked) == (spans == (0,))
        asked.clear()
    errors = [np.mean((one - change) ** 2) / np.mean(change**2) for one in drawn.values()]
    assert errors[1] < 0.8 * errors[0]
    assert errors[1] < 0.4


def test_of_a_kind_that_is_drawn_wrongly_no_pairs_are_drawn():
    """A third of one kind is drawn that is not there; of the other a few are missing."""
    shape, sigma, n = (192, 192), 1.4, 6
    columns, rng = places(shape), np.random.default_rng(2)
    shares = [np.ones(len(kind)) for kind in columns]
    for k, share in enumerate((0.02, 0.33)):
        of = inner(columns[k], shape)
        shares[k][rng.permutation(of)[: int(share * len(of))]] = 0
    perfect = drawn(columns, shape)
    noise = rng.normal(0, sigma, (n, *shape, 2))
    raw = list((drawn(columns, shape, shares) + noise).astype(np.float32))
    denoised = [perfect.astype(np.float32)] * n
    known = np.zeros((n, 2)), np.eye(n, dtype=bool), (1, -1), SIZE_NM
    sites = Block(raw, denoised, *known, spans=(0,)).sites
    wrongly = [prior.mute for prior in sites.priors]
    assert any(wrongly)
    assert not all(wrongly)
    for found in sites.found:
        of = np.array(wrongly)[found.kinds]
        assert not found.expected[of].any()
    assert any(found.expected.any() for found in sites.found)


def test_long_movies_begin_with_what_some_of_their_frames_tell():
    crystal = Crystal(n_frames=N_TRIED + 6, sigma=1.5)
    filters = Filter.tried(crystal.raw[:4], crystal.denoised[:4], (1, -1), 0.05)
    places = [filters[0].columns(frame) for frame in crystal.denoised]
    raw, denoised = list(crystal.raw), list(crystal.denoised)
    seen = (raw, denoised, places, crystal.shift, crystal.together, (0, 1, 3))
    sites = Sites.of(filters, *seen)
    assert len(sites.found) == N_TRIED + 6
    first = Sites(*seen, filters[0], n_rounds=0)
    assert sites.gain > first.gain > 0
