"""Simulated movies: the reference movies, the truth that comes with them, ways of imaging."""

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras import simulate
from n2v_stem_keras.simulate import fast, movies

PIXEL = 0.046


def distances(points):
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart


# --- reference movies ---


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


def test_lattice_is_weak_beside_adatoms_and_weaker_in_adf():
    bare = simulate.reference_movie(2, (128, 128), 1, density_nm2=0.0)
    full = simulate.reference_movie(2, (128, 128), 1)
    share = np.ptp(bare.clean[0], axis=(0, 1)) / np.ptp(full.clean[0], axis=(0, 1))
    assert 0.03 < share[0] < 0.12
    assert 1.3 * share[0] < share[1] < 0.4


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
    assert not still.drift_px.any()
    assert 0 < np.linalg.norm(drifting.drift_px[1]) < 1


def test_reference_movies_are_what_the_paper_simulates_in_motion():
    """Steps read off the truth, of several movies, in the frame's own unit [nm]."""
    steps, kept = [], []
    for seed in range(6):
        movie = simulate.reference_movie(seed, (50, 50), 5, density_nm2=1.0, pixel_size_nm=0.1)
        assert movie.scene.specimen.lattice == "graphene"
        assert np.unique(movie.scene.lattice(0)["C"][:, 0]) == pytest.approx(
            0.25 + 0.335 * np.arange(4)
        )
        for t in range(1, 5):
            before, after = movie.scene.positions_nm[t - 1], movie.scene.positions_nm[t]
            same = movie.scene.ids[t] == movie.scene.ids[t - 1]
            kept.append(same)
            steps.append((after - before)[same])
    steps, kept = np.concatenate(steps), np.concatenate(kept)
    moved = np.any(steps != 0, axis=1)
    assert np.mean(~kept) == pytest.approx(0.03, abs=0.012)
    assert moved.mean() == pytest.approx(0.5 / 0.97, abs=0.04)
    assert steps[moved].std() == pytest.approx(0.06, rel=0.05)
    counts = [len(places) for places in movie.scene.positions_nm]
    assert len(set(counts)) == 1


def test_a_lone_adatom_stands_5_7_sigma_high_at_16_db():
    heights = []
    for seed in range(3):
        movie = simulate.reference_movie(seed, n_frames=1)
        adf, placed = movie.clean[0, ..., 0], movie.positions[0]
        lone = distances(placed).min(axis=1) > 15
        y, x = np.rint(placed[lone]).astype(int).T
        heights.append((adf[y, x].mean() - np.median(adf)) / (np.ptp(adf) / 10 ** (16 / 20)))
    assert np.mean(heights) == pytest.approx(5.7, abs=0.2)


# --- the truth ---


def test_positions_and_ids_are_those_of_the_adatoms_in_view():
    movie = simulate.simulate_movie(2, (90, 120), 6, density_nm2=2.0, motion="hops", drift_px=1.0)
    for t in range(6):
        placed = movie.scene.positions_nm[t] / PIXEL
        seen = np.all((placed > -0.5) & (placed < [89.5, 119.5]), axis=1)
        assert np.allclose(movie.positions[t], placed[seen])
        assert np.array_equal(movie.ids[t], movie.scene.ids[t][seen])
        assert 0 < len(movie.ids[t]) < len(placed)


def test_a_position_is_the_place_of_the_peak():
    movie = simulate.simulate_movie(3, (160, 160), 1, motion="none", n_layers=1)
    adf, placed = movie.clean[0, ..., 0], movie.positions[0]
    y, x = np.rint(placed).astype(int).T
    within = (np.minimum(y, x) > 8) & (np.maximum(y, x) < 151)
    lone = within & (distances(placed).min(axis=1) > 15)
    assert lone.sum() >= 3
    for (cy, cx), i, j in zip(placed[lone], y[lone], x[lone], strict=True):
        log = np.log(adf[i - 1 : i + 2, j - 1 : j + 2] - 0.9 * adf.min())
        top = [(a - b) / (a + b - 2 * c) / 2 for a, b, c in
               ((log[2, 1], log[0, 1], log[1, 1]), (log[1, 2], log[1, 0], log[1, 1]))]  # fmt: skip
        assert [i - top[0], j - top[1]] == pytest.approx([cy, cx], abs=0.12)


@pytest.mark.parametrize(("channel", "density"), [(0, 0.6), (1, 0.0)])
def test_adatoms_and_lattice_drift_alike_in_the_frames(channel, density):
    """ADF shows the adatoms, BF without adatoms the lattice; both move by the drift told."""
    from skimage.registration import phase_cross_correlation

    movie = simulate.simulate_movie(
        5, (128, 128), 2, motion="none", drift_px=(0.8, -1.1), density_nm2=density
    )
    window = np.outer(np.hanning(128), np.hanning(128))
    first, second = (
        window * (frame - frame.mean()) for frame in movie.clean[..., channel].astype(float)
    )
    shift, _, _ = phase_cross_correlation(second, first, upsample_factor=20, normalization=None)
    assert movie.drift_px[1] == pytest.approx([0.8, -1.1])
    assert shift == pytest.approx([0.8, -1.1], abs=0.15)


def test_a_hole_is_empty_beam_and_goes_with_the_drift():
    movie = simulate.simulate_movie(
        1, (150, 150), 3, hole_radius_nm=1.6, drift_px=(3.0, 2.0), density_nm2=1.0
    )
    masks = [movie.hole_mask(t) for t in range(3)]
    area = np.pi * (1.6 / PIXEL) ** 2
    assert masks[0].sum() == pytest.approx(area, rel=0.01)
    assert np.array_equal(masks[2][6:, 4:], masks[0][:-6, :-4])
    from scipy.ndimage import binary_erosion

    for frame, mask in zip(movie.clean, masks, strict=True):
        deep = binary_erosion(mask, iterations=int(np.ceil(fast.KERNEL_RADIUS_NM / PIXEL)) + 1)
        assert deep.sum() > 100
        for c, detector in enumerate(movie.detectors):
            assert frame[deep, c] == pytest.approx(fast.background(detector), abs=1e-6)
            assert abs(frame[~mask, c].mean() - fast.background(detector)) > 1e-4
    for mask, placed in zip(masks, movie.positions, strict=True):
        assert len(placed)
        y, x = np.rint(placed).astype(int).T
        assert mask[y, x].mean() < 0.05  # only such as round into it


def test_the_height_of_lone_adatoms_refers_to_the_range_of_the_frame():
    """By hand: a lone adatom 1 high, two close ones 4 high, on a ground of 2."""
    movie = simulate.simulate_movie(0, (40, 40), 1, density_nm2=0.0)
    assert np.isnan(movie.lone_adatom_height()).all()
    clean = np.full((1, 40, 40, 2), 2.0, np.float32)
    placed = np.array([[5.2, 6.4], [30.0, 20.0], [30.0, 29.0]])
    for (y, x), height in zip([(5, 6), (30, 20), (30, 29)], (1, 4, 4), strict=True):
        clean[0, y, x] += [height, -height]
    by_hand = dataclasses.replace(movie, clean=clean, positions=[placed])
    assert by_hand.lone_adatom_height() == pytest.approx([0.25, 0.25])
    assert by_hand.lone_adatom_height(lone_nm=0.3) == pytest.approx([1.0, 1.0])


# --- several movies ---


def test_movies_differ_and_each_is_its_own_function_of_the_seed():
    few, more = (simulate.simulate_movies(4, n, shape=(32, 32), n_frames=1) for n in (2, 3))
    assert all(np.array_equal(a.clean, b.clean) for a, b in zip(few, more, strict=False))
    rotations = {movie.scene.specimen.rotation_rad for movie in more}
    assert len(rotations) == 3
    assert len({movie.scene.specimen.origin_nm for movie in more}) == 3
    alone = simulate.simulate_movie([4, 1], shape=(32, 32), n_frames=1)
    assert np.array_equal(alone.clean, few[1].clean)
    fixed = simulate.simulate_movies(4, 2, shape=(32, 32), n_frames=1, rotation_rad=0.3)
    assert {movie.scene.specimen.rotation_rad for movie in fixed} == {0.3}


def test_a_list_of_lattices_is_drawn_from(multislice):
    made = simulate.simulate_movies(
        0, 12, shape=(8, 8), n_frames=1, lattice=["graphene", "hbn"], imaging="multislice"
    )
    names = [movie.scene.specimen.lattice for movie in made]
    assert set(names) == {"graphene", "hbn"}


# --- imaging ---


@pytest.fixture
def multislice(monkeypatch):
    """Stand in for abTEM: image(...) records what it was given."""
    calls = []

    def image(atoms, shape, pixel_size_nm, **options):
        calls.append((atoms, shape, pixel_size_nm, options))
        return np.full((*shape, 2), len(calls), np.float32)

    fake = SimpleNamespace(image=image, calls=calls)
    monkeypatch.setitem(sys.modules, "n2v_stem_keras.simulate.multislice", fake)
    monkeypatch.setattr(simulate, "multislice", fake, raising=False)
    monkeypatch.setattr(movies.importlib.util, "find_spec", lambda name: name)
    return fake


def test_multislice_gets_all_atoms_with_their_margin_and_depth(multislice):
    movie = simulate.simulate_movie(
        3, (40, 60), 2, imaging="multislice", imaging_options={"defocus_nm": 2.0}, drift_px=0.5
    )
    assert movie.imaging == "multislice"
    assert movie.clean[:, 0, 0, 0].tolist() == [1, 2]
    atoms, shape, pixel_size, options = multislice.calls[1]
    assert (shape, pixel_size, options) == ((40, 60), PIXEL, {"defocus_nm": 2.0})
    assert np.array_equal(atoms["C"], movie.scene.atoms(1)["C"])
    low, high = atoms["C"].min(axis=0), atoms["C"].max(axis=0)
    radius = fast.KERNEL_RADIUS_NM
    assert low == pytest.approx([0.25, -radius, -radius], abs=0.06)
    assert high == pytest.approx([0.25 + 3 * 0.335, 1.84 + radius, 2.76 + radius], abs=0.1)


def test_a_frame_in_which_nothing_moved_is_not_computed_again(multislice):
    still = {"imaging": "multislice", "motion": "none"}
    simulate.simulate_movie(0, (16, 16), 4, **still)
    assert len(multislice.calls) == 1
    simulate.simulate_movie(0, (16, 16), 4, drift_px=0.1, **still)
    assert len(multislice.calls) == 5


def test_the_static_lattice_is_drawn_once(monkeypatch):
    drawn = []
    contrast = fast.contrast

    def counting(atoms, *args):
        drawn.append("C" in atoms)
        return contrast(atoms, *args)

    monkeypatch.setattr(fast, "contrast", counting)
    simulate.simulate_movie(0, (16, 16), 5)
    assert sum(drawn) == 1
    simulate.simulate_movie(0, (16, 16), 5, drift_px=0.1)
    assert sum(drawn) == 6


def test_progress_is_told_of_each_frame():
    steps = []
    simulate.reference_movie(0, (16, 16), 3, progress=lambda: steps.append(1))
    assert len(steps) == 3


def test_missing_abtem_is_a_sentence(monkeypatch):
    monkeypatch.setattr(movies.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install \"n2v_stem_keras\[sim\]\""):
        simulate.simulate_movie(0, (16, 16), 1, imaging="multislice")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"shape": (16, 0)}, "shape is"),
        ({"shape": (16,)}, "shape is"),
        ({"n_frames": 0}, "n_frames is 0"),
        ({"pixel_size_nm": -0.1}, "pixel_size_nm is -0.1"),
        ({"imaging": "slow"}, "expected one of fast, multislice"),
        ({"imaging_options": {"defocus_nm": 1}}, "fast imaging has none"),
        ({"adatom": "Xx"}, "not Xx"),
        ({"density_nm2": -1}, "density_nm2 is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        simulate.simulate_movie(0, **{"shape": (16, 16), "n_frames": 1, **kwargs})
    with pytest.raises(TypeError, match="clutsers"):
        simulate.simulate_movie(0, clutsers=3)
