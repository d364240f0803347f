"""Does a model draw into one detector what only another one shows?

The paper argues for two detectors in one network because they help each other (Results); the price
is that a network which always saw an adatom in both may infer it in one from the other. An adatom
of another element, or one out of focus, would then be shown with a contrast that it does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .detectors import columns_of
from .scenes import LATTICE, noisy, sigma_of, simulated

LONE_NM = 1.0  # distance of the test's adatoms from each other [nm]


@dataclass(frozen=True)
class Crosstalk:
    """How much of an adatom that one detector shows appears in another's output.

    Attributes
    ----------
    source, target : str
        The detector that shows the adatoms, and the one whose output is looked at.
    share : float
        Mean height of what appears in the target's output, over the height with which the model
        shows an adatom that is in the target alone. 0 is right; nan if it shows none.
    share_95 : float
        95th percentile of its absolute value over the adatoms.
    n_adatoms : int
        Number of adatoms.
    psnr_db : float
        Noise of the test frames [dB].
    """

    source: str
    target: str
    share: float
    share_95: float
    n_adatoms: int
    psnr_db: float


def detector_crosstalk(
    predict, detectors, psnr_db=10.0, seed=0, n_frames=12, pixel_size_nm=0.046, lattice=LATTICE
):
    """Put adatoms into one detector at a time and look for them in the other.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape, C in the order of `detectors`.
    detectors : sequence of str
        Names; ADF and BF are needed, in any order, and nothing else.
    psnr_db : float
        White noise of each detector [dB], relative to a frame in which both show the adatoms.
    seed : int
        Seed of the movie and its noise.
    n_frames : int
        Frames of 256x256 px, each with about 15 adatoms at 0.046 nm/px.
    pixel_size_nm : float
        [nm/px].
    lattice : str
        As `simulate` names it; four layers of graphene, one of the others.

    Returns
    -------
    list of Crosstalk
        ADF to BF, and BF to ADF.

    Raises
    ------
    ValueError
        The detectors are not ADF and BF.

    Notes
    -----
    The same noise is added with and without the adatoms, so that the difference of the two outputs
    is the response to the adatoms alone.
    """
    if len(columns_of(detectors)) < 2:
        raise ValueError(f"detectors are {tuple(detectors)}; expected ADF and BF")
    options = {"n_frames": n_frames, "lattice": lattice, "rotation_rad": 0.3}
    options |= {"origin_nm": (0.0, 0.0), "motion": "steps", "min_distance_nm": LONE_NM}
    known = (seed, detectors, pixel_size_nm)
    movie, clean = simulated(*known, density_nm2=0.1, **options)
    _, bare = simulated(*known, density_nm2=0.0, **options)
    noise = noisy(np.zeros_like(clean), sigma_of(clean, psnr_db), [seed, 1])

    without = np.asarray(predict(bare + noise), float)
    response = []  # to adatoms in one detector alone: (source, adatoms, target)
    for source in range(2):
        only_here = bare.copy()
        only_here[..., source] = clean[..., source]
        change = np.asarray(predict(only_here + noise), float) - without
        response.append(_heights(change, movie.positions))
    found = []
    for source, target in ((0, 1), (1, 0)):
        own = response[target][:, target].mean()
        with np.errstate(divide="ignore", invalid="ignore"):  # a model that shows no adatom at all
            leaked = response[source][:, target] / own
        found.append(
            Crosstalk(
                source=detectors[source],
                target=detectors[target],
                share=float(leaked.mean()),
                share_95=float(np.percentile(np.abs(leaked), 95)),
                n_adatoms=len(leaked),
                psnr_db=float(psnr_db),
            )
        )
    return found


def _heights(frames, positions, border_px=8):
    """Values at the pixels nearest to adatoms, away from the border: (n, C)."""
    values = []
    for frame, placed in zip(frames, positions, strict=True):
        nearest = np.rint(placed).astype(int)
        inside = (nearest >= border_px) & (nearest < np.array(frame.shape[:2]) - border_px)
        y, x = nearest[inside.all(axis=1)].T
        values.append(frame[y, x])
    return np.concatenate(values)
