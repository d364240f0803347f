"""Movies as the model sees them: detectors by name, statistics of each movie, frames around."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.io import Movie
from n2v_stem_keras.normalize import DataError
from n2v_stem_keras.series import SelectedDetectors, collect_series, detector_order
from n2v_stem_keras.temporal.context import MovieContext, PastContext
from n2v_stem_keras.temporal.evidence import moved_by, no_evidence

ONE, TWO = N2VStemConfig(channels=("ADF",)), N2VStemConfig(channels=("ADF", "BF"))


def movie(detectors=None, n=2, source=None):
    frames = np.random.default_rng(0).normal(size=(3, 8, 8, n))
    made = Movie.from_array(frames, "TYXC", detectors=detectors)
    return made.replace(source=source) if source else made


@pytest.mark.parametrize(
    ("names", "order"),
    [(("ADF", "BF"), [0, 1]), (("bf", "Adf"), [1, 0]), (None, [0, 1])],
)
def test_names_decide_ignoring_case(names, order):
    assert detector_order(movie(names), ("ADF", "BF")) == order


def test_an_unnamed_file_of_several_detectors_is_not_taken_silently():
    with pytest.warns(UserWarning, match="does not name its detectors"):
        detector_order(movie(source="/data/a.tif"), ("ADF", "BF"))


def test_missing_detectors_are_named():
    with pytest.raises(DataError, match="BF is missing"):
        detector_order(movie(("ADF", "HAADF")), ("ADF", "BF"))
    with pytest.raises(DataError, match=r"2 detectors .*expected 1 detector"):
        detector_order(movie(), ("HAADF",))


def test_selected_detectors_stay_lazy():
    reads = []

    class Lazy:
        shape = (4, 8, 8, 3)

        def __len__(self):
            return 4

        def __getitem__(self, t):
            reads.append(t)
            return np.full((8, 8, 3), [1, 2, 3]) * (t + 1)

    selected = SelectedDetectors(Lazy(), [2, 0])
    assert selected.shape == (4, 8, 8, 2)
    assert reads == []
    np.testing.assert_array_equal(selected[1][0, 0], [6, 2])
    assert reads == [1]


@pytest.mark.parametrize("config", [ONE, ONE.replace(unet_context=True)], ids=["alone", "around"])
def test_series_are_separate_and_fingerprinted(config):
    frames = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1)) * [[[[[1]]]], [[[[10]]]]]
    found = collect_series(frames, config, axes="STYXC", fingerprint=True)
    assert [s.name for s in found] == ["array [0]", "array [1]"]
    assert found[1].statistics.sd[0] > 5 * found[0].statistics.sd[0]
    assert found[0].statistics.fingerprint != found[1].statistics.fingerprint
    assert collect_series(None, config) == []


def test_a_list_is_a_list_of_movies():
    found = collect_series([movie(), movie()], TWO)
    assert len(found) == 2


# -- the frames around ----------------------------------------------------------------------------
AROUND = TWO.replace(unet_context=True)


@pytest.fixture(scope="module")
def frames():
    """Six frames of one scene under noise."""
    rng = np.random.default_rng(0)
    clean = 10 * gaussian_filter(rng.normal(size=(48, 40, 2)), (2, 2, 0))
    return (100 + 20 * (clean + rng.normal(size=(6, *clean.shape)))).astype(np.float32)


def test_a_sample_of_a_frame_alone_is_the_frame_standardised(frames):
    (series,) = collect_series(frames, TWO)
    assert series.context is None
    for t in range(6):
        expected = series.statistics.standardise(frames[t])
        sample, back = series.sample(t, TWO)
        np.testing.assert_array_equal(sample, expected)
        assert back is None


@pytest.mark.parametrize(
    ("context", "kind"), [("both", MovieContext), ("past", PastContext), ("none", type(None))]
)
def test_a_sample_holds_what_other_frames_show_behind_the_frame(frames, context, kind):
    (series,) = collect_series(frames, AROUND, context=context)
    (again,) = collect_series(frames, AROUND, context=context)
    assert type(series.context) is kind
    for t in range(6):
        sample, _ = series.sample(t, AROUND)
        assert sample.dtype == np.float32
        assert sample.shape == (48, 40, AROUND.n_channel_in)
        expected = series.statistics.standardise(frames[t])
        np.testing.assert_array_equal(sample[..., :2], expected)
        images = again.context.images(t) if again.context else no_evidence(expected.shape)
        np.testing.assert_array_equal(sample[..., 2:], images)
        n_others = {"both": 5, "past": t, "none": 0}[context]
        share = np.median(sample[..., 2:4])
        assert share == pytest.approx(1 / (1 + n_others), rel=1e-3)
        others = np.delete(frames, t, axis=0) if context == "both" else frames[:t]
        if n_others:  # the specimen does not move, as far as frames can tell; noise is moved, too
            mean = series.statistics.standardise(others.mean(axis=0))
            off = gaussian_filter(sample[..., 4:6] - mean, (1, 1, 0))
            assert np.abs(off).mean() < 0.1
        if context == "both":
            np.testing.assert_allclose(sample[..., 4:6], moved_mean(series, frames, t), atol=1e-6)


def moved_mean(series, frames, t):
    """Mean of the other frames, each moved by what was found, and then to where frame t is."""
    position = series.context.registration.position
    assert np.abs(position).max() < 0.5
    planes = np.moveaxis(series.statistics.standardise(frames), -1, 1)
    moved = [moved_by(planes[i], -position[i]) for i in range(len(frames)) if i != t]
    return np.moveaxis(moved_by(np.mean(moved, axis=0), position[t]), 0, -1)


def test_what_a_network_does_not_look_at_is_not_looked_for(frames):
    reads = []

    class Lazy:
        shape, dtype = frames.shape, frames.dtype

        def __len__(self):
            return len(frames)

        def __getitem__(self, t):
            reads.append(t)
            return frames[t]

    def n_reads(config, context):
        before = len(reads)
        collect_series(Movie.from_array(Lazy(), "TYXC"), config, context=context)
        return len(reads) - before

    once = n_reads(TWO, "both")
    assert n_reads(AROUND, "none") == n_reads(AROUND, "past") == once
    assert n_reads(AROUND, "both") > once + 6


@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_a_single_frame_stands_alone(frames, context):
    (series,) = collect_series(frames[:1], AROUND, context=context)
    expected = series.statistics.standardise(frames[0])
    sample, _ = series.sample(0, AROUND)
    np.testing.assert_array_equal(sample[..., :2], expected)
    np.testing.assert_array_equal(sample[..., 2:], no_evidence(expected.shape))
    assert series.context_complaints() == []


@pytest.mark.parametrize("config", [TWO, AROUND], ids=["alone", "around"])
def test_bad_pixels_of_a_frame_are_named_with_the_movie(frames, config):
    bad = frames.copy()
    (series,) = collect_series(bad, config)
    series.name = "film.tif"
    bad[2, 3, 4, 1] = np.nan
    with pytest.raises(DataError, match=r"^film\.tif: frame 2 has 1 NaN"):
        series.sample(2, config)


def test_an_unknown_context_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="context is 'future', expected one of 'both', 'past'"):
        collect_series("no such file.tif", AROUND, context="future")


def test_frames_that_share_noise_are_complained_of(frames):
    with pytest.warns(UserWarning, match="6 of 12 frames equal one before them"):
        (series,) = collect_series(np.repeat(frames, 2, axis=0), AROUND)
    (complaint,) = series.context_complaints()
    assert complaint.startswith("frames 1, 3, 5, 7, 9, ... share noise with frames before")
    for quiet in (collect_series(frames, AROUND)[0], collect_series(frames, TWO)[0]):
        assert quiet.context_complaints() == []


def test_provenance_says_how_far_was_looked(frames):
    (series,) = collect_series(frames, AROUND)
    assert series.describe([])["context"] == series.context.describe()
    assert "context" not in collect_series(frames, TWO)[0].describe([])
