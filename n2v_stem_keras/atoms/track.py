"""Follow atoms from frame to frame through trackpy (Crocker & Grier 1996), and count what they do.

The paper counts tracked adatoms, 2771 before and 5266 after denoising (Results).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ADAPTIVE_STOP = 0.25  # least range where atoms are dense, of the search range
INSTALL = "trackpy is not installed; pip install 'n2v_stem_keras[track]'"


@dataclass(frozen=True)
class Tracks:
    """What the atoms of a movie do.

    Attributes
    ----------
    table : pandas.DataFrame
        The atoms with a column ``particle``, the number of the track.
    steps_nm : numpy.ndarray
        (n, 2) displacements y, x between the frames in which an atom was seen one after the other
        [nm], over gaps too.
    lengths_nm : numpy.ndarray
        (n,) lengths of these displacements [nm].
    frames_between : numpy.ndarray
        (n,) int, 1 without a gap.
    residence : numpy.ndarray
        (k,) int, frames from the first to the last sight of each track, both counted.
    births, deaths : numpy.ndarray
        (T,) int, tracks that begin in and end after each frame; what is there in the first and in
        the last frame is neither born nor dead.
    """

    table: object
    steps_nm: np.ndarray
    lengths_nm: np.ndarray
    frames_between: np.ndarray
    residence: np.ndarray
    births: np.ndarray
    deaths: np.ndarray


def link(table, search_range_nm=0.25, memory=1, n_frames=None, min_frames=1):
    """Link atoms of consecutive frames to tracks.

    Parameters
    ----------
    table : pandas.DataFrame
        From `find_atoms`: columns ``frame``, ``y_nm``, ``x_nm``; left as it is.
    search_range_nm : float
        No atom moves farther between two frames [nm]. Where atoms are so dense that this leaves
        too many ways to link them, the range is made shorter there, down to a quarter.
    memory : int
        Frames for which an atom may stay unseen.
    n_frames : int, optional
        Frames of the movie; by default the last in which there is an atom is the last.
    min_frames : int
        Tracks seen in fewer frames are left out.

    Returns
    -------
    Tracks

    Raises
    ------
    ImportError
        trackpy is not installed (extra ``track``).
    ValueError
        Atoms so dense that trackpy cannot tell which is which within a quarter of the range.
    """
    trackpy = _import_trackpy()
    if not search_range_nm > 0 or memory < 0:
        raise ValueError(
            f"search_range_nm is {search_range_nm} and memory {memory}; expected a distance above "
            "0 and a number of frames of at least 0"
        )
    table = table.sort_values(["frame"], kind="stable").reset_index(drop=True)
    if n_frames is None:
        n_frames = int(table["frame"].max()) + 1 if len(table) else 0
    if not len(table):
        return summarise(table.assign(particle=np.zeros(0, int)), n_frames)
    places = table[["y_nm", "x_nm"]].to_numpy(float)
    numbers = table["frame"].to_numpy(int)
    groups = [places[numbers == t] for t in range(n_frames)]
    try:
        linked = trackpy.link_iter(
            enumerate(groups),
            search_range_nm,
            memory=int(memory),
            adaptive_stop=ADAPTIVE_STOP * search_range_nm,
            adaptive_step=0.9,
        )
        ids = [particles for _, particles in linked]
    except trackpy.SubnetOversizeException as error:
        raise ValueError(
            f"too many atoms lie within {search_range_nm} nm of each other to be told apart "
            f"({error}); use a shorter search range"
        ) from None
    table["particle"] = np.concatenate(ids).astype(int) if len(table) else np.zeros(0, int)
    seen = table.groupby("particle")["frame"].transform("size")
    table = table[seen >= min_frames].reset_index(drop=True)
    return summarise(table, n_frames)


def summarise(table, n_frames):
    """Count steps, residence, births and deaths of linked atoms; see `Tracks`."""
    steps, between, residence = [np.zeros((0, 2))], [np.zeros(0, int)], []
    births, deaths = np.zeros((2, n_frames), int)
    for _, track in table.sort_values("frame", kind="stable").groupby("particle"):
        frames = track["frame"].to_numpy(int)
        steps.append(np.diff(track[["y_nm", "x_nm"]].to_numpy(float), axis=0))
        between.append(np.diff(frames))
        residence.append(frames[-1] - frames[0] + 1)
        if frames[0] > 0:
            births[frames[0]] += 1
        if frames[-1] < n_frames - 1:
            deaths[frames[-1]] += 1
    steps = np.concatenate(steps)
    return Tracks(
        table,
        steps,
        np.hypot(*steps.T),
        np.concatenate(between),
        np.array(residence, int),
        births,
        deaths,
    )


def _import_trackpy():
    try:
        import trackpy
    except ImportError as error:
        raise ImportError(INSTALL) from error
    trackpy.quiet()
    return trackpy
