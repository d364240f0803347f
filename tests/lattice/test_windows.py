"""The local Wiener filter keeps a lattice, drops noise, and mixes nothing."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.lattice.windows import EULER_GAMMA, TINY, LocalWienerFilter
from n2v_stem_keras.network.unet import build_network
from n2v_stem_keras.noise import Scan, scan_movie
from n2v_stem_keras.simulate import simulate_movie
from n2v_stem_keras.training.masking import blind, sample_seed


@pytest.fixture(params=[0, 16], ids=["filter", "waves"])
def n_waves(request):
    """Without and with plane waves."""
    return request.param


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def lattice(height, width, period=5.0, angle=0.4):
    """A hexagonal lattice image of variance 1, (1, Y, X, 1)."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / period)
        for a in angle + np.arange(3) * np.pi / 3
    ]
    return (np.sum(waves, axis=0) / 1.5**0.5).astype(np.float32)[None, :, :, None]


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


def mean_around(values, half):
    """Mean over a box of bins of an rfft2 spectrum: periodic along y, clipped along x."""
    found = np.empty_like(values)
    for y, x in np.ndindex(values.shape):
        rows = np.arange(y - half, y + half + 1) % len(values)
        found[y, x] = values[rows, max(0, x - half) : x + half + 1].mean()
    return found


def ring_mean(values):
    """Mean over rings of equally many bins of an rfft2 spectrum, and the two beside each."""
    window, n = values.shape
    k = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None])
    order = np.argsort(k.ravel(), kind="stable")
    means = values.ravel()[order].reshape(window, n).mean(axis=1)
    padded = np.pad(means, 1, constant_values=np.nan)
    means = np.nanmean([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    found = np.empty(window * n)
    found[order] = np.repeat(means, n)
    return found.reshape(values.shape)


def box_mean(values, half):
    """Mean over a box of pixels of (Y, X), clipped at the border."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        values = np.stack(
            [values[max(0, i - half) : i + half + 1].mean(axis=0) for i in range(len(values))]
        )
        values = np.moveaxis(values, 0, axis)
    return values


def inner(i, n):
    """Which of n windows tells what the i-th draws: the outer ones lie half outside."""
    return 1 if i == 0 else n - 2 if i == n - 1 else i


def weights_by_hand(inside, i, n):
    """Weights along one axis of the fit for window i of n, (W,), and how far off it is drawn."""
    window, hop = len(inside), len(inside) // 2
    weights = np.sin(np.pi * np.arange(window) / window) ** 2
    if i in (0, n - 1):
        weights = weights**8
    if i == 0:
        weights[:hop] = 1
    if i == n - 1 or (inside[hop] and not inside[-1]):
        weights[hop:] = 1
    return weights * inside, -hop if i == 0 else hop if i == n - 1 else 0


def waves_by_hand(cut, weights, shifts, ratio, backgrounds, n_waves):
    """Plane waves of one window as `draw_waves` tells it, (W, W, C); `cut` is not tapered."""
    window = len(cut)
    along = (np.arange(window) - (window - 1) / 2) / window
    y, x = np.meshgrid(along, along, indexing="ij")
    weight = np.outer(*weights)
    weight_y, weight_x = weight.sum(1), weight.sum(0)
    off_y = y - (weight_y * along).sum() / weight_y.sum()
    off_x = x - (weight_x * along).sum() / weight_x.sum()
    spread_y, spread_x = (
        max(1e-9, (weight * off**2).sum() / weight.sum()) for off in (off_y, off_x)
    )
    allowed = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None]) >= 1 / 32
    allowed[window // 2 :, 0] = allowed[:, -1] = allowed[window // 2] = False
    spectrum = np.where(allowed, ratio, 0)
    peaks = []
    for i, j in zip(*np.nonzero(spectrum)):
        rows = np.arange(i - 3, i + 4) % window
        if spectrum[i, j] == spectrum[rows, max(0, j - 3) : j + 4].max():
            peaks.append((spectrum[i, j], i, j))
    drawn = np.zeros_like(cut)
    for strength, i, j in sorted(peaks, reverse=True)[:n_waves]:
        k_y, k_x = (i + window // 2) % window - window // 2, j
        noise = np.array([background[i, j] for background in backgrounds])
        wave = np.exp(-2j * np.pi * (k_y * y + k_x * x))[..., None]
        data = cut * weight[..., None]
        first = (data * wave).sum((0, 1))
        turned = [
            ((first.conj() * (data * wave * off[..., None]).sum((0, 1))).imag / noise).sum()
            for off in (off_y, off_x)
        ]
        power = 2 * np.pi * (abs(first) ** 2 / noise).sum()
        k_y = k_y + np.clip(turned[0] / (power * spread_y), -0.5, 0.5)
        k_x = k_x + np.clip(turned[1] / (power * spread_x), -0.5, 0.5)
        wave = np.exp(-2j * np.pi * (k_y * y + k_x * x))[..., None]
        height = 2 * (data * wave).sum((0, 1)) / weight.sum()
        there = [k_y * (y + shifts[0] / window), k_x * (x + shifts[1] / window)]
        wave = np.exp(-2j * np.pi * sum(there))[..., None]
        gain = max(0, 1 - ((3.4 + 2 / cut.shape[-1]) / strength) ** 8)
        drawn += gain * (height * wave.conj()).real
    return drawn


def by_hand(x, window, n_waves=0):
    """The filter as its docstring tells it, in plain numpy; x (Y, X, C)."""
    hop, (height, width, n) = window // 2, x.shape
    image, x = x, x - box_mean(box_mean(x.astype(float), 16), 16)
    pads = [(hop, hop + -height % hop), (hop, hop + -width % hop), (0, 0)]
    padded, frame = np.pad(x, pads), np.pad(np.ones((height, width)), pads[:2])
    taper = np.sin(np.pi * np.arange(window) / window)
    taper = taper[:, None] * taper[None, :]
    places = [range(0, side - window + 1, hop) for side in padded.shape[:2]]
    n_windows = [len(of) for of in places]
    cuts, backgrounds = {}, {}
    for i, y in enumerate(places[0]):
        for j, x0 in enumerate(places[1]):
            cuts[i, j] = padded[y : y + window, x0 : x0 + window] * taper[..., None]
            parts = (cuts[i, j][..., c] for c in range(n))
            logs = [np.log(abs(np.fft.rfft2(part)) ** 2 + TINY) for part in parts]
            around = [
                functools.reduce(
                    np.maximum,
                    [
                        mean_around(log, window // 16),
                        ring_mean(log),
                        log.mean(0, keepdims=True),
                        log.mean(1, keepdims=True),
                    ],
                )
                for log in logs
            ]
            backgrounds[i, j] = [np.exp(a + EULER_GAMMA) for a in around]

    def near(pieces):
        """Power over background, the mean of detectors and neighbours."""
        ratios = {}
        for k, piece in pieces.items():
            powers = [abs(np.fft.rfft2(piece[..., c])) ** 2 for c in range(n)]
            ratios[k] = np.mean([p / b for p, b in zip(powers, backgrounds[k])], axis=0)
        return {
            (i, j): np.mean(
                [
                    ratios[k]
                    for k in itertools.product((i - 1, i, i + 1), (j - 1, j, j + 1))
                    if k in ratios
                ],
                axis=0,
            )
            for i, j in ratios
        }

    waves = {k: np.zeros_like(cut) for k, cut in cuts.items()}
    if n_waves:
        ratios = near(cuts)
        for i, j in cuts:
            source = [inner(*of) for of in zip((i, j), n_windows)]
            of_source = tuple(slice(of[k], of[k] + window) for of, k in zip(places, source))
            along = [
                weights_by_hand(frame[of_source].max(1 - axis), of, n_windows[axis])
                for axis, of in enumerate((i, j))
            ]
            weights, shifts = zip(*along)
            drawn = waves_by_hand(
                padded[of_source],
                weights,
                shifts,
                ratios[tuple(source)],
                backgrounds[i, j],
                n_waves,
            )
            y, x0 = places[0][i], places[1][j]
            here = taper * frame[y : y + window, x0 : x0 + window]
            waves[i, j] = drawn * here[..., None]
    rest = {k: cuts[k] - waves[k] for k in cuts}
    ratios = near(rest)
    output = np.zeros_like(padded)
    for (i, j), piece in rest.items():
        gain = np.maximum(0, 1 - (2.4 / ratios[i, j]) ** 8)
        k = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None])
        gain = np.where(k < 1 / 32, 0, gain)
        for c in range(n):
            part = np.fft.irfft2(np.fft.rfft2(piece[..., c]) * gain, (window, window))
            part = (part + waves[i, j][..., c]) * taper
            output[i * hop : i * hop + window, j * hop : j * hop + window, c] += part
    output = output[hop : hop + height, hop : hop + width]
    half = max(1, window // 24)
    products = [(x * output).sum(axis=-1), (output**2).sum(axis=-1)]
    above, below = (box_mean(box_mean(product, half), half) for product in products)
    slope = above / np.maximum(below, TINY)
    if n_waves:
        scatter = box_mean(box_mean(((output * (x - output)) ** 2).sum(axis=-1), half), half)
        error = np.sqrt(scatter) / (1.5 * (2 * half + 1)) / np.maximum(below, TINY)
        slope = slope + error / 2
    presence = np.clip(2 * slope - 1, 0, 1) * by_level(image, x, output, window)
    return output * presence[..., None]


def mean_of_cells(image):
    """Mean over cells of 4x4 px of (Y, X, n); the last pixels again, to fill one."""
    height, width, n = image.shape
    image = np.pad(image, [(0, -height % 4), (0, -width % 4), (0, 0)], "edge")
    return image.reshape(image.shape[0] // 4, 4, -1, 4, n).mean(axis=(1, 3))


def by_level_alone(of_level, at, s):
    """Presence in the cells at `at` of a window, and how sure that is; of_level (w, w, levels)."""
    half = max(1, len(of_level) // 10)
    around = [box_mean(box_mean(part, half), half) for part in np.moveaxis(of_level, -1, 0)]
    around = np.stack(around, axis=-1)[at].reshape(len(s), -1)
    of_level = of_level[at].reshape(len(s), -1)
    lacking, told = np.zeros(len(s)), 0
    for i in range(13):
        beside = around[:, i] * of_level[:, [j for j in range(13) if abs(i - j) > 2]].sum(axis=1)
        if beside @ s[:, 3] <= 1:
            continue
        here = of_level[:, i]
        slope = max(1, beside @ s[:, 0] / max(beside @ s[:, 1], TINY))
        power = min(here @ s[:, 1], beside @ s[:, 1] / (beside @ s[:, 3]) * (here @ s[:, 3]))
        expected = slope * max(power, TINY)
        share = here @ s[:, 0] / expected
        error = here @ s[:, 2] / expected**2
        error += beside**2 @ s[:, 2] / max((beside @ s[:, 0]) ** 2, TINY)
        error = max(error / 16, TINY)
        told += max(0, 1 - share) ** 2 / error
        share = (share * 0.25 + error) / (0.25 + error)
        lacking += here * (1 - np.clip((share - 0.65) / 0.2, 0, 1))
    return 1 - np.clip((told - 6) / 6, 0, 1) * lacking, told


def by_level(image, x, output, window):
    """How far places of the same level show the lattice, (Y, X); `image` is x and what is slow."""
    height, width, n = x.shape
    product, power = x * output, output**2
    sums = [part.sum(-1) for part in (product, power, (product - power) ** 2)]
    sums = mean_of_cells(np.stack(sums, axis=-1))
    means, squares, half = mean_of_cells(x), mean_of_cells(x**2), max(1, window // 20)
    level = [box_mean(box_mean(image[..., c], half), half) for c in range(n)]
    level = mean_of_cells(np.stack(level, axis=-1)) * 1.5 * (2 * half + 1)
    side, hop = window // 4, window // 8
    taper = np.sin(np.pi * np.arange(side) / side) ** 2
    shape = sums.shape[:2]
    found = np.zeros([-(-length // hop) * hop + 2 * hop for length in shape])
    for y, x0 in itertools.product(*(range(0, length - hop, hop) for length in found.shape)):
        y_in, x_in = (np.arange(i, i + side) - hop for i in (y, x0))
        y_in, x_in = (i[(i >= 0) & (i < m)] for i, m in zip((y_in, x_in), shape))
        here = np.ix_(y_in, x_in)
        noise = np.sqrt(squares[here].mean(axis=(0, 1)))
        asked = (4 * abs(means[here]) <= 3 * noise).all(axis=-1).reshape(-1, 1)
        s = np.concatenate([sums[here].reshape(-1, 3), np.ones((asked.size, 1))], axis=1) * asked
        least, most = None, -1
        for c in range(n):
            shown = np.zeros((side, side))
            at = np.ix_(y_in - y + hop, x_in - x0 + hop)
            shown[at] = level[here][..., c]
            ordered = np.sort(shown[at], axis=None)
            apart = shown - ordered[len(ordered) // 2]
            there = np.zeros((side, side))
            there[at] = 1
            apart = np.clip(apart / noise[c], -6, 6)
            of_level = np.maximum(0, 1 - abs(apart[..., None] - np.arange(-6, 7)))
            seen, told = by_level_alone(of_level, at, s)
            if told > most:
                least, most = seen, told
        found[np.ix_(y_in + hop, x_in + hop)] += (
            least.reshape(len(y_in), -1) * np.outer(taper, taper)[at]
        )
    found = found[hop : hop + shape[0], hop : hop + shape[1]]
    found = tf.image.resize(found[..., None], [4 * length for length in found.shape])
    return found.numpy()[:height, :width, 0]


@pytest.mark.parametrize("n_waves", [0, 2, 8])
@pytest.mark.parametrize(
    ("shape", "window"), [((64, 40), 16), ((37, 50), 32), ((17, 70), 16), ((60, 90), 64)]
)
def test_it_does_what_it_says(shape, window, n_waves):
    x = noise(2, *shape, 2) + 2 * lattice(*shape, period=4.0)
    output = LocalWienerFilter(window, n_waves)(x).numpy()
    assert output.shape == x.shape
    expected = np.stack([by_hand(image, window, n_waves) for image in x])
    assert expected.std() > 0.1
    assert np.abs(output - expected).max() < 1e-4


def test_a_lattice_far_below_the_noise_is_found_and_noise_is_not(n_waves):
    truth = 0.3 * lattice(256, 256)
    noisy = truth + noise(1, 256, 256, 1)
    assert abs(correlation(noisy, truth)) < 0.35
    keep = LocalWienerFilter(128, n_waves)
    found = keep(noisy).numpy()
    assert correlation(found, truth) > 0.95
    assert 0.8 < (found * truth).sum() / (truth**2).sum() < 1.05
    # two detectors find together what one cannot find alone
    faint = noise(1, 256, 256, 2, seed=1) + 0.06 * lattice(256, 256)
    alone = correlation(keep(faint[..., :1]), truth)
    assert correlation(keep(faint)[..., 0], truth) > alone + 0.03
    # of noise alone next to nothing is left
    assert np.mean(keep(noise(1, 256, 256, 1, seed=2)).numpy() ** 2) < 1e-3


def error_of(n_waves, truth, sigma):
    """Squared error of a lattice image of 128 px windows over the noise variance."""
    images = LocalWienerFilter(128, n_waves)(truth + sigma * noise(*truth.shape)).numpy()
    return np.mean((images - truth) ** 2) / sigma**2


@pytest.mark.parametrize(("side", "most"), [(256, 2.65), (300, 2.0)])
def test_a_straight_lattice_is_drawn_up_to_the_border(side, most):
    """Of windows of which half lies outside the frame, little would be left to fit waves in."""
    truth = lattice(side, side, period=5.3)
    errors = [
        (LocalWienerFilter(128, 6)(truth + noise(*truth.shape, seed=seed)).numpy() - truth) ** 2
        for seed in range(4)
    ]
    error = np.mean(errors, axis=(0, 1, 4))
    beside = np.minimum(*np.indices(error.shape))
    beside = np.minimum(beside, side - 1 - np.maximum(*np.indices(error.shape)))
    assert error[beside < 8].mean() < most * error[beside >= 64].mean()


def test_plane_waves_hold_less_noise_of_a_straight_lattice():
    truth = lattice(256, 256, period=5.3)
    by_filter, by_waves = (error_of(n, truth, 2.0) for n in (0, 6))
    assert by_waves < 0.4 * by_filter


def test_what_plane_waves_leave_of_a_bent_lattice_the_filter_keeps():
    y, x = np.mgrid[:256, :256]
    phase = 2 * np.pi * (x + 1.5 * np.sin(2 * np.pi * y / 200)) / 5.3
    truth = (2**0.5 * np.cos(phase)).astype(np.float32)[None, :, :, None]
    by_filter, by_waves = (error_of(n, truth, 1.0) for n in (0, 6))
    assert by_filter < 0.1
    assert by_waves < 1.1 * by_filter


def test_noise_that_is_correlated_is_noise(n_waves):
    white = noise(1, 256, 258, 1)
    along_x = (white[:, :, 2:] + 0.5 * white[:, :, 1:-1] + 0.25 * white[:, :, :-2]) / 1.1456
    power = np.mean(LocalWienerFilter(128, n_waves)(along_x).numpy() ** 2)
    assert power < 2e-3


@pytest.mark.parametrize("axis", [1, 2])
def test_offsets_of_scan_lines_are_not_a_lattice(axis, n_waves):
    """Offsets of rows of a fifth of the noise, 23 times what white noise gives the row means."""
    shape = [1, 256, 256, 1]
    shape[3 - axis] = 1
    offsets = 0.21 * noise(*shape, seed=5)
    keep = LocalWienerFilter(128, n_waves)
    found = keep(noise(1, 256, 256, 1) + offsets).numpy()
    assert np.mean(found**2) < 0.1 * np.mean(offsets**2)
    # lattice rows along the scan lines are still found
    truth = 0.3 * lattice(256, 256, angle=axis * np.pi / 2)
    found = keep(noise(1, 256, 256, 1) + offsets + truth).numpy()
    assert correlation(found, truth) > 0.9


def test_a_lattice_is_not_carried_far_beyond_its_end(n_waves):
    truth = lattice(256, 384)
    truth[:, :, 192:] = 0
    found = LocalWienerFilter(64, n_waves)(truth + 0.5 * noise(1, 256, 384, 1)).numpy()
    inside, outside = found[:, :, 64:160], found[:, :, 256:320]
    assert inside.std() > 0.9
    assert outside.std() < 0.01 * inside.std()


def test_a_lattice_is_not_drawn_over_a_hole(n_waves):
    y, x = np.indices((256, 256)) - 127.5
    truth = lattice(256, 256)
    hole = np.hypot(y, x)[None, :, :, None] < 20
    frame = np.where(hole, 3, truth).astype(np.float32)  # brighter than the lattice
    found = LocalWienerFilter(256, n_waves)(frame + 2 * noise(1, 256, 256, 1)).numpy()
    middle = np.hypot(y, x)[None, :, :, None] < 14
    slopes = [
        (found * truth)[mask].sum() / (truth**2)[mask].sum()
        for mask in (middle, np.roll(middle, 70, axis=2))
    ]
    assert abs(slopes[0]) < 0.15
    assert slopes[1] > 0.8


def test_what_varies_slowly_makes_no_lattice(n_waves):
    """A bright particle at the border of a dark frame leaves no rings."""
    y, x = np.indices((256, 256))
    particle = 4 / (1 + np.exp((np.hypot(y - 300, x - 150) - 150) / 6))[None, :, :, None]
    frame = (particle - particle.mean() + 0.3 * noise(1, 256, 256, 1)).astype(np.float32)
    assert np.sqrt(np.mean(LocalWienerFilter(256, n_waves)(frame).numpy() ** 2)) < 0.04


def test_nothing_passes_from_one_input_or_sample_to_another(n_waves):
    keep = LocalWienerFilter(32, n_waves)
    x = noise(2, 64, 64, 2) + 2 * lattice(64, 64)
    x[..., 1] = 0
    assert np.abs(keep(x)[..., 0]).max() > 1
    assert not np.any(keep(x)[..., 1])
    together = keep(noise(3, 64, 48, 2) + lattice(64, 48)).numpy()
    apart = [keep(noise(3, 64, 48, 2)[i : i + 1] + lattice(64, 48)) for i in range(3)]
    assert np.allclose(together, np.concatenate(apart), atol=1e-5)


def test_it_follows_the_scale_and_leaves_blank_frames_blank(n_waves):
    keep = LocalWienerFilter(32, n_waves)
    x = noise(1, 64, 64, 1) + lattice(64, 64)
    assert np.allclose(keep(100 * x), 100 * keep(x), rtol=1e-4, atol=1e-3)
    assert not np.any(keep(np.zeros((1, 40, 40, 2), np.float32)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (33, 64), (128, 8)])
def test_any_size(shape, n_waves):
    output = LocalWienerFilter(64, n_waves)(noise(1, *shape, 2)).numpy()
    assert output.shape == (1, *shape, 2)
    assert np.isfinite(output).all()


def test_it_learns_nothing_and_lets_no_gradient_pass(n_waves):
    keep = LocalWienerFilter(32, n_waves)
    x = tf.Variable(noise(1, 32, 32, 1) + lattice(32, 32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(keep(x) ** 2)
    assert total > 0
    assert tape.gradient(total, x) is None
    assert not keep.weights


def test_the_layer_survives_serialisation():
    layer = LocalWienerFilter(64, 8, name="wiener")
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(same) is LocalWienerFilter
    assert (same.name, same.window, same.n_waves) == ("wiener", 64, 8)
    assert same.compute_output_shape((None, None, None, 2)) == (None, None, None, 2)


# In the network


def small(**changes):
    options = {
        "unet_n_depth": 1,
        "unet_n_first": 2,
        "unet_lattice": "windows",
        "unet_lattice_window": 32,
        **changes,
    }
    return N2VStemConfig(**options).check()


def test_the_network_gets_the_filtered_image_beside_the_frame():
    with_it, without = build_network(small()), build_network(small(unet_lattice="none"))
    x = noise(1, 64, 64, 2) + lattice(64, 64)
    first = keras.Model(with_it.input, with_it.get_layer("enc0_conv0").input)(x).numpy()
    assert np.array_equal(first[..., :2], x)
    expected = 4 * (1 - 1 / 24**2) * LocalWienerFilter(32)(x)  # scaled, and as if blinded
    assert np.allclose(first[..., 2:], expected, atol=1e-5)
    # two more inputs of one 5x5 convolution and a 2x2 mix, and nothing else
    assert with_it.count_params() - without.count_params() == 2 * 25 * 2 + 4
    # layers before and behind keep their names, on which weight files depend
    names = [layer.name for layer in with_it.layers]
    own = [n for n in names if n != "wiener" and not n.startswith("lattice_")]
    assert own == [layer.name for layer in without.layers]


def without_head(**changes):
    """A network for training whose UNet adds nothing, and how it sees frames."""
    network = build_network(small(**changes), for_training=True)
    head = network.get_layer("head")
    head.set_weights([0 * w for w in head.get_weights()])

    def see(x, blinded):
        return network([x, np.full((len(x), 1), blinded, np.float32)]).numpy()

    return network, see


def looked_around(shape=(64, 64), n_frames=1, seed=0):
    """What a network with context sees of two detectors, and the mean of all frames in it."""
    rng = np.random.default_rng(seed)
    frame, mean, error, near = (
        (rng.standard_normal((n_frames, *shape, 2)) + lattice(*shape)).astype("f4")
        for _ in range(4)
    )
    share = (1 / rng.integers(1, 9, frame.shape)).astype("f4")
    seen = np.concatenate([frame, share, mean, error, near], axis=-1)
    return seen, share * frame + (1 - share) * mean, share


@pytest.mark.parametrize("context", [False, True])
def test_the_network_adds_to_the_lattice_image(context):
    _, see = without_head(unet_context=context)
    x = shown = noise(1, 64, 64, 2) + lattice(64, 64)
    if context:
        x, shown, _ = looked_around()
    lattice_image = LocalWienerFilter(32)(shown)
    assert np.abs(lattice_image).max() > 1
    assert np.allclose(see(x, 1), lattice_image, atol=1e-5)


@pytest.mark.parametrize("kind", ["windows", "waves", "frame"])
def test_the_first_block_sees_lattice_images_scaled_and_the_sum_takes_them_as_they_are(kind):
    config = small(unet_lattice=kind)
    network, times = build_network(config), config.lattice.shown_times
    x = noise(1, 64, 64, 2) + lattice(64, 64)
    parts = ["enc0_conv0", "lattice_mix"]
    seen, mixed = (keras.Model(network.input, network.get_layer(p).input)(x) for p in parts)
    assert np.array_equal(seen[..., :2], x)
    assert np.abs(mixed).max() > 0.5
    assert np.array_equal(seen[..., 2:], times * mixed)


def test_lattice_images_of_all_detectors_are_mixed_as_learnt():
    network, see = without_head()
    mix = network.get_layer("lattice_mix")
    assert [tuple(w.shape) for w in mix.trainable_weights] == [(1, 1, 2, 2)]
    wanted = noise(2, 2)
    mix.set_weights([wanted[None, None]])
    x = noise(2, 64, 64, 2) + lattice(64, 64)
    expected = LocalWienerFilter(32)(x).numpy() @ wanted
    assert np.allclose(see(x, 1), expected, atol=1e-4)


def test_lattice_images_of_all_frames_are_mixed_by_the_share_of_the_frame():
    network, see = without_head(unet_context=True)
    mix = network.get_layer("lattice_mix")
    assert [tuple(w.shape) for w in mix.trainable_weights] == [(1, 1, 4, 2)]
    wanted = noise(4, 2)
    mix.set_weights([wanted[None, None]])
    x, shown, share = looked_around(n_frames=2)
    image = LocalWienerFilter(32)(shown).numpy()
    expected = np.concatenate([image, share * image], axis=-1) @ wanted
    assert np.allclose(see(x, 1), expected, atol=1e-4)


@pytest.mark.parametrize("change", [{}, {"unet_lattice": "frame"}])
@pytest.mark.parametrize("context", [False, True])
def test_lattice_images_of_whole_frames_are_weakened_as_blind_spots_weaken_them(context, change):
    options = {"unet_context": context, "n2v_pitch": 4, "n2v_jitter": 1, **change}
    _, see = without_head(**options)
    x, share = noise(1, 64, 64, 2) + lattice(64, 64), 1
    if context:  # the other frames are not blinded, in training neither
        x, _, share = looked_around()
    blinded, whole = see(x, 1), see(x, 0)
    assert np.abs(blinded).max() > 1
    assert np.allclose(whole, blinded * (1 - share / 16), atol=1e-5)


@pytest.mark.parametrize(("pitch", "span"), [(4, (1, 1)), (5, (1, 1)), (8, (1, 3))])
@pytest.mark.parametrize("manipulator", ["mean", "uniform_withoutCP"])
def test_blind_spots_take_as_much_of_a_lattice_as_the_configuration_says(
    pitch, span, manipulator, n_waves
):
    config = N2VStemConfig(
        n2v_pitch=pitch,
        n2v_jitter=1,
        n2v_span=span,
        n2v_neighborhood_radius=5,
        n2v_manipulator=manipulator,
    ).check()
    frame = lattice(256, 256)[0] + noise(256, 256, 2)
    blinded, _ = blind(tf.constant(frame), sample_seed(0, 0, 0), config)
    keep = LocalWienerFilter(128, n_waves)
    whole, weakened = keep(frame[None]).numpy(), keep(blinded[None]).numpy()
    slope = np.sum(whole * weakened) / np.sum(whole**2)
    assert slope == pytest.approx(config.visible_shares[0], abs=0.02)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_it_stays_exact_in_half_precision(precision):
    network = build_network(small(train_precision=precision))
    assert network.get_layer("wiener").dtype_policy.name == "float32"
    x = noise(1, 64, 64, 2) + lattice(64, 64)
    # the rest of the network rounds to 8 bits, a signal lost in the filter would be gone
    full = build_network(small())
    full.set_weights(network.get_weights())
    assert correlation(network(x), full(x)) > 0.999


def test_an_exported_network_has_it(tmp_path):
    network = build_network(small())
    network.export(str(tmp_path / "exported"), format="tf_saved_model", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))  # kept: it owns the weights
    for shape in ((64, 48), (40, 90)):
        x = noise(1, *shape, 2) + lattice(*shape)
        assert np.allclose(exported.serve(x), network(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_detectors", [1, 2])
def test_of_amorphous_carbon_no_lattice_is_drawn(n_detectors):
    """Its spectrum is steep: what stands out of a wide mean is no spot."""
    carbon = simulate_movie(0, (256, 256), 1, 0.02, lattice="none", support_nm=6.0, density_nm2=0.0)
    frame = scan_movie(carbon.clean, Scan(), 0, psnr_db=20.0).noisy[..., :n_detectors]
    frame = (frame - frame.mean((1, 2))) / frame.std((1, 2))
    image = LocalWienerFilter(256, 16)(frame.astype(np.float32)).numpy()
    assert image.std() < 0.06
