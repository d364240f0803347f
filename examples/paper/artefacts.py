"""What the artefact figures S7 to S9 share: frames of noise alone, and how they reach the network.

`N2VStem.predict` standardises each movie by its own mean and standard deviation, so a movie of
noise alone would be stretched a little: its noise would fill the range that noise and specimen
fill otherwise. Here such frames are handed to `N2VStem.stream` together with the mean and the
standard deviation of a noisy test movie, whose noise they have, as if they were frames of it.
"""

from dataclasses import dataclass

import numpy as np
from common import (
    DETECTORS,
    PACKAGE,
    PIXEL_NM,
    TEST_SEED,
    as_movie,
    clean_movies,
    trained_at,
)
from supplement import noise_of_level, with_noise

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.simulate import simulate_movie

BY_STREAM = (
    "Frames go through N2VStem.stream with the mean and the standard deviation of a noisy test "
    "movie, whose noise they have; predict would standardise them by their own."
)
SIGNS = np.array([1, -1])  # adatoms are bright in ADF and dark in BF


@dataclass(frozen=True)
class Bench:
    """A model, and the noisy test movie whose statistics it is given.

    Attributes
    ----------
    name : str
        Label of the noise level.
    model : N2VStem
        Trained at this level.
    noisy, denoised, clean : numpy.ndarray
        (T, Y, X, C) the test movie.
    mean, sd : numpy.ndarray
        (C,) of the noisy movie [fraction of the beam].
    sigma, height : numpy.ndarray
        (C,) noise, and height of a lone adatom in the clean movie, negative in BF [ditto].
    """

    name: str
    model: object
    noisy: np.ndarray
    denoised: np.ndarray
    clean: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    sigma: np.ndarray
    height: np.ndarray

    def apply(self, frames):
        """Denoise (T, Y, X, C) frames with the statistics of the noisy movie."""
        stream = self.model.stream(iter(frames), mean=self.mean, sd=self.sd)
        return np.stack(list(stream))

    def noise(self, seed, sigma=None):
        """As many frames of noise about the movie's mean as the movie has, (T, Y, X, C)."""
        flat = np.broadcast_to(self.mean, self.noisy.shape).astype(np.float32)
        return with_noise(flat, self.sigma if sigma is None else sigma, seed)

    def facts(self):
        """Return what the units of the numbers are."""
        return {
            "noise_sigma": dict(zip(DETECTORS, self.sigma)),
            "movie_sd": dict(zip(DETECTORS, self.sd)),
            "adatom_height": dict(zip(DETECTORS, self.height)),
            "adatom_snr": dict(zip(DETECTORS, self.height / self.sigma)),
            "pixels": int(np.prod(self.noisy.shape[:3])),
        }


def bench(args, psnr_db, recipe=PACKAGE):
    """Open the model of a level and recipe, with the first test movie at its noise."""
    reference = clean_movies(args.scale, "test")
    sigma, snr = noise_of_level(reference, psnr_db)
    clean = reference[0].clean
    noisy = with_noise(clean, sigma, [TEST_SEED, 7])
    statistics = scan(noisy)
    model = trained_at(args, psnr_db, recipe)
    return Bench(
        level_label(psnr_db, len(DETECTORS)),
        model,
        noisy,
        model.predict(as_movie(noisy[None]))[0],
        clean,
        statistics.mean,
        statistics.sd,
        sigma,
        snr * sigma,
    )


def bare_lattice(args):
    """Clean frame of graphene without adatoms, (Y, X, C)."""
    side = args.scale.side_px
    movie = simulate_movie([TEST_SEED, 7], (side, side), 1, PIXEL_NM, density_nm2=0.0)
    return movie.clean[0]
