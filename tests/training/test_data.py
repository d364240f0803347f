"""Movies -> batches: splits without leaks, samples as pure functions of (seed, epoch, index)."""

import numpy as np
import pytest

from n2v_stem_keras.config import N2VStemConfig
from n2v_stem_keras.noise.margins import FilledFrames
from n2v_stem_keras.normalize import DataError, scan
from n2v_stem_keras.temporal import jumps
from n2v_stem_keras.temporal.context import Draw, MovieContext
from n2v_stem_keras.temporal.evidence import no_evidence
from n2v_stem_keras.temporal.registration import still
from n2v_stem_keras.training import data as data_module
from n2v_stem_keras.training.data import (
    BlindSpotData,
    Region,
    early_epochs,
    split,
    validation_pitch,
)

CONFIG = N2VStemConfig.preset(
    "laptop",
    unet_n_depth=2,
    unet_n_first=2,
    n2v_patch_shape=(32, 32),
    train_batch_size=3,
    unet_context=False,
)
AROUND = CONFIG.replace(unet_context=True)
either = pytest.mark.parametrize("config", [CONFIG, AROUND], ids=["alone", "with context"])


def make_data(movies, config=CONFIG, regions=None):
    statistics = [scan(movie) for movie in movies]
    if regions is None:
        frames = [tuple(range(len(m))) for m in movies]
        regions, _ = split(frames, [m.shape for m in movies], config)
    contexts = None
    if config.unet_context:
        contexts = [MovieContext(m, s, still(len(m)), 3) for m, s in zip(movies, statistics)]
    return BlindSpotData(movies, statistics, regions, config, contexts=contexts)


def numbered_movie(n_frames, shape=(64, 64), n_detectors=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(100, 10, (n_frames, *shape, n_detectors)).astype(np.float32)


# -- split ----------------------------------------------------------------------------------------
def test_three_movies_are_split_whole():
    shapes = [(4, 64, 64, 2)] * 10
    training, validation = split([tuple(range(4))] * 10, shapes, CONFIG)
    held = {r.movie for r in validation}
    assert len(held) == 1
    assert held.isdisjoint(r.movie for r in training)
    assert len(training) == 9


def test_one_movie_is_split_in_time_with_a_gap():
    training, validation = split([tuple(range(100))], [(100, 64, 64, 2)], CONFIG)
    assert validation[0].frames == tuple(range(90, 100))
    assert max(training[0].frames) < 90 - 1  # at least one frame lies between


def test_a_single_frame_is_split_in_space_with_a_gap():
    training, validation = split([(0,)], [(1, 128, 64, 2)], CONFIG)
    (_, stop), (start, end) = training[0].rows, validation[0].rows
    assert end == 128
    assert start - stop >= 2 * CONFIG.n2v_neighborhood_radius


def test_frames_too_small_to_split_say_so():
    with pytest.raises(DataError, match=r"expected at least \d+.*validation_data"):
        split([(0,)], [(1, 16, 64, 2)], CONFIG)


def test_frame_step_takes_every_other_frame():
    config = CONFIG.replace(train_frame_step=2)
    training, _ = split([tuple(range(100))], [(100, 64, 64, 2)], config)
    assert set(np.diff(training[0].frames)) == {2}


def test_blank_frames_are_in_neither_part():
    frames = tuple(t for t in range(50) if t % 7)
    training, validation = split([frames], [(50, 64, 64, 2)], CONFIG)
    used = training[0].frames + validation[0].frames
    assert not [t for t in used if t % 7 == 0]


def test_fraction_zero_holds_nothing_out():
    config = CONFIG.replace(train_validation_fraction=0.0)
    training, validation = split([tuple(range(9))], [(9, 64, 64, 2)], config)
    assert validation == []
    assert training[0].frames == tuple(range(9))


# -- samples --------------------------------------------------------------------------------------
@either
def test_samples_are_pure_functions_of_epoch_and_index(config):
    a, b = make_data([numbered_movie(6)], config), make_data([numbered_movie(6)], config)
    forwards = [a.crop(3, i) for i in range(8)]
    backwards = [b.crop(3, i) for i in reversed(range(8))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert not np.array_equal(a.crop(3, 0), a.crop(4, 0))
    assert not np.array_equal(a.crop(3, 0), a.crop(3, 1))


@either
@pytest.mark.parametrize("guided", [False, True])
def test_nothing_is_learnt_from_rows_that_say_nothing(config, guided):
    """Blind pixels lie in none of them, of that detector; elsewhere where they would lie, too."""
    movie = numbered_movie(6)
    broken = movie.copy()
    broken[2, ..., 1], broken[4, 20:, :, 0] = 0, 0
    data, sound = make_data([broken], config), make_data([movie], config)
    if guided:
        data.guides, sound.guides = [broken], [movie]
    empty = (0 - data.statistics[0].mean) / data.statistics[0].sd

    def batches(of):
        return [batch for _, batch in zip(range(12), of.training(0, 6).as_numpy_iterator())]

    n_hidden = n_left_out = 0
    for (_, y), (_, whole) in zip(batches(data), batches(sound)):
        values, mask, expected = y[..., :2], y[..., 2:4], whole[..., 2:4]
        gaps = np.isclose(values, empty, atol=1e-6)
        assert not mask[gaps].any()
        np.testing.assert_array_equal(mask[~gaps], expected[~gaps])
        n_hidden, n_left_out = n_hidden + mask.sum(), n_left_out + expected[gaps].sum()
        assert y.shape == whole.shape
    assert n_hidden > n_left_out > 0
    x, y = make_data([broken], config).validation()
    assert x.shape[-1] == config.n_channel_in
    assert not y[..., 2:][np.isclose(y[..., :2], empty, atol=1e-6)].any()


@either
def test_a_pipeline_that_starts_later_continues_the_same_sequence(config):
    data = make_data([numbered_movie(6)], config)
    whole = [batch for _, batch in zip(range(6), data.training(0, 6).as_numpy_iterator())]
    later = [batch for _, batch in zip(range(2), data.training(2, 6).as_numpy_iterator())]
    for (x, y), (x_later, y_later) in zip(whole[4:], later):
        np.testing.assert_array_equal(x, x_later)
        np.testing.assert_array_equal(y, y_later)


def test_the_first_epochs_have_a_pitch_of_their_own():
    def hidden(config, first, n, early_until=0):
        batches = make_data([numbered_movie(6)], config).training(first, 6, early_until)
        return [batch[1][..., 2:] for _, batch in zip(range(n), batches.as_numpy_iterator())]

    both = CONFIG.replace(n2v_pitch=8, n2v_early_pitch=6)
    dense, wide = (hidden(both.replace(n2v_pitch=pitch), 0, 8) for pitch in (6, 8))
    assert not np.array_equal(dense, wide)
    expected = dense[:4] + wide[4:]  # two epochs of two batches each
    np.testing.assert_array_equal(hidden(both, 0, 8, 2), expected)
    np.testing.assert_array_equal(hidden(both, 1, 4, 2), expected[2:6])  # resumed before the change
    np.testing.assert_array_equal(hidden(both, 2, 2, 2), expected[4:6])  # and at it


@pytest.mark.parametrize(
    ("noise_to_sd", "expected"),
    [
        ([[0.99, 0.94]], 6),  # one detector is enough: signal 0.14 and 0.36 noise sigmas
        ([[0.99, 0.99]], 0),
        ([[0.94, 0.99], [0.99, 0.99]], 6),  # mean over movies 0.253
        ([[0.945, 0.99], [0.99, 0.99]], 0),  # 0.244
        ([[np.nan, 0.94]], 6),  # a blank detector
        ([[0.0, 0.99]], 6),  # no noise at all
        ([[1.1, 1.2]], 0),  # an estimate may lie above the standard deviation
    ],
)
def test_the_first_epochs_have_a_denser_grid_where_the_signal_is_strong(noise_to_sd, expected):
    config = CONFIG.replace(n2v_early_pitch=2)
    assert early_epochs(config, 15, noise_to_sd) == expected
    assert early_epochs(config.replace(n2v_early_pitch=None), 15, noise_to_sd) == 0


@either
def test_targets_hold_the_original_and_the_mask(config):
    data = make_data([numbered_movie(6)], config)
    x, y = next(data.training(0, 6).as_numpy_iterator())
    assert x.shape == (3, 32, 32, config.n_channel_in)
    assert y.shape == (3, 32, 32, 4)
    x = x[..., :2]
    original, mask = y[..., :2], y[..., 2:]
    assert set(np.unique(mask)) == {0, 1}
    np.testing.assert_array_equal((x != original), mask == 1)  # continuous noise: never equal
    masks = mask.reshape(3, -1)
    assert not np.array_equal(masks[0], masks[1])  # per-sample masks


def test_each_frame_has_its_turn_in_a_pass():
    movie = np.arange(9, dtype=np.float32)[:, None, None, None] * np.ones((9, 32, 32, 1))
    movie = movie + np.random.default_rng(0).normal(0, 1e-3, movie.shape)
    config = CONFIG.replace(
        channels=("ADF",), n2v_patch_shape=(32, 32), train_validation_fraction=0.0
    )
    data = make_data([movie], config)
    mean, sd = data.statistics[0].mean, data.statistics[0].sd
    seen = sorted(round(float(data.crop(0, i).mean() * sd[0] + mean[0])) for i in range(9))
    assert seen == list(range(9))


def test_crops_reach_all_borders():
    movie = np.zeros((1, 40, 44, 1), np.float32)
    movie[0, 0, 0], movie[0, -1, -1] = 1, -1
    movie += np.random.default_rng(0).normal(0, 1e-4, movie.shape)
    config = CONFIG.replace(channels=("ADF",), train_validation_fraction=0.0, train_augment=False)
    data = make_data([movie], config)
    crops = np.stack([data.crop(0, i)[..., 0] for i in range(600)])
    assert (crops[:, 0, 0] > 3).any()
    assert (crops[:, -1, -1] < -3).any()


def test_no_augmentation_unless_asked_for():
    movie = numbered_movie(1, (32, 32))
    regions = [Region(0, (0,), (0, 32))]
    plain = make_data([movie], CONFIG.replace(train_augment=False), regions)
    expected = plain.statistics[0].standardise(movie[0])
    for i in range(5):
        np.testing.assert_array_equal(plain.crop(0, i), expected)
    turned = make_data([movie], CONFIG, regions)
    variants = {turned.crop(0, i).tobytes() for i in range(100)}
    assert len(variants) == 8


def place_coded_movie(n_frames=3, shape=(64, 48), n_detectors=3):
    """Each pixel tells its frame and place, equally in all detectors, before standardisation."""
    t, y, x = np.indices((n_frames, *shape))
    return np.repeat(((t * 100 + y) * 100 + x)[..., None], n_detectors, -1).astype(float)


def places(data, n=40):
    """Frame, row and column of the corner of crops, per detector: (n, 3, C)."""
    found = []
    for i in range(n):
        crop = data.statistics[0].restore(data.crop(0, i).astype(float))
        corner = np.rint(crop[0, 0]).astype(int)
        found.append([corner // 10000, corner // 100 % 100, corner % 100])
    return np.array(found)


def test_detectors_are_cropped_at_one_place():
    config = CONFIG.replace(channels=("A", "B", "C"), train_augment=False)
    found = places(make_data([place_coded_movie()], config, [Region(0, (0, 1, 2), (0, 64))]))
    assert (found == found[..., :1]).all()


def test_no_quarter_turns_with_a_blind_spot_along_x():
    movie = numbered_movie(1, (32, 32))
    config = CONFIG.replace(n2v_span=(1, 3), n2v_pitch=10)
    data = make_data([movie], config, [Region(0, (0,), (0, 32))])
    expected = data.statistics[0].standardise(movie[0])
    flips = {expected[::a, ::b].tobytes() for a in (1, -1) for b in (1, -1)}
    assert {data.crop(0, i).tobytes() for i in range(60)} == flips


def test_movies_of_different_sizes_share_a_crop_size():
    movies = [numbered_movie(5, (64, 48)), numbered_movie(5, (37, 90), seed=1)]
    data = make_data(movies, CONFIG.replace(n2v_patch_shape=None))
    assert data.patch_shape == (36, 48)
    assert data.crop(0, 0).shape == (36, 48, 2)


def test_crops_of_aligned_frames_are_no_larger_than_what_lies_between_the_margins():
    movie = np.random.default_rng(0).normal(size=(4, 64, 96, 1)).astype(np.float32)
    for t, frame in enumerate(movie):
        frame[: 3 * t] = frame[:, : 2 * t] = 0
    frames = FilledFrames(movie)
    regions = [Region(0, (0, 1, 2, 3), (0, 64))]
    config = CONFIG.replace(channels=("ADF",), n2v_patch_shape=None)
    data = BlindSpotData([frames], [scan(frames)], regions, config)
    multiple = config.size_multiple
    assert data.patch_shape == (55 // multiple * multiple, 90 // multiple * multiple)


def test_each_movie_is_standardised_by_itself():
    movies = [numbered_movie(5), numbered_movie(5, seed=1) * 7 + 1000]
    data = make_data(movies)
    crops = np.stack([data.crop(0, i) for i in range(40)])
    means = crops.mean(axis=(1, 2, 3))
    assert np.abs(means).max() < 0.2  # without it, one of the movies would lie far off


def test_frames_are_read_only_when_needed_and_input_is_untouched():
    movie = numbered_movie(20)
    before = movie.copy()
    reads = []

    class Lazy:
        shape = movie.shape

        def __len__(self):
            return len(movie)

        def __getitem__(self, t):
            reads.append(t)
            return movie[t]

    lazy = Lazy()
    data = make_data([lazy])
    reads.clear()
    data.crop(0, 0)
    assert len(reads) == 1
    np.testing.assert_array_equal(movie, before)


def test_a_reader_that_fails_is_remembered():
    movie = numbered_movie(6)

    class Broken:
        shape = movie.shape
        broken = False

        def __len__(self):
            return len(movie)

        def __getitem__(self, t):
            if self.broken:
                raise OSError(f"frame {t} is gone")
            return movie[t]

    lazy = Broken()
    data = make_data([lazy])
    lazy.broken = True
    with pytest.raises(Exception, match="is gone"):
        next(data.training(0, 6).as_numpy_iterator())
    assert isinstance(data.error, OSError)


# -- context --------------------------------------------------------------------------------------
def test_context_follows_the_frame_and_is_not_blinded():
    data = make_data([numbered_movie(8)], AROUND)
    x, _ = next(data.training(0, 6).as_numpy_iterator())
    for i in range(3):
        crop = data.crop(0, i)
        np.testing.assert_array_equal(x[i, ..., 2:], crop[..., 2:])
        assert not np.array_equal(x[i, ..., :2], crop[..., :2])


def test_context_is_cut_and_turned_with_its_frame(monkeypatch):
    """All frames show the same, and so does their mean."""
    monkeypatch.setattr(MovieContext, "draw_jumps", lambda *given: [])
    movie = np.repeat(numbered_movie(1), 6, axis=0)
    data, seen = make_data([movie], AROUND), 0
    for i in range(60):
        frame, share, mean, _, near = np.split(data.crop(0, i), 5, axis=-1)
        if share[0, 0, 0] < 1:
            np.testing.assert_allclose(mean, frame, atol=1e-5)
            np.testing.assert_allclose(near, frame, atol=1e-5)
            seen += 1
    assert seen > 30


def test_in_training_others_jump_and_the_frame_does_not(monkeypatch):
    data = make_data([numbered_movie(30)], AROUND)
    jumping = [data.crop(0, i) for i in range(20)]
    monkeypatch.setattr(jumps, "draw", lambda *given: [])
    resting = [data.crop(0, i) for i in range(20)]
    # what is drawn after the jumps, flips and turns, is another random number
    assert all(np.isin(a[..., :2], b[..., :2]).all() for a, b in zip(jumping, resting))
    others = [not np.isin(a[..., 4:6], b[..., 4:6]).all() for a, b in zip(jumping, resting)]
    assert sum(others) > 5


def test_training_samples_see_as_many_frames_as_are_drawn():
    """From none to all within reach, as one model shall serve all contexts."""
    data = make_data([numbered_movie(30)], AROUND.replace(train_validation_fraction=0.0))
    n_others = [round(1 / data.crop(0, i)[0, 0, 2] - 1) for i in range(200)]
    assert set(n_others) == set(range(7))  # three before and three after
    assert n_others.count(0) > 40
    assert n_others.count(6) > 60


def test_without_a_draw_a_sample_sees_what_prediction_shows():
    data = make_data([numbered_movie(8)], AROUND)
    (context,) = data.contexts
    place = ((5, 9), data.patch_shape)
    for t in (0, 4):
        sample = data.read(0, t, place[0])
        np.testing.assert_array_equal(sample[..., 2:], context.images(t, place))
    rng = np.random.default_rng(5)
    drawn = data.read(0, 4, place[0], np.random.default_rng(5))
    draw = Draw.at(rng, 4, 8, context.reach)
    expected = context.images(4, place, draw, context.draw_jumps(rng, place, draw))
    np.testing.assert_array_equal(drawn[..., 2:], expected)


def test_where_no_other_frames_are_known_a_frame_stands_alone():
    movie = numbered_movie(1)
    data = BlindSpotData([movie], [scan(movie)], [Region(0, (0,), (0, 64))], AROUND)
    np.testing.assert_array_equal(data.crop(0, 0)[..., 2:], no_evidence((32, 32, 2)))


BIG = CONFIG.replace(n2v_patch_shape=(128, 128))  # few large crops hold many blind pixels
ENOUGH = 20_000  # blind pixels, instead of 100 000


# -- validation -----------------------------------------------------------------------------------
@pytest.mark.parametrize("pitch", [6, 24])
@pytest.mark.parametrize("span", [(1, 1), (1, 3)])
def test_validation_has_enough_blind_pixels_per_detector(pitch, span, monkeypatch):
    monkeypatch.setattr(data_module, "MIN_VALIDATION_PIXELS", ENOUGH)
    config = BIG.replace(n2v_pitch=max(pitch, 2 * 2 + max(span) + 1), n2v_span=span)
    data = make_data([numbered_movie(8, (128, 128))], config)
    x, y = data.validation()
    counts = y[..., 2:].sum(axis=(0, 1, 2))
    assert (counts >= ENOUGH).all()
    assert (counts < 1.2 * ENOUGH).all()
    assert len(x) == len(y)


@pytest.mark.parametrize("context", [False, True])
def test_validation_is_the_same_each_time(context, monkeypatch):
    monkeypatch.setattr(data_module, "MIN_VALIDATION_PIXELS", ENOUGH)
    config = BIG.replace(n2v_pitch=8, unet_context=context)
    first, second = (
        make_data([numbered_movie(8, (128, 128))], config).validation() for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert first[0].shape[-1] == config.n_channel_in


def test_validation_sees_all_frames_that_prediction_does(monkeypatch):
    monkeypatch.setattr(data_module, "MIN_VALIDATION_PIXELS", ENOUGH)
    config = BIG.replace(n2v_pitch=8, unet_context=True)
    regions = [Region(0, (9, 10, 11), (0, 128))]  # of twelve: five, four and three around each
    x, _ = make_data([numbered_movie(12, (128, 128))], config, regions).validation()
    assert set(np.rint(1 / x[:, 0, 0, 2] - 1)) == {5, 4, 3}


def test_validation_grid_is_never_sparser_than_training():
    assert validation_pitch(CONFIG.replace(n2v_pitch=24)) == 8
    assert validation_pitch(CONFIG.replace(n2v_pitch=6)) == 6
    assert validation_pitch(CONFIG.replace(n2v_pitch=40, n2v_jitter=2, n2v_span=(1, 9))) == 14


def test_all_frames_of_the_held_block_are_used():
    movie = np.arange(10, dtype=np.float32)[:, None, None, None] * np.ones((10, 128, 128, 1))
    movie = movie + np.random.default_rng(0).normal(0, 1e-3, movie.shape)
    config = BIG.replace(channels=("ADF",))
    regions = [Region(0, (6, 7, 8, 9), (0, 128))]
    data = make_data([movie], config, regions)
    _, y = data.validation()
    values = y[..., 0].mean(axis=(1, 2)) * data.statistics[0].sd[0] + data.statistics[0].mean[0]
    assert set(np.round(values).astype(int)) == {6, 7, 8, 9}


def test_nothing_but_blank_frames_is_an_error():
    with pytest.raises(DataError, match="blank"):
        make_data([numbered_movie(4)], CONFIG, [Region(0, (), (0, 64))])
