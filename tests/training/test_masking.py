"""Blind spots: where they are, what replaces them, and that nothing else is touched.

The replacement values are compared with plain loops over pixels, written here from the definition.
"""

import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.training.masking import blind, grid_points, replace_points, sample_seed

SPANS = [(1, 1), (1, 5), (3, 3)]
# the configuration refuses (3, 3) with less than 3: in a corner nothing would be left
SPANS_AND_RADII = [(span, radius) for span in SPANS for radius in range(1, 6) if radius >= span[0]]
SHAPES = [(12, 12), (9, 17), (20, 7)]  # square, odd, tall
SEED = tf.constant([3, 4])


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def distinct(height, width, n_channels=1):
    """A frame in which the value says which pixel it came from."""
    values = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    return values + 1000 * np.arange(n_channels, dtype=np.float32)


def points_of(*args, **keywords):
    return [tuple(point) for point in grid_points(*args, **keywords).numpy().tolist()]


# The definition, in loops


def spot(centre, span, shape):
    """Pixels of one blind spot that lie inside the frame."""
    (y, x), (half_y, half_x) = centre, (span[0] // 2, span[1] // 2)
    return {
        (i, j)
        for i in range(y - half_y, y + half_y + 1)
        for j in range(x - half_x, x + half_x + 1)
        if 0 <= i < shape[0] and 0 <= j < shape[1]
    }


def neighbours(pixel, hidden, radius, shape):
    """What may replace a pixel: its window, clipped to the frame, without the blind spot."""
    return [
        (i, j)
        for i in range(max(0, pixel[0] - radius), min(shape[0], pixel[0] + radius + 1))
        for j in range(max(0, pixel[1] - radius), min(shape[1], pixel[1] + radius + 1))
        if (i, j) not in hidden
    ]


def replaced_in_loops(frame, centres, span, radius, average):
    result = frame.astype(np.float64)
    for centre in centres:
        hidden = spot(centre, span, frame.shape)
        for pixel in hidden:
            near = neighbours(pixel, hidden, radius, frame.shape)
            result[pixel] = average([frame[place] for place in near], axis=0)
    return result


# What replaces a blind pixel


@pytest.mark.parametrize("manipulator", ["mean", "median"])
@pytest.mark.parametrize(("span", "radius"), SPANS_AND_RADII)
def test_mean_and_median_are_those_of_the_usable_neighbours(manipulator, span, radius):
    for number, (height, width) in enumerate(SHAPES):
        frame = images(height, width, 2, seed=number)
        corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
        inner = [(height // 2, width // 2), (1, 3), (height - 2, width - 4)]
        for centres in (corners, inner[:1], inner[1:2], inner[2:]):
            result = replace_points(frame, tf.constant(centres), SEED, span, radius, manipulator)
            expected = replaced_in_loops(frame, centres, span, radius, getattr(np, manipulator))
            assert np.allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("span", "radius"), [((1, 1), 1), ((1, 1), 3), ((1, 5), 1), ((1, 5), 3), ((3, 3), 3)]
)
def test_a_random_neighbour_is_never_the_pixel_or_its_spot_and_each_gets_its_turn(span, radius):
    shape = (13, 11)
    frame = np.repeat(distinct(*shape), 2000, axis=-1)  # each channel draws for itself
    for centre in [(6, 5), (0, 0), (12, 10), (1, 1), (0, 5), (12, 4)]:
        result = replace_points(
            frame, tf.constant([centre]), SEED, span, radius, "uniform_withoutCP"
        ).numpy()
        hidden = spot(centre, span, shape)
        for pixel in hidden:
            sources = {divmod(int(value), shape[1]) for value in np.unique(result[pixel])}
            assert sources == set(neighbours(pixel, hidden, radius, shape))


def test_every_neighbour_is_drawn_equally_often():
    shape, pitch = (120, 120), 4
    frame = distinct(*shape)
    centres = [(y, x) for y in range(2, 118, pitch) for x in range(2, 118, pitch)]
    counts = {}
    for number in range(4):
        result = replace_points(
            frame, tf.constant(centres), sample_seed(number, 0, 0), (1, 1), 1, "uniform_withoutCP"
        ).numpy()
        for y, x in centres:
            i, j = divmod(int(result[y, x, 0]), shape[1])
            counts[i - y, j - x] = counts.get((i - y, j - x), 0) + 1
    expected = 4 * len(centres) / 8
    assert set(counts) == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)} - {(0, 0)}
    # chi squared of 7 degrees of freedom exceeds 26 once in 2000
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 26


def test_detectors_draw_their_neighbours_independently():
    frame = distinct(40, 40, 2)
    centres = tf.constant([(y, x) for y in range(3, 40, 6) for x in range(3, 40, 6)])
    result = replace_points(frame, centres, SEED, (1, 1), 2, "uniform_withoutCP").numpy()
    changed = result[..., 0] != frame[..., 0]
    agree = (result[changed][:, 1] - result[changed][:, 0] == 1000).mean()
    assert agree < 0.3, "of 24 neighbours two draws agree in 1 of 24 cases"


@pytest.mark.parametrize("manipulator", ["mean", "median", "uniform_withoutCP"])
@pytest.mark.parametrize("span", SPANS)
def test_what_replaces_a_spot_does_not_depend_on_the_spot(manipulator, span):
    frame, centres = images(24, 30, 2), [(0, 0), (12, 15), (23, 29), (12, 4), (5, 20)]
    loud = frame.copy()
    for centre in centres:
        for pixel in spot(centre, span, frame.shape):
            loud[pixel] = 1e30
    results = [
        replace_points(f, tf.constant(centres), SEED, span, 3, manipulator).numpy()
        for f in (frame, loud)
    ]
    assert np.array_equal(*results)
    # the control: one pixel beside the spot does matter to the averages
    if manipulator == "mean":
        loud[12, 15 + span[1] // 2 + 1] = 1e30
        assert replace_points(loud, tf.constant(centres), SEED, span, 3, "mean")[12, 15, 0] > 1e25


@pytest.mark.parametrize("manipulator", ["mean", "median", "uniform_withoutCP"])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("span", SPANS)
def test_a_constant_frame_stays_constant(manipulator, joint, span):
    """A mean divided by a wrong count would not be."""
    config = N2VStemConfig(
        n2v_manipulator=manipulator,
        n2v_joint_mask=joint,
        n2v_span=span,
        n2v_pitch=10,
        n2v_patch_shape=None,
    ).check()
    frame = np.ones((33, 21, 2), np.float32) * np.float32([7.25, -3])
    for index in range(5):
        blinded, mask = blind(frame, sample_seed(0, 0, index), config)
        assert tf.reduce_sum(mask) > 0
        assert np.allclose(blinded, frame, rtol=0, atol=1e-6)


def test_values_come_from_the_original_not_from_pixels_already_replaced():
    frame = distinct(9, 9)
    centres = [(4, 2), (4, 4), (4, 6)]
    result = replace_points(frame, tf.constant(centres), SEED, (1, 1), 2, "mean")
    assert np.allclose(
        result, replaced_in_loops(frame, centres, (1, 1), 2, np.mean), rtol=0, atol=1e-5
    )


# Where blind spots are


def test_unjittered_points_lie_exactly_one_pitch_apart():
    for index, pitch in enumerate([2, 5, 24]):
        for shape in [(64, 64), (31, 77), (100, 5)]:
            points = points_of(sample_seed(1, 0, index), shape, pitch, 0)
            rows, columns = ({p[axis] for p in points} for axis in (0, 1))
            assert len(points) == len(rows) * len(columns)
            for places, side in ((sorted(rows), shape[0]), (sorted(columns), shape[1])):
                assert set(np.diff(places)) <= {pitch}
                # nothing is missing before the first or after the last
                assert not places or places[0] < pitch
                assert not places or places[-1] >= side - pitch


@pytest.mark.parametrize("jitter", [0, 1, 2, 3])
def test_jitter_reaches_both_ends_and_no_further(jitter):
    pitch, moves = 12, []
    for index in range(40):
        seed = sample_seed(5, 0, index)
        still = np.array(points_of(seed, (60, 84), pitch, 0))
        moved = np.array(points_of(seed, (60, 84), pitch, jitter))
        moves.append((moved - still[0] + pitch // 2) % pitch - pitch // 2)
    moves = np.concatenate(moves)
    for axis in (0, 1):
        found, counts = np.unique(moves[:, axis], return_counts=True)
        assert found.tolist() == list(range(-jitter, jitter + 1))
        expected = len(moves) / (2 * jitter + 1)
        assert np.abs(counts - expected).max() < 4.5 * expected**0.5
    if jitter:
        assert abs(np.corrcoef(moves.T)[0, 1]) < 4 / len(moves) ** 0.5, "axes move independently"


@pytest.mark.parametrize(
    ("shape", "pitch", "jitter"), [((11, 14), 6, 2), ((5, 8), 8, 1), ((13, 13), 4, 0)]
)
def test_every_pixel_corners_included_is_blind_equally_often(shape, pitch, jitter):
    n_seeds = 20_000

    @tf.function
    def count():
        total = tf.zeros(shape)
        for index in tf.range(n_seeds):
            points = grid_points(sample_seed(0, 0, index), shape, pitch, jitter)
            total = tf.tensor_scatter_nd_add(total, points, tf.ones(tf.shape(points)[:1]))
        return total

    frequency, expected = count().numpy() / n_seeds, 1 / pitch**2
    error = (expected * (1 - expected) / n_seeds) ** 0.5
    assert np.abs(frequency - expected).max() < 4.5 * error
    border = np.ones(shape, bool)
    border[1:-1, 1:-1] = False
    for part in (border, ~border):
        assert abs(frequency[part].mean() / expected - 1) < 0.02


@pytest.mark.parametrize(("jitter", "span"), [(0, (1, 1)), (2, (1, 1)), (1, (1, 5)), (2, (3, 3))])
def test_points_are_distinct_and_spots_never_overlap(jitter, span):
    pitch = 2 * jitter + max(span) + 1  # the smallest that the configuration allows
    least = min(span)
    N2VStemConfig(
        n2v_pitch=pitch, n2v_jitter=jitter, n2v_span=span, n2v_neighborhood_radius=least
    ).check()
    for index in range(20):
        shape = (37, 52)
        points = points_of(sample_seed(2, 0, index), shape, pitch, jitter)
        covered = [pixel for point in points for pixel in spot(point, span, shape)]
        assert len(set(points)) == len(points)
        assert len(set(covered)) == len(covered)
        assert all(0 <= y < shape[0] and 0 <= x < shape[1] for y, x in points)


# Samples


def config_with(**changes):
    """A dense grid on frames of any size."""
    return N2VStemConfig(**{"n2v_pitch": 10, "n2v_patch_shape": None, **changes}).check()


@pytest.mark.parametrize("manipulator", ["mean", "median", "uniform_withoutCP"])
@pytest.mark.parametrize("span", SPANS)
def test_nothing_changes_outside_of_blind_spots_and_everything_inside(manipulator, span):
    config = config_with(n2v_manipulator=manipulator, n2v_span=span)
    frame = images(41, 26, 2)
    before = frame.copy()
    blinded, mask = (a.numpy() for a in blind(frame, sample_seed(0, 1, 2), config))
    assert np.array_equal(frame, before), "the frame is the caller's"
    assert blinded.shape == mask.shape == frame.shape
    assert set(np.unique(mask)) == {0, 1}
    hidden = np.zeros(frame.shape[:2], bool)
    for centre in np.argwhere(mask[..., 0]).tolist():
        for pixel in spot(centre, span, frame.shape):
            hidden[pixel] = True
    assert np.array_equal((blinded != frame).any(axis=-1), hidden)
    assert mask.sum() >= 2 * 4 * 2, "at least four rows of two points in 41x26 px"


def test_only_the_centre_of_an_extended_spot_counts_in_the_loss():
    frame, seed = images(40, 40, 1), sample_seed(0, 0, 0)
    _, narrow = blind(frame, seed, config_with())
    blinded, wide = blind(frame, seed, config_with(n2v_span=(1, 3)))
    assert np.array_equal(narrow, wide)
    assert (blinded != frame).numpy().sum() > 2.5 * wide.numpy().sum()


def test_detectors_share_one_mask_or_have_one_each():
    frame = images(64, 64, 3)
    seed = sample_seed(0, 0, 0)
    _, joint = blind(frame, seed, config_with())
    assert np.array_equal(joint[..., 0], joint[..., 1])
    assert np.array_equal(joint[..., 0], joint[..., 2])
    blinded, own = (a.numpy() for a in blind(frame, seed, config_with(n2v_joint_mask=False)))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(own[..., a], own[..., b])
    assert np.array_equal(blinded != frame, own == 1), "each detector is blinded where it is masked"


def test_masks_of_detectors_are_independent():
    """Their grids share no phase: two blind pixels coincide as often as chance has it."""
    config = config_with(n2v_joint_mask=False, n2v_pitch=6)
    make = tf.function(lambda seed: blind(images(60, 60, 2), seed, config)[1])
    masks = np.stack([make(sample_seed(0, 0, index)).numpy() for index in range(100)])
    together = (masks[..., 0] * masks[..., 1]).mean()
    # one phase per frame: the frame-wise count of coincidences scatters more than a Poisson count
    scatter = (masks[..., 0] * masks[..., 1]).mean(axis=(1, 2)).std() / 10
    assert abs(together - 6.0**-4) < 4 * scatter


def test_a_sample_is_a_function_of_seed_epoch_and_index():
    frame, config = images(32, 32, 2), config_with(n2v_manipulator="uniform_withoutCP")
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (2, 3, 4), (4, 3, 2), (2, 4, 3)]
    made = [blind(frame, sample_seed(*key), config) for key in keys]
    again = [blind(frame, sample_seed(*key), config) for key in reversed(keys)][::-1]
    for (blinded, mask), (same_blinded, same_mask) in zip(made, again):
        assert np.array_equal(blinded, same_blinded)
        assert np.array_equal(mask, same_mask)
    for i, (_, mask) in enumerate(made):
        for _, other in made[:i]:
            assert not np.array_equal(mask, other)


def test_seeds_of_a_long_training_are_all_different():
    @tf.function
    def seeds():
        along = tf.map_fn(
            lambda i: tf.stack(
                [
                    sample_seed(0, 0, i),
                    sample_seed(0, 1, i),
                    sample_seed(0, 2**30, i),
                    sample_seed(0, i + 2, 0),
                    sample_seed(i + 1, 0, 0),
                ]
            ),
            tf.range(3000),
        )
        return tf.reshape(along, [-1, 2])

    assert len({tuple(seed) for seed in seeds().numpy().tolist()}) == 5 * 3000


def test_validation_can_have_a_denser_grid():
    frame, seed, config = images(96, 96, 1), sample_seed(0, 0, 0), N2VStemConfig()
    _, usual = blind(frame, seed, config)
    _, dense = blind(frame, seed, config, pitch=8)
    assert tf.reduce_sum(usual) == 16
    assert tf.reduce_sum(dense) > 130
    assert np.array_equal(dense, blind(frame, seed, config.replace(n2v_pitch=8))[1])


# In a pipeline


@pytest.mark.parametrize(
    "manipulator", ["mean", pytest.param("median", marks=pytest.mark.slow), "uniform_withoutCP"]
)
def test_graph_pipeline_and_batch_size_change_nothing(manipulator):
    config = config_with(n2v_manipulator=manipulator, n2v_joint_mask=False, n2v_span=(1, 3))
    frames = images(5, 20, 27, 2)

    def make(index, frame):
        return blind(frame, sample_seed(0, 0, index), config)

    alone = [make(index, frame) for index, frame in enumerate(frames)]
    graph = tf.function(make, reduce_retracing=True)
    compiled = [graph(tf.constant(index), frame) for index, frame in enumerate(frames)]
    dataset = tf.data.Dataset.from_tensor_slices(frames).enumerate()
    dataset = dataset.map(make, num_parallel_calls=2)
    for made in (compiled, dataset.batch(1).unbatch(), dataset.batch(3).unbatch()):
        for (blinded, mask), (one_blinded, one_mask) in zip(made, alone, strict=True):
            assert np.allclose(blinded, one_blinded, rtol=0, atol=1e-6)
            assert np.array_equal(mask, one_mask)
