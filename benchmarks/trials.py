"""What the benchmarks of the training share: movies, short trainings, scores, and a journal.

A *trial* trains one network on noisy simulated movies for a given number of steps and scores it,
on the noisy training frames themselves (that is how users denoise) and on held-out movies. Trials
leave out what `N2VStem.train` adds (validation, checkpoints, files), so that rows differ in one
thing only. Finished trials are lines of a journal; a script that is started again goes on behind
the last one, and two scripts started side by side with ``--share 1/2`` and ``--share 2/2`` divide
the work.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

import n2v_stem_keras  # noqa: F401  before TensorFlow, which reads what it says of oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = Path(__file__).parent / "results"
DETECTORS = ("ADF", "BF")
PIXEL_NM = 0.046
LEVELS = ((16, 16), (10, 10), (7, 6))  # PSNR, ADF and BF [dB]
SEEDS = {"training": range(8), "test": range(100, 104)}
NOISE_KEY = {"training": 1, "test": 2}


# -- movies ---------------------------------------------------------------------------------------
# what `simulate_movie` is told. MoS2 with a hole was looked at when the scale of lattice images and
# the learning rate were chosen, hBN, too, when it was decided where a denser grid comes first.
STRUCTURES = {
    "hBN with clusters": {"lattice": "hbn", "clusters": (2, 7)},
    "MoS2 with a hole": {"lattice": "mos2", "hole_radius_nm": 1.4},
    "two layers of MoS2": {"lattice": "mos2", "n_layers": 2, "clusters": (2, 5)},
}
# What a frame by itself gives; what the frames around add is the question of `context.py`.
SINGLE = {"unet_context": False}
CHOSEN = (
    "n2v_span",
    "n2v_after_glow",
    "n2v_level_rows",
    "n2v_background_px",
    "n2v_straighten_rows",
)
TINY = {
    "unet_n_first": 2,
    "unet_lattice_window": 32,
    "train_epochs": 1,
    "train_steps_per_epoch": 3,
    "n2v_patch_shape": (32, 32),
}


def structures(name, which, tiny=False):
    """Simulate the movies of a structure: 'reference', or a key of `STRUCTURES`."""
    from n2v_stem_keras.simulate import reference_movie, simulate_movie

    options = {"shape": (64, 64), "n_frames": 9} if tiny else {}
    seeds = SEEDS[which][:3] if tiny else SEEDS[which]
    if name == "reference":
        return [reference_movie(seed, **options) for seed in seeds]
    return [simulate_movie([seed, 4], **STRUCTURES[name], **options) for seed in seeds]


def clean(movies):
    """Stack the clean frames, (S, T, Y, X, C)."""
    return np.stack([movie.clean for movie in movies])


def white(frames, psnr_db, which):
    """Add white noise at a PSNR to (S, T, Y, X, C); no two sets or movies share noise."""
    from n2v_stem_keras.noise import add_white_noise

    return np.stack(
        [add_white_noise(f, psnr_db, seed=[NOISE_KEY[which], i]) for i, f in enumerate(frames)]
    )


def reference_sigma(level, tiny=False):
    """Noise of the reference movies at a PSNR, mean over their frames, per detector (C,)."""
    frames = clean(structures("reference", "training", tiny))
    data_range = np.ptp(frames, axis=(2, 3)).mean((0, 1))
    return data_range / 10 ** (np.asarray(level, float) / 20)


def white_sigma(frames, sigma, which):
    """Add white noise of a standard deviation per detector, (C,), to (S, T, Y, X, C)."""
    noisy = []
    for i, movie in enumerate(frames):
        rng = np.random.default_rng([NOISE_KEY[which], i, 1])
        noisy.append((movie + sigma * rng.standard_normal(movie.shape)).astype(np.float32))
    return np.stack(noisy)


# -- training -------------------------------------------------------------------------------------
def set_threads(n):
    """Let TensorFlow use `n` threads; before it is used for anything else."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(1)


@dataclasses.dataclass
class Trained:
    """A network with averaged weights, how to standardise for it, and what it cost."""

    network: object
    config: object
    statistics_of: object
    seconds: float
    context: str = "both"

    def __call__(self, movie, numbers=None, tta=False):
        """Denoise a movie (T, Y, X, C), or some of its frames."""
        from n2v_stem_keras.prediction.engines import TensorFlowEngine
        from n2v_stem_keras.prediction.tiles import Denoiser, denoise_movie
        from n2v_stem_keras.series import Series

        if not hasattr(self, "_denoiser"):
            engine = TensorFlowEngine(self.network, self.config)
            self._denoiser = Denoiser(engine, self.config)
        series = Series("scored", movie, self.statistics_of(movie))
        if self.config.unet_context:
            series.look_around(self.context)
        frames = denoise_movie(self._denoiser, series, tta=tta, numbers=numbers)
        return np.stack(list(frames))


def by_noise(movie):
    """Statistics with the noise sigma of each detector in the place of its standard deviation."""
    from n2v_stem_keras.noise import estimate_noise
    from n2v_stem_keras.normalize import scan

    sigmas = [estimate_noise(movie[..., c]).sigma for c in range(movie.shape[-1])]
    return dataclasses.replace(scan(movie), sd=np.array(sigmas))


def train(config, noisy, steps, targets=None, zero_head=False, noise_weighted=False):
    """Train blind, or with clean targets, for a number of steps.

    Parameters
    ----------
    config : N2VStemConfig
    noisy : (S, T, Y, X, C) array, or list of (T, Y, X, C)
    steps : int
    targets : as `noisy`, optional
        Clean frames: train on all pixels of them, with no pixel hidden, instead of blind. Only of
        networks that see each frame by itself.
    zero_head : bool
        Start the last layer from zeros, so that the first prediction is the blank frame, or the
        lattice image where there is a Wiener filter.
    noise_weighted : bool
        Standardise each detector by its noise instead of its standard deviation, so that the loss
        counts every detector's error in units of its noise.

    Returns
    -------
    Trained
    """
    import tensorflow as tf

    from n2v_stem_keras.network.unet import build_network
    from n2v_stem_keras.normalize import scan
    from n2v_stem_keras.temporal.context import MovieContext
    from n2v_stem_keras.training.data import BlindSpotData, Region
    from n2v_stem_keras.training.loop import WeightAverage, build_trainer

    statistics_of = by_noise if noise_weighted else scan
    statistics = [statistics_of(movie) for movie in noisy]
    regions = [Region(i, tuple(range(len(m))), (0, m.shape[1])) for i, m in enumerate(noisy)]
    if targets is None:
        contexts = None
        if config.unet_context:
            contexts = [MovieContext(m, s) for m, s in zip(noisy, statistics)]
        data = BlindSpotData(list(noisy), statistics, regions, config, contexts=contexts)
        # in as many epochs as the configuration has, so that the early ones come first
        samples = max(1, steps * config.train_batch_size // config.train_epochs)
        batches = data.training(0, samples, early_epochs_of(config, noisy))
    else:
        batches = _with_targets(noisy, targets, statistics, regions, config)

    network = build_trainer(config) if targets is None else _trainer_of_whole_frames(config)
    if zero_head:
        head = network.get_layer("head")
        head.set_weights([0 * w for w in head.get_weights()])
    network.prepare(config, steps)
    average = None
    if config.train_ema_momentum > 0:
        average = WeightAverage(network, config.train_ema_momentum)
    step = tf.function(lambda batch: network.train_step(batch))
    batches = iter(batches)
    step(next(batches))  # traces, which is not counted
    if average:
        average._update()
    began = time.perf_counter()
    for _ in range(steps - 1):
        step(next(batches))
        if average:
            average._update()
    seconds = time.perf_counter() - began
    trained = build_network(config)
    trained.set_weights(average.values() if average else network.get_weights())
    return Trained(trained, config, statistics_of, seconds)


def _trainer_of_whole_frames(config):
    """Return a trainer that takes frames as whole although all of their pixels are targets."""
    import tensorflow as tf

    from n2v_stem_keras.network.unet import build_network
    from n2v_stem_keras.training.loop import BlindSpotModel

    class WholeFrames(BlindSpotModel):
        def inputs_of(self, x, y):
            return [x, tf.zeros((tf.shape(x)[0], 1))] if config.lattice else x

    return build_network(config, WholeFrames, for_training=True)


def early_epochs_of(config, noisy):
    """Return the number of epochs with `n2v_early_pitch`, as `N2VStem.train` finds it."""
    from n2v_stem_keras.limits import measure
    from n2v_stem_keras.normalize import scan
    from n2v_stem_keras.training.data import early_epochs

    if config.n2v_early_pitch is None:
        return 0
    measured = [measure(movie, scan(movie)) for movie in noisy]
    ratios = [[noise.noise_to_sd for noise in each] for each in measured]
    return early_epochs(config, config.train_epochs, ratios)


def _with_targets(noisy, targets, statistics, regions, config):
    """Batches of noisy crops and of the clean ones at the same place, every pixel counted."""
    import tensorflow as tf

    from n2v_stem_keras.training.data import BlindSpotData

    pairs = [np.concatenate([n, t], axis=-1) for n, t in zip(noisy, targets)]
    statistics = [
        dataclasses.replace(s, mean=np.tile(s.mean, 2), sd=np.tile(s.sd, 2)) for s in statistics
    ]
    data = BlindSpotData(pairs, statistics, regions, config)
    n = config.n_channel_out
    shape = data.patch_shape

    def samples():
        number = 0
        while True:
            crop = data.crop(0, number)
            yield crop[..., :n], np.concatenate([crop[..., n:], np.ones_like(crop[..., n:])], -1)
            number += 1

    signature = (tf.TensorSpec((*shape, n)), tf.TensorSpec((*shape, 2 * n)))
    dataset = tf.data.Dataset.from_generator(samples, output_signature=signature)
    return dataset.batch(config.train_batch_size).prefetch(2)


def step_seconds(config, clock=time.perf_counter, most=10, patience=10):
    """Measure one training step of a configuration on this machine [s].

    The shortest of up to `most` steps, fewer where they take more than `patience` seconds together;
    by `time.process_time` it is the work of a step, whatever else runs on the machine.
    """
    import tensorflow as tf

    from n2v_stem_keras.training.loop import build_trainer

    network = build_trainer(config)
    network.prepare(config, 10)
    shape = (config.train_batch_size, *config.n2v_patch_shape)
    x = tf.random.normal((*shape, config.n_channel_in))
    y = tf.concat([x[..., : config.n_channel_out], tf.ones((*shape, config.n_channel_out))], -1)
    step = tf.function(lambda: network.train_step((x, y)))
    step()
    took = []
    while len(took) < most and sum(took) < patience:
        began = clock()
        step()
        took.append(clock() - began)
    return min(took)


# -- what is chosen -----------------------------------------------------------------------------
def chosen(config):
    """Return what a configuration chose by the noise that was measured, field by field."""
    return {key: getattr(config, key) for key in CHOSEN}


def chosen_in_words(said):
    """Say it in words, 'nothing' where that is the plain blind spot."""
    spots = []
    if tuple(said["n2v_span"]) != (1, 1):
        spots.append("spot {}x{}".format(*said["n2v_span"]))
    if said["n2v_after_glow"]:
        spots.append("after-glow " + "/".join(f"{v:.2f}" for v in said["n2v_after_glow"]))
    if said["n2v_level_rows"]:
        spots.append("rows")
    if said.get("n2v_straighten_rows"):  # older rows do not say
        spots.append("rows put back")
    if said["n2v_background_px"]:
        spots.append(f"background {said['n2v_background_px']:g} px")
    return ", ".join(spots) or "nothing"


# -- scores ---------------------------------------------------------------------------------------
def score(denoise, truth, noisy, numbers=(0, 4, 8), variants=True):
    """Score some frames of each movie.

    Parameters
    ----------
    denoise : callable
        ``denoise(movie, numbers, tta)`` -> frames.
    truth, noisy : (S, T, Y, X, C)
    numbers : sequence of int
        Frames.
    variants : bool
        Also average over flips, and restore the mean of each frame.

    Returns
    -------
    dict
        metric -> per movie and detector, (S, C) lists. 'psnr' [dB], 'ssim', 'contrast' (slope of
        the output against the truth such that dividing by it is the best rescaling; 1 is right),
        'psnr_rescaled' [dB] after it, 'psnr_flips' and 'psnr_mean' [dB].
    """
    from n2v_stem_keras.metrics import psnr, ssim

    rows = {}
    numbers = list(numbers)
    for clean_movie, noisy_movie in zip(truth, noisy):
        t, n = np.asarray(clean_movie[numbers], float), np.asarray(noisy_movie[numbers], float)
        out = np.asarray(denoise(noisy_movie, numbers, False), float)
        found = {"psnr": psnr(t, out), "ssim": ssim(t, out)}
        slope, rescaled = _rescaled(t, out)
        found |= {"contrast": slope, "psnr_rescaled": psnr(t, rescaled)}
        if variants:
            found["psnr_flips"] = psnr(t, np.asarray(denoise(noisy_movie, numbers, True), float))
            shift = n.mean((1, 2), keepdims=True) - out.mean((1, 2), keepdims=True)
            found["psnr_mean"] = psnr(t, out + shift)
        for name, value in found.items():
            rows.setdefault(name, []).append(np.round(value.mean(axis=0), 4).tolist())
    return rows


def given(denoised):
    """Turn frames that are denoised already, one entry a movie, into what `score` calls."""
    entries = iter(denoised)
    return lambda movie, numbers, tta: next(entries)


def tuned_bm3d(truth, noisy, numbers):
    """BM3D with the strength of least error on the truth of these very frames.

    Returns
    -------
    denoised : (S, len(numbers), Y, X, C)
    strength : list of float
        Per detector.
    """
    from n2v_stem_keras.baselines import tune

    frames, clean_frames = noisy[:, list(numbers)], truth[:, list(numbers)]
    sigma = (frames - clean_frames).std(axis=(0, 1, 2, 3))
    return tune("bm3d", frames, clean_frames, noise_sigma=sigma)


def plain_psnr(denoise, truth, noisy, numbers):
    """PSNR alone, for what has no contrast; as `score`."""
    from n2v_stem_keras.metrics import psnr

    numbers, rows = list(numbers), []
    for clean_movie, noisy_movie in zip(truth, noisy):
        out = np.asarray(denoise(noisy_movie, numbers, False), float)
        rows.append(psnr(np.asarray(clean_movie[numbers], float), out).mean(axis=0).tolist())
    return {"psnr": rows}


def _rescaled(truth, image):
    """Slope of an image's contrast against the truth's, (T, C), and the image divided by it."""
    t = truth - truth.mean((1, 2), keepdims=True)
    i = image - image.mean((1, 2), keepdims=True)
    slope = (i * i).sum((1, 2)) / (t * i).sum((1, 2))
    return slope, truth.mean((1, 2), keepdims=True) + i / slope[:, None, None]


def mean_and_se(values):
    """Mean and standard error over movies, (S, C) -> two lists of C."""
    values = np.asarray(values, float)
    se = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0 * values[0]
    return values.mean(axis=0).tolist(), se.tolist()


# -- journal --------------------------------------------------------------------------------------
class Journal:
    """Finished trials, one JSON object a line, each under a key.

    Parameters
    ----------
    path : Path
        Lines are appended; a line cut short by a crash is dropped.
    """

    def __init__(self, path):
        self.path = Path(path)

    def rows(self):
        """Return key -> row of all finished trials."""
        if not self.path.exists():
            return {}
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[row["key"]] = row
        return found

    def run(self, key, trial):
        """Return a finished trial, or run it (a function returning a dict) and write it down."""
        row = self.rows().get(key)
        if row is None:
            print(f"{time.strftime('%H:%M:%S')} {key} ...", flush=True)
            row = {"key": key, **trial(), "machine": machine()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return row


def machine():
    """Say what this ran on."""
    import keras
    import tensorflow as tf

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    )


def arguments(description, **extra):
    """Parse the options that all these scripts share; also sets the threads."""
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    parser.add_argument("--share", default="1/1", help="which part of the trials, e.g. 1/2")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of TensorFlow")
    parser.add_argument("--out", type=Path, default=HERE, help="default: %(default)s")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    parser.add_argument("--tiny", action="store_true", help="a test: everything minimal")
    for name, options in extra.items():
        parser.add_argument("--" + name.replace("_", "-"), **options)
    args = parser.parse_args()
    try:
        part, of = (int(number) for number in args.share.split("/"))
        assert 1 <= part <= of
    except (ValueError, AssertionError):
        sys.exit(f"--share is {args.share!r}, expected e.g. 1/2")
    args.mine = lambda items: list(items)[part - 1 :: of]
    if not args.table:
        set_threads(args.threads)
    return args


def write(path, text):
    """Write a text file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text.rstrip() + "\n", encoding="utf-8")
    os.replace(temporary, path)
    print(path)
