"""Which frames are looked at, how far, and that a frame never sees its own noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.noise.margins import FilledFrames
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.temporal.context import Draw, FollowedPast, MovieContext, PastContext
from n2v_stem_keras.temporal.evidence import no_evidence
from n2v_stem_keras.temporal.registration import MAX_LAG, Registration, still

SHAPE = (40, 48, 2)
N = 9


def movie(n_frames=N, seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    # as smooth as a probe draws
    image = gaussian_filter(np.random.default_rng(99).normal(size=shape), (2, 2, 0)) * 7
    return (image + rng.normal(size=(n_frames, *shape))).astype(np.float32)


def context_of(frames, registration=None, reach=24):
    return MovieContext(frames, scan(frames), registration or still(len(frames)), reach)


def placed(places, scene=None, correlation=None):
    n = len(places)
    scene = np.zeros(n, int) if scene is None else np.asarray(scene)
    correlation = np.zeros((n, MAX_LAG)) if correlation is None else correlation
    return Registration(np.asarray(places, float), scene, correlation)


@pytest.mark.parametrize("t", [0, 4, N - 1])
def test_the_frame_itself_says_nothing(t):
    frames = movie()
    statistics = scan(frames)
    before = MovieContext(frames, statistics, still(N), 24).images(t)
    changed = frames.copy()
    changed[t] += 1000 * np.random.default_rng(1).normal(size=SHAPE)
    assert_array_equal(MovieContext(changed, statistics, still(N), 24).images(t), before)
    past = PastContext(frames, statistics).images(t)[..., 2:4]
    others = PastContext(changed, statistics).images(t)[..., 2:4]
    # the drift is found with the frame, and so may change; its pixels do not come through
    assert np.abs(past - others).max() < 10


def test_the_mean_is_that_of_the_other_frames():
    frames = movie()
    statistics = scan(frames)
    mean = context_of(frames).images(3)[..., 2:4]
    others = np.delete(frames, 3, axis=0).mean(axis=0)
    assert_allclose(mean, statistics.standardise(others), atol=1e-5)


def test_reach_and_draw_limit_the_frames():
    context = context_of(movie(), reach=2)
    assert context.neighbours(0) == [1, 2]
    assert context.neighbours(4) == [2, 3, 5, 6]
    assert context.neighbours(4, Draw(1, 0)) == [3]
    assert context.neighbours(4, Draw(0, 0)) == []
    assert_array_equal(context.images(4, draw=Draw(0, 0)), no_evidence(SHAPE))


def test_another_scene_a_blank_frame_and_shared_noise_are_left_out():
    frames = movie()
    frames[2] = 0
    correlation = np.zeros((N, MAX_LAG))
    correlation[5, 0] = 1
    scenes = [0] * 7 + [1] * 2
    context = context_of(frames, placed(np.zeros((N, 2)), scenes, correlation))
    assert context.neighbours(4) == [0, 1, 3, 6]
    assert context.neighbours(8) == [7]


def test_frames_with_rows_that_say_nothing_of_a_detector_are_left_out():
    frames = movie()
    frames[2, ..., 1], frames[5, SHAPE[0] // 2 :, :, 0] = 0, 0
    assert context_of(frames).neighbours(4) == [0, 1, 3, 6, 7, 8]


def test_frames_are_moved_to_where_the_frame_is():
    still_frames = movie(4)
    frames = np.zeros_like(still_frames)
    places = np.array([[0, 0], [1, -2], [2, -5], [4, -7]])
    for t, (y, x) in enumerate(places):
        frames[t] = np.roll(still_frames[t], (y, x), (0, 1))
    context = context_of(frames, placed(places))
    images = context.images(0)
    seen = np.stack([still_frames[t] for t in (1, 2, 3)]).mean(axis=0)
    # what wrapped around at the border is left out
    inner = slice(8, -8), slice(8, -8)
    assert_allclose(images[inner][..., 2:4], scan(frames).standardise(seen)[inner], atol=1e-4)
    assert (images[..., 0] > 0.25 + 1e-3).any()  # fewer frames show the border


def test_a_lattice_is_not_blurred_by_parts_of_a_pixel():
    """Moved by whole pixels, this lattice of 3.3 px would lose a quarter, and its place."""
    places = np.cumsum(np.random.default_rng(4).uniform(-1, 1, (N, 2)), axis=0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    frames = np.stack(
        [
            np.stack([np.cos(2 * np.pi * (y - dy) / 3.3), np.cos(2 * np.pi * (x - dx) / 3.3)], -1)
            for dy, dx in places
        ]
    ).astype(np.float32)
    context = context_of(frames, placed(places))
    inner = slice(10, -10), slice(10, -10)
    for t in (0, 4):
        mean = context.images(t)[..., 2:4]
        itself = context.statistics.standardise(frames[t])
        assert np.abs(mean - itself)[inner].max() < 0.1


def test_frames_without_overlap_say_nothing():
    context = context_of(movie(2), placed([[0, 0], [100, 0]]))
    assert_array_equal(context.images(0), no_evidence(SHAPE))


@pytest.mark.parametrize("place", [((0, 0), (16, 16)), ((24, 32), (16, 16)), ((5, 7), (20, 30))])
@pytest.mark.parametrize("whole_px", [True, False])
def test_a_part_is_cut_out_of_the_whole(place, whole_px):
    places = np.cumsum(np.random.default_rng(2).uniform(-3, 3, (N, 2)), axis=0)
    context = context_of(movie(), placed(np.rint(places) if whole_px else places))
    (y, x), (height, width) = place
    whole = context.images(4)[y : y + height, x : x + width]
    part = context.images(4, place)
    inner = slice(1, -1), slice(1, -1)  # the error is smoothed over 3x3 px
    known = slice(None) if whole_px else [0, 1, 4, 5]
    assert_allclose(part[inner][..., known], whole[inner][..., known], atol=1e-6)
    # moved by parts of a pixel, what lies beyond its border is guessed
    inner = slice(5, -5), slice(5, -5)
    assert_allclose(part[inner], whole[inner], atol=0.1)


def test_draws_show_all_kinds_of_contexts():
    rng = np.random.default_rng(0)
    draws = [Draw.at(rng, 5, 12, 24) for _ in range(2000)]
    alone = sum(d == Draw(0, 0) for d in draws) / 2000
    assert 0.2 < alone < 0.35
    assert sum(d == Draw(5, 6) for d in draws) > 800
    assert {d.before for d in draws if d.after == 0} == set(range(6))
    assert all(0 <= d.before <= 5 and 0 <= d.after <= 6 for d in draws)


def test_a_still_movie_is_looked_through_from_end_to_end():
    frames = movie(12)
    assert MovieContext(frames, scan(frames), still(12)).reach >= 11


def test_where_the_specimen_changes_only_near_frames_are_looked_at():
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=(30, 60, 60, 1))
    # each frame shows what the one before does, but for a fifth
    for t in range(1, 30):
        pattern[t] = 0.8 * pattern[t - 1] + 0.6 * pattern[t]
    frames = (3 * pattern + rng.normal(size=pattern.shape)).astype(np.float32)
    assert MovieContext(frames, scan(frames), still(30)).reach <= 2


def test_the_past_is_the_same_in_whatever_order_it_is_asked_for():
    frames = movie()
    statistics = scan(frames)
    in_order = PastContext(frames, statistics)
    expected = [in_order.images(t) for t in range(N)]
    shuffled = PastContext(frames, statistics)
    for t in (4, 2, 8, 8, 0):
        assert_array_equal(shuffled.images(t), expected[t])


def test_the_past_of_a_frame_is_what_came_before_it():
    frames = movie()
    statistics = scan(frames)
    assert_array_equal(PastContext(frames, statistics).images(0), no_evidence(SHAPE))
    first = PastContext(frames, statistics).images(5)
    changed = frames.copy()
    changed[6:] += 100
    assert_array_equal(PastContext(changed, statistics).images(5), first)


def test_a_repeated_frame_does_not_see_its_own_noise():
    frames = movie(6, shape=(64, 64, 2))
    repeated = np.insert(frames, 3, frames[3], axis=0)
    statistics = scan(repeated)
    share = [PastContext(repeated, statistics).images(t)[..., 0].mean() for t in (3, 4, 5)]
    assert_allclose(share, [1 / 4, 1 / 4, 1 / 6], rtol=0.02)


def test_forgetting_begins_anew():
    frames, known = movie(4), FollowedPast()
    statistics = scan(frames)
    for frame in frames:
        known.images(frame, statistics)
    known.forget()
    assert_array_equal(known.images(frames[0], statistics), no_evidence(SHAPE))


def test_the_past_is_not_told_of_frames_that_were_not_written_to_their_end():
    frames = movie()
    broken = frames.copy()
    broken[3, 20:] = 0
    statistics = scan(broken)
    images = PastContext(broken, statistics).images(5)
    known = FollowedPast()
    for t in range(6):
        expected = known.images(broken[t], statistics, complete=t != 3)
    assert_array_equal(images, expected)
    # four frames before it tell of each pixel, not five
    assert_allclose(images[8:-8, 8:-8, 0].mean(), 1 / 5, rtol=0.02)


def test_what_is_kept_of_it_is_json():
    import json

    described = context_of(movie()).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["frames_sharing_noise"] == 0
    assert described["scenes"] == 1


def test_frames_that_wait_are_added_where_they_were():
    """Means of two frames share noise with the next: they are added two frames later, moved."""
    rng = np.random.default_rng(0)
    image = gaussian_filter(np.random.default_rng(99).normal(size=(128, 128, 1)), (2, 2, 0)) * 14
    noise = rng.normal(size=(9, 128, 128, 1))
    steps = [np.roll(image, (2 * t, -t), (0, 1)) for t in range(8)]
    frames = np.stack([s + (a + b) / 2 for s, a, b in zip(steps, noise, noise[1:])])
    frames = frames.astype(np.float32)
    statistics = scan(frames)
    images = PastContext(frames, statistics).images(7)
    inner = slice(30, -30), slice(30, -30)
    clean = statistics.standardise(steps[7])[inner]
    # of what is moved, not of noise, which moves along
    off = gaussian_filter(images[inner][..., 1:2] - clean, (1, 1, 0))
    assert np.sqrt(np.mean(off**2)) < 0.15


def test_margins_of_other_frames_say_nothing():
    frames = movie()
    aligned = frames.copy()
    aligned[2, :3] = 0
    aligned[2, :, -5:] = np.nan
    lazily = FilledFrames(aligned)
    context = MovieContext(lazily, scan(lazily), still(N), 24)
    images = context.images(4)
    counts, mean = images[..., :2], images[..., 2:4]
    # where a frame holds nothing, it is as if it were not there
    others = [t for t in range(N) if t not in (2, 4)]
    expected = scan(lazily).standardise(frames[others].mean(axis=0))
    margin = np.ones(SHAPE[:2], bool)
    margin[3:, :-5] = False
    assert_allclose(mean[margin], expected[margin], atol=1e-4)
    assert (counts[margin] > counts[10, 10]).all()
    inside = scan(lazily).standardise(frames[[*others, 2]].mean(axis=0))
    assert_allclose(mean[~margin], inside[~margin], atol=1e-4)
