"""Atoms found against atoms known: one to one, within a distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Matches:
    """Which atoms found are which atoms known.

    Attributes
    ----------
    found, known : numpy.ndarray
        (m,) int, places in the two lists that belong together.
    n_found, n_known : int
        Lengths of the lists.
    """

    found: np.ndarray
    known: np.ndarray
    n_found: int
    n_known: int

    @property
    def recall(self):
        """Share of the known atoms that were found; nan if none is known."""
        return len(self.known) / self.n_known if self.n_known else float("nan")

    @property
    def precision(self):
        """Share of what was found that is an atom; nan if nothing was found."""
        return len(self.found) / self.n_found if self.n_found else float("nan")

    @property
    def f1(self):
        """Harmonic mean of precision and recall: 2 m / (found + known)."""
        total = self.n_found + self.n_known
        return 2 * len(self.found) / total if total else float("nan")


def match(found, known, max_distance):
    """Match two sets of positions of one frame, the most pairs first, then the shortest distances.

    Parameters
    ----------
    found, known : array_like
        (n, 2) and (k, 2) y, x, in the same unit as `max_distance`.
    max_distance : float
        No pair is farther apart.

    Returns
    -------
    Matches
    """
    from scipy.optimize import linear_sum_assignment

    found, known = (np.asarray(p, float).reshape(-1, 2) for p in (found, known))
    distance = np.linalg.norm(found[:, None] - known, axis=-1)
    # a pair that is not allowed costs more than all that are
    cost = np.where(distance <= max_distance, distance, 1e6 * max(1.0, max_distance))
    rows, places = linear_sum_assignment(cost)
    allowed = distance[rows, places] <= max_distance
    return Matches(rows[allowed], places[allowed], len(found), len(known))


def precision_recall(frames_found, frames_known, scores, max_distance):
    """Precision and recall against the threshold on a score.

    Parameters
    ----------
    frames_found, frames_known : sequences of array_like
        T arrays (n, 2) and (k, 2) y, x of each frame.
    scores : sequence of array_like
        T arrays (n,): how sure each atom found is.
    max_distance : float
        As in `match`.

    Returns
    -------
    thresholds, precision, recall : numpy.ndarray
        (m,) one for each different score, falling: what is found with scores at least as high.

    Notes
    -----
    From the highest score down, each found atom takes the nearest known one that is still free, so
    a lower threshold only adds to what a higher one found.
    """
    n_known = sum(len(known) for known in frames_known)
    all_scores, hits = [], []
    for found, known, values in zip(frames_found, frames_known, scores, strict=True):
        found, known = (np.asarray(p, float).reshape(-1, 2) for p in (found, known))
        values = np.asarray(values, float)
        order = np.argsort(-values, kind="stable")
        distance = np.linalg.norm(found[:, None] - known, axis=-1)
        for i in order:
            nearest = int(distance[i].argmin()) if len(known) else -1
            hit = nearest >= 0 and distance[i, nearest] <= max_distance
            if hit:
                distance[:, nearest] = np.inf
            hits.append(hit)
        all_scores.append(values[order])
    all_scores = np.concatenate(all_scores) if all_scores else np.zeros(0)
    order = np.argsort(-all_scores, kind="stable")
    all_scores, hits = all_scores[order], np.cumsum(np.array(hits, bool)[order])
    last = np.flatnonzero(np.append(np.diff(all_scores) < 0, True)) if len(all_scores) else []
    hits, n_found = hits[last], np.asarray(last) + 1
    recall = hits / n_known if n_known else np.full(len(hits), np.nan)
    return all_scores[last], hits / n_found, recall
