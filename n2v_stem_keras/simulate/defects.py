"""Point defects of a lattice: what is missing, and what stands in its place.

They are named as Kroeger and Vink do (Solid State Phys. 3, 307 (1956)), without charges: ``V_S`` is
a vacancy of S, ``Si_C`` Si in the place of C. A number behind the first symbol takes neighbours of
the same element along: ``V2_C`` is a divacancy, ``Si3_C`` three Si together. A site is a column of
the topmost layer, so that in MoS2 ``V_S`` lacks both S.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

NAME = re.compile(r"(V|[A-Z][a-z]?)([1-9]?)_([A-Z][a-z]?)")
APART_NM, MARGIN_NM = 0.9, 0.5  # of two defects; from the border of the view [nm]
SAME_NM = 0.02  # atoms of a column lie closer than this [nm]
VACANCY = "V"


@dataclass(frozen=True)
class Defect:
    """One point defect.

    Attributes
    ----------
    name : str
        Such as ``"V_S"``.
    sites : numpy.ndarray
        (k, 2) y, x of the columns that are changed, in the first frame.
    """

    name: str
    sites: np.ndarray

    @property
    def centre(self):
        """Middle of its sites, (2,)."""
        return self.sites.mean(axis=0)


def parsed(name):
    """Return (what stands there or None, number of sites, element of the lattice) of a name.

    Raises
    ------
    ValueError
        It is no name of a defect.
    """
    match = NAME.fullmatch(str(name))
    if match is None:
        raise ValueError(
            f"{name!r} is no point defect; expected names such as V_S (a vacancy), V2_C (a "
            "divacancy), Si_C (Si in the place of C) or Si3_C (three of them together)"
        )
    there, number, element = match.groups()
    return (None if there == VACANCY else there), int(number or 1), element


def draw(wanted, layer, view_nm, rng):
    """Draw places for defects.

    Parameters
    ----------
    wanted : dict
        Name -> number in view.
    layer : dict
        Element -> (n, 3) z, y, x [nm]: atoms of the topmost layer.
    view_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm].
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Defect

    Raises
    ------
    ValueError
        There is no such element, or no room.
    """
    from scipy.spatial import cKDTree

    low = np.array(view_nm[::2]) + MARGIN_NM
    high = np.array(view_nm[1::2]) - MARGIN_NM
    found, centres = [], np.zeros((0, 2))
    for name, number in wanted.items():
        _, n_sites, element = parsed(name)
        if element not in layer:
            raise ValueError(
                f"defect {name}: the topmost layer has no {element}, but {', '.join(layer)}"
            )
        columns = _columns(layer[element])
        tree, left = cKDTree(columns), number
        for i in rng.permutation(len(columns)):
            if not left:
                break
            _, near = tree.query(columns[i], n_sites)
            sites = columns[np.atleast_1d(near)]
            centre = sites.mean(axis=0)
            alone = np.linalg.norm(centres - centre, axis=1) > APART_NM
            if (centre > low).all() and (centre < high).all() and alone.all():
                found.append(Defect(name, sites))
                centres = np.concatenate([centres, centre[None]])
                left -= 1
        if left:
            raise ValueError(
                f"no room for {number} defects {name}, {APART_NM} nm from others and {MARGIN_NM} "
                f"nm from the border; {number - left} fit in"
            )
    return tuple(found)


def _columns(atoms):
    """Places y, x of columns of atoms (n, 3)."""
    _, first = np.unique(np.round(atoms[:, 1:] / SAME_NM), axis=0, return_index=True)
    return atoms[np.sort(first), 1:]


def changed(atoms, defects, shift_nm, bottom_nm):
    """Return atoms with defects.

    Parameters
    ----------
    atoms : dict
        Element -> (n, 3) z, y, x [nm].
    defects : sequence of Defect
        In nm.
    shift_nm : array_like
        (y, x) that the specimen has moved.
    bottom_nm : float
        Depth that the topmost layer ends at.
    """
    from scipy.spatial import cKDTree

    atoms = dict(atoms)
    for name in dict.fromkeys(defect.name for defect in defects):
        there, _, element = parsed(name)
        sites = np.concatenate([d.sites for d in defects if d.name == name]) + shift_nm
        rows = atoms[element]
        apart, _ = cKDTree(sites).query(rows[:, 1:])
        gone = (apart < SAME_NM) & (rows[:, 0] < bottom_nm)
        atoms[element] = rows[~gone]
        if there is not None:
            atoms[there] = np.concatenate([atoms.get(there, np.empty((0, 3))), rows[gone]])
    return atoms
