"""Prediction: tiles, batches, flips and streams give what one whole frame gives."""

import itertools

import numpy as np
import pytest
from networks import strong_network

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.normalize import DataError, MovieStatistics, scan
from n2v_stem_keras.prediction.engines import TensorFlowEngine
from n2v_stem_keras.prediction.stream import KnownStatistics, denoise_stream
from n2v_stem_keras.prediction.tiles import Denoiser, denoise_movie, tile_spans
from n2v_stem_keras.series import context_indices

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


@pytest.fixture(scope="module", params=[0, 1, 2], ids=lambda k: f"{k} context frames")
def with_context_frames(request):
    return denoiser(n2v_context_frames=request.param, unet_n_depth=1)


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


def test_a_movie_comes_back_in_order_in_its_units(with_context_frames, tiny_movie):
    k = with_context_frames.config.n2v_context_frames
    statistics = scan(tiny_movie)
    standard = statistics.standardise(tiny_movie)
    outputs = list(denoise_movie(with_context_frames, tiny_movie, statistics))
    assert len(outputs) == len(tiny_movie)
    for t, output in enumerate(outputs):
        seen = [standard[t], *(standard[i] for i in context_indices(t, len(tiny_movie), k))]
        alone = with_context_frames(np.concatenate(seen, axis=-1)[None])[0]
        expected = alone * statistics.sd + statistics.mean
        assert output.dtype == np.float32
        assert_close(output, expected, statistics)


def test_the_size_of_a_batch_does_not_matter(with_context_frames, tiny_movie, monkeypatch):
    statistics = scan(tiny_movie)
    results = []
    for n_frames in (1, 2, 4, 100):
        in_batches_of(monkeypatch, n_frames, tiny_movie.shape)
        results.append(np.stack(list(denoise_movie(with_context_frames, tiny_movie, statistics))))
    for other in results[1:]:
        assert_close(other, results[0], statistics)


def test_a_movie_is_read_a_batch_at_a_time(depth_2, tiny_movie, monkeypatch):
    in_batches_of(monkeypatch, 2, tiny_movie.shape)

    class Lazy:
        shape, read = tiny_movie.shape, []

        def __len__(self):
            return len(tiny_movie)

        def __getitem__(self, t):
            self.read.append(t)
            return tiny_movie[t]

    frames = Lazy()
    outputs = denoise_movie(depth_2, frames, scan(tiny_movie))
    assert frames.read == []
    for t, _ in enumerate(outputs):
        assert frames.read == list(range(t // 2 * 2 + 2))


def test_the_input_is_left_alone_and_the_output_is_the_same_to_the_bit(
    with_context_frames, tiny_movie
):
    before, statistics = tiny_movie.copy(), scan(tiny_movie)
    for run, of in ((denoise_movie, statistics), (denoise_stream, known(statistics))):
        for tta in (False, True):
            first, second = (
                np.stack(list(run(with_context_frames, tiny_movie, of, tta=tta))) for _ in range(2)
            )
            assert np.array_equal(first, second)
            assert np.array_equal(tiny_movie, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_not_finite_is_named(with_context_frames, tiny_movie, bad):
    statistics = scan(tiny_movie)
    tiny_movie[3, 5, 6, 1] = bad
    for run, of in ((denoise_movie, statistics), (denoise_stream, known(statistics))):
        with pytest.raises(DataError, match=r"frame 3 has [01] NaN and [01] infinite pixels"):
            list(run(with_context_frames, tiny_movie, of))
    with pytest.raises(DataError, match=r"^film\.tif: frame 3"):
        list(denoise_movie(with_context_frames, tiny_movie, statistics, name="film.tif"))


def test_new_weights_are_used_at_once():
    network = denoiser()
    frames = images(1, 16, 16, 2)
    before = network(frames)
    weights = network.engine.network.get_weights()
    network.engine.network.set_weights([2 * w for w in weights])
    assert not np.allclose(network(frames), before, atol=1e-3)


# Streams


@pytest.mark.parametrize("tta", [False, True])
def test_a_stream_gives_what_the_movie_gives(with_context_frames, tiny_movie, tta):
    statistics = scan(tiny_movie)
    k = with_context_frames.config.n2v_context_frames
    for n_frames in range(2 * k + 1, len(tiny_movie) + 1):
        part = tiny_movie[:n_frames]
        expected = np.stack(list(denoise_movie(with_context_frames, part, statistics, tta=tta)))
        streamed = np.stack(
            list(denoise_stream(with_context_frames, iter(part), known(statistics), tta=tta))
        )
        assert streamed.shape == expected.shape
        assert_close(streamed, expected, statistics)


def test_a_stream_answers_as_soon_as_the_context_is_there(with_context_frames, tiny_movie):
    k = with_context_frames.config.n2v_context_frames
    given, delays = [], []

    def frames():
        for t, frame in enumerate(tiny_movie):
            given.append(t)
            yield frame

    for t, _ in enumerate(denoise_stream(with_context_frames, frames(), known(scan(tiny_movie)))):
        delays.append(given[-1] - t)
    # the first k + 1 wait for the frames that they are mirrored about, the last k for nothing
    n_frames = len(tiny_movie)
    expected = [2 * k - t if t <= k else min(k, n_frames - 1 - t) for t in range(n_frames)]
    assert delays == expected


def test_a_stream_may_reuse_its_buffer(with_context_frames, tiny_movie):
    """A camera hands out one array again and again."""
    statistics = known(scan(tiny_movie))
    buffer = np.empty_like(tiny_movie[0])

    def camera():
        for frame in tiny_movie:
            buffer[:] = frame
            yield buffer

    expected = list(denoise_stream(with_context_frames, tiny_movie, statistics))
    found = list(denoise_stream(with_context_frames, camera(), statistics))
    assert np.array_equal(found, expected)


def test_an_empty_stream_gives_nothing(with_context_frames):
    assert list(denoise_stream(with_context_frames, [], known(UNIT))) == []


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4])
def test_a_stream_too_short_for_its_context_is_an_error(n_frames):
    network = denoiser(n2v_context_frames=2, unet_n_depth=1)
    frames = images(n_frames, 8, 8, 2)
    with pytest.raises(ValueError, match=f"ended after {n_frames} frames, expected at least 5"):
        list(denoise_stream(network, frames, known(UNIT)))


def test_integer_frames_are_welcome(depth_2):
    movie = np.random.default_rng(0).poisson(30, (3, 16, 16, 2)).astype(np.uint16)
    statistics = scan(movie)
    expected = list(denoise_movie(depth_2, movie.astype(float), statistics))
    assert np.array_equal(list(denoise_movie(depth_2, movie, statistics)), expected)
    expected = list(denoise_stream(depth_2, movie.astype(float), known(statistics)))
    assert np.array_equal(list(denoise_stream(depth_2, movie, known(statistics))), expected)


# Context


def test_inside_of_a_movie_the_context_is_the_frames_around():
    assert context_indices(5, 11, 2) == [3, 4, 6, 7]
    assert context_indices(5, 11, 0) == []


@pytest.mark.parametrize("n_context", [1, 2, 3, 8])
def test_a_frame_is_never_its_own_neighbour(n_context):
    for n_frames in range(2 * n_context + 1, 2 * n_context + 6):
        for t in range(n_frames):
            near = context_indices(t, n_frames, n_context)
            assert len(near) == 2 * n_context
            assert t not in near
            assert all(0 <= i < n_frames for i in near)
            # at the distance it should have, mirrored or not
            distances = [*range(n_context, 0, -1), *range(1, n_context + 1)]
            assert [abs(i - t) for i in near] == distances
            for offset, i in zip([*range(-n_context, 0), *range(1, n_context + 1)], near):
                assert i == (t + offset if 0 <= t + offset < n_frames else t - offset)


def test_what_a_network_sees_as_context_is_never_the_frame_itself(monkeypatch):
    """Were the frame its own neighbour, its noise would be no secret to the network."""
    network = denoiser(n2v_context_frames=2, unet_n_depth=1)
    movie = np.ones((7, 8, 8, 2), np.float32) * np.arange(7, dtype=np.float32)[:, None, None, None]
    movie[..., 1] += 100
    seen = []

    def watch(self, frames, *args):
        seen.extend(frames[:, 0, 0].reshape(len(frames), 5, 2))
        return frames[..., :2]

    monkeypatch.setattr(Denoiser, "__call__", watch)
    for run, of in ((denoise_movie, UNIT), (denoise_stream, known(UNIT))):
        seen.clear()
        list(run(network, movie, of))
        assert len(seen) == 7
        for t, frames in enumerate(seen):
            assert frames[:, 0].tolist() == [t, *context_indices(t, 7, 2)]
            assert (frames[:, 1] == frames[:, 0] + 100).all()
