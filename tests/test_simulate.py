from itertools import pairwise

import numpy as np
import pytest

from n2v_stem_keras import simulate
from n2v_stem_keras.simulate import fast, structures

WINDOW = (-1.0, 4.0, -2.0, 3.5)  # y0, y1, x0, x1 [nm]
PIXEL = 0.046


def distances(points):
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart


@pytest.mark.parametrize("rotation", [0.0, 0.3, 1.7, -2.0])
def test_graphene_has_its_bond_length_density_and_neighbours(rotation):
    atoms = structures.graphene(WINDOW, 1, rotation, (0.05, -0.1))[:, 1:]
    apart = distances(atoms)
    assert apart.min() == pytest.approx(0.142, abs=1e-4)
    inner = np.all((atoms > [-0.8, -1.8]) & (atoms < [3.8, 3.3]), axis=1)
    assert np.all(np.sum(apart[inner] < 0.15, axis=1) == 3)
    assert len(atoms) / (5.0 * 5.5) == pytest.approx(38.2, rel=0.02)


def test_bernal_layers_stack_half_of_their_atoms():
    atoms = structures.graphene(WINDOW, 4, 0.4)
    layers = [atoms[np.isclose(atoms[:, 0], n * structures.INTERLAYER_NM), 1:] for n in range(4)]
    assert np.allclose(layers[0], layers[2])
    assert np.allclose(layers[1], layers[3])
    nearest = np.linalg.norm(layers[0][:, None] - layers[1][None], axis=-1).min(axis=1)
    inner = np.all((layers[0] > [-0.8, -1.8]) & (layers[0] < [3.8, 3.3]), axis=1)
    assert np.mean(nearest[inner] < 1e-9) == pytest.approx(0.5, abs=0.02)
    assert nearest[inner & (nearest > 1e-9)] == pytest.approx(0.142, abs=1e-4)


def test_rotating_and_shifting_the_lattice_moves_its_atoms_rigidly():
    wide, angle, shift = (-6.0, 6.0, -6.0, 6.0), 0.37, np.array([0.03, -0.08])
    plain = structures.graphene(wide, 1)[:, 1:]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = structures.graphene(wide, 1, angle, shift)[:, 1:]
    near = plain[np.linalg.norm(plain, axis=1) < 2] @ turn + shift
    assert np.abs(near[:, None] - turned[None]).max(-1).min(axis=1).max() < 1e-9


def test_adatoms_keep_density_and_distance():
    window, rng = (0.0, 30.0, 0.0, 20.0), np.random.default_rng(0)
    placed = structures.adatoms(window, 0.25, rng, 0.3)
    assert len(placed) == pytest.approx(150, abs=4 * 150**0.5)
    assert distances(placed).min() >= 0.3
    with pytest.raises(ValueError, match="no room"):
        structures.adatoms((0, 1, 0, 1), 100.0, rng, 0.5)


@pytest.mark.parametrize("hops", [False, True])
def test_adatoms_move_as_told(hops):
    window, rng = (0.0, 60.0, 0.0, 60.0), np.random.default_rng(1)
    movie = structures.adatom_movie(window, 0.25, 4, rng, hops)
    steps = np.concatenate([after - before for before, after in pairwise(movie)])
    steps -= 60.0 * np.rint(steps / 60.0)
    length = np.linalg.norm(steps, axis=1)
    moved = steps[length > 0]
    far = np.linalg.norm(moved, axis=1) > (0.2 if hops else 0.5)
    if hops:
        assert np.mean(length > 0) == pytest.approx(0.35, abs=0.03)
        assert np.mean(length > 0.2) == pytest.approx(0.05, abs=0.015)
        assert np.linalg.norm(moved[far], axis=1).min() >= 0.246
        assert moved[~far].std() == pytest.approx(0.03, rel=0.07)
    else:
        assert np.mean(length > 0) == pytest.approx(0.53, abs=0.03)
        assert np.mean(length > 0.5) == pytest.approx(0.03, abs=0.01)
        assert moved[~far].std() == pytest.approx(0.06, rel=0.07)


def test_probe_transfers_nothing_beyond_its_limit():
    assert fast.probe_transfer(np.array([0.0, 15.33, 20.0])) == pytest.approx([1, 0, 0], abs=1e-3)
    assert np.all(np.diff(fast.probe_transfer(np.linspace(0, 15, 50))) < 0)


def test_source_blur_widens_the_atom():
    sharp, blurred = (fast.kernels(sigma)["ADF"]["Au"] for sigma in (0.0, fast.SOURCE_SIGMA_NM))
    assert sharp(0.05) < 0.7 * blurred(0.05)


@pytest.mark.parametrize("detector", fast.DETECTORS)
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.21, -0.37)])
def test_an_atom_lies_at_its_position_to_a_hundredth_of_a_pixel(detector, offset):
    place = np.array([20.0, 22.0]) + offset
    kernel = fast.kernels()[detector]
    frame = np.abs(fast.image({"Au": [place * PIXEL]}, kernel, (41, 45), PIXEL))
    core = np.where(frame > 0.05 * frame.max(), frame, 0)
    grid = np.indices(frame.shape)
    assert (grid * core).sum((1, 2)) / core.sum() == pytest.approx(place, abs=0.1)
    # exactly: the same atom on a grid ten times finer, where its offset is whole pixels
    fine = fast.image({"Au": [place * PIXEL]}, kernel, (410, 450), PIXEL / 10)
    assert np.allclose(np.abs(fine[::10, ::10]), frame, atol=1e-3 * frame.max())
    moved = fast.image({"Au": [(place + np.array([1, 2])) * PIXEL]}, kernel, (41, 45), PIXEL)
    assert np.allclose(np.abs(moved)[1:, 2:], frame[:-1, :-2], atol=1e-9)


def test_image_is_linear_in_its_atoms_and_seen_through_the_edge():
    kernel, shape = fast.kernels()["ADF"], (30, 40)
    a, b = [[0.5, 0.6]], [[-0.1, 0.4]]
    both = fast.image({"Au": a + b}, kernel, shape, PIXEL, level=2.0)
    parts = fast.image({"Au": a}, kernel, shape, PIXEL) + fast.image(
        {"Au": b}, kernel, shape, PIXEL
    )
    assert np.allclose(both, 2 + parts)
    assert fast.image({"Au": b}, kernel, shape, PIXEL)[0].max() > 0


@pytest.fixture(scope="module")
def movie():
    return simulate.reference_movie(5, shape=(96, 128), n_frames=3)


@pytest.mark.parametrize("hops", [False, True])
def test_movie_is_a_function_of_the_seed_and_grows_at_its_end(hops):
    kwargs = {"shape": (48, 64), "hops": hops}
    short = simulate.reference_movie(7, n_frames=2, **kwargs)
    again = simulate.reference_movie(7, n_frames=4, **kwargs)
    other = simulate.reference_movie(8, n_frames=2, **kwargs)
    assert np.array_equal(short.clean, again.clean[:2])
    assert all(np.array_equal(a, b) for a, b in zip(short.positions, again.positions, strict=False))
    assert not np.allclose(short.clean, other.clean)


def test_movie_has_the_projects_layout(movie):
    assert movie.clean.shape == (3, 96, 128, 2)
    assert movie.clean.dtype == np.float32
    assert movie.detectors == ("ADF", "BF")
    assert len(movie.positions) == 3
    for placed in movie.positions:
        assert np.all((placed > -0.51) & (placed < [95.51, 127.51]))


def test_adatoms_are_bright_in_adf_and_dark_in_bf_at_their_positions(movie):
    for frame, placed in zip(movie.clean, movie.positions, strict=True):
        y, x = np.rint(placed).astype(int).T
        adf, bf = frame[..., 0], frame[..., 1]
        assert np.all(adf[y, x] > 10 * np.median(adf))
        assert np.all(bf[y, x] < np.median(bf) - 5 * 1.4826 * np.median(np.abs(bf - np.median(bf))))


def test_lattice_is_strong_in_bf_and_weak_in_adf():
    bare = simulate.reference_movie(2, (128, 128), 1, density_nm2=0.0)
    full = simulate.reference_movie(2, (128, 128), 1)
    share = np.ptp(bare.clean[0], axis=(0, 1)) / np.ptp(full.clean[0], axis=(0, 1))
    assert share[0] < 0.08
    assert 0.15 < share[1] < 0.5


@pytest.mark.parametrize("n_layers", [1, 4])
def test_lattice_spots_have_graphenes_spacing_and_six_fold_symmetry(n_layers):
    n, bare = 256, simulate.reference_movie(4, (256, 256), 1, n_layers=n_layers, density_nm2=0.0)
    frame = bare.clean[0, ..., 1]
    window = np.outer(np.hanning(n), np.hanning(n))
    power = np.abs(np.fft.fft2((frame - frame.mean()) * window)) ** 2
    f = np.fft.fftfreq(n, PIXEL)
    radius, angle = np.hypot(*np.meshgrid(f, f)), np.arctan2(*np.meshgrid(f, f))
    spots = []
    ring = np.abs(radius - 1 / 0.213) < 0.4
    for _ in range(6):
        y, x = np.unravel_index(np.argmax(np.where(ring, power, 0)), power.shape)
        assert power[y, x] > 1e3 * np.median(power[ring])
        spots.append(angle[y, x])
        assert radius[y, x] == pytest.approx(4.694, abs=0.08)
        power[np.ix_(np.arange(y - 3, y + 4) % n, np.arange(x - 3, x + 4) % n)] = 0
    gaps = np.diff(np.sort(spots))
    assert gaps == pytest.approx(np.full(5, np.pi / 3), abs=0.03)


def test_drift_moves_the_lattice_only_with_hops():
    still, drifting = (
        simulate.reference_movie(3, (64, 64), 2, density_nm2=0.0, hops=hops)
        for hops in (False, True)
    )
    assert np.array_equal(still.clean[0], still.clean[1])
    assert not np.allclose(drifting.clean[0], drifting.clean[1])


def test_a_lone_adatom_stands_5_7_sigma_high_at_16_db():
    heights = []
    for seed in range(3):
        movie = simulate.reference_movie(seed, n_frames=1)
        adf, placed = movie.clean[0, ..., 0], movie.positions[0]
        lone = distances(placed).min(axis=1) > 15
        y, x = np.rint(placed[lone]).astype(int).T
        heights.append((adf[y, x].mean() - np.median(adf)) / (np.ptp(adf) / 10 ** (16 / 20)))
    assert np.mean(heights) == pytest.approx(5.7, abs=0.2)
