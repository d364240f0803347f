"""What is done to a frame before a network sees it, and undone in what comes out.

background
    A network of blind spots learns what is strongest first. Where the thickness of a specimen
    varies, or there is vacuum beside it, that is a slow background: single atoms on it are a few
    percent of the variance, and a network that is driven by the rest learns them late, or
    diverges. So it is taken off, and put back onto the result.
after-glow
    Where detectors glow on, a pixel shows part of the one before, and of its noise, which a blind
    spot then does not hide. Each row is made sharp and white, x_n = (y_n - a y_(n-1)) / (1 - a),
    and the result glows on again: nothing is lost.
rows
    Offsets of rows are noise that no blind spot covers. They are taken off (`noise.rows`), and stay
    off.
displaced rows
    Where rows lie beside their places along x, as a vibration or the mains displace them, the
    lattice of a crystal is no sum of few waves any more, and the lattice image is weak; and what
    differs from row to row passes for noise that is correlated along x. Rows are put back as the
    frame's own lattice and the rows around each tell (`undistort.straightened`), and displaced
    again after: the result is as distorted as the scan was. After-glow and blind spot are chosen
    with rows that were put back.

Whether movies need any of these is decided by training (`training.choices`) and stands in the
configuration; or for each movie by itself, in training and in use, where that says 'each'
(`preparation.choice`).
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..temporal.kept import Kept

# Standard deviation of the Gaussian: no atom and few clusters are as wide. In nm, too, as lattices
# of fine pixels have periods of 16 px and more; 16 px were measured at 0.03 nm/px.
BACKGROUND_PX, BACKGROUND_NM = 16.0, 0.47
EACH = "each"  # chosen for each movie by itself
_KEPT = Kept(2**28)
BLOCK = 4  # the background is found on means over blocks of so many pixels a side


class Taken(NamedTuple):
    """What `Preparation.take` took off a frame, and `Preparation.give_back` gives back.

    Attributes
    ----------
    background : (Y, X, C) float32 array or None
    moved_px : (Y,) array or None
        By how much each row was moved along x [px].
    """

    background: np.ndarray | None
    moved_px: np.ndarray | None


@dataclass(frozen=True)
class Preparation:
    """What is done to each frame.

    Attributes
    ----------
    background_px : float, 'each' or None
        Standard deviation of the Gaussian whose blur of the frame is its background [px].
    after_glow : tuple of float, 'each' or None
        For each detector the share a of what a pixel showed that the next one shows, too.
    level_rows : bool or 'each'
        Whether offsets of rows are taken off.
    straighten_rows : bool or 'each'
        Whether displaced rows are put back.

    Notes
    -----
    Where one of them is 'each', `choice.for_movie` gives a movie's own.
    """

    background_px: float | str | None = None
    after_glow: tuple[float, ...] | str | None = None
    level_rows: bool | str = False
    straighten_rows: bool | str = False

    def __bool__(self):
        return self != Preparation()

    @property
    def is_open(self) -> bool:
        """Whether a movie has to be looked at before it is known what is done."""
        choices = (self.background_px, self.after_glow, self.level_rows, self.straighten_rows)
        return EACH in choices

    def describe(self) -> str:
        """Say in a few words what is done."""
        found, left = [], []
        if self.background_px == EACH:
            left.append("background")
        elif self.background_px:
            found.append(f"background of {self.background_px:g} px and more taken off")
        if self.after_glow == EACH:
            left.append("after-glow")
        elif self.after_glow:
            shares = ", ".join(f"{100 * share:.0f} %" for share in self.after_glow)
            found.append(f"after-glow of {shares} taken off")
        if self.level_rows == EACH:
            left.append("offsets of rows")
        elif self.level_rows:
            found.append("offsets of rows taken off")
        if left:
            found.append(f"{', '.join(left)} taken off where a movie has any")
        if self.straighten_rows == EACH:
            found.append("rows put back where a movie's lie beside their places")
        elif self.straighten_rows:
            found.append("displaced rows put back")
        return ", ".join(found) or "as recorded"

    def of(self, frames):
        """Return a lazy sequence of prepared frames; the given one if nothing is done to them."""
        return PreparedFrames(frames, self) if self else frames

    def take(self, frame) -> tuple[np.ndarray, Taken | None]:
        """Return a frame (Y, X, C) as a network sees it, float32, and what is to be given back.

        Without a preparation the frame is returned as it is.
        """
        if not self:
            return frame, None
        frame = np.asarray(frame, np.float32)
        if self.level_rows:
            from ..noise.rows import level_rows  # which imports scipy, as a configuration does not

            frame = level_rows(frame)
        if self.after_glow:
            frame = without_after_glow(frame, self.after_glow)
        slow = moved = None
        if self.straighten_rows:
            from ..undistort import straightened

            frame, moved = straightened(frame)
        if self.background_px is not None:
            slow = background(frame, self.background_px)
            frame = frame - slow
        return frame, None if slow is None and moved is None else Taken(slow, moved)

    def take_alike(self, truth, taken: Taken | None) -> np.ndarray:
        """Prepare what a frame shows without noise as `take` has prepared the frame, (Y, X, C)."""
        truth = np.asarray(truth, np.float32)
        if self.after_glow:
            truth = without_after_glow(truth, self.after_glow)
        slow, moved = taken or (None, None)
        if moved is not None:
            from ..undistort import moved_rows

            truth = moved_rows(truth, moved)
        return truth if slow is None else truth - slow

    def give_back(self, frame, taken: Taken | None) -> np.ndarray:
        """Undo `take` in a denoised frame (Y, X, C), but for the offsets of rows."""
        slow, moved = taken or (None, None)
        if slow is not None:
            frame = frame + slow
        if moved is not None:
            from ..undistort import moved_rows

            frame = moved_rows(frame, -moved)
        return with_after_glow(frame, self.after_glow) if self.after_glow else frame


class PreparedFrames:
    """A lazy sequence of frames, prepared when they are read; the last ones are kept.

    Training reads each frame for many crops.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
        With attribute `shape`.
    preparation : Preparation
    """

    def __init__(self, frames, preparation: Preparation):
        self.frames, self.preparation, self.shape = frames, preparation, frames.shape
        weakref.finalize(self, _KEPT.drop, id(self))

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        return _KEPT.get((id(self), t), lambda: self._prepared(t))

    def _prepared(self, t):
        frame, _ = self.preparation.take(np.asarray(self.frames[t]))
        frame.setflags(write=False)  # others get the same
        return frame


def without_after_glow(frame, shares) -> np.ndarray:
    """Make rows sharp: x_n = (y_n - a y_(n-1)) / (1 - a), (Y, X, C) float32; x_0 = y_0."""
    frame, shares = np.asarray(frame, np.float32), np.asarray(shares, np.float32)
    sharp = frame.copy()
    sharp[:, 1:] += (frame[:, 1:] - frame[:, :-1]) * (shares / (1 - shares))
    return sharp


def with_after_glow(frame, shares) -> np.ndarray:
    """Undo `without_after_glow`: y_n = (1 - a) x_n + a y_(n-1), with y_0 = x_0."""
    from scipy.signal import lfilter

    glowing = np.array(frame, np.float32)
    for c, share in enumerate(shares):
        if share:
            rows = glowing[..., c]
            # the filter's memory of a pixel before the first, as bright as it
            before = share * rows[:, :1]
            glowing[..., c], _ = lfilter([1 - share], [1, -share], rows, axis=1, zi=before)
    return glowing


def background_px(pixel_size_nm: float | None) -> float:
    """Return the width of the Gaussian whose blur is the background [px].

    Examples
    --------
    >>> [background_px(size) for size in (None, 0.046, 0.0293, 0.01)]
    [16.0, 16.0, 16.0, 47.0]
    """
    if not pixel_size_nm:
        return BACKGROUND_PX
    return min(max(BACKGROUND_PX, float(round(BACKGROUND_NM / pixel_size_nm))), 128.0)


def background(frame, sigma_px: float) -> np.ndarray:
    """Blur a frame by a Gaussian, from means over blocks of 4x4 px; borders are mirrored.

    Parameters
    ----------
    frame : (Y, X, C) float32 array
    sigma_px : float

    Returns
    -------
    (Y, X, C) float32 array
        A pixel's own share of it is 1 / (2 pi sigma^2): too little to see noise by.
    """
    height, width, n = frame.shape
    along_y, along_x = _blur(height, sigma_px), _blur(width, sigma_px)
    slow = np.empty(frame.shape, np.float32)
    for c in range(n):
        plane = frame[..., c].astype(np.float64)
        first = plane[0, 0]  # so that of a constant frame nothing is left, not even rounding
        slow[..., c] = first + along_y @ _block_means(plane - first) @ along_x.T
    return slow


def _block_means(plane):
    """Mean over blocks; the last ones may be smaller."""
    for axis in (0, 1):
        starts = np.arange(0, plane.shape[axis], BLOCK)
        counts = np.diff(np.append(starts, plane.shape[axis]))
        plane = np.add.reduceat(plane, starts, axis=axis)
        plane = plane / (counts[:, None] if axis == 0 else counts)
    return plane


@functools.lru_cache(maxsize=16)
def _blur(n: int, sigma_px: float):
    """Matrix that blurs means over blocks of n pixels, and interpolates, (n, blocks)."""
    from scipy.ndimage import gaussian_filter1d

    n_blocks = -(-n // BLOCK)
    starts = np.arange(0, n, BLOCK)
    centres = (starts + np.minimum(starts + BLOCK, n) - 1) / 2
    blur = gaussian_filter1d(np.eye(n_blocks), sigma_px / BLOCK, axis=0, mode="reflect")
    return np.stack([np.interp(np.arange(n), centres, column) for column in blur.T], axis=1)
