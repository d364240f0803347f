"""Peers that see time, too: the same noisy movies, each at its best.

    python benchmarks/movie_peers.py
    python benchmarks/movie_peers.py --table

On movies never seen of drifting specimens whose adatoms hop (``hops=True``):

registered mean
    The mean of a frame and those around it, moved to it as `temporal.registration` finds. The
    number of frames, and the width of a Gaussian behind it, are those of least error on the truth,
    for each detector.
low rank
    Singular values of the space-time matrices of small overlapping blocks, registered as above,
    shrunk by one threshold as in PGURE-SVT (Furnival et al., Ultramicroscopy 178, 112 (2017)). That
    estimates the threshold; here it, the size of the blocks, and the width of a Gaussian behind it
    are those of least error on the truth.
video blind spot
    UDVD (Sheth et al., ICCV 2021): five frames in two stages, each pixel seen from four half
    planes. Small, trained for `minutes` of the processor on the very movies that are scored.

The models of `context.py` are scored on the same frames, in context.md. Writes movie_peers.jsonl
and movie_peers.md.
"""

import time

import context
import numpy as np
import trials
from scipy.ndimage import gaussian_filter

KIND = "hops and drift"
WINDOWS = (0, 1, 2, 3, 4, 6, 8, 11)  # frames before and after
WIDTHS = (0, 0.5, 0.7, 1.0, 1.4, 2.0)  # of the Gaussian [px]
BLOCKS = (4, 8)  # [px]
THRESHOLDS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5)  # times the largest value of noise alone
FRAMES, FEATURES = 5, 24  # of the video network
CROP, BATCH, RATE = 64, 4, 1e-3
PEERS = ("registered mean", "low rank", "video blind spot")


# -- the mean over registered frames, and low rank ------------------------------------------------
def registered(movie):
    """Return, for each scored frame, all frames moved to it, NaN where they do not reach."""
    from n2v_stem_keras.temporal.evidence import overlap
    from n2v_stem_keras.temporal.registration import register

    position = register(movie).position
    stacks = {}
    for t in context.NUMBERS:
        stack = np.full(movie.shape, np.nan, np.float32)
        for i, frame in enumerate(movie):
            moved = np.rint(position[i] - position[t]).astype(int)
            (here_y, there_y), (here_x, there_x) = map(overlap, movie.shape[1:3], moved.tolist())
            stack[i, here_y, here_x] = frame[there_y, there_x]
        stacks[t] = stack
    return stacks


def means(stacks):
    """Yield (setting, frames) of registered means; frames are (S, n, Y, X, C)."""
    for window in WINDOWS:
        near = [
            [np.nanmean(stack[max(0, t - window) : t + window + 1], 0) for t, stack in one.items()]
            for one in stacks
        ]
        yield {"frames before and after": window}, np.array(near)


def low_ranks(stacks, sigma):
    """Yield (setting, frames) of shrunk singular values."""
    for block in BLOCKS:
        decomposed = [[Blocks(s, t, block) for t, s in one.items()] for one in stacks]
        for threshold in THRESHOLDS:
            least = threshold * sigma * (block + np.sqrt(stacks[0][context.NUMBERS[0]].shape[0]))
            frames = [[each.shrunk(least) for each in one] for one in decomposed]
            yield {"block": block, "threshold": threshold}, np.array(frames)


class Blocks:
    """The singular values of the (pixels, frames) matrix of each block of a registered movie."""

    def __init__(self, stack, t, block):
        # where a frame does not reach, the one that is scored stands for it
        self.frame, self.block, self.step = stack[t], block, block // 2
        stack = np.where(np.isnan(stack), stack[t], stack)
        blocks = np.lib.stride_tricks.sliding_window_view(stack, (block, block), (1, 2))
        blocks = blocks[:, :: self.step, :: self.step]  # (T, nY, nX, C, block, block)
        n_frames, self.n_y, self.n_x = blocks.shape[:3]
        matrices = blocks.transpose(3, 1, 2, 4, 5, 0).reshape(
            -1, self.n_y * self.n_x, block**2, n_frames
        )
        self.mean = matrices.mean(-1)
        self.u, self.values, v = np.linalg.svd(matrices - self.mean[..., None], full_matrices=False)
        self.v = v[..., t]

    def shrunk(self, least):
        """Return the frame of values less so much (C,)."""
        values = np.maximum(self.values - least[:, None, None], 0)
        found = (self.u @ (values * self.v)[..., None])[..., 0] + self.mean
        found = found.reshape(-1, self.n_y, self.n_x, self.block, self.block)
        total, count = np.zeros((2, *np.moveaxis(self.frame, -1, 0).shape))
        rows, columns = (self.step * (n - 1) + 1 for n in (self.n_y, self.n_x))
        for dy in range(self.block):
            for dx in range(self.block):
                place = (..., slice(dy, dy + rows, self.step), slice(dx, dx + columns, self.step))
                total[place] += found[..., dy, dx]
                count[place] += 1
        covered = np.moveaxis(total / np.maximum(count, 1), 0, -1)
        return np.where(np.moveaxis(count, 0, -1) > 0, covered, self.frame)


def best(candidates, truth):
    """Return the frames of least error over settings and widths, and the settings, by detector."""
    least, frames, settings = np.full(truth.shape[-1], np.inf), np.empty_like(truth), {}
    for setting, found in candidates:
        for width in WIDTHS:
            smooth = gaussian_filter(found, (0, 0, width, width, 0)) if width else found
            errors = np.square(smooth - truth).mean((0, 1, 2, 3))
            for c in np.flatnonzero(errors < least):
                least[c], frames[..., c] = errors[c], smooth[..., c]
                settings[trials.DETECTORS[c]] = {**setting, "Gaussian [px]": width}
    return frames, settings


# -- the video network ----------------------------------------------------------------------------
def half_plane_unet(x, n_out, name):
    """UNet of depth 2 whose pixels see rows up to their own."""
    from keras import layers

    def convolve(x, n, name):
        x = layers.ZeroPadding2D(((2, 0), (1, 1)))(x)  # rows above alone
        return layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(n, 3, name=name)(x))

    skips = []
    for level in range(2):
        for i in range(2):
            x = convolve(x, FEATURES, f"{name}_down{level}{i}")
        skips.append(x)
        # one row down, so that none of a pooled pixel lies below the rows it comes back to
        x = layers.AveragePooling2D(2)(lowered(x))
    x = convolve(x, FEATURES, f"{name}_mid")
    for level in (1, 0):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skips[level]])
        for i in range(2):
            x = convolve(x, 2 * FEATURES, f"{name}_up{level}{i}")
    return layers.Conv2D(n_out, 1, name=f"{name}_out")(x)


def lowered(x):
    """Move images down by one row."""
    from keras import layers

    return layers.Cropping2D(((0, 1), (0, 0)))(layers.ZeroPadding2D(((1, 0), (0, 0)))(x))


def video_network(n_detectors):
    """Build the network: (B, Y, X, frames x detectors) -> (B, Y, X, detectors); sides are equal."""
    import keras
    import tensorflow as tf
    from keras import layers

    n = n_detectors
    triple = layers.Input((None, None, 3 * n))
    first = keras.Model(triple, half_plane_unet(triple, FEATURES, "first"))
    three = layers.Input((None, None, 3 * FEATURES))
    second = keras.Model(three, half_plane_unet(three, 2 * FEATURES, "second"))

    frames = layers.Input((None, None, FRAMES * n))
    turned = layers.Lambda(lambda x: tf.concat([tf.image.rot90(x, k) for k in range(4)], 0))(frames)
    seen = [first(turned[..., i * n : (i + 3) * n]) for i in range(FRAMES - 2)]
    x = lowered(second(layers.Concatenate()(seen)))  # rows above its own alone
    back = layers.Lambda(
        lambda x: tf.concat([tf.image.rot90(p, -k) for k, p in enumerate(tf.split(x, 4))], -1)
    )
    x = back(x)
    for i in range(2):
        x = layers.Conv2D(4 * FEATURES, 1, name=f"joint{i}")(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
    return keras.Model(frames, layers.Conv2D(n, 1, name="joint_out")(x))


def windows(movie, t):
    """Return the frames around frame t as channels; at its ends a movie is mirrored."""
    numbers = np.abs(np.arange(t - FRAMES // 2, t + FRAMES // 2 + 1))
    numbers = len(movie) - 1 - np.abs(len(movie) - 1 - numbers)
    return np.concatenate([movie[i] for i in numbers], -1)


def video(noisy, minutes, seed=0):
    """Train the video network on movies for a time, and denoise their scored frames."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    middle, sd = noisy.mean((0, 1, 2, 3)), noisy.std((0, 1, 2, 3))
    movies = (noisy - middle) / sd
    n = noisy.shape[-1]
    network, optimizer = video_network(n), keras.optimizers.Adam(RATE)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            target = x[..., FRAMES // 2 * n : (FRAMES // 2 + 1) * n]
            loss = tf.reduce_mean(tf.square(network(x, training=True) - target))
        values = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, values), values))

    rng = np.random.default_rng(seed)
    crop = min(CROP, *movies.shape[2:4])

    def batch():
        samples = []
        for _ in range(BATCH):
            s, t = rng.integers(len(movies)), rng.integers(movies.shape[1])
            y, x = (rng.integers(n - crop + 1) for n in movies.shape[2:4])
            samples.append(windows(movies[s, :, y : y + crop, x : x + crop], t))
        return tf.constant(np.stack(samples), tf.float32)

    step(batch())  # traces, which is not counted
    # of the processor, so that it does not matter what else it does
    began, steps = time.process_time(), 1
    while time.process_time() - began < 60 * minutes:
        # the rate falls to nothing
        left = 1 - (time.process_time() - began) / (60 * minutes)
        optimizer.learning_rate.assign(RATE * max(0.0, left))
        step(batch())
        steps += 1
    predict = tf.function(network)
    found = [
        [predict(windows(movie, t)[None].astype(np.float32))[0] for t in context.NUMBERS]
        for movie in movies
    ]
    about = {"steps": steps, "minutes": minutes, "parameters": network.count_params()}
    return np.array(found) * sd + middle, about


# -- trials ---------------------------------------------------------------------------------------
def run(args, level, peer):
    """Score one peer."""
    data = context.Set(KIND, level, args.tiny)
    noisy, numbers = data.noisy["test"], list(context.NUMBERS)
    truth = data.truth["test"][:, numbers].astype(float)
    sigma = (noisy - data.truth["test"]).std((0, 1, 2, 3))
    if peer == "video blind spot":
        frames, settings = video(noisy, args.minutes)
    else:
        stacks = [registered(movie) for movie in noisy]
        candidates = means(stacks) if peer == "registered mean" else low_ranks(stacks, sigma)
        frames, settings = best(candidates, truth)
    scored = trials.score(
        trials.given(frames), data.truth["test"], noisy, context.NUMBERS, variants=False
    )
    return {"level": level, "peer": peer, "settings": settings, **scored}


def table(rows):
    """Markdown: one line a level and peer."""
    lines = ["| noise | peer | PSNR, ADF / BF [dB] | SSIM | at its best |", "|---" * 5 + "|"]
    for level in trials.LEVELS:
        for peer in PEERS:
            row = rows.get(f"{level[0]}/{level[1]} dB | {peer}")
            if row:
                psnr, ssim = (np.mean(row[m], axis=0) for m in ("psnr", "ssim"))
                cells = [f"{level[0]}/{level[1]} dB", peer, context.pair(psnr), context.pair(ssim)]
                about = "; ".join(f"{k}: {_words(v)}" for k, v in row["settings"].items())
                lines.append("| " + " | ".join([*cells, about]) + " |")
    return "\n".join(lines)


def _words(value):
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def main():
    """Run what is missing, then write the table."""
    minutes = {
        "type": float,
        "default": 10.0,
        "help": "of the processor, for training; default: %(default)s",
    }
    args = trials.arguments(__doc__, minutes=minutes)
    journal = trials.Journal(args.out / "movie_peers.jsonl")
    wanted = [(level, peer) for level in trials.LEVELS[::-1] for peer in PEERS]
    for level, peer in [] if args.table else args.mine(wanted):
        key = f"{level[0]}/{level[1]} dB | {peer}"
        journal.run(key, lambda trial=(level, peer): run(args, *trial))
    trials.write(args.out / "movie_peers.md", table(journal.rows()))


if __name__ == "__main__":
    main()
