"""Movies -> tf.data: split, crop, blind, batch.

Movies are lazy sequences of frames; one frame at a time is read, cropped and standardised, and
blinded by a tf.data map. Each sample is a pure function of (seed, epoch, index), so a training
that resumes at an epoch sees exactly what it would have seen. Validation is held out in blocks,
never by single frames, because neighbouring frames are nearly equal; its masks are drawn once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..config import N2VStemConfig
from ..normalize import DataError, MovieStatistics
from ..temporal.context import Draw
from ..temporal.evidence import no_evidence
from .masking import blind, sample_seed

MIN_MOVIES_TO_HOLD_OUT_WHOLE = 3
MIN_FRAMES_TO_SPLIT_IN_TIME = 5
MIN_VALIDATION_PIXELS = 100_000  # blind pixels per detector; see validation_pitch
ROWS_BETWEEN = 10  # at least, of training and validation rows of one frame [px]
EARLY_SHARE = 0.4  # of a training's epochs have `n2v_early_pitch`, where the signal is
EARLY_SIGNAL = 0.25  # so many noise sigmas, or more
FEW_PIXELS = 150_000  # per detector; fewer cost quality, see warn_few_pixels
VALIDATION_STREAM = 0x5EED  # keeps validation masks apart from training masks
MAX_EPOCH = 2**30  # epochs of the validation stream start here


@dataclass(frozen=True)
class Region:
    """The part of a movie that samples are drawn from.

    Attributes
    ----------
    movie : int
        Number of the movie.
    frames : tuple of int
        Frames of that movie.
    rows : (int, int)
        First row and row after the last [px].
    """

    movie: int
    frames: tuple[int, ...]
    rows: tuple[int, int]


def split(frames_of, shapes, config: N2VStemConfig) -> tuple[list[Region], list[Region]]:
    """Split movies into a training and a validation part.

    Parameters
    ----------
    frames_of : list of tuple of int
        Usable (not blank) frames of each movie.
    shapes : list of (T, Y, X, C)
    config : N2VStemConfig
        ``train_validation_fraction``, ``train_frame_step``, ``train_seed``.

    Returns
    -------
    training, validation : lists of Region

    Notes
    -----
    Whole movies where there are three or more; else the last frames of each movie after a gap;
    else, in movies of fewer than five frames, the last rows of each frame after a gap.
    """
    fraction, step = config.train_validation_fraction, config.train_frame_step

    def whole(m, frames, rows=None):
        return Region(m, tuple(frames), rows or (0, shapes[m][1]))

    usable = [m for m, frames in enumerate(frames_of) if frames]
    if fraction == 0:
        return [whole(m, _stepped(frames_of[m], step)) for m in usable], []
    if len(usable) >= MIN_MOVIES_TO_HOLD_OUT_WHOLE:
        n_held = max(1, round(fraction * len(usable)))
        rng = np.random.default_rng([config.train_seed, VALIDATION_STREAM])
        held = set(rng.choice(usable, n_held, replace=False).tolist())
        training = [whole(m, _stepped(frames_of[m], step)) for m in usable if m not in held]
        return training, [whole(m, frames_of[m]) for m in usable if m in held]

    training, validation = [], []
    for m in usable:
        frames = frames_of[m]
        if len(frames) >= MIN_FRAMES_TO_SPLIT_IN_TIME:
            n_held = math.ceil(fraction * len(frames))
            gap = max(1, round(0.02 * len(frames)))
            kept = frames[: len(frames) - n_held - gap] or frames[:1]
            training.append(whole(m, _stepped(kept, step)))
            validation.append(whole(m, frames[len(frames) - n_held :]))
        else:
            top, bottom = _split_rows(shapes[m][1], fraction, config)
            training.append(whole(m, frames, (0, top)))
            validation.append(whole(m, frames, (bottom, shapes[m][1])))
    return training, validation


def _stepped(frames, step):
    """Take the frames whose number is a multiple of `step`; all of them if that leaves none."""
    return tuple(t for t in frames if t % step == 0) or tuple(frames)


def _split_rows(n_rows, fraction, config):
    """Return where training rows end and where validation rows begin [px]."""
    multiple = config.size_multiple
    held = max(multiple, round(fraction * n_rows / multiple) * multiple)
    gap = max(ROWS_BETWEEN, 2 * config.n2v_neighborhood_radius)
    if n_rows - held - gap < multiple:
        raise DataError(
            f"frames of {n_rows} rows are too small to hold out validation rows for a network of "
            f"depth {config.unet_n_depth}, expected at least {2 * multiple + gap}; use more "
            "frames, give validation_data, or lower unet_n_depth"
        )
    return n_rows - held - gap, n_rows - held


class BlindSpotData:
    """Blinded samples of standardised movies.

    Parameters
    ----------
    movies : list of lazy sequences of (Y, X, C) frames
        With attribute `shape` (T, Y, X, C).
    statistics : list of MovieStatistics
    regions : list of Region
        Where samples come from.
    config : N2VStemConfig
    guides : list of lazy sequences of (Y, X, C) frames, optional
        What a teacher makes of each movie, for `distillation`.
    contexts : list of MovieContext or None, optional
        What the other frames of each movie know of one.

    Attributes
    ----------
    patch_shape : (int, int)
        Size of a sample [px]: the configuration's, or what fits into the smallest movie.
    error : Exception or None
        What went wrong while reading, since tf.data wraps it beyond recognition.
    """

    def __init__(
        self,
        movies,
        statistics: list[MovieStatistics],
        regions,
        config: N2VStemConfig,
        guides=None,
        contexts=None,
    ):
        self.movies, self.statistics, self.guides = movies, statistics, guides
        self.contexts = contexts or [None] * len(movies)
        self.regions, self.config = regions, config
        # rows that say nothing of a detector are not learnt from, nor are margins
        self._has_gaps = any(s.empty or s.inside for s in statistics)
        if not any(region.frames for region in regions):
            raise DataError("no frames are left to draw samples from; all frames are blank")
        self.patch_shape = self._fit_patch()
        # every sample belongs to one (region, frame); larger frames hold more samples
        self._pairs = [(r, t) for r, region in enumerate(regions) for t in region.frames]
        self.error = None
        self._orders = {}

    def _fit_patch(self):
        """Return the sides of crops: as configured, at most those of the smallest frame's inside.

        Crops that are as large as aligned frames always show their mirrored margins, and cost 1 dB
        (`benchmarks/aligned.py`).
        """
        multiple = self.config.size_multiple
        sizes = [
            (region.rows[1] - region.rows[0], self.movies[region.movie].shape[2])
            for region in self.regions
        ]
        smallest = np.min(sizes, axis=0) // multiple * multiple
        if 0 in smallest:
            raise DataError(
                f"the smallest frame part is {tuple(np.min(sizes, axis=0).tolist())} px (Y, X), "
                f"expected at least 2^unet_n_depth = {multiple} on both sides; lower unet_n_depth"
            )
        held = [
            [part.stop - part.start for part in place]
            for statistics in self.statistics
            for place in statistics.inside.values()
        ]
        if held:
            between = np.maximum(np.min(held, axis=0) // multiple, 1) * multiple
            smallest = np.minimum(smallest, between)
        wanted = self.config.n2v_patch_shape or smallest
        return tuple(int(side) for side in np.minimum(wanted, smallest))

    @property
    def samples_per_pass(self) -> int:
        """Number of samples that show each pixel once on average."""
        area = math.prod(self.patch_shape)
        return sum(
            len(region.frames)
            * max(1, (region.rows[1] - region.rows[0]) * self.movies[region.movie].shape[2] // area)
            for region in self.regions
        )

    @property
    def n_pixels(self) -> int:
        """Number of pixels of each detector that samples are drawn from."""
        return sum(
            len(region.frames)
            * (region.rows[1] - region.rows[0])
            * self.movies[region.movie].shape[2]
            for region in self.regions
        )

    @property
    def n_frames(self) -> int:
        """Number of frames that samples are drawn from."""
        return len(self._pairs)

    def _order(self, epoch: int, part: int) -> np.ndarray:
        """Frames in the shuffled order of one pass; the last few orders are kept."""
        key = (epoch, part)
        if key not in self._orders:
            rng = np.random.default_rng([self.config.train_seed, 1, epoch, part])
            order = rng.permutation(len(self._pairs))
            while len(self._orders) >= 4:
                self._orders.pop(next(iter(self._orders)), None)
            self._orders[key] = order
            return order
        return self._orders[key]

    def crop(self, epoch: int, index: int) -> np.ndarray:
        """Return one standardised sample, (Y, X, C_in) float32, not blinded.

        A pure function of (seed, epoch, index) and the movies. With guides, theirs stands behind
        it: (Y, X, C_in + C). Where any movie has empty rows or margins, behind that stands 0 in
        them and 1 elsewhere, C more.
        """
        part, place = divmod(index, len(self._pairs))
        r, t = self._pairs[self._order(epoch, part)[place]]
        rng = np.random.default_rng([self.config.train_seed, 2, epoch, index])
        region = self.regions[r]
        sample = self.read(region.movie, t, self._place(region, rng), rng)
        return self._turn(sample, rng) if self.config.train_augment else sample

    def _place(self, region, rng):
        """Draw the corner (y0, x0) [px] of a crop."""
        (height, width), n_columns = self.patch_shape, self.movies[region.movie].shape[2]
        y0 = int(rng.integers(region.rows[0], region.rows[1] - height + 1))
        return y0, int(rng.integers(0, n_columns - width + 1))

    def read(self, movie: int, t: int, place, rng=None) -> np.ndarray:
        """Read one standardised crop of `patch_shape`, whose corner is `place` = (y0, x0) [px].

        `rng` draws which of the frames around are looked at, where the network sees them; without
        one it sees all that prediction shows it.
        """
        (y0, x0), (height, width) = place, self.patch_shape
        statistics = self.statistics[movie]

        def crop(frames):
            return statistics.standardise(
                np.asarray(frames[movie][t])[y0 : y0 + height, x0 : x0 + width]
            )

        parts = [crop(self.movies)]
        if self.config.unet_context:
            parts.append(self._around(movie, t, (place, self.patch_shape), rng))
        if self.guides:
            parts.append(crop(self.guides))
        if self._has_gaps:
            parts.append(self._filled(movie, t, place))
        sample = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        if not np.isfinite(sample).all():
            raise DataError(f"movie {movie}: frame {t} holds NaN or infinite pixels")
        return sample

    def _around(self, movie, t, place, rng):
        """Return what the frames around know of a crop, (Y, X, 4 C)."""
        context, draw, made_up = self.contexts[movie], None, ()
        if context is None:
            return no_evidence((*place[1], self.config.n_channel_out))
        if rng is not None:
            draw = Draw.at(rng, t, len(self.movies[movie]), context.reach)
            made_up = context.draw_jumps(rng, place, draw)
        return context.images(t, place, draw, made_up)

    def _filled(self, movie, t, place):
        """Return 0 in the empty rows and margins of a crop and 1 elsewhere, (Y, X, C)."""
        (y0, x0), (height, width) = place, self.patch_shape
        statistics = self.statistics[movie]
        found = np.ones((height, width, self.config.n_channel_out), np.float32)
        if (empty := statistics.empty.get(t)) is not None:
            found *= ~empty[y0 : y0 + height, None]
        if (inside := statistics.inside.get(t)) is not None:
            for axis, (first, part) in enumerate(zip((y0, x0), inside)):
                number = first + np.arange(found.shape[axis])
                kept = (number >= part.start) & (number < part.stop)
                found *= np.expand_dims(kept, (1 - axis, 2))
        return found

    def _turn(self, sample, rng):
        """Flip at random; also turn where neither the crop nor the blind spot has a long side."""
        flip_y, flip_x, turn = rng.integers(0, 2, 3)
        sample = sample[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
        square = self.patch_shape[0] == self.patch_shape[1]
        if turn and square and self.config.span[0] == self.config.span[1]:
            sample = sample.transpose(1, 0, 2)
        return np.ascontiguousarray(sample)

    def training(
        self, first_epoch: int, samples_per_epoch: int, early_until: int = 0
    ) -> tf.data.Dataset:
        """Return an endless tf.data pipeline of (x, y) batches from the start of an epoch.

        Epochs before `early_until` have blind pixels `n2v_early_pitch` apart.

        x is (B, Y, X, C_in) with blind pixels replaced, y is (B, Y, X, 2C): the original values
        and the mask; with guides (B, Y, X, 3C), theirs behind, and every other sample has no
        blind pixels.
        """
        config = self.config
        n_detectors = config.n_channel_out
        n_read = config.n_channel_in + n_detectors * (bool(self.guides) + self._has_gaps)

        def read(number):
            epoch, index = divmod(int(number), samples_per_epoch)
            try:
                return self.crop(epoch, index)
            except Exception as error:
                self.error = error
                raise

        def make(number):
            sample = tf.numpy_function(read, [number], tf.float32, stateful=False)
            sample = tf.ensure_shape(sample, (*self.patch_shape, n_read))
            seed = sample_seed(
                config.train_seed, number // samples_per_epoch, number % samples_per_epoch
            )

            def blinded(pitch=None):
                return blind_sample(sample, seed, config, n_detectors, pitch, self._has_gaps)

            def at_its_pitch():
                if first_epoch >= early_until:
                    return blinded()
                return tf.cond(
                    number < early_until * samples_per_epoch,
                    lambda: blinded(config.n2v_early_pitch),
                    blinded,
                )

            if not self.guides:
                return at_its_pitch()
            # the blind-spot loss of one sample, the teacher's of the next, seen as in prediction
            return tf.cond(
                number % 2 == 0,
                at_its_pitch,
                lambda: whole_sample(sample, config, n_detectors, self._has_gaps),
            )

        first = first_epoch * samples_per_epoch
        dataset = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
        dataset = dataset.map(make, num_parallel_calls=2, deterministic=True)
        return dataset.batch(config.train_batch_size, drop_remainder=True).prefetch(2)

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the validation set: crops spread over all frames, with masks drawn once.

        Returns
        -------
        x : (N, Y, X, C_in) float32
        y : (N, Y, X, 2C) float32
            N is such that each detector has at least 100 000 blind pixels: with fewer, the
            difference between two epochs drowns in the noise of the targets (its standard error
            is 2 sigma e_rms / sqrt(pixels)). Where the frames are few, the same crop comes again
            with other masks.
        """
        config, pitch = self.config, validation_pitch(self.config)
        height, width = self.patch_shape
        n_crops = math.ceil(MIN_VALIDATION_PIXELS * 1.02 * pitch**2 / (height * width))
        rng = np.random.default_rng([config.train_seed, VALIDATION_STREAM, 1])
        # step through the frames with an even stride, so that all of the block is seen
        places = np.floor(np.arange(n_crops) * max(1, len(self._pairs) / n_crops)).astype(int)
        make = tf.function(
            lambda sample, seed: blind_sample(
                sample, seed, config, config.n_channel_out, pitch, self._has_gaps
            )
        )
        x, y = [], []
        for number, place in enumerate(places % len(self._pairs)):
            r, t = self._pairs[place]
            region = self.regions[r]
            sample = self.read(region.movie, t, self._place(region, rng))
            seed = sample_seed(config.train_seed, MAX_EPOCH + VALIDATION_STREAM, number)
            blinded, target = make(tf.constant(sample), seed)
            x.append(blinded.numpy())
            y.append(target.numpy())
        return np.stack(x), np.stack(y)


def blind_sample(
    sample, seed, config: N2VStemConfig, n_detectors: int, pitch: int | None = None, gaps=False
):
    """Blind the frame of a sample, not what others know of it: to (Y, X, C_in) and (Y, X, 2C).

    What stands behind that, a guide, goes behind the target. With `gaps` the last C channels are 0
    where a pixel says nothing, and none is learnt from there.
    """
    frame, context, guide, filled = _parts(sample, config, n_detectors, gaps)
    blinded, mask = blind(frame, seed, config, pitch)
    if gaps:
        mask *= filled
    return tf.concat([blinded, context], axis=-1), tf.concat([frame, mask, guide], axis=-1)


def whole_sample(sample, config: N2VStemConfig, n_detectors: int, gaps=False):
    """As `blind_sample`, but with no pixel blind."""
    frame, _, guide, _ = _parts(sample, config, n_detectors, gaps)
    target = tf.concat([frame, tf.zeros_like(frame), guide], axis=-1)
    return sample[..., : config.n_channel_in], target


def _parts(sample, config, n_detectors, gaps):
    """Divide a sample into the frame, what others know of it, a guide, and where it is filled."""
    n_context = config.n_channel_in - n_detectors
    return tf.split(sample, [n_detectors, n_context, -1, n_detectors if gaps else 0], axis=-1)


def early_epochs(config: N2VStemConfig, epochs: int, noise_to_sd) -> int:
    """Return how many of a training's epochs, the first ones, have `n2v_early_pitch`.

    Two fifths, where some detector's signal (standard deviation of the frames without their noise)
    reaches a quarter of its noise: where it is weaker, a dense grid hides too much of it.

    Parameters
    ----------
    config : N2VStemConfig
    epochs : int
        Number of epochs of the whole training.
    noise_to_sd : (n_movies, C) array
        Noise sigma over standard deviation of the noisy movie.
    """
    if config.n2v_early_pitch in (None, config.n2v_pitch):
        return 0
    share = np.clip(np.asarray(noise_to_sd, float), 1e-6, 1.0)  # NaN, of a blank detector, stays
    signal = np.nan_to_num(np.sqrt(1 / share**2 - 1)).mean(axis=0).max()
    return round(EARLY_SHARE * epochs) if signal >= EARLY_SIGNAL else 0


def validation_pitch(config: N2VStemConfig) -> int:
    """Grid spacing of validation masks [px]: the training's, but at most about 8.

    The paper's 24 px would need 4000 masks of a 128x128 crop to reach 100 000 blind pixels; at
    8 px the network still sees 98 % of the pixels unchanged.
    """
    densest = 2 * config.n2v_jitter + max(config.span) + 1
    return min(config.n2v_pitch, max(8, densest))


def small_patch(data: BlindSpotData) -> str | None:
    """Say so if the crops had to be made smaller than the configuration says."""
    wanted = data.config.n2v_patch_shape
    if wanted is None or data.patch_shape == tuple(wanted):
        return None
    return (
        f"n2v_patch_shape {tuple(wanted)} does not fit into the smallest frame part; "
        f"training on crops of {data.patch_shape} px (Y, X)"
    )


def few_pixels(data: BlindSpotData) -> str | None:
    """Say so if there is so little to train on that more frames would give a better model.

    At 10 dB and equal time, a model trained on one frame of 256x256 px was 0.7 / 0.2 dB worse on
    movies that it had not seen than one trained on three, and twelve gained no more
    (`benchmarks/gap.py`).
    """
    if data.n_pixels >= FEW_PIXELS:
        return None
    return (
        f"training on {data.n_frames} frames with {data.n_pixels:,} px of each detector; below "
        f"about {FEW_PIXELS:,} px a model is worse than it could be. Use more frames, or start "
        "from a model of similar images (transfer_from)"
    )
