"""Where a crystal turns or ends: straight tilt boundaries and edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLOSEST_NM = 0.12  # atoms of two grains that come closer are one [nm]; a C-C bond is 0.142


@dataclass(frozen=True)
class Boundary:
    """A straight line through the field of view.

    Attributes
    ----------
    point : numpy.ndarray
        (y, x) of a point on it, in the first frame.
    normal : numpy.ndarray
        (y, x) of length 1; it points to where the crystal is turned, or has ended.
    """

    point: np.ndarray
    normal: np.ndarray

    def distance(self, places, drift=(0.0, 0.0)):
        """Return how far places (..., 2) lie beyond the line, in its unit; before it, negative."""
        return (np.asarray(places) - self.point - drift) @ self.normal

    def beyond(self, window):
        """Return the polygon (4, 2) that covers all of a window ``(y0, y1, x0, x1)`` beyond it."""
        far = 4 * np.hypot(window[1] - window[0], window[3] - window[2])
        along = np.array([-self.normal[1], self.normal[0]])
        corners = ((-far, 0), (far, 0), (far, far), (-far, far))
        return np.array([self.point + a * along + b * self.normal for a, b in corners])


def draw(view_nm, rng) -> Boundary:
    """Draw a line through the middle of a view ``(y0, y1, x0, x1)`` [nm], in any direction."""
    low, high = np.array(view_nm[::2]), np.array(view_nm[1::2])
    angle = rng.uniform(0, 2 * np.pi)
    place = low + rng.uniform(0.35, 0.65, 2) * (high - low)
    return Boundary(place, np.array([np.sin(angle), np.cos(angle)]))


def joined(one, other, boundary, drift_nm):
    """Return atoms of one crystal before a boundary, and of another beyond it.

    Parameters
    ----------
    one, other : dict
        Element -> (n, 3) z, y, x [nm].
    boundary : Boundary
        [nm].
    drift_nm : array_like
        (y, x) that the specimen has moved.

    Returns
    -------
    dict
        Atoms of the other crystal that come too close to one of the first are left out.
    """
    from scipy.spatial import cKDTree

    before = {e: p[boundary.distance(p[:, 1:], drift_nm) <= 0] for e, p in one.items()}
    beyond = {e: p[boundary.distance(p[:, 1:], drift_nm) > 0] for e, p in other.items()}
    there = np.concatenate(list(before.values()))
    if len(there):
        tree = cKDTree(there)
        beyond = {e: p[tree.query(p)[0] >= CLOSEST_NM] if len(p) else p for e, p in beyond.items()}
    return {element: np.concatenate([before[element], beyond[element]]) for element in one}
