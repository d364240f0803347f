"""What a network leaves out of a movie, found in the residual and drawn again.

A network draws the usual where pixels say little, and rare things are not usual: a vacancy comes
out as intact. Raw minus denoised still holds it. `deviations` finds it there; here movies are gone
through block by block, so that frames know of each other within reach and the result of a frame
does not depend on which others were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..atoms import sign_of
from ..atoms.find import PIXEL_NM
from ..config import N2VStemConfig
from ..deviations import SPANS, Block
from ..series import Series
from ..temporal.registration import Registration, register, still
from .ahead import Watched, check_wanted

BLOCK = 24  # frames that are looked at together, and SPANS[-1] on both sides of them
KEPT_BYTES = 2**30  # of all of them, raw, denoised and filtered
COPIES = 6  # of a frame, in float32, that are kept of it
SMALLEST_PX = 32  # smaller frames tell too little


class Restoration:
    """A movie, denoised and restored.

    Parameters
    ----------
    series : Series
    config : N2VStemConfig
        Names the detectors.
    denoise : callable
        ``denoise(numbers)`` -> frames (Y, X, C) of a range of numbers, as the network gives them.
    n_together : int
        Frames that are denoised together; ranges begin at multiples of it.
    around : bool
        Whether the frames around each say something of it. What columns look like, and how common
        deviations are, is learnt from those of a block in any case.
    registration : Registration, optional
        That of the series; found where it is not known.

    Attributes
    ----------
    length : int
        Frames of a block.
    """

    def __init__(
        self,
        series: Series,
        config: N2VStemConfig,
        denoise: Callable,
        n_together: int = 1,
        around: bool = True,
        registration: Registration | None = None,
    ):
        self.series, self.denoise, self.n_together = series, denoise, n_together
        self.signs = tuple(sign_of(channel) for channel in config.channels)
        self.pixel_size_nm = series.pixel_size_nm or PIXEL_NM
        frame_bytes = 4 * COPIES * int(np.prod(series.frames.shape[1:]))
        reach = SPANS[-1] if around else 0
        n_frames = min(BLOCK + 2 * reach, max(1, KEPT_BYTES // frame_bytes))
        self.spans = tuple(s for s in SPANS if s <= min(reach, (n_frames - 1) // 3))
        longest = max(1, n_frames - 2 * self.spans[-1])
        # as many in each block as in the others
        n_blocks = -(-len(series.frames) // longest)
        self.length = -(-len(series.frames) // n_blocks)
        self._denoised, self._registration, self._block = {}, registration, None

    @property
    def registration(self) -> Registration:
        """Where the specimen is in each frame, and which frames share noise."""
        if self._registration is None:
            known = getattr(self.series.context, "registration", None)
            n_frames = len(self.series.frames)
            if known is None:
                alone = self.spans[-1] == 0 or n_frames == 1
                known = still(n_frames) if alone else register(self.series.frames)
            self._registration = known
        return self._registration

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-len(self.series.frames) // self.length)

    def reads(self, index: int) -> tuple[int, int]:
        """Return the first frame that a block looks at, and the one after the last."""
        reach, n_frames = self.spans[-1], len(self.series.frames)
        return max(0, index * self.length - reach), min(n_frames, (index + 1) * self.length + reach)

    def frames(self, numbers) -> Iterator[np.ndarray]:
        """Yield some frames (Y, X, C), denoised and restored."""
        for t in numbers:
            index = t // self.length
            block, at = self.block(index)
            denoised = self._network([t])[t]
            yield denoised + block.drawn(at[t]) if t in at else denoised

    def block(self, index: int) -> tuple[Block, dict]:
        """Return a block, and the place in it of each of its frames; blank ones are in none."""
        if self._block is None or self._block[0] != index:
            first, last = self.reads(index)
            blank = set(self.series.statistics.blank_frames)
            numbers = [t for t in range(first, last) if t not in blank]
            self._block = None  # two at a time would be too many
            block = self._look(numbers, first, last)
            self._block = index, block, {t: i for i, t in enumerate(numbers)}
        return self._block[1:]

    def _look(self, numbers, first, last):
        denoised = self._network(range(first, last))
        if min(self.series.frames.shape[1:3]) < SMALLEST_PX or not numbers:
            return Block([], [], [], None, self.signs, self.pixel_size_nm, self.spans)
        registration = self.registration
        scene = registration.scene[numbers]
        together = scene[:, None] == scene
        for i, a in enumerate(numbers):
            for j, b in enumerate(numbers[:i]):
                if registration.share_noise(a, b):
                    together[i, j] = together[j, i] = False
        raws = Watched(self.series.recorded(t) for t in Watched(numbers))
        outputs = Watched(denoised[t] for t in numbers)
        position = registration.position[numbers]
        return Block(raws, outputs, position, together, self.signs, self.pixel_size_nm, self.spans)

    def _network(self, numbers) -> dict:
        """Denoise what is not yet, and forget what lies far before."""
        first, last = numbers[0], numbers[-1]
        reach = 2 * self.spans[-1] + self.length + self.n_together
        self._denoised = {t: f for t, f in self._denoised.items() if abs(t - first) <= reach}
        wanted = [t for t in numbers if t not in self._denoised]
        if wanted:
            begin = wanted[0] - wanted[0] % self.n_together
            n_frames = len(self.series.frames)
            end = min(n_frames, last + self.n_together - last % self.n_together)
            missing = range(begin, end)
            for t, frame in zip(missing, self.denoise(missing)):
                check_wanted()
                self._denoised.setdefault(t, frame)
        return self._denoised
