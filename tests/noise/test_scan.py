"""Movies scanned as badly as a microscope scans them."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.noise import SCANS, Scan, scan_movie
from n2v_stem_keras.noise.scan import displacement

SHAPE = (3, 64, 96, 2)
STILL = Scan()


def clean(shape=SHAPE, seed=0):
    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = gaussian_filter(noise, (0, 2, 2, 0)) * 10
    smooth[..., 1:] = -smooth[..., :1]  # BF shows dark what ADF shows bright
    return smooth.astype(np.float32)


def test_a_perfect_scan_adds_white_noise_alone():
    movie = clean()
    before = movie.copy()
    scanned = scan_movie(movie, STILL, 0, psnr_db=(10, 20))
    assert_array_equal(movie, before)
    assert_array_equal(scanned.truth, movie)
    assert_array_equal(scanned.displacement_px, 0)
    span = np.ptp(movie, axis=(1, 2)).mean(axis=0)
    sigma = (scanned.noisy - movie).std(axis=(0, 1, 2))
    assert_allclose(sigma, span / 10 ** (np.array([10, 20]) / 20), rtol=0.03)


def test_a_seed_makes_the_same_and_another_does_not():
    first, again, other = (scan_movie(clean(), "bad", seed, psnr_db=10) for seed in (5, 5, 6))
    assert_array_equal(first.noisy, again.noisy)
    assert np.abs(first.displacement_px - other.displacement_px).max() > 0.1


@pytest.mark.parametrize("name", SCANS)
def test_the_truth_is_distorted_as_the_scan_is(name):
    scanned = scan_movie(clean(), name, 1, psnr_db=30)
    for c in (0, 1):
        kept = np.corrcoef(scanned.noisy[..., c].ravel(), scanned.truth[..., c].ravel())[0, 1]
        assert kept > 0.9
    assert np.isfinite(scanned.noisy).all()
    assert scanned.noisy.dtype == scanned.truth.dtype == np.float32


def test_rows_are_taken_where_the_displacement_says():
    scan = Scan(jitter_px=(0.3, 0.5))
    movie = clean()
    scanned = scan_movie(movie, scan, 2, psnr_db=60)
    t, y = 1, 30
    dy, dx = scanned.displacement_px[t, y, 0]
    assert_array_equal(scanned.displacement_px[t, y], np.broadcast_to([dy, dx], (96, 2)))
    from scipy.ndimage import map_coordinates

    x = np.arange(96.0)
    expected = map_coordinates(movie[t, ..., 0].astype(float), [0 * x + y + dy, x + dx], order=3)
    assert_allclose(scanned.truth[t, y, 4:-4, 0], expected[4:-4], atol=1e-3)


@pytest.mark.parametrize(
    ("field", "value", "axis", "expected"),
    [
        ("jitter_px", (0.2, 0.4), 0, 0.2),
        ("jitter_px", (0.2, 0.4), 1, 0.4),
        ("walk_px", (0.0, 0.02), 1, 0.02 / np.sqrt(1 - np.exp(-2 / 64))),
    ],
)
def test_displacements_have_the_size_asked_for(field, value, axis, expected):
    found = displacement(Scan(**{field: value}), (40, 400, 8), np.random.default_rng(0))
    assert_allclose(found[..., axis].std(), expected, rtol=0.1)
    if field == "jitter_px":  # each row by itself
        rows = found[:, :, 0, axis]
        assert abs((rows[:, 1:] * rows[:, :-1]).mean() / rows.var()) < 0.03


def test_hum_is_a_line_in_the_spectrum_of_the_rows():
    scan = Scan(hum_px=(0.36,), hum_cycles=(0.25,))
    found = displacement(scan, (2, 256, 16), np.random.default_rng(3))
    size = np.sqrt((found**2).sum(-1).mean())
    assert_allclose(size, 0.36, rtol=0.02)
    power = np.abs(np.fft.rfft(found[0, :, 0, 1])) ** 2
    assert power.argmax() == 64
    # within a row, too, it goes on
    assert_allclose(found[0, 100, 15, 1], found[0, 101, 0, 1], atol=0.06)


def test_drift_shears_and_the_way_back_stretches():
    scan = Scan(drift_px=(0.5, 2.0))
    found = displacement(scan, (1, 101, 12), np.random.default_rng(0))
    assert_allclose(found[0, 100, 5] - found[0, 0, 5], np.array([0.5, 2.0]) * 100 / 101, rtol=1e-5)
    found = displacement(Scan(flyback_px=3.0), (1, 9, 60), np.random.default_rng(0))
    assert_allclose(found[0, 4, 0], [0, -3])
    assert abs(found[0, 4, -1, 1]) < 1e-5


def test_pixels_glow_on():
    scanned = scan_movie(clean((2, 128, 256, 1)), Scan(glow=0.3), 0, psnr_db=10)
    noise = scanned.noisy - scanned.truth
    lag1 = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.var()
    assert_allclose(lag1, 0.3, atol=0.02)


def test_rows_have_offsets_and_gains():
    flat = np.full((2, 400, 300, 1), 5.0, np.float32)
    flat[:, :, 0] += 1  # a range, so that there is noise
    white, rows, gains = (
        scan_movie(flat, Scan(**options), 0, psnr_db=10).noisy - flat
        for options in ({}, {"row_offset": 0.5}, {"row_gain": 0.1})
    )
    sigma = white.std()
    assert white.mean(axis=2).std() < 0.1 * sigma
    assert_allclose(rows.mean(axis=2).std(), 0.5 * sigma, rtol=0.1)
    assert_allclose(gains.mean(axis=2).std(), 0.5, rtol=0.1)


def test_an_uneven_support_is_as_strong_as_asked_for_and_dark_where_atoms_are():
    movie = clean((2, 256, 256, 2))
    scanned = scan_movie(movie, Scan(support=0.5), 0, psnr_db=60)
    support = scanned.truth - movie
    assert_allclose(support[0], support[1], atol=1e-5)
    assert_allclose(support.std(axis=(0, 1, 2)) / movie.std(axis=(0, 1, 2)), 0.5, rtol=0.05)
    assert np.corrcoef(support[..., 0].ravel(), support[..., 1].ravel())[0, 1] < -0.99


def test_spikes_levels_and_clipping():
    movie = clean((4, 128, 128, 1))
    sigma = (scan_movie(movie, STILL, 0, psnr_db=10).noisy - movie).std()
    hit = scan_movie(movie, Scan(spikes=1e-3), 0, psnr_db=10)
    share = (hit.noisy - hit.truth > 6 * sigma).mean()
    assert_allclose(share, 1e-3, rtol=0.4)
    few = scan_movie(movie, Scan(levels=16, clipped=0.05), 0, psnr_db=10).noisy
    values = np.unique(few)
    assert len(values) <= 16
    assert_allclose(np.diff(values), np.diff(values)[0], rtol=1e-3)
    assert (few == few.min()).mean() > 0.05


def test_electrons_are_counted():
    beam = (0.1 + 0.02 * clean((2, 64, 64, 1)) / 10).clip(0, 1)
    scanned = scan_movie(beam, Scan(jitter_px=(0.1, 0.1)), 0, dose_e_px=200)
    noise = scanned.noisy - scanned.truth
    assert_allclose(scanned.truth.mean(), 200 * beam.mean(), rtol=0.01)
    assert_allclose(noise.var(), scanned.truth.mean(), rtol=0.1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"jitter_px": 0.3}, "jitter_px"),
        ({"walk_px": (-1, 0)}, "walk_px"),
        ({"hum_px": (0.1,)}, "hum_cycles"),
        ({"hum_px": (0.1,), "hum_cycles": (0.7,)}, "hum_cycles"),
        ({"glow": 1.0}, "glow"),
        ({"spikes": -0.1}, "spikes"),
        ({"levels": 1}, "levels"),
        ({"support": -1}, "support"),
        ({"support_px": 0}, "support_px"),
    ],
)
def test_what_cannot_be_is_refused(options, named):
    with pytest.raises(ValueError, match=f"{named} is"):
        Scan(**options)


def test_a_movie_and_one_noise_level_are_wanted():
    with pytest.raises(ValueError, match=r"expected \(T, Y, X, C\)"):
        scan_movie(clean()[0], STILL, 0, psnr_db=10)
    for levels in ({}, {"psnr_db": 10, "dose_e_px": 10}):
        with pytest.raises(ValueError, match="one of the two"):
            scan_movie(clean(), STILL, 0, **levels)
    with pytest.raises(ValueError, match="no scan 'worst'"):
        scan_movie(clean(), "worst", 0, psnr_db=10)


def test_strengths_rise():
    numbers = [dataclasses.asdict(scan) for scan in SCANS.values()]
    for name in ("glow", "row_offset", "row_gain", "support", "spikes", "flyback_px"):
        values = [one[name] for one in numbers]
        assert values == sorted(values)
