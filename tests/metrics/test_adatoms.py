import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import metrics, simulate

CHEQUERS = np.tile([[1.0, -1.0], [-1.0, 1.0]], (20, 20))  # mean 0, standard deviation 1


def gaussians(shape, centres, sigma=2.0, height=1.0):
    """Atoms of a height on zero."""
    grid = np.indices(shape)
    total = np.zeros(shape)
    for centre in centres:
        distance2 = ((grid - np.reshape(centre, (2, 1, 1))) ** 2).sum(0)
        total += height * np.exp(-distance2 / (2 * sigma**2))
    return total


def test_peak_snr_by_hand():
    image = np.tile([[1.0, -1.0], [-1.0, 1.0]], (10, 10))  # background: mean 0, sd 1
    image[10, 10] = 7.0
    assert metrics.peak_snr(image, [[9.8, 10.3]], 0.9) == pytest.approx(7, abs=0.02)
    dark = metrics.peak_snr(-image, [[10, 10]], 0.9)
    assert dark == pytest.approx(-7, abs=0.02)
    assert np.isnan(metrics.peak_snr(image, np.empty((0, 2)), 3))
    assert np.isnan(metrics.peak_snr(image, [[10, 10]], 100))
    with pytest.raises(ValueError, match="outside"):
        metrics.peak_snr(image, [[20, 3]], 3)


def test_peak_snr_of_noise_is_zero_where_the_places_are_given_beforehand():
    rng = np.random.default_rng(2)
    places = rng.integers(5, 251, (200, 2))
    assert metrics.peak_snr(rng.normal(size=(256, 256)), places, 3) == pytest.approx(0, abs=0.25)


def test_background_is_farther_than_the_exclusion_from_all_atoms():
    image = np.arange(30.0).reshape(5, 6)
    left = metrics.background_pixels(image, [[2, 2], [-1, 9]], 2)
    far = np.hypot(*(np.indices(image.shape) - 2)) > 2
    assert np.array_equal(left, image[far])
    assert metrics.background_pixels(image, np.empty((0, 2)), 2).size == 30


def test_peak_snr_leaves_other_atoms_out_of_the_background():
    """0.3 nm at 0.1 nm/px is 3 px; the second atom would be background otherwise."""
    image = CHEQUERS.copy()
    image[20, 20], image[30, 30] = 7.0, 100.0
    alone = metrics.peak_snr(image, [[20, 20]], pixel_size_nm=0.1)
    assert alone < 3
    found = metrics.peak_snr(image, [[20, 20]], pixel_size_nm=0.1, others=[[30, 30], [-3, 5]])
    assert found == pytest.approx(7, abs=0.05)
    assert found == metrics.peak_snr(image, [[20, 20]], 0.3 / 0.1, others=[[30, 30], [-3, 5]])
    with pytest.raises(ValueError, match="one of the two"):
        metrics.peak_snr(image, [[20, 20]])


def test_profile_snr_by_hand():
    """Row 20, atoms at x = 20 and 30, and one 2 px beside the row at x = 5; 3 px excluded."""
    image = 0.1 * CHEQUERS
    image[20, 5], image[20, 20], image[20, 30] = 50.0, 9.0, 40.0
    snr = metrics.profile_snr(image, [20.3, 19.8], [[20, 30], [22, 5]], pixel_size_nm=0.1)
    x = np.arange(40)
    far = (abs(x - 19.8) > 2.98) & (abs(x - 30) > 2.99) & (abs(x - 5) > np.sqrt(5))
    background = image[20, far]
    assert snr == pytest.approx((9 - background.mean()) / background.std())
    assert snr == pytest.approx(90, rel=0.01)
    image[10] = 1e3  # other rows do not matter
    assert metrics.profile_snr(
        image, [20.3, 19.8], [[20, 30], [22, 5]], pixel_size_nm=0.1
    ) == pytest.approx(snr)


def test_adatom_snr_of_gaussian_atoms_by_hand():
    """One of height 6 between pixels reads 3 at sigma 2, whatever a bright pair beside it does."""
    places = np.array([[20.4, 20.7], [50, 50], [50, 53.5]])  # the pair is 0.35 nm apart
    clean = 5 + gaussians((80, 80), places[:1], 1.2, height=6)
    clean += gaussians((80, 80), places[1:], 1.2, height=90)
    assert metrics.adatom_snr(clean, places, 2.0, 0.1) == pytest.approx(3, rel=0.02)
    assert metrics.adatom_snr(-clean, places, 2.0, 0.1) == pytest.approx(-3, rel=0.02)
    assert metrics.adatom_snr(clean, places, 2.0, 0.15) > 3  # the pair is 0.52 nm apart: all alone
    assert np.isnan(metrics.adatom_snr(clean, places[1:], 2.0, 0.1))
    assert np.isnan(metrics.adatom_snr(clean, [[1.0, 40.0]], 2.0, 0.1))  # at the border
    assert np.isnan(metrics.adatom_snr(clean, [], 2.0, 0.1))


def test_adatom_snr_pools_frames_with_their_own_noise():
    atoms = [np.array([[20.0, 20.0]]), np.empty((0, 2)), np.array([[30.0, 12.0]])]
    clean = np.stack([gaussians((48, 48), placed) for placed in atoms])
    assert metrics.adatom_snr(clean, atoms, [0.5, 1, 0.25], 0.05) == pytest.approx(3, rel=0.02)
    with pytest.raises(ValueError, match="2 arrays of positions"):
        metrics.adatom_snr(clean, atoms[:2], 1.0, 0.05)
    with pytest.raises(ValueError, match="one positive number"):
        metrics.adatom_snr(clean, atoms, [1.0, 0.0, 1.0], 0.05)


def test_adatom_snr_falls_by_the_factor_of_the_noise_and_bf_is_dark():
    movie = simulate.reference_movie(1, n_frames=2)
    sigma = np.ptp(movie.clean, axis=(1, 2)) / 10 ** (16 / 20)
    at_16 = [
        metrics.adatom_snr(movie.clean[..., c], movie.positions, sigma[:, c], movie.pixel_size_nm)
        for c in range(2)
    ]
    assert 4 < at_16[0] < 8
    assert at_16[1] < -2
    at_6 = metrics.adatom_snr(
        movie.clean[..., 0], movie.positions, 10**0.5 * sigma[:, 0], movie.pixel_size_nm
    )
    assert at_6 == pytest.approx(at_16[0] / 10**0.5)


@pytest.mark.parametrize("dark", [False, True])
def test_dip_between_two_gaussians_by_hand(dark):
    """Sigma 2 px, 8 px apart, heights 1 and 1.5: between them the sum of two exponentials."""
    image = gaussians((40, 40), [(20, 12)]) + gaussians((40, 40), [(20, 20)], height=1.5)
    t = np.arange(0, 8.001, 1)  # profile on the pixels themselves
    line = np.exp(-(t**2) / 8) + 1.5 * np.exp(-((8 - t) ** 2) / 8)
    lower = line[:2].max()
    expected = (lower - line.min()) / lower
    assert 0.6 < expected < 0.8
    image = 3 + (-image if dark else image)
    places = (20, 12), (20, 20)
    assert metrics.dip(image, *places, 3.0, dark=dark) == pytest.approx(expected)
    assert metrics.dip(image, *reversed(places), 3.0, dark=dark) == pytest.approx(expected)
    assert metrics.dip(image.T, (12, 20), (20, 20), dark=dark) == pytest.approx(expected, abs=0.01)


def test_dip_along_a_slanted_line():
    a, b = np.array([12.3, 10.8]), np.array([18.9, 19.6])  # 11 px apart
    image = gaussians((32, 32), (a, b), sigma=2.5)
    expected = 1 - 2 * np.exp(-(5.5**2) / 12.5) / (1 + np.exp(-(11**2) / 12.5))
    assert metrics.dip(image, a, b, 0.0) == pytest.approx(expected, abs=0.03)


def test_dip_vanishes_with_blur_and_a_stack_gives_one_each():
    image = gaussians((40, 40), [(20, 16), (20, 24)])
    stack = np.stack([image, gaussian_filter(image, 1.5), gaussian_filter(image, 6)])
    dips = metrics.dip(stack, (20, 16), (20, 24), 0.0)
    assert dips[0] > dips[1] > 0.2
    assert dips[2] == 0
    assert metrics.dip(stack, (20, 16), (20, 24), [0.0, 0.1, 0.0])[1] > dips[1]
    assert np.isnan(metrics.dip(image, (20, 16), (20, 24), 5.0))


def test_dip_of_a_noisy_frame_reads_too_deep():
    clean = gaussians((40, 40), [(20, 16), (20, 24)])
    noisy = clean + 0.3 * np.random.default_rng(0).normal(size=(100, 40, 40))
    truth = metrics.dip(clean, (20, 16), (20, 24), 0.0)
    assert np.median(metrics.dip(noisy, (20, 16), (20, 24), 0.0)) > truth + 0.1


def test_dip_refuses_one_place_and_places_outside():
    with pytest.raises(ValueError, match="two positions"):
        metrics.dip(np.eye(9), (3, 3), (3, 3))
    with pytest.raises(ValueError, match="outside"):
        metrics.dip(np.eye(9), (3, 3), (3, 9))
