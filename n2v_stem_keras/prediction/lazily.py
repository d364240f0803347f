"""Prediction through dask: a dask array in, a lazy one out, on threads or on a cluster.

Two passes, as without dask: for the statistics of a movie, chunk by chunk, merged in the order of
the frames, so that they are the same to the bit; then chunk by chunk to be denoised. A chunk is one
task; what a lost worker had is done again by the others. Each process opens the network once. Where
the network sees the frames around each, one task looks through the whole movie for its drift.
What the network left out is restored in blocks of frames, whatever the chunks are.

Dask keeps chunks that it has read between the passes: on threads the raw movie must fit into
memory; a cluster moves what does not to disk. (`Predictor.predict_frames` reads twice instead.)
Nothing is known of a movie before it is computed, so the limits of a model are not checked here.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
import functools
import itertools
import threading

import numpy as np

from ..io import Movie
from ..io.movie import arrange, unmasked
from ..noise.empty import empty_rows, with_empty_rows
from ..noise.margins import filled, inside, with_margins
from ..normalize import check_finite, check_float32, frame_moments, merge_moments
from ..preparation.choice import for_movie, looked_at
from ..series import Series
from ..temporal.context import REACHES, FollowedPast, MovieContext
from ..temporal.registration import register
from . import engines
from .leftover import find_leftover, frames_to_learn_from
from .restoration import Restoration
from .tiles import Denoiser, denoise_movie
from .whole import DenoisedMovie


def is_dask(array) -> bool:
    """Return whether this is a dask array, without importing dask."""
    return type(array).__module__.startswith("dask.array")


def predict(
    model,
    denoiser,
    array,
    axes=None,
    n_tiles=None,
    tta=None,
    context="both",
    detectors=None,
    threads=None,
    restore=True,
    pixel_size_nm=None,
):
    """Denoise a dask array lazily; see `Predictor.predict`.

    Parameters
    ----------
    model : Predictor
    denoiser : Denoiser
        The network, on the engine that workers shall use.
    array : dask.array.Array
        Chunks along T are kept; the image and the detectors are put into one chunk.

    Returns
    -------
    dask.array.Array
        float32, in the movie's axes and units.
    """
    import dask
    import dask.array as da

    movie = Movie.from_array(array, axes, detectors=detectors, pixel_size_nm=pixel_size_nm)
    # nothing is read by it: statistics are tasks, too
    known = DenoisedMovie(model, denoiser, movie, n_tiles, tta, context, restore)
    name = f"n2v-stem-{denoiser.engine.name}-{model.fingerprint[7:23]}"
    network = dask.delayed(Portable(denoiser, model.fingerprint, threads), name=name)
    arranged = arrange(array, movie.axes, "STYXC")[..., known.order]
    options = (known.tiles, known.tta, tuple(known.back))
    size = movie.pixel_size_nm
    series = []
    for s in range(movie.n_series):
        where = movie.name if movie.n_series == 1 else f"{movie.name} [{s}]"
        given = (*options, known.restore, size, where, context)
        series.append(_series(network, model.config, arranged[s], given))
    return in_axes_of(movie, da.stack(series))


def in_axes_of(movie: Movie, stacked):
    """Return an array (S, T, Y, X, C) in the axes of a movie."""
    there = [a for a in "STYXC" if a in movie.axes]
    stacked = stacked[tuple(slice(None) if a in there else 0 for a in "STYXC")]
    return stacked.transpose([there.index(a) for a in movie.axes])


def _series(network, config, recorded, options):
    """Denoise one movie, (T, Y, X, C)."""
    import dask
    import dask.array as da

    recorded = recorded.rechunk({1: -1, 2: -1, 3: -1})
    frames = recorded.map_blocks(_filled, dtype=recorded.dtype)
    firsts = np.cumsum((0, *recorded.chunks[0])).tolist()
    blocks = recorded.to_delayed().ravel().tolist()
    places = [dask.delayed(_places)(block, first) for block, first in zip(blocks, firsts)]
    denoised = _filled_series(network, config, frames, places, options)
    return da.map_blocks(_as_recorded, denoised, recorded, options[2], dtype=np.float32)


def _places(block, first):
    """Return what lies inside of the margins of frames (T, Y, X, C) that have any, by number."""
    found = {t: inside(frame) for t, frame in enumerate(np.asarray(block), first)}
    return {t: place for t, place in found.items() if place}


def _filled(block):
    """Fill the margins of frames (T, Y, X, C)."""
    places = [inside(frame) for frame in block]
    if not any(places):
        return block
    return np.stack([f if place is None else filled(f, place) for f, place in zip(block, places)])


def _as_recorded(denoised, block, back):
    """Put what held nothing when it was recorded into denoised frames (T, Y, X, C)."""
    found = []
    for frame, recorded in zip(denoised, block):
        place, recorded = inside(recorded), recorded[..., list(back)]
        if place is None:
            found.append(with_empty_rows(frame, recorded))
        else:
            frame = with_empty_rows(frame, filled(recorded, place))
            found.append(with_margins(frame, recorded, place))
    return np.stack(found)


def _filled_series(network, config, frames, places, options):
    """Denoise one movie, (T, Y, X, C), whose margins are filled; `places` lie inside of them."""
    import dask
    import dask.array as da

    tiles, tta, back, restore, size, name, context = options
    lengths = frames.chunks[0]
    firsts = np.cumsum((0, *lengths)).tolist()
    raw = frames.to_delayed().ravel().tolist()
    blocks, preparation = raw, config.preparation
    if preparation.is_open:
        some = frames[looked_at(len(frames))]
        preparation = dask.delayed(for_movie)(preparation, some, size)
    if config.preparation:
        blocks = [dask.delayed(_prepared)(b, preparation, i, name) for b, i in zip(raw, firsts)]
    given = (name, config.channels)
    moments = [dask.delayed(_moments)(b, r, i, *given) for b, r, i in zip(blocks, raw, firsts)]
    statistics = dask.delayed(_merge)(moments, places)
    around = found = None
    if config.unet_context and context == "both" and len(frames) > 1:
        found = dask.delayed(_look_around)(blocks, firsts, frames.shape, statistics)
        around = _from_both_sides(found, blocks, firsts, frames.shape, statistics)
    elif config.unet_context and context == "past" and len(frames) > 1:
        around = _from_past(blocks, firsts, statistics)
    parts = []
    for block, images in zip(raw, around or [None] * len(blocks)):
        given = (preparation, tiles, tta, name)
        parts.append(dask.delayed(_denoise)(network, block, images, statistics, *given))
    if restore:
        if found is None and context == "both" and len(frames) > 1:
            found = dask.delayed(_register)(blocks, firsts, frames.shape)
        learnt = frames_to_learn_from(frames.shape)
        inside = [int(np.searchsorted(firsts, t, side="right")) - 1 for t in learnt]
        chosen = sorted(set(inside))
        there = [firsts[i] for i in chosen], [raw[i] for i in chosen]
        images = [around[i] for i in chosen] if around else None
        given = (frames.shape, images, statistics, preparation, tiles, tta, name)
        leftover = dask.delayed(_find_leftover)(network, *there, *given)
        known = (config, preparation, statistics, found, leftover, size, name, context)
        return _restored(frames, firsts, raw, parts, known, back)
    n = config.n_channel_out
    shapes = [(length, *frames.shape[1:3], n) for length in lengths]
    return da.concatenate(
        [da.from_delayed(part, shape, np.float32) for part, shape in zip(parts, shapes)]
    )[..., list(back)]


def _restored(frames, firsts, raw, parts, known, back):
    """Restore what the network left out, block by block, from the chunks within reach of each."""
    import dask
    import dask.array as da

    config, preparation, statistics, found, leftover, size, name, context = known
    series = Series(name, frames, None, size)  # never read: it only has the shape
    plan = Restoration(series, config, None, around=context == "both")
    n_frames, found_frames = len(frames), []
    for index in range(plan.n_blocks):
        first, last = plan.reads(index)
        near = [i for i, (a, b) in enumerate(itertools.pairwise(firsts)) if b > first and a < last]
        there = ([firsts[i] for i in near], [raw[i] for i in near], [parts[i] for i in near])
        given = (frames.shape, statistics, found, leftover)
        given += (config, preparation, size, name, context)
        block = dask.delayed(_restore)(index, *there, *given)
        begin = index * plan.length
        n = min(plan.length, n_frames - begin)
        shape = (n, *frames.shape[1:3], config.n_channel_out)
        found_frames.append(da.from_delayed(block, shape, np.float32))
    return da.concatenate(found_frames).rechunk({0: frames.chunks[0]})[..., list(back)]


def _find_leftover(network, firsts, raw, shape, images, statistics, preparation, tiles, tta, name):
    """Learn what the network leaves in the residual, from the blocks that hold some frames."""
    context = None if images is None else _Known(_Blocks(firsts, images, shape))
    known = {"context": context, "preparation": preparation}
    series = Series(name, _Blocks(firsts, raw, shape), statistics, **known)
    denoiser = network.open()

    def denoise(series, numbers, tta=tta):
        return list(denoise_movie(denoiser, series, tiles, tta, numbers))

    return find_leftover(series, denoise, functools.partial(denoise, tta=False) if tta else None)


def _restore(
    index,
    firsts,
    raw,
    parts,
    shape,
    statistics,
    found,
    leftover,
    config,
    preparation,
    size,
    name,
    context,
):
    """Restore the frames of one block."""
    frames = _Blocks(firsts, raw, shape)
    denoised = _Blocks(firsts, parts, shape)
    registration = found[0] if isinstance(found, tuple) else found
    series = Series(name, frames, statistics, size, preparation=preparation)
    restoration = Restoration(
        series,
        config,
        lambda numbers: (
            leftover.added(series.recorded(t), series.with_empty_rows(t, denoised[t]))
            for t in numbers
        ),
        around=context == "both",
        registration=registration,
    )
    first = index * restoration.length
    numbers = range(first, min(first + restoration.length, len(frames)))
    return np.stack(list(restoration.frames(numbers)))


def _register(blocks, firsts, shape):
    """Find how the specimen drifts."""
    return register(_Blocks(firsts, blocks, shape))


def _prepared(block, preparation, first, name):
    frames = []
    for t, frame in enumerate(np.asarray(block), first):
        check_finite(frame, name, t)
        frames.append(preparation.take(frame)[0])
    return np.stack(frames)


def _moments(block, raw, first, name, detectors):
    """Return the moments of prepared frames, whose empty rows are found in the recorded ones."""
    found = []
    for t, (frame, recorded) in enumerate(
        zip(np.asarray(block), np.asarray(unmasked(raw, name))), first
    ):
        check_float32(recorded, name, t, detectors)
        found.append(frame_moments(frame, name, t, empty_rows(recorded)))
    return found


def _merge(moments, places):
    found = merge_moments([part for parts in moments for part in parts])
    return dataclasses.replace(found, inside={t: at for block in places for t, at in block.items()})


def _from_past(blocks, firsts, statistics):
    """Return what the frames before know of each of a block, which waits for the one before."""
    import dask

    state, known = None, []
    for block, first in zip(blocks, firsts):
        after = dask.delayed(_follow, nout=2)(state, block, first, statistics)
        state, images = after[0], after[1]
        known.append(images)
    return known


def _follow(state, block, first, statistics):
    past, incomplete = copy.deepcopy(state) or FollowedPast(), set(statistics.incomplete)
    images = [
        past.images(np.asarray(frame), statistics, statistics.inside.get(t), t not in incomplete)
        for t, frame in enumerate(block, first)
    ]
    return past, np.stack(images)


def _from_both_sides(found, blocks, firsts, shape, statistics):
    """Return what the frames around know of each of a block, from the blocks within reach."""
    import dask

    reach, known = max(REACHES), []
    for first, last in itertools.pairwise(firsts):
        near = [
            i
            for i, (a, b) in enumerate(itertools.pairwise(firsts))
            if b > first - reach and a < last + reach
        ]
        there = [firsts[i] for i in near], [blocks[i] for i in near]
        known.append(dask.delayed(_around)(found, *there, first, last, shape, statistics))
    return known


def _look_around(blocks, firsts, shape, statistics):
    """Find how the specimen drifts, and how far to reach."""
    found = MovieContext(_Blocks(firsts, blocks, shape), statistics)
    return found.registration, found.reach


def _around(found, firsts, blocks, first, last, shape, statistics):
    context = MovieContext(_Blocks(firsts, blocks, shape), statistics, *found)
    return np.stack([context.images(t) for t in range(first, last)])


def _denoise(network, block, images, statistics, preparation, tiles, tta, name):
    """Denoise the frames of a block."""
    context = None if images is None else _Known(images)
    frames = _Blocks([0], [block], block.shape)
    series = Series(name, frames, statistics, context=context, preparation=preparation)
    return np.stack(list(denoise_movie(network.open(), series, tiles, tta)))


class _Known:
    """What other frames know of each, as it was found before."""

    def __init__(self, found):
        self.found = found

    def images(self, t):
        return self.found[t]


class _Blocks:
    """Frames of a movie under their own numbers, of which some blocks are given."""

    def __init__(self, firsts, blocks, shape):
        self.firsts, self.blocks, self.shape = firsts, blocks, shape

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, t):
        i = bisect.bisect_right(self.firsts, t) - 1
        return self.blocks[i][t - self.firsts[i]]


class Portable:
    """A network on its way to other processes, each of which opens it once.

    Parameters
    ----------
    denoiser : Denoiser
    fingerprint : str
        Fingerprint of its network.
    threads : int or None
        Number of threads of the engine.
    """

    def __init__(self, denoiser: Denoiser, fingerprint: str, threads: int | None):
        self.config, self.engine, self.threads = denoiser.config, denoiser.engine.name, threads
        tensorflow = self.engine == "tensorflow"
        self.weights = denoiser.engine.network.get_weights() if tensorflow else None
        self.export = None if tensorflow else denoiser.engine.export
        self.key = (fingerprint, self.engine, threads)

    def __eq__(self, other):
        return isinstance(other, Portable) and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    def open(self) -> Denoiser:
        """Return the network, ready to use; the same one every time in one process."""
        with _OPENING:
            return _open(self)


_OPENING = threading.Lock()


@functools.lru_cache(maxsize=2)
def _open(network: Portable) -> Denoiser:
    config = network.config
    if network.export:
        engine = engines.open_engine(network.engine, network.export, network.threads)
    else:
        from ..network.unet import build_network

        keras_model = build_network(config.replace(train_precision="float32"))
        keras_model.set_weights(network.weights)
        engine = engines.TensorFlowEngine(keras_model, config)
    return Denoiser(engine, config)
