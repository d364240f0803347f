import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import noise, simulate
from n2v_stem_keras.metrics import fourier

PIXEL_NM = 0.05


def cosine(shape, frequency_nm, angle_deg, pixel_nm=PIXEL_NM):
    """Grating of amplitude 1 whose spot lies at an angle from x towards y (down)."""
    y, x = np.indices(shape) * pixel_nm
    angle = np.radians(angle_deg)
    return np.cos(2 * np.pi * frequency_nm * (x * np.cos(angle) + y * np.sin(angle)))


def lattice(shape, frequency_nm, angle_deg, n_waves, pixel_nm=PIXEL_NM):
    """Three waves 60 degrees apart have six spots, two 90 degrees apart have four."""
    turns = 180 / n_waves * np.arange(n_waves)
    return sum(cosine(shape, frequency_nm, angle_deg + turn, pixel_nm) for turn in turns)


def white(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(80, 160), (160, 80), (75, 81)])
def test_a_grating_has_its_spots_at_its_frequency(shape):
    """4 nm^-1 along x, 2 along y, or both at once: whole cycles in frames of 4 and 8 nm."""
    fy, fx = fourier.frequencies(shape, PIXEL_NM)
    assert fx[1] - fx[0] == pytest.approx(1 / (shape[1] * PIXEL_NM))
    for want_y, want_x in ((0, 4), (2, 0), (2, 4), (-2, 4)):
        angle = np.degrees(np.arctan2(want_y, want_x))
        magnitude = fourier.fft_magnitude(cosine(shape, np.hypot(want_y, want_x), angle))
        half = np.where((fx > 0) | ((fx == 0) & (fy[:, None] > 0)), magnitude, 0)
        y, x = np.unravel_index(np.argmax(half), shape)
        assert fy[y] == pytest.approx(want_y, abs=0.5 / (shape[0] * PIXEL_NM))
        assert fx[x] == pytest.approx(want_x, abs=0.5 / (shape[1] * PIXEL_NM))


@pytest.mark.parametrize("window", ["hann", ("tukey", 0.25), "boxcar"])
def test_a_grating_reads_its_amplitude_and_an_offset_reads_nothing(window):
    frames = np.stack([3 * cosine((80, 160), 4, 0), 3 * cosine((80, 160), 4, 0) + 1000])
    before = frames.copy()
    magnitude = fourier.fft_magnitude(frames, window)
    assert magnitude.max(axis=(1, 2)) == pytest.approx([3, 3])
    assert np.allclose(magnitude[0], magnitude[1], atol=1e-9)
    assert magnitude[1, 40, 80] == pytest.approx(0, abs=1e-9)
    assert np.array_equal(frames, before)


def test_the_window_takes_away_the_streaks_of_the_edges():
    """A slope jumps at the border, which without a window spreads along the axes."""
    slope = np.indices((64, 64))[1].astype(float)
    far = [fourier.fft_magnitude(slope, window)[32, 60] for window in ("boxcar", "hann")]
    assert far[1] < 0.01 * far[0]


@pytest.mark.parametrize("shape", [(160, 160), (120, 200)])
def test_the_polar_map_has_physical_axes_on_frames_that_are_not_square(shape):
    for angle in (0, 25, 90, 130):
        magnitude = fourier.fft_magnitude(cosine(shape, 5.0, angle))
        polar, angles, radii = fourier.polar_transform(magnitude, PIXEL_NM)
        assert polar.shape == (len(angles), len(radii))
        row, column = np.unravel_index(np.argmax(polar[: len(angles) // 2 + 1]), polar.shape)
        assert radii[column] == pytest.approx(5, abs=0.13)
        assert np.degrees(angles[row]) % 180 == pytest.approx(angle, abs=1.5)
        assert np.allclose(polar[: len(angles) // 2], polar[len(angles) // 2 :])  # |F(-f)| = |F(f)|


def test_the_polar_map_ends_at_nyquist():
    """10 nm^-1 at 0.05 nm/px."""
    magnitude = fourier.fft_magnitude(white((60, 80)))
    polar, _, radii = fourier.polar_transform(magnitude, PIXEL_NM, 360, 15)
    assert radii[-1] == pytest.approx(15)
    assert np.isnan(polar[:, radii > 10.001]).all()
    assert np.isfinite(polar[:, radii <= 10.001]).all()
    _, angles, radii = fourier.polar_transform(magnitude, PIXEL_NM)
    assert radii[-1] == pytest.approx(10)
    assert len(angles) % 360 == 0
    assert radii[-1] * angles[1] <= radii[1]  # no pixel is stepped over


def test_six_spots_fold_into_one_and_four_into_two_of_a_third():
    shape, order, angle = (200, 200), 5.0, 20.0
    six, four = (fourier.fft_magnitude(lattice(shape, order, angle, n)) for n in (3, 2))
    folded = []
    for magnitude in (six, four):
        polar, angles, radii = fourier.polar_transform(magnitude, PIXEL_NM, 720)
        folded.append(fourier.fold(polar))
        assert folded[-1].shape == (120, len(radii))
    degrees, at = np.degrees(angles[:120]), np.argmin(abs(radii - order))
    height = folded[0][40, at]
    assert degrees[np.argmax(folded[0][:, at])] == pytest.approx(angle, abs=0.5)
    near = abs(degrees - angle) < 8
    assert folded[0][~near].max() < 0.01 * height
    for spot in (40, 100):  # 20 and 110 - 60 = 50 degrees; between pixels a little is lost
        assert folded[1][spot - 3 : spot + 4, at].max() == pytest.approx(height / 3, rel=0.2)
    four_fold = fourier.fold(fourier.polar_transform(four, PIXEL_NM, 720)[0], 4)
    assert four_fold[40, at] == pytest.approx(height, rel=0.2)


def test_fold_is_a_mean_by_hand():
    assert fourier.fold([[1.0, 2], [3, 4], [5, 6], [7, np.nan]], 2) == pytest.approx(
        np.array([[3, 4], [5, np.nan]]), nan_ok=True
    )
    with pytest.raises(ValueError, match="multiple"):
        fourier.fold(np.zeros((10, 4)), 6)


@pytest.mark.parametrize("shape", [(100, 100), (60, 140), (61, 99)])
def test_the_radial_profile_is_the_mean_of_rings(shape):
    fy, fx = fourier.frequencies(shape, PIXEL_NM)
    distance = np.hypot(fy[:, None], fx)
    radii, profile = fourier.radial_profile(distance, PIXEL_NM)
    step = 1 / (min(shape) * PIXEL_NM)
    assert radii[1] - radii[0] == pytest.approx(step)
    assert radii[-1] <= 10
    assert radii[-1] > 10 - step
    assert np.all(abs(profile[1:] - radii[1:]) < step / 2)
    ring = (distance >= 4.5 * step) & (distance < 5.5 * step)
    assert profile[5] == pytest.approx(distance[ring].mean())


def test_both_orders_of_graphene_are_found_30_degrees_apart():
    movie = simulate.reference_movie(2, shape=(160, 200), n_frames=1)
    first, second = fourier.lattice_spots(movie.clean[0, ..., 1], movie.pixel_size_nm)
    assert first.frequency_nm == pytest.approx(4.69, abs=0.1)
    assert second.frequency_nm == pytest.approx(8.13, abs=0.1)
    assert (second.angle_deg - first.angle_deg) % 60 == pytest.approx(30, abs=1.5)
    assert first.height > second.height > 0
    assert min(first.snr, second.snr) > 50


def test_noise_reads_what_the_docstring_says():
    """3.3 +- 0.7 in 128x128 px; the search for the highest point lifts it from zero."""
    snr = fourier.lattice_spot_snr(white((40, 128, 128)), 0.046)
    assert snr.shape == (40, 2)
    assert snr.mean(axis=0) == pytest.approx([3.3, 3.3], abs=0.45)
    assert np.mean(snr > fourier.CLEAR_SNR) < 0.07


def test_spot_snr_rises_with_psnr_and_not_with_gain_or_blur():
    movie = simulate.reference_movie(1, shape=(160, 160), n_frames=2)
    clean = movie.clean[..., 1:]
    by_psnr = [
        fourier.lattice_spot_snr(noise.add_white_noise(clean, psnr, 0)[..., 0], 0.046).mean(0)
        for psnr in (4, 10, 16)
    ]
    assert np.all(np.diff(by_psnr, axis=0) > 2)
    frame = noise.add_white_noise(clean, 16, 0)[0, ..., 0].astype(float)
    raw = fourier.lattice_spot_snr(frame, 0.046)
    assert fourier.lattice_spot_snr(5 + 1e3 * frame, 0.046) == pytest.approx(raw)
    assert fourier.lattice_spot_snr(gaussian_filter(frame, 1), 0.046) == pytest.approx(raw, rel=0.3)


def test_spot_snr_by_hand_on_a_spectrum_made_to_order(monkeypatch):
    """1 and 3 by turns of 5 degrees (mean 2, sd 1), and 12 in six places: height and SNR 10."""
    fy, fx = fourier.frequencies((400, 400), PIXEL_NM)
    radius = np.hypot(fy[:, None], fx)
    turn = np.degrees(np.arctan2(fy[:, None], fx)) % 60
    magnitude = np.where(turn // 5 % 2 == 0, 1.0, 3.0)
    magnitude[(abs(turn - 20) < 1) & (abs(radius - 5) < 0.1)] = 12.0
    monkeypatch.setattr(fourier, "fft_magnitude", lambda image: magnitude)
    (spot,) = fourier.lattice_spots(np.zeros((400, 400)), PIXEL_NM, [5.0])
    assert spot.height == pytest.approx(10, abs=0.2)
    assert spot.snr == pytest.approx(10, rel=0.1)  # interpolation takes a little of the sd
    assert spot.angle_deg == pytest.approx(20, abs=1)


def test_a_square_lattice_is_no_six_fold_one():
    """Under one noise: two spots of a third of the height, each the background of the other."""
    shape, grain = (160, 160), 2.0 * white((160, 160))
    six, four = (
        fourier.lattice_spots(lattice(shape, 4.69, 10, n) + grain, PIXEL_NM, [4.69])[0]
        for n in (3, 2)
    )
    assert four.height < 0.45 * six.height
    assert four.snr < 0.3 * six.snr
    own = fourier.lattice_spots(lattice(shape, 4.69, 10, 2) + grain, PIXEL_NM, [4.69], 4)[0]
    assert own.snr > 2 * four.snr


def test_orders_beyond_nyquist_are_nan():
    """At 0.07 nm/px Nyquist is 7.1 nm^-1: the first order only; at 0.11 it is 4.5: none."""
    frames = white((2, 96, 64))
    snr = fourier.lattice_spot_snr(frames, 0.07)
    assert np.isfinite(snr[:, 0]).all()
    assert np.isnan(snr[:, 1]).all()
    assert np.isnan(fourier.lattice_spot_snr(frames, 0.11)).all()
    assert np.isnan(fourier.lattice_spot_snr(np.ones((96, 64)), 0.07)).all()


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="expected"):
        fourier.fft_magnitude(np.zeros(8))
    with pytest.raises(ValueError, match="one frame"):
        fourier.lattice_spots(np.zeros((2, 8, 8)), PIXEL_NM)
    with pytest.raises(ValueError, match="expected"):
        fourier.radial_profile(np.zeros((2, 8, 8)), PIXEL_NM)
    with pytest.raises(ValueError, match="too small"):
        fourier.lattice_spots(white((8, 8)), PIXEL_NM, [3.75])
