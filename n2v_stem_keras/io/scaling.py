"""Intensities as integers: one slope and one offset per detector, stated in the file.

A denoised frame varies by less than one count of its noisy original, so rounding to the counts
themselves would undo the denoising. The range that the noisy movie spans fills the integers
instead; intensity = slope * stored + offset.
"""

import dataclasses

import numpy as np

from .movie import Movie, MovieError


@dataclasses.dataclass(frozen=True)
class Scaling:
    """How intensities become integers.

    Attributes
    ----------
    dtype : numpy.dtype
        Integer type that is stored.
    slope, offset : tuple of float
        Per detector, in the movie's units: intensity = slope * stored + offset.

    Examples
    --------
    >>> scaling = Scaling(np.dtype("uint8"), (0.5,), (100.0,))
    >>> scaling.encode(np.array([[[101.2]], [[300.0]]]))[0].ravel().tolist()
    [2, 255]
    """

    dtype: np.dtype
    slope: tuple[float, ...]
    offset: tuple[float, ...]

    def encode(self, frame: np.ndarray) -> tuple[np.ndarray, int]:
        """Return a frame (Y, X, C) as integers, and how many values were beyond their range."""
        info = np.iinfo(self.dtype)
        values = np.rint((np.asarray(frame, np.float64) - self.offset) / self.slope)
        beyond = int(((values < info.min) | (values > info.max)).sum())
        return np.clip(values, info.min, info.max).astype(self.dtype), beyond

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return intensities (Y, X, C), float64, of stored integers."""
        return stored * np.asarray(self.slope) + self.offset

    def describe(self) -> dict:
        """Return what is stated in the file."""
        return {
            "type": self.dtype.name,
            "slope": list(self.slope),
            "offset": list(self.offset),
            "meaning": "intensity = slope * stored + offset, per detector",
        }

    @classmethod
    def of_movie(cls, movie: Movie, detectors=None) -> "Scaling":
        """Return the scaling that lays the range of a movie onto its own integers.

        Parameters
        ----------
        movie : Movie
            A movie of integers; read once, frame by frame.
        detectors : list of int, optional
            Those of its detectors that will be written. Default: all.

        Raises
        ------
        MovieError
            If the movie holds floats.
        """
        if movie.dtype.kind not in "iu" or movie.dtype.itemsize > 4:
            raise MovieError(
                f"{movie.name}: holds {movie.dtype}, expected integers of at most 32 bits to write "
                "the same; write float32"
            )
        kept = list(range(movie.n_detectors)) if detectors is None else list(detectors)
        low, high = np.full(len(kept), np.inf), np.full(len(kept), -np.inf)
        for sequence in movie.series():
            for frame in sequence:
                low = np.minimum(low, frame[..., kept].min(axis=(0, 1)))
                high = np.maximum(high, frame[..., kept].max(axis=(0, 1)))
        info = np.iinfo(movie.dtype)
        slope = np.where(high > low, (high - low) / (float(info.max) - info.min), 1.0)
        offset = np.where(high > low, low - slope * info.min, 0.0)
        return cls(movie.dtype, tuple(slope.tolist()), tuple(offset.tolist()))


def intensities(movie: Movie) -> Movie:
    """Return a movie in the units it was denoised in, float32, if its file states a scaling.

    Parameters
    ----------
    movie : Movie
        As `read_movie` gives it; returned as it is if it states none.

    Raises
    ------
    MovieError
        If the scaling that is stated is damaged.
    """
    stated = (movie.provenance or {}).get("scaling")
    if stated is None:
        return movie
    try:
        numbers = [tuple(float(n) for n in stated[key]) for key in ("slope", "offset")]
        scaling = Scaling(np.dtype(stated["type"]), *numbers)
        fits = all(len(n) == movie.n_detectors and np.isfinite(n).all() for n in numbers)
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise MovieError(
            f"{movie.source or movie.name}: states the scaling {stated}, expected a type, and a "
            f"slope and an offset for each of {movie.n_detectors} detectors"
        )
    read_frame = movie.read_frame
    return dataclasses.replace(
        movie,
        dtype=np.dtype("float32"),
        read_frame=lambda s, t: scaling.decode(read_frame(s, t)).astype(np.float32),
        provenance={k: v for k, v in movie.provenance.items() if k != "scaling"},
    )
