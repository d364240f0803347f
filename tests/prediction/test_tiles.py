"""Prediction: tiles, batches, flips and streams give what one whole frame gives."""

import itertools

import numpy as np
import pytest
from networks import strong_network

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.normalize import DataError, MovieStatistics, scan
from n2v_stem_keras.prediction.engines import Stages, TensorFlowEngine
from n2v_stem_keras.prediction.stream import NEW_MOVIE, KnownStatistics, denoise_stream
from n2v_stem_keras.prediction.tiles import Denoiser, denoise_movie, tile_spans
from n2v_stem_keras.series import Series
from n2v_stem_keras.temporal.context import MovieContext
from n2v_stem_keras.temporal.registration import still

UNIT = MovieStatistics(np.zeros(2), np.ones(2), (), (), 0)


def known(statistics):
    """Statistics of a movie, as a stream takes them."""
    return KnownStatistics(statistics.mean, statistics.sd, len(statistics.mean))


def images(*shape, seed=0):
    """Frames of standard deviation 1, as a network gets them."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def denoiser(**changes):
    small = {
        "unet_n_depth": 2,
        "unet_n_first": 3,
        "n2v_patch_shape": None,
    }
    config = N2VStemConfig(**{**small, **changes}).check()
    return Denoiser(TensorFlowEngine(strong_network(config), config), config)


@pytest.fixture(scope="module")
def depth_2():
    return denoiser()


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with context"])
def either(request):
    """A network that sees frames alone, and one that sees what others know of each."""
    return denoiser(unet_context=request.param, unet_n_depth=1)


@pytest.fixture(scope="module")
def with_context():
    return denoiser(unet_context=True, unet_n_depth=1)


def series_of(movie, context="both", name="movie"):
    """A movie with its own statistics, in which frames are looked around."""
    series = Series(name, movie, scan(movie))
    series.look_around(context)
    return series


# Tiles


@pytest.mark.parametrize("multiple", [2, 8, 16])
def test_tiles_cover_each_pixel_once_and_start_on_the_pooling_grid(multiple):
    for n_cells, n_tiles in itertools.product(range(1, 40), (1, 2, 3, 7, 10, 100)):
        side = n_cells * multiple
        spans = tile_spans(side, n_tiles, multiple)
        assert len(spans) == min(n_tiles, n_cells)
        assert [i for low, high in spans for i in range(low, high)] == list(range(side))
        assert all(low % multiple == 0 for low, _ in spans)
        sizes = [high - low for low, high in spans]
        assert max(sizes) - min(sizes) <= multiple


SHAPES_OF_NETWORKS = [
    {},
    {"unet_n_depth": 1},
    {"unet_pool": "blur"},
    {"unet_upsample": "transposed", "unet_top_skip": False},
    {"unet_block": "separable", "unet_bottleneck": "aspp", "unet_n_depth": 1},
    {"unet_lattice": "windows", "unet_lattice_window": 16},
    {"unet_stem": 4, "unet_n_depth": 1},
    {"unet_lattice": "frame", "unet_stem": 2},
]
MORE_SHAPES = [
    {"unet_n_depth": 3, "unet_n_first": 2},
    {"unet_pool": "max"},
    {"unet_n_depth": 3, "unet_n_first": 2, "unet_pool": "blur", "unet_kern_size_first": 3},
    {"unet_upsample": "nearest"},
    {"unet_lattice": "windows", "unet_lattice_window": 32, "unet_pool": "blur"},
    {"unet_lattice": "waves", "unet_lattice_window": 16},
    {"unet_blurs": 3},
]


@pytest.mark.parametrize(
    "changes",
    [*SHAPES_OF_NETWORKS, *(pytest.param(more, marks=pytest.mark.slow) for more in MORE_SHAPES)],
    ids=lambda c: " ".join(map(str, c.values())) or "plain",
)
def test_tiles_give_what_the_whole_frame_gives(changes):
    network = denoiser(**changes)
    for shape, tilings in [
        ((96, 160), [(1, 2), (3, 4), (12, 2)]),
        ((131, 77), [(2, 2), (5, 1)]),
    ]:
        frames = images(2, *shape, 2)
        whole = network(frames, n_tiles=(1, 1))
        for n_tiles in tilings:
            tiled = network(frames, n_tiles)
            assert tiled.shape == whole.shape
            assert np.abs(tiled - whole).max() < 1e-5 * whole.std()


def test_without_an_overlap_tiles_show(depth_2):
    """The control: were the overlap not needed, the test above would prove nothing."""
    frames = images(1, 96, 96, 2)
    cut = Denoiser(depth_2.engine, depth_2.config)
    whole, good = cut(frames, (1, 1)), cut(frames, (3, 3))
    cut._halo = 0
    bad = cut(frames, (3, 3))
    assert np.abs(good - whole).max() < 1e-5
    assert np.abs(bad - whole).max() > 0.05
    # half of the overlap is not enough either
    cut._halo = depth_2.halo // 2 // 4 * 4
    assert np.abs(cut(frames, (3, 3)) - whole).max() > 1e-5


def test_the_overlap_is_the_reach_of_the_network_up_to_the_pooling_grid(depth_2):
    assert depth_2.halo % 4 == 0
    frame = np.zeros((1, 128, 128, 2), np.float32)
    spark = frame.copy()
    spark[0, 64, 64] = 100
    changed = (depth_2(spark) != depth_2(frame))[0].any(axis=-1)
    rows = np.flatnonzero(changed.any(axis=1))
    reach = max(64 - rows[0], rows[-1] - 64)
    assert reach <= depth_2.halo < reach + 4 + 4


def test_large_frames_are_tiled_by_themselves(depth_2, monkeypatch):
    frames = images(1, 150, 230, 2)
    whole = depth_2(frames)
    calls, run = [], Denoiser._run
    monkeypatch.setattr(Denoiser, "_run", lambda self, x: calls.append(x[0].shape) or run(self, x))
    limit = "n2v_stem_keras.prediction.tiles.PIXEL_FEATURES_PER_TILE"
    monkeypatch.setattr(limit, 3 * (80 + 2 * depth_2.halo) ** 2)
    assert np.abs(depth_2(frames) - whole).max() < 1e-5
    assert len(calls) == 2 * 3
    assert max(np.prod(shape[1:3]) for shape in calls) <= (80 + 2 * depth_2.halo) ** 2
    # where there is hardly room for the overlap, tiles are half of the room
    calls.clear()
    monkeypatch.setattr(limit, 3 * (2 * depth_2.halo) ** 2)
    assert np.abs(depth_2(frames) - whole).max() < 1e-5
    assert len(calls) == round(152 / depth_2.halo) * round(232 / depth_2.halo)


@pytest.mark.parametrize("shape", [(128, 256), (131, 240)])
@pytest.mark.parametrize("lattice", ["windows", "waves"])
def test_large_frames_go_through_the_network_in_two_stages(monkeypatch, lattice, shape):
    """Lattice images first, of wide tiles; and what is known around is joined tile by tile."""
    network = denoiser(
        unet_lattice=lattice, unet_lattice_window=32, unet_n_depth=1, unet_context=True
    )
    frames, around = images(1, *shape, 2), images(1, *shape, 8, seed=1) ** 2
    whole = network(frames, None, True, around)
    np.testing.assert_array_equal(network(np.concatenate([frames, around], -1), tta=True), whole)
    runs, stages = [], network.engine.stages

    def noted(kind, run):
        def noting(*inputs):
            runs.append((kind, *inputs[0].shape[1:]))
            return run(*inputs)

        return noting

    parts = [noted(kind, getattr(stages, kind)) for kind in ("first", "second")]
    network.engine.__dict__["stages"] = Stages(*parts, stages.overlap)
    limits = {"PIXEL_FEATURES_WHOLE": 0, "PIXEL_FEATURES_PER_STAGE": 3 * 72**2}
    for name, limit in (limits | {"PIXELS_OF_LATTICE": 0}).items():
        monkeypatch.setattr(f"n2v_stem_keras.prediction.tiles.{name}", limit)
    tiled = network(frames, None, True, around)
    assert np.abs(tiled - whole).max() < 1e-5 * whole.std()
    assert stages.overlap < network.halo / 4
    sides = {k: max(max(y, x) for kind, y, x, _ in runs if kind == k) for k in ("first", "second")}
    assert sides["second"] <= 72
    assert sides["first"] <= 3 * network.halo
    assert {n for *_, n in runs} == {10}


# Sizes


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 17), (23, 1), (2, 3), (5, 7), (4, 4), (33, 64), (64, 33), (63, 61)]
)
def test_any_size_comes_back_in_that_size(depth_2, shape):
    frames = images(2, *shape, 2)
    output = depth_2(frames)
    assert output.shape == (2, *shape, 2)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()


def test_odd_sizes_are_continued_by_reflection(depth_2):
    frames = images(1, 30, 45, 2)
    # np.pad's 'reflect' by hand: the last pixel is not repeated
    by_hand = np.concatenate([frames, frames[:, -2:-4:-1]], axis=1)
    by_hand = np.concatenate([by_hand, by_hand[:, :, -2:-5:-1]], axis=2)
    assert by_hand.shape == (1, 32, 48, 2)
    assert np.array_equal(depth_2(frames), depth_2(by_hand)[:, :30, :45])


def test_one_row_is_continued_by_itself(depth_2):
    frames = images(1, 1, 16, 2)
    expected = depth_2(np.repeat(frames, 4, axis=1))[:, :1]
    assert np.array_equal(depth_2(frames), expected)


# Flips


@pytest.mark.parametrize(
    ("shape", "n_tiles"), [((24, 40), None), ((23, 37), None), ((64, 64), (2, 3))]
)
def test_test_time_augmentation_is_the_mean_of_four_flips(depth_2, shape, n_tiles):
    frames = images(2, *shape, 2)
    by_hand = (
        depth_2(frames)
        + depth_2(frames[:, ::-1])[:, ::-1]
        + depth_2(frames[:, :, ::-1])[:, :, ::-1]
        + depth_2(frames[:, ::-1, ::-1])[:, ::-1, ::-1]
    ) / 4
    output = depth_2(frames, n_tiles, tta=True)
    assert np.abs(output - by_hand).max() < 1e-5
    assert not np.allclose(output, depth_2(frames), atol=1e-3)
    # which is why a flipped frame gives the flipped result
    flipped = depth_2(np.ascontiguousarray(frames[:, ::-1]), n_tiles, tta=True)
    assert np.abs(flipped[:, ::-1] - output).max() < 1e-5


# Movies


def assert_close(output, expected, statistics):
    """Equal to 1e-5 standard deviations, beside the last digit of float32.

    Batches of other sizes are summed in other orders. A unit in the last place of the movie's
    second detector, -3 +- 0.0075, is 3e-5 standard deviations by itself.
    """
    last_digit = np.spacing(np.abs(expected).astype(np.float32))
    assert (np.abs(output - expected) <= 1e-5 * statistics.sd + last_digit).all()


def in_batches_of(monkeypatch, n_frames, shape):
    monkeypatch.setattr(
        "n2v_stem_keras.prediction.tiles.PIXELS_PER_CALL", n_frames * shape[1] * shape[2]
    )


@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_a_movie_comes_back_in_order_in_its_units(either, tiny_movie, context):
    series = series_of(tiny_movie, context)
    statistics = series.statistics
    standard = statistics.standardise(tiny_movie)
    outputs = list(denoise_movie(either, series))
    assert len(outputs) == len(tiny_movie)
    for t, output in enumerate(outputs):
        sample, _ = series.sample(t, either.config)
        assert np.array_equal(sample[..., :2], standard[t])
        expected = either(sample[None])[0] * statistics.sd + statistics.mean
        assert output.dtype == np.float32
        assert_close(output, expected, statistics)


def test_what_the_frames_around_show_makes_a_difference(with_context, tiny_movie):
    """The control: were it not seen, the tests above and below would prove nothing."""
    both, past, none = (
        np.stack(list(denoise_movie(with_context, series_of(tiny_movie, context))))
        for context in ("both", "past", "none")
    )
    sd = tiny_movie.std(axis=(0, 1, 2))
    assert np.array_equal(past[0], none[0])  # nothing comes before the first
    for t in range(1, len(tiny_movie)):
        assert (np.abs(past[t] - none[t]).max(axis=(0, 1)) > 0.1 * sd).all()
    for t in range(len(tiny_movie) - 1):
        assert (np.abs(both[t] - past[t]).max(axis=(0, 1)) > 0.1 * sd).all()


def test_some_frames_of_a_movie_are_what_they_are_in_all_of_it(either, tiny_movie):
    for context in ("both", "past"):
        series = series_of(tiny_movie, context)
        whole = list(denoise_movie(either, series))
        numbers = [4, 1, 5]
        some = list(denoise_movie(either, series, numbers=numbers))
        assert len(some) == 3
        for t, frame in zip(numbers, some):
            assert_close(frame, whole[t], series.statistics)


def test_the_size_of_a_batch_does_not_matter(either, tiny_movie, monkeypatch):
    series, results = series_of(tiny_movie), []
    for n_frames in (1, 2, 4, 100):
        in_batches_of(monkeypatch, n_frames, tiny_movie.shape)
        results.append(np.stack(list(denoise_movie(either, series))))
    for other in results[1:]:
        assert_close(other, results[0], series.statistics)


def test_a_movie_is_read_a_batch_at_a_time(either, tiny_movie, monkeypatch):
    in_batches_of(monkeypatch, 2, tiny_movie.shape)

    class Lazy:
        shape, read = tiny_movie.shape, []

        def __len__(self):
            return len(tiny_movie)

        def __getitem__(self, t):
            self.read.append(t)
            return tiny_movie[t]

    frames = Lazy()
    series = Series("movie", frames, scan(tiny_movie))
    series.look_around("past")
    outputs = denoise_movie(either, series)
    assert frames.read == []
    each = 2 if either.config.unet_context else 1  # once more for those after it
    for t, _ in enumerate(outputs):
        seen = list(range(t // 2 * 2 + 2))
        assert sorted(frames.read) == sorted(each * seen)


def movie_and_stream(network, movie, statistics, **options):
    """Denoise a movie, and the same as a stream."""
    series = Series("movie", movie, statistics)
    series.look_around("past")
    yield denoise_movie(network, series, **options)
    yield denoise_stream(network, movie, known(statistics), **options)


def test_the_input_is_left_alone_and_the_output_is_the_same_to_the_bit(either, tiny_movie):
    before, statistics = tiny_movie.copy(), scan(tiny_movie)
    for tta in (False, True):
        runs = [movie_and_stream(either, tiny_movie, statistics, tta=tta) for _ in range(2)]
        first, second = ([list(run) for run in both] for both in runs)
        assert np.array_equal(first, second)
        assert np.array_equal(tiny_movie, before)
    series = series_of(tiny_movie)
    first, second = (np.stack(list(denoise_movie(either, series))) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(tiny_movie, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_not_finite_is_named(either, tiny_movie, bad):
    film = series_of(tiny_movie, name="film.tif")
    tiny_movie[3, 5, 6, 1] = bad
    for run in movie_and_stream(either, tiny_movie, film.statistics):
        with pytest.raises(DataError, match=r"frame 3 has [01] NaN and [01] infinite pixels"):
            list(run)
    with pytest.raises(DataError, match=r"^film\.tif: frame 3"):
        list(denoise_movie(either, film))


def test_new_weights_are_used_at_once():
    network = denoiser()
    frames = images(1, 16, 16, 2)
    before = network(frames)
    weights = network.engine.network.get_weights()
    network.engine.network.set_weights([2 * w for w in weights])
    assert not np.allclose(network(frames), before, atol=1e-3)


# Streams


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("context", ["past", "none"])
def test_a_stream_gives_what_the_movie_gives(either, tiny_movie, tta, context):
    statistics = scan(tiny_movie)
    for n_frames in range(1, len(tiny_movie) + 1):
        part = Series("movie", tiny_movie[:n_frames], statistics)
        part.look_around(context)
        expected = np.stack(list(denoise_movie(either, part, tta=tta)))
        options = {"tta": tta, "context": context}
        streamed = denoise_stream(either, iter(part.frames), known(statistics), **options)
        streamed = np.stack(list(streamed))
        assert streamed.shape == expected.shape
        assert_close(streamed, expected, statistics)


def test_a_stream_answers_at_once(either, tiny_movie):
    given = []

    def frames():
        for t, frame in enumerate(tiny_movie):
            given.append(t)
            yield frame

    for t, _ in enumerate(denoise_stream(either, frames(), known(scan(tiny_movie)))):
        assert given == list(range(t + 1))


def test_a_stream_may_reuse_its_buffer(either, tiny_movie):
    """A camera hands out one array again and again."""
    statistics = known(scan(tiny_movie))
    buffer = np.empty_like(tiny_movie[0])

    def camera():
        for frame in tiny_movie:
            buffer[:] = frame
            yield buffer

    expected = list(denoise_stream(either, tiny_movie, statistics))
    found = list(denoise_stream(either, camera(), statistics))
    assert np.array_equal(found, expected)


def test_an_empty_stream_gives_nothing(either):
    assert list(denoise_stream(either, [], known(UNIT))) == []


def test_a_new_movie_in_a_stream_begins_anew(either, tiny_movie):
    statistics = known(scan(tiny_movie))
    parts = tiny_movie[:4], tiny_movie[4:]
    alone = [frame for part in parts for frame in denoise_stream(either, part, statistics)]
    marked = [NEW_MOVIE, *parts[0], NEW_MOVIE, NEW_MOVIE, *parts[1], NEW_MOVIE]
    assert np.array_equal(list(denoise_stream(either, marked, statistics)), alone)
    together = list(denoise_stream(either, tiny_movie, statistics))
    assert np.array_equal(together, alone) is not either.config.unet_context


def test_frames_of_another_size_in_a_stream_begin_anew(either, tiny_movie):
    statistics = known(scan(tiny_movie))
    parts = tiny_movie[:4], tiny_movie[4:, :16]
    alone = [frame for part in parts for frame in denoise_stream(either, part, statistics)]
    together = list(denoise_stream(either, [*parts[0], *parts[1]], statistics))
    assert len(together) == 6
    for found, expected in zip(together, alone):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("context", [False, True])
def test_integer_frames_are_welcome(context):
    network = denoiser(unet_context=context)
    movie = np.random.default_rng(0).poisson(30, (3, 16, 16, 2)).astype(np.uint16)
    statistics, floats = scan(movie), movie.astype(float)
    expected = list(denoise_movie(network, series_of(floats)))
    assert np.array_equal(list(denoise_movie(network, series_of(movie))), expected)
    expected = list(denoise_stream(network, floats, known(statistics)))
    assert np.array_equal(list(denoise_stream(network, movie, known(statistics))), expected)


# Context


def test_a_network_never_sees_the_frame_itself_in_what_others_know_of_it(
    with_context, tiny_movie, monkeypatch
):
    """Were it there, its noise would be no secret to the network."""
    statistics = scan(tiny_movie)
    tiny_movie[3, 10, 20] += 40 * statistics.sd
    seen = []

    def watch(self, frames, n_tiles=None, tta=False, around=None):
        seen.extend(frames if around is None else np.concatenate([frames, around], axis=-1))
        return frames[..., :2]

    monkeypatch.setattr(Denoiser, "__call__", watch)
    around = MovieContext(tiny_movie, statistics, still(6), 24)
    film = Series("film", tiny_movie, statistics, context=around)
    list(denoise_movie(with_context, film))
    assert [(f[10, 20, 2:] > 5).any() for f in seen] == [True] * 3 + [False] + [True] * 2
    assert [(f[10, 20, :2] > 20).all() for f in seen] == [False] * 3 + [True] + [False] * 2
    for run in movie_and_stream(with_context, tiny_movie, statistics):
        seen.clear()
        list(run)
        assert [(f[..., 2:] > 5).any() for f in seen] == [False] * 4 + [True] * 2
