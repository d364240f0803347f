"""Apply a network to frames: pad, tile, batch, stitch.

One of `engines` runs the network. Odd sizes are padded by reflection. Tiles overlap by the
receptive field measured on the network itself, and start on the grid of its pooling and of its
lattice image, so that tiled equals whole-frame prediction.
"""

from __future__ import annotations

import contextlib
import ctypes
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
# Where an engine runs a network in two stages, frames up to the first of these are not tiled, and
# tiles of the second stage are as large as the second, 0.4 GB. Lattice images, which are made in
# the first stage, take 0.4 kB a pixel, and much of the frame around a tile: up to the third of
# these they are made of the whole frame, which is faster, and else of tiles half as wide as the
# overlap.
PIXEL_FEATURES_WHOLE = 12 * 1536 * 1536
PIXEL_FEATURES_PER_STAGE = 12 * 640 * 640
PIXELS_OF_LATTICE = 2048 * 2048


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

    def __call__(self, frames, n_tiles=None, tta: bool = False, around=None) -> np.ndarray:
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
        around : (B, Y, X, 4 C) float32 array, optional
            What the frames around know, if it is not in `frames`: of large frames they are joined
            tile by tile.

        Returns
        -------
        (B, Y, X, C) float32 array
        """
        began = time.perf_counter()
        images = [frames] if around is None else [frames, around]
        output = self._averaged(images, n_tiles) if tta else self._padded(images, n_tiles)
        self.n_frames += len(frames)
        self.seconds += time.perf_counter() - began
        return output

    def _averaged(self, images, n_tiles):
        """Average over the four flips."""
        total = 0.0
        for flip in ((), (1,), (2,), (1, 2)):
            flipped = [np.flip(image, flip) for image in images]
            total = total + np.flip(self._padded(flipped, n_tiles), flip)
        return total / np.float32(4)

    def _padded(self, images, n_tiles):
        """Pad to the pooling grid by reflection, denoise, crop."""
        height, width = images[0].shape[1:3]
        whole = _Padded(images, self.config.size_multiple)
        outside, size = self.lattice.runs_outside, whole.shape[1:3]
        everything = np.s_[: size[0], : size[1]]
        stages = None if outside else getattr(self.engine, "stages", None)
        most = PIXEL_FEATURES_WHOLE if stages else PIXEL_FEATURES_PER_TILE
        too_large = size[0] * size[1] * self.config.unet_n_first > most
        if not (np.prod(n_tiles) > 1 if n_tiles else too_large):
            inputs = self.lattice.inputs(whole[everything], self.config.visible_shares)
            output = self._run(inputs)
        elif outside:
            inputs = self.lattice.inputs(whole[everything], self.config.visible_shares)
            output = self._tiled(
                lambda *at: self.lattice.cut(inputs, *at), whole.shape, n_tiles or self._tiles(size)
            )
        elif stages:
            output = self._in_stages(whole, n_tiles, stages)
        else:
            tiles = n_tiles or self._tiles(size)
            output = self._tiled(lambda *at: [whole[at]], whole.shape, tiles)
        return output[:, :height, :width]

    def _run(self, inputs):
        return self.engine.run(*inputs)

    def _tiles(self, size):
        """Choose the number of tiles of a large frame."""
        limit = (PIXEL_FEATURES_PER_TILE / self.config.unet_n_first) ** 0.5
        # overlaps count, too, but not so much that most of the work is done twice
        side = max(limit - 2 * self.halo, limit / 2)
        return tuple(max(1, round(n / side)) for n in size)

    def _in_stages(self, whole, n_tiles, stages):
        """Make the lattice images of the whole frame, and then all else, both tile by tile."""
        size, overlap, multiple = whole.shape[1:3], stages.overlap, self.config.size_multiple
        side = max(size) if size[0] * size[1] <= PIXELS_OF_LATTICE else self.halo // 2
        tiles = n_tiles or [-(-n // side) for n in size]
        lattice = self._tiled(lambda *at: [whole[at]], whole.shape, tiles, stages.first)
        side = (PIXEL_FEATURES_PER_STAGE / self.config.unet_n_first) ** 0.5
        side = int(max(side - 2 * overlap, 4 * overlap))
        tiles = n_tiles or [-(-n // side) for n in size]
        output = self._tiled(
            lambda y, x: [whole[y, x], lattice[:, y, x]],
            *(whole.shape, tiles, stages.second, overlap, multiple),
        )
        _give_memory_back()
        return output

    def _tiled(self, cut, shape, n_tiles, run=None, halo=None, multiple=None):
        """Denoise tile by tile; only pixels that a tile fully sees are kept."""
        halo, multiple = halo or self.halo, multiple or self.config.tile_multiple
        output = np.empty((*shape, self.config.n_channel_out), np.float32)
        spans = [tile_spans(side, n, multiple) for side, n in zip(shape[1:], n_tiles)]
        for (y0, y1), (x0, x1) in itertools.product(*spans):
            top, left = max(0, y0 - halo), max(0, x0 - halo)
            inputs = cut(slice(top, y1 + halo), slice(left, x1 + halo))
            tile = run(*inputs) if run else self._run(inputs)
            output[:, y0:y1, x0:x1] = tile[:, y0 - top : y1 - top, x0 - left : x1 - left]
        return output


def _give_memory_back():
    """Let the system have what the C library keeps of it, where it is glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class _Padded:
    """Frames and what is known around each, of which parts are padded and joined when asked for.

    Parameters
    ----------
    images : list of (B, Y, X, n) arrays
        Their channels follow each other.
    multiple : int
        Sides are made multiples of this [px] by reflection.
    """

    def __init__(self, images, multiple):
        self.images = images
        sides = images[0].shape[1:3]
        mode = "reflect" if min(sides) > 1 else "edge"
        self._places = [np.pad(np.arange(n), (0, -n % multiple), mode=mode) for n in sides]
        self.shape = (len(images[0]), *map(len, self._places))

    def __getitem__(self, at) -> np.ndarray:
        """Return a part [y, x], (B, y, x, C_in)."""
        parts = self.images
        for axis, (where, places) in enumerate(zip(at, self._places), 1):
            n = parts[0].shape[axis]
            where = slice(where.start or 0, min(where.stop, len(places)))
            inside = where if where.stop <= n else places[where]
            parts = [part[(slice(None),) * axis + (inside,)] for part in parts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


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
        found = [series.parts(t, denoiser.config) for t in numbers[first : first + n_batch]]
        batch, around, backs = map(list, zip(*found))
        found = None  # frames may be large
        around = None if around[0] is None else _stacked(around)
        denoised = denoiser(_stacked(batch), n_tiles, tta, around)
        batch = around = None
        for frame, back in zip(denoised, backs):
            yield series.restored(frame, back)


def _stacked(frames):
    """Stack frames, (B, Y, X, n); of a single one a view."""
    return np.stack(frames) if len(frames) > 1 else frames[0][None]
