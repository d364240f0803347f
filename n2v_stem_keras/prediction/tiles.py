"""Apply a network to frames: pad, tile, batch, stitch.

One of `engines` runs the network. Odd sizes are padded by reflection. Tiles overlap by the
receptive field measured on the network itself, and start on the grid of its pooling and of its
lattice image, so that tiled equals whole-frame prediction.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np

from ..config import N2VStemConfig
from ..series import Series

PIXELS_PER_CALL = 2**18  # small frames are batched up to this size, one 512x512 frame
# Larger frames are tiled automatically. A network with F features after the first block holds
# about ten tensors of F float32 values per pixel at once: 4 GB at F = 64 and this many pixels.
PIXEL_FEATURES_PER_TILE = 64 * 1280 * 1280


class Denoiser:
    """A network ready to be applied to standardised frames of any size.

    Parameters
    ----------
    engine : one of `engines`
    config : N2VStemConfig

    Attributes
    ----------
    n_frames : int
        Frames denoised so far.
    seconds : float
        Wall time they took, padding and tiles included [s].
    """

    def __init__(self, engine, config: N2VStemConfig):
        self.engine, self.config, self.lattice = engine, config, config.lattice
        self.n_frames, self.seconds = 0, 0.0
        self._halo = None
        # glibc gives memory back at every frame, and fetches it again page by page, which costs
        # as much as a Fourier transform, until it has seen a block of this size come and go
        np.empty(31 * 2**20, np.uint8)

    @property
    def halo(self) -> int:
        """Overlap of tiles on each side [px]."""
        if self._halo is None:
            self._halo = self.engine.tile_overlap
        return self._halo

    def frames_per_call(self, shape) -> int:
        """Return how many frames of a shape (Y, X) are denoised together.

        A device that takes many at once is given as many as a large frame that is not tiled.
        """
        pixels = PIXELS_PER_CALL
        if getattr(self.engine, "takes_many", False):
            pixels = max(pixels, PIXEL_FEATURES_PER_TILE // self.config.unet_n_first)
        return max(1, pixels // (shape[0] * shape[1]))

    def __call__(self, frames, n_tiles=None, tta: bool = False) -> np.ndarray:
        """Denoise standardised frames.

        Parameters
        ----------
        frames : (B, Y, X, C_in) float32 array
            What the frames around know of each (`temporal.evidence`), where the network sees it,
            are channels after those of the frame.
        n_tiles : (int, int), optional
            Number of tiles along Y and X; None chooses by size.
        tta : bool
            Average over the four flips of the frame.

        Returns
        -------
        (B, Y, X, C) float32 array
        """
        began = time.perf_counter()
        output = self._averaged(frames, n_tiles) if tta else self._padded(frames, n_tiles)
        self.n_frames += len(frames)
        self.seconds += time.perf_counter() - began
        return output

    def _averaged(self, frames, n_tiles):
        """Average over the four flips."""
        total = 0.0
        for flip in ((), (1,), (2,), (1, 2)):
            total = total + np.flip(self._padded(np.flip(frames, flip), n_tiles), flip)
        return total / np.float32(4)

    def _padded(self, frames, n_tiles):
        """Pad to the pooling grid by reflection, denoise, crop."""
        height, width = frames.shape[1:3]
        multiple = self.config.size_multiple
        pads = [(0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)]
        if pads[1][1] or pads[2][1]:
            mode = "reflect" if min(height, width) > 1 else "edge"
            frames = np.pad(frames, pads, mode=mode)
        inputs = self.lattice.inputs(frames, self.config.visible_shares)
        tiles = n_tiles or self._choose_tiles(frames.shape[1:3])
        shape = frames.shape[:3]
        output = self._tiled(inputs, shape, tiles) if np.prod(tiles) > 1 else self._run(inputs)
        return output[:, :height, :width]

    def _run(self, inputs):
        return self.engine.run(*inputs)

    def _choose_tiles(self, shape):
        limit = (PIXEL_FEATURES_PER_TILE / self.config.unet_n_first) ** 0.5
        if shape[0] * shape[1] <= limit**2:
            return (1, 1)
        # overlaps count, too, but not so much that most of the work is done twice
        side = max(limit - 2 * self.halo, limit / 2)
        return tuple(max(1, round(n / side)) for n in shape)

    def _tiled(self, inputs, shape, n_tiles):
        """Denoise tile by tile; only pixels that a tile fully sees are kept."""
        multiple = self.config.tile_multiple
        output = np.empty((*shape, self.config.n_channel_out), np.float32)
        spans = [tile_spans(side, n, multiple) for side, n in zip(shape[1:], n_tiles)]
        for (y0, y1), (x0, x1) in itertools.product(*spans):
            top, left = max(0, y0 - self.halo), max(0, x0 - self.halo)
            y, x = slice(top, y1 + self.halo), slice(left, x1 + self.halo)
            tile = self._run(self.lattice.cut(inputs, y, x))
            output[:, y0:y1, x0:x1] = tile[:, y0 - top : y1 - top, x0 - left : x1 - left]
        return output


def tile_spans(side: int, n_tiles: int, multiple: int) -> list[tuple[int, int]]:
    """Cut one side of a frame into tiles that start on a grid.

    Parameters
    ----------
    side : int
        [px].
    n_tiles : int
        Wanted number; fewer are made if they would be empty.
    multiple : int
        Distance of the grid's points [px].

    Examples
    --------
    >>> tile_spans(40, 2, 16)
    [(0, 32), (32, 40)]
    """
    n_cells = -(-side // multiple)
    n_tiles = min(n_tiles, n_cells)
    edges = [min(side, round(i * n_cells / n_tiles) * multiple) for i in range(n_tiles + 1)]
    return list(itertools.pairwise(edges))


def denoise_movie(
    denoiser: Denoiser, series: Series, n_tiles=None, tta: bool = False, numbers=None
) -> Iterator[np.ndarray]:
    """Denoise a movie frame by frame.

    Parameters
    ----------
    denoiser : Denoiser
    series : Series
        The movie, read one batch at a time.
    n_tiles, tta
        See `Denoiser.__call__`.
    numbers : list of int, optional
        Frames to denoise; default all.

    Yields
    ------
    (Y, X, C) float32 array
        In the movie's order and units.
    """
    n_frames, height, width, _ = series.frames.shape
    numbers = range(n_frames) if numbers is None else numbers
    n_batch = denoiser.frames_per_call((height, width))
    for first in range(0, len(numbers), n_batch):
        found = [series.sample(t, denoiser.config) for t in numbers[first : first + n_batch]]
        batch, backs = zip(*found)
        batch = np.stack(batch) if len(batch) > 1 else batch[0][None]
        for frame, back in zip(denoiser(batch, n_tiles, tta), backs):
            yield series.restored(frame, back)
