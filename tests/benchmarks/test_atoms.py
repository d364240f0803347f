"""What the benchmark of atoms counts: trajectories, pairs, operating points, labels."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import trials
from atoms import detection, labels, pairs, tracks


def movie(n_frames=12):
    """Two adatoms; the second vanishes after five frames and comes back as a third."""
    positions, ids = [], []
    for t in range(n_frames):
        second = [40.0, 40.0] if t < 5 else [80.0, 20.0 + t]
        positions.append(np.array([[10.0, 10.0 + t], second]))
        ids.append(np.array([0, 1 if t < 5 else 2]))
    return SimpleNamespace(positions=positions, ids=ids)


def linked(rows):
    """A table of (particle, frame, y, x [px])."""
    table = pd.DataFrame(rows, columns=["particle", "frame", "y_nm", "x_nm"])
    table[["y_nm", "x_nm"]] *= trials.PIXEL_NM
    return SimpleNamespace(table=table)


def followed(what):
    return [
        (int(i), t, *place)
        for t, (ids, places) in enumerate(zip(what.ids, what.positions))
        for i, place in zip(ids, places)
    ]


def test_trajectories_are_adatoms_seen_on_end():
    assert set(tracks.trajectories(movie())) == {(0, 0), (1, 0), (2, 5)}
    gone = movie()
    gone.ids[4] = np.array([0, 7])  # the second is seen in four frames only
    assert set(tracks.trajectories(gone)) == {(0, 0), (2, 5)}


def test_perfect_tracks_find_everything_and_noise_finds_nothing():
    true = movie()
    data = SimpleNamespace(movies=[true])
    perfect = tracks.score(data, [linked(followed(true))])
    assert perfect == {"trajectories": 3, "found": 3, "tracks": 3, "true_tracks": 3}
    away = [(0, t, 150.0, 150.0) for t in range(12)]
    assert tracks.score(data, [linked(away)]) == {
        **perfect, "found": 0, "tracks": 1, "true_tracks": 0
    }  # fmt: skip


def test_a_trajectory_in_pieces_is_found_if_one_piece_is_half_of_it():
    true = movie()
    data = SimpleNamespace(movies=[true])
    rows = [(10 * (t >= 7), t, 10.0, 10.0 + t) for t in range(12)]
    assert tracks.score(data, [linked(rows)])["found"] == 1
    rows = [(10 * (t // 4), t, 10.0, 10.0 + t) for t in range(12)]
    assert tracks.score(data, [linked(rows)])["found"] == 0


def test_half_success_lies_between_the_separations_around_it():
    assert pairs.half_success({"0.2": [0, 10], "0.4": [10, 10]}) == pytest.approx(0.3)
    assert pairs.half_success({"0.2": [6, 10], "0.4": [10, 10]}) == 0.2
    assert pairs.half_success({"0.2": [0, 10], "0.4": [4, 10]}) is None


def test_operating_points_are_chosen_apart():
    thresholds = np.array([3.0, 2.0, 1.0])
    careful = thresholds, np.array([1.0, 1.0, 0.9]), np.array([0.3, 0.5, 0.6])
    greedy = thresholds, np.array([0.8, 0.8, 0.8]), np.array([0.5, 0.8, 0.9])
    points = detection.operating_points({"careful": careful, "greedy": greedy})
    assert points == {"F1": ("greedy", 1.0), "95 %": ("careful", 2.0)}


def test_the_bound_falls_with_the_noise():
    class Data:
        truth = np.zeros((1, 1, 96, 96, 2))
        sigma = np.array([0.01, 0.02])

        def frames(self):
            yield 0, 0, np.array([[48.2, 48.7]])

    data = Data()
    bound, n = detection.cramer_rao(data)
    assert n == 1
    data.sigma = 3 * data.sigma
    assert detection.cramer_rao(data)[0] == pytest.approx(3 * bound)


@pytest.mark.slow
def test_the_bound_is_what_least_squares_reaches():
    """Fit the known shape to noisy images of a lone adatom: the scatter is the bound."""
    from scipy.optimize import least_squares

    from n2v_stem_keras.simulate import fast

    sigma = np.array([0.004, 0.01])

    class Data:
        truth = np.zeros((1, 1, 96, 96, 2))

        def frames(self):
            yield 0, 0, np.array([[48.0, 48.0]])

    Data.sigma = sigma

    def image(place):
        atom = {"Au": [[0.0, *((12 + place) * trials.PIXEL_NM)]]}
        return fast.contrast(atom, (25, 25), trials.PIXEL_NM, "graphene", 4) / sigma

    rng, found = np.random.default_rng(0), []
    clean = image(np.zeros(2))
    for _ in range(40):
        noisy = clean + rng.standard_normal(clean.shape)
        fit = least_squares(lambda p, n=noisy: (image(p) - n).ravel(), [0, 0], diff_step=0.01)
        found.append(fit.x)
    bound, _ = detection.cramer_rao(Data())
    rms = 1000 * trials.PIXEL_NM * np.sqrt(np.mean(np.square(found)))
    assert rms == pytest.approx(bound, rel=0.25)


def test_labels_are_counted_on_areas_that_nothing_was_tuned_on():
    known = [np.array([[10.0, 10.0], [30.0, 30.0]])] * 12
    heights = np.array([3.0, 2.0, 1.0])
    good = (np.array([[10, 10], [30, 30], [50, 50]]), heights)
    bad = (np.array([[50, 50], [60, 60], [10, 10]]), heights)
    peaks = {"good": [good] * 12, "bad": [bad] * 12}
    counts = labels._crossed(peaks, known)
    assert counts["F1"] == [[2, 2]] * 12
    swapped = {"first": [good] * 6 + [bad] * 6, "last": [bad] * 6 + [good] * 6}
    assert labels._crossed(swapped, known)["F1"] == [[0, 2]] * 12


def test_a_thinned_curve_keeps_where_atoms_are_found():
    """Ten atoms first, then a thousand false ones with one atom among them."""
    hits = np.zeros(1010)
    hits[:10], hits[500] = 1, 1
    recall, precision = np.cumsum(hits) / 11, np.cumsum(hits) / np.arange(1, 1011)
    kept = detection.thinned(precision, recall)
    assert len(kept[1]) < 50
    np.testing.assert_allclose(np.unique(kept[1]), np.arange(1, 12) / 11, atol=1e-4)
    assert kept[0][9] == 1.0
    assert (kept[0][-1], kept[1][-1]) == (pytest.approx(11 / 1010, abs=1e-4), 1.0)


def test_the_short_table_says_where_a_precision_was_never_reached():
    point = {"f1": 0.5, "recall": 0.25, "precision": 0.9}
    rows = {name: {"F1": point, "95 %": point} for name in detection.SHORT}
    rows["raw maxima, ADF"] = {"F1": point, "95 %": None}
    text = detection.short_report({"key": {"level": [10, 10], "rows": rows}})
    assert "| raw maxima, ADF | 0.50 | never |" in text
    assert "| model | 0.50 | 0.25 |" in text
