"""Score denoisers on a real movie, whose truth nobody knows, by its own frames.

Two frames of one area, a before and c after a frame, have noise that is independent of it. So the
mean of (f - a)(f - c) is the squared error of what is made of the frame, f, whatever the noise is
(unbiased MSE: Marcos-Morales et al., arXiv 2210.05553). Every second frame is denoised, as a movie
of its own, so that a network that sees the frames around sees none of those that score; the others
score. A constant frame has the variance of the specimen, the raw frame that of the noise.

What is common to all frames is not seen: scan distortion, after-glow, fixed patterns. Where the
specimen changes from frame to frame all methods look worse alike.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ..atomic import atomic, write_json
from ..normalize import DataError
from ..temporal.evidence import overlap
from ..temporal.registration import register

WIDTHS_PX = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)  # of the Gaussian
BORDER_PX, BLOCK_PX = 16, 32  # left out at the border, and resampled together
N_BOOTSTRAP = 1000
LONGEST = 65  # frames that are looked at


@dataclass(frozen=True)
class RepeatScore:
    """Error of one method in one detector.

    Attributes
    ----------
    method, detector : str
    error : float
        Mean squared error over that of the raw frames.
    gain_dB : float
        Of the error, over the raw frames.
    over_gaussian_dB : float
        Gain over the Gaussian of the best width, by the same score.
    low_dB, high_dB : float
        95 % interval of that, from blocks of 32x32 px that are drawn again.
    """

    method: str
    detector: str
    error: float
    gain_dB: float
    over_gaussian_dB: float
    low_dB: float
    high_dB: float


@dataclass(frozen=True)
class Repeats:
    """What `score_repeats` found; ``print`` it.

    Attributes
    ----------
    scores : list of RepeatScore
    n_frames : int
        Frames that were denoised and scored.
    """

    scores: list
    n_frames: int

    def __str__(self):
        lines = [
            f"Every second frame denoised, {self.n_frames} scored by the frames before and after:",
            "",
            "| detector | method | squared error, of the raw frame's | gain [dB] | over the best "
            "Gaussian [dB], 95 % |",
            "|---" * 5 + "|",
        ]
        for one in self.scores:
            lines.append(
                f"| {one.detector} | {one.method} | {100 * one.error:.3g} % | {one.gain_dB:.2f} | "
                f"{one.over_gaussian_dB:+.2f} ({one.low_dB:+.2f} to {one.high_dB:+.2f}) |"
            )
        return "\n".join(lines)

    def write(self, folder) -> list[Path]:
        """Write repeats.csv and repeats.json into a folder."""
        rows = [asdict(one) for one in self.scores]
        paths = [Path(folder) / name for name in ("repeats.csv", "repeats.json")]
        with atomic(paths[0]) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        write_json(paths[1], {"n_frames": self.n_frames, "scores": rows})
        return paths


def score_repeats(frames, detectors, methods, seed: int = 0) -> Repeats:
    """Score methods on frames of one area.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
        With attribute `shape` (T, Y, X, C): three frames or more; of more than 65 the first ones.
    detectors : sequence of str
    methods : dict
        Label -> function of (T, Y, X, C), which returns the denoised frames.
    seed : int
        Of the interval.

    Returns
    -------
    Repeats
        The raw frames, the best Gaussian and the methods, each of all detectors.

    Raises
    ------
    DataError
        There are fewer than three frames of one area whose noise is independent, or frames are
        under 64 px a side.
    """
    frames = _First(frames, LONGEST)
    if min(frames.shape[1:3]) < 2 * BORDER_PX + BLOCK_PX:
        raise DataError(
            f"frames of {frames.shape[1]}x{frames.shape[2]} px, expected 64x64 at least: blocks of "
            f"{BLOCK_PX} px within a border of {BORDER_PX} px are scored"
        )
    triples = _triples(register(frames)) if len(frames) > 2 else []
    if not triples:
        raise DataError(
            f"{len(frames)} frames, of which no three in a row show one area in independent noise; "
            "a movie without truth is scored by the frames before and after each"
        )
    seen = np.stack([np.asarray(frames[t], np.float32) for t, *_ in triples])
    made = {"raw": seen}
    for label, method in methods.items():
        made[label] = np.asarray(method(seen.copy()))
        if made[label].shape != seen.shape:
            raise DataError(f"{label}: gave {made[label].shape}, expected {seen.shape}")
    found = {label: [] for label in (*made, *WIDTHS_PX)}
    for i, (t, *by) in enumerate(triples):
        others = np.asarray(frames[t - 1]), np.asarray(frames[t + 1])
        for label, parts in found.items():
            width = label if label in WIDTHS_PX else 0
            image = gaussian_filter(seen[i], (width, width, 0)) if width else made[label][i]
            parts.append(_blocks(image, *others, by))
    blocks = {label: np.concatenate(parts) for label, parts in found.items()}
    if not len(blocks["raw"]):
        raise DataError(
            f"frames of {frames.shape[1]}x{frames.shape[2]} px drift too far for a block of "
            f"{BLOCK_PX} px within a border of {BORDER_PX} px to lie in three of them; larger "
            "frames are needed"
        )
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(blocks["raw"]), (N_BOOTSTRAP, len(blocks["raw"])))
    scores = []
    for c, detector in enumerate(detectors):
        mean = {label: each[:, c].mean() for label, each in blocks.items()}
        best = min(WIDTHS_PX, key=lambda width: mean[width])
        for label in ["raw", best, *methods]:
            gains = _dB(blocks[best][drawn, c].mean(1), blocks[label][drawn, c].mean(1))
            low, high = np.quantile(gains, [0.025, 0.975])
            scores.append(
                RepeatScore(
                    method=f"Gaussian of {best:g} px" if label == best else label,
                    detector=detector,
                    error=float(mean[label] / mean["raw"]),
                    gain_dB=float(_dB(mean["raw"], mean[label])),
                    over_gaussian_dB=float(_dB(mean[best], mean[label])),
                    low_dB=float(low),
                    high_dB=float(high),
                )
            )
    return Repeats(scores, len(triples))


class _First:
    """The first frames of a movie."""

    def __init__(self, frames, at_most):
        self.frames, self._n = frames, min(len(frames), at_most)
        self.shape = (self._n, *frames.shape[1:])

    def __len__(self):
        return self._n

    def __getitem__(self, t):
        return self.frames[t]


def _triples(registration):
    """Return (t, offset of the frame before, of the one after) of each frame that can be scored."""
    found = []
    for t in range(1, len(registration.scene) - 1, 2):
        others = (t - 1, t + 1)
        pairs = [(t - 1, t), (t, t + 1), (t - 1, t + 1)]
        if any(registration.share_noise(i, j) for i, j in pairs):
            continue
        if {registration.scene[i] for i in others} != {registration.scene[t]}:
            continue
        steps = [registration.position[i] - registration.position[t] for i in others]
        found.append((t, *(np.rint(step).astype(int) for step in steps)))
    return found


def _blocks(image, before, after, offsets):
    """Mean over blocks of (image - before) (image - after), where all show the area, (N, C)."""
    size = image.shape[:2]
    place = []
    for axis, n in enumerate(size):
        parts = [overlap(n, int(by[axis]))[0] for by in offsets]
        first = max(part.start for part in parts) + BORDER_PX
        last = min(part.stop for part in parts) - BORDER_PX
        place.append((first, last))
    (y0, y1), (x0, x1) = place
    n_y, n_x = (y1 - y0) // BLOCK_PX, (x1 - x0) // BLOCK_PX
    if n_y < 1 or n_x < 1:
        return np.empty((0, image.shape[2]))
    y1, x1 = y0 + n_y * BLOCK_PX, x0 + n_x * BLOCK_PX
    own = image[y0:y1, x0:x1].astype(np.float64)
    product = 1.0
    for other, (dy, dx) in zip((before, after), offsets):
        there = other[y0 + dy : y1 + dy, x0 + dx : x1 + dx].astype(np.float64)
        difference = own - there
        # the beam is not steady
        product = product * (difference - difference.mean((0, 1)))
    parts = product.reshape(n_y, BLOCK_PX, n_x, BLOCK_PX, -1)
    return parts.mean((1, 3)).reshape(n_y * n_x, -1)


def _dB(larger, smaller):
    """Gain in dB; where noise makes an error negative, it is as good as none is measurable."""
    return 10 * np.log10(np.maximum(larger, 1e-30) / np.maximum(smaller, 1e-6 * np.abs(larger)))
