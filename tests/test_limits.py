"""Limits of a model: learnt at the end of training, checked at prediction."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import limits
from n2v_stem_keras.config import N2VStemConfig
from n2v_stem_keras.normalize import scan

CONFIG = N2VStemConfig.preset("laptop")


def white(seed=0, sigma=(1.0, 2.0), signal=0.0):
    rng = np.random.default_rng(seed)
    y = np.arange(96)[:, None, None]
    return rng.normal(0, sigma, (4, 96, 96, 2)) + signal * np.sin(y / 8) + 100


def measured(frames):
    return limits.measure(frames, scan(frames))


def test_frames_that_are_looked_at_are_whole_ones():
    frames = white()
    frames[1, ..., 0], frames[2, 50:, :, 1] = 0, 0
    assert limits.sample_whole(scan(frames)) == [0, 3]
    assert limits.ResidualWatch(frames, scan(frames)).numbers == [0, 3]
    frames[[0, 3], 90:, :, 1] = 0  # there are none
    frames[0] = 0
    assert limits.sample_whole(scan(frames)) == [1, 2, 3]


def test_what_is_empty_of_a_detector_does_not_count():
    frames, sound = white(), measured(white())
    frames[1, ..., 0] = 0
    frames[2, 50:, :, 0] = 0
    found = measured(frames)
    assert found[0].estimate.sigma == pytest.approx(1, rel=0.05)
    assert found[0].noise_to_sd == pytest.approx(sound[0].noise_to_sd, rel=0.05)
    assert found[1].estimate.sigma == sound[1].estimate.sigma
    frames[:, 50:, :, 0] = 0  # every frame of it stopped
    frames[1, ..., 0] = 0
    assert measured(frames)[0].estimate.sigma == pytest.approx(1, rel=0.1)


def test_what_was_seen_in_training_is_inside():
    seen = [measured(white(s, signal=1.0)) for s in range(3)]
    thresholds = limits.learn(seen, [0.046, 0.05, None], CONFIG)
    for movie in seen:
        assert limits.complaints(movie, thresholds, CONFIG.channels, 0.046) == []
    low, high = thresholds["ADF"]["domain"]["pixel_size_nm"]
    assert low == pytest.approx(0.046 / 1.1, rel=1e-3)
    assert high == pytest.approx(0.05 * 1.1, rel=1e-3)


def test_gain_is_no_domain():
    thresholds = limits.learn([measured(white(signal=1.0))], [None], CONFIG)
    scaled = measured(1e4 * white(1, signal=1.0) - 5e5)
    assert limits.complaints(scaled, thresholds, CONFIG.channels) == []
    assert "pixel_size_nm" not in thresholds["ADF"]["domain"]


@pytest.mark.parametrize(("signal", "word"), [(4.0, "less"), (0.0, "more")])
def test_other_noise_levels_are_outside(signal, word):
    thresholds = limits.learn([measured(white(signal=1.5))], [None], CONFIG)
    found = limits.complaints(measured(white(1, signal=signal)), thresholds, CONFIG.channels)
    assert any(f"ADF: {word} noise than in training" in text for text in found)


def test_correlation_along_x_names_the_span_and_along_y_the_cause():
    thresholds = limits.learn([measured(white())], [None], CONFIG)
    frames = white(1)
    along_x = limits.complaints(
        measured(frames + np.roll(frames, 1, axis=2)), thresholds, CONFIG.channels
    )
    assert any("correlated along x" in text and "n2v_span=(1, 3)" in text for text in along_x)
    along_y = limits.complaints(
        measured(frames + np.roll(frames, 1, axis=1)), thresholds, CONFIG.channels
    )
    assert any("correlated along y" in text and "drift-corrected" in text for text in along_y)


def test_row_offsets_are_to_be_subtracted_not_covered():
    thresholds = limits.learn([measured(white())], [None], CONFIG)
    offsets = np.random.default_rng(2).normal(0, 0.7, (4, 96, 1, 2))
    found = limits.complaints(measured(white(1) + offsets), thresholds, CONFIG.channels)
    (about_adf,) = [text for text in found if text.startswith("ADF: the noise is correlated")]
    assert "subtract the offsets first" in about_adf
    assert "n2v_span" not in about_adf


def test_an_extended_blind_spot_accepts_the_correlation_it_was_trained_on():
    config = CONFIG.replace(n2v_span=(1, 3), n2v_pitch=10)
    frames = white()
    smeared = frames + 0.5 * np.roll(frames, 1, axis=2)
    thresholds = limits.learn([measured(smeared)], [None], config)
    assert limits.complaints(measured(smeared), thresholds, config.channels) == []


def test_a_shifted_mean_is_a_complaint():
    frames = white()
    watch = limits.ResidualWatch(frames, scan(frames))
    for t in range(len(frames)):
        watch.see(t, frames[t] - np.array([0.5, 0.0]))
    mean = watch.mean_in_sigmas(measured(frames))
    assert mean == pytest.approx([0.5, 0], abs=0.02)
    thresholds = limits.learn([measured(frames)], [None], CONFIG)
    assert "shifts intensities" in limits.residual_complaints("ADF", 0.5, thresholds)[0]
    assert limits.residual_complaints("ADF", 0.01, thresholds) == []
    tolerant = limits.learn([measured(frames)], [None], CONFIG, [np.array([0.3, 0.0])])
    assert limits.residual_complaints("ADF", 0.5, tolerant) == []


def test_frames_are_sampled_evenly_without_blank_ones():
    assert limits.sample_frames(100, at_most=5) == [0, 25, 50, 74, 99]
    assert limits.sample_frames(3, at_most=16) == [0, 1, 2]
    assert limits.sample_frames(6, blank=(0, 1, 2), at_most=2) == [3, 5]
    assert limits.sample_frames(2, blank=(0, 1)) == []
    assert limits.sample_frames(10, at_most=0) == []


def test_a_model_without_limits_complains_of_nothing():
    assert limits.complaints(measured(white()), {}, CONFIG.channels, 0.01) == []


def lattice(period_px, signs=(1, -1), n=128, height=1.0, noise=0.5):
    """Columns on a square lattice: bright where the sign says so, else dark; two detectors."""
    rng = np.random.default_rng(3)
    y, x = np.indices((n, n))
    inside = np.hypot(
        (y + period_px / 2) % period_px - period_px / 2,
        (x + period_px / 2) % period_px - period_px / 2,
    )
    columns = height * np.exp(-(inside**2) / (2 * (period_px / 6) ** 2))
    clean = np.stack([sign * columns for sign in signs], axis=-1)
    return clean + rng.normal(0, noise, (4, n, n, 2)) + 100


def learnt(*movies, size=0.046):
    return limits.learn([measured(movie) for movie in movies], [size] * len(movies), CONFIG)


def adatoms(signs=(1, -1), n=128, height=3.0):
    """What stands on a lattice at odd places: bright where the sign says so, else dark."""
    y, x = np.indices((n, n))
    places = np.random.default_rng(4).uniform(20, n - 20, (12, 2))
    peaks = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in places)
    return height * np.stack([sign * peaks for sign in signs], axis=-1)


def test_swapped_detectors_are_told_by_the_sign_of_what_they_show():
    thresholds = learnt(lattice(10), lattice(10, (-1, 1)))  # of nothing else is complained
    channels, wrong = CONFIG.channels, (-1, 1)
    right = lattice(10) + adatoms()
    assert limits.complaints(measured(right), thresholds, channels, 0.046) == []
    swapped = measured(lattice(10, wrong) + adatoms(wrong))
    (said,) = limits.complaints(swapped, thresholds, channels, 0.046)
    assert "ADF shows dark features and BF bright ones" in said
    assert "swapped?" in said
    # one of them alone is a matter of the specimen, as is noise
    for signs in ((1, 1), (-1, -1)):
        assert not limits.swapped(channels, measured(lattice(10, signs) + adatoms(signs)))
    assert not limits.swapped(channels, measured(white()))
    assert not limits.swapped(("ADF", "HAADF"), swapped)


def test_gaps_of_a_bare_lattice_and_vacancies_are_no_swapped_detectors():
    wrong = (-1, 1)
    assert not limits.swapped(CONFIG.channels, measured(lattice(10, wrong)))
    vacancies = 0.5 * adatoms(wrong)  # as deep as columns are high
    found = measured(lattice(10, height=3.0) + vacancies)
    assert found[0].content.rest_skewness < 0 < found[1].content.rest_skewness
    assert not limits.swapped(CONFIG.channels, found)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0.046, None),
        (0.0005, "pixel size 0.0005 nm: of atoms 0.001 to 1 nm is expected"),
        (46.0, "pixel size 46 nm: of atoms 0.001 to 1 nm is expected"),
        (0.92, "px, which is"),
        (0.0023, "px, which is"),
        (None, None),
    ],
)
def test_a_pixel_size_that_no_crystal_has_is_said(size, said):
    found = limits.wrong_size(CONFIG.channels, measured(lattice(6)), size)
    assert [said] == [None] if not found else said in found[0]
    assert bool(found) == bool(said)


def test_another_specimen_is_told_by_its_lattice_and_its_background():
    thresholds = learnt(lattice(6), lattice(5))
    assert thresholds["ADF"]["domain"]["period_nm"][1] == pytest.approx(6 * 0.046, rel=0.05)
    channels = CONFIG.channels

    def said(frames, size=0.046):
        return " ".join(limits.complaints(measured(frames), thresholds, channels, size))

    assert "another" not in said(lattice(5.5))
    assert "the lattice repeats after" in said(lattice(9))
    rng = np.random.default_rng(0)
    slow = gaussian_filter(rng.normal(size=(128, 128)), 20)[..., None]
    uneven = lattice(6) + 2 * slow / slow.std()
    assert "is uneven background" in said(uneven)
    amorphous = gaussian_filter(rng.normal(size=(128, 128)), 1.5)[..., None]
    grains = white()[:, :1, :1] + rng.normal(0, 0.5, (4, 128, 128, 2)) + amorphous / amorphous.std()
    assert "is lattice, in training" in said(grains)
    # but not where a lattice such as in training would drown in the noise, too
    found = measured(grains)
    expected = thresholds["ADF"]["domain"]["lattice_share"][0] / limits.LATTICE_FACTOR
    for least, is_told in ((0.5 * expected, True), (1.5 * expected, False)):
        drowned = [replace(n, content=replace(n.content, least_lattice=least)) for n in found]
        told = limits.complaints(drowned, thresholds, channels, 0.046)
        assert any(text.startswith("ADF") and "% of what is no noise is lattice" in text
                   for text in told) is is_told  # fmt: skip
    # noise alone tells nothing
    nothing = 100 + rng.normal(0, 1, (4, 128, 128, 2))
    assert "another" not in said(nothing)


def test_lattices_that_training_hardly_shows_are_known_all_the_same():
    """Of several crystals some are faint there; later one may stand out."""
    faint = lattice(9, height=0.5)
    contrast = measured(faint)[0].content.contrast
    assert limits.LATTICE_SEEN < contrast < limits.LATTICE
    thresholds = learnt(lattice(6), faint)
    said = limits.complaints(measured(lattice(9)), thresholds, CONFIG.channels, 0.046)
    assert not [text for text in said if "the lattice repeats after" in text]


def test_an_unknown_pixel_size_is_said_where_the_model_knows_some():
    thresholds = learnt(lattice(6))
    (said,) = limits.without_size(thresholds, CONFIG.channels, None)
    assert "the pixel size is not known" in said
    assert limits.without_size(thresholds, CONFIG.channels, 0.046) == []
    assert limits.without_size({}, CONFIG.channels, None) == []


def residuals_of(kept):
    """Scales of two detectors: noise alone, and a lattice of which a part is `kept`."""
    rng = np.random.default_rng(0)
    lattice = np.zeros((4, 128, 128, 2))
    lattice[..., 1] = 2 * np.cos(2 * np.pi * np.arange(128) / 8)
    frames = lattice + rng.normal(size=lattice.shape)
    watch = limits.ResidualWatch(frames, scan(frames), 4)
    for t in range(4):
        watch.see(t, kept * lattice[t])
    return dict(zip(CONFIG.channels, watch.scales()))


def test_what_is_missing_from_a_result_is_told_by_detector():
    good, bad = residuals_of(1.0), residuals_of(0.0)
    ground, lattice = CONFIG.channels
    learnt = limits.learn([measured(white())], [0.1], CONFIG, residuals=good)
    assert limits.scale_complaints(ground, bad[ground], learnt, 0.1) == []
    said = limits.scale_complaints(lattice, bad[lattice], learnt, 0.1)
    assert f"{lattice}: 100 % of the amplitude of what repeats every 8 px (0.8 nm)" in said[-1]
    assert limits.scale_complaints(lattice, good[lattice], learnt, 0.1) == []


def test_what_the_residual_of_training_frames_held_is_no_surprise():
    bad, lattice = residuals_of(0.0), CONFIG.channels[1]
    learnt = limits.learn([measured(white())], [0.1], CONFIG, residuals=bad)
    assert limits.scale_complaints(lattice, bad[lattice], learnt, 0.1) == []
    # a model of before knows no limits
    assert limits.scale_complaints(lattice, bad[lattice], {lattice: {"noise": {}}}, 0.1) == []
