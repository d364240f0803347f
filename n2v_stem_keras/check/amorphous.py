"""Does a model draw a lattice into amorphous carbon?

Most specimens lie on a film of it. It has structure of all periods, and none: a plane wave that
stands out of the spectrum of one denoised frame is made up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise_only import single_wave
from .scenes import adatom_sigma, noisy, simulated

THICKNESS_NM = 3.0
# a film looked at in four ways, none of which puts a wave where another does
WAYS = (
    lambda film: film,
    lambda film: np.rot90(film, axes=(0, 1)),
    lambda film: film[:, ::-1],
    lambda film: np.rot90(film[:, ::-1], axes=(0, 1)),
)


@dataclass(frozen=True)
class AmorphousWaves:
    """Waves that a model draws into amorphous carbon in one detector.

    Attributes
    ----------
    detector : str
    wave_share : float
        Amplitude of the strongest wave that stands out of the spectrum of any frame, over the
        standard deviation of that frame, denoised; 0 if none does, see `single_wave`.
    wave_period_px : float
        Its period [px]; nan if there is none.
    n_frames : int
    psnr_db : float
        Noise of the test frames [dB].
    noisy, denoised, spectrum : numpy.ndarray
        (Y, X) the frame with that wave, or the first, and the power of the denoised one, zero
        frequency in the middle.
    """

    detector: str
    wave_share: float
    wave_period_px: float
    n_frames: int
    psnr_db: float
    noisy: np.ndarray
    denoised: np.ndarray
    spectrum: np.ndarray


def amorphous_waves(predict, detectors, psnr_db=10.0, seed=0, n_frames=12, pixel_size_nm=0.046):
    """Denoise frames of amorphous carbon and look for plane waves.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape.
    detectors : sequence of str
        Names, of ADF and BF.
    psnr_db : float
        White noise of each detector [dB], relative to a frame with adatoms, on graphene.
    seed : int
    n_frames : int
        Frames, each of another film of 3 nm.
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    list of AmorphousWaves
        One for each detector.
    """
    sigma = adatom_sigma(tuple(detectors), psnr_db, seed, pixel_size_nm)
    films = []
    for i in range(-(-n_frames // len(WAYS))):
        options = {"lattice": "none", "support_nm": THICKNESS_NM, "density_nm2": 0.0}
        _, film = simulated([seed, 37, i], detectors, pixel_size_nm, n_frames=1, **options)
        films += [way(film[0]) for way in WAYS]
    frames = noisy(np.stack(films[:n_frames]), sigma, [seed, 38])
    denoised = np.asarray(predict(frames), float) / sigma
    found = []
    for c, detector in enumerate(detectors):
        which, power, wave, period = single_wave(denoised[..., c])
        share = wave / denoised[which, ..., c].std() if wave else 0.0
        images = (frames[which, ..., c] / sigma[c], denoised[which, ..., c], power)
        found.append(
            AmorphousWaves(detector, float(share), period, n_frames, float(psnr_db), *images)
        )
    return found
