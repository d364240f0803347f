"""A table of generated noises and the sentences that `info` says of them: words follow numbers."""

import numpy as np
import pytest

from n2v_stem_keras import noise

LAGS = np.arange(16)


def autocorrelated(acf_x, acf_y=(1.0,), n_frames=8, shape=(128, 128), seed=0):
    """Gaussian noise of sigma 1 with these autocorrelations along x and y, (T, Y, X)."""
    white = np.random.default_rng(seed).normal(size=(n_frames, *shape))
    for acf, axis in ((acf_x, 2), (acf_y, 1)):
        n = white.shape[axis]
        whole = np.zeros(n)
        whole[: len(acf)] = acf
        whole[n - len(acf) + 1 :] = acf[:0:-1]
        power = np.maximum(np.fft.fft(whole).real, 0)
        amplitude = np.expand_dims(np.sqrt(power), axis=tuple(a for a in (0, 1, 2) if a != axis))
        white = np.fft.ifft(np.fft.fft(white, axis=axis) * amplitude, axis=axis).real
    return white / white.std()


def between(*known):
    """Values at all lags from those at some."""
    lags, values = zip(*known)
    return np.interp(LAGS, lags, values, right=0)


SLOW = between((0, 1), (1, 0.11), (2, 0.07), (4, 0.04), (8, 0.0))
JITTER = between((0, 1), (1, 0.49), (2, 0.4), (4, 0.2), (8, 0.0))
WAVE = 0.2 * np.cos(2 * np.pi * LAGS / 8) * np.exp(-LAGS / 40) + 0.8 * (LAGS == 0)
SHARP = between((0, 1), (1, -0.3), (2, 0.0))

# noise: what it is, what must be said, what must not, and whether one pixel is justified
TABLE = {
    "white": (
        {"acf_x": (1,)},
        ["one pixel is justified (correlation along x", "+- 0.0", "n2v_span=(1, 1)"],
        ["near the limit", "decays", "undecided"],
        True,
    ),
    "after-glow": (
        {"acf_x": 0.3**LAGS},
        ["one pixel is not justified: neighbours along x correlate by 0.3", "decays at once"],
        ["slowly", "along y they"],
        False,
    ),
    "weak after-glow": (
        {"acf_x": 0.12**LAGS, "n_frames": 16},
        ["correlate by 0.1", "decays at once"],
        ["slowly"],
        False,
    ),
    "a weak correlation that stays for two pixels": (
        {
            "acf_x": between((0, 1), (1, 0.07), (2, 0.06), (4, 0.03), (8, 0.01)),
            "n_frames": 16,
            "shape": (256, 256),
        },
        ["correlate by 0.0", "decays slowly"],
        ["at once"],
        False,
    ),
    "a weak correlation that reaches far": (
        {"acf_x": SLOW, "n_frames": 16, "shape": (256, 256)},
        ["correlate by 0.1", "decays slowly"],
        ["at once"],
        False,
    ),
    "a strong one that reaches far": (
        {"acf_x": JITTER},
        ["correlate by 0.", "decays slowly, as with displaced scan lines"],
        ["at once"],
        False,
    ),
    "beyond the limit, within its error": (
        {"acf_x": 0.08**LAGS, "n_frames": 1, "shape": (64, 64), "seed": 3},
        ["undecided: correlation along x 0.", "limit 0.02", "n2v_span=(1, 3) is safe"],
        ["near the limit", "is justified"],
        None,
    ),
    "near the limit": (
        {"acf_x": 0.017**LAGS, "n_frames": 16, "shape": (512, 512)},
        ["one pixel is justified, near the limit (correlation along x 0.02 +- 0.00"],
        ["undecided"],
        True,
    ),
    "much along x, little along y": (
        {"acf_x": JITTER, "acf_y": 0.09**LAGS, "n_frames": 16, "shape": (256, 256)},
        ["neighbours along x correlate by 0.4", "Along y they correlate by 0.0"],
        ["interpolated", "Use the raw frames"],
        False,
    ),
    "along y alone": (
        {"acf_x": (1,), "acf_y": 0.2**LAGS},
        ["neighbours correlate along y (0.2", "Was the movie interpolated"],
        ["along y too"],
        False,
    ),
    "along both": (
        {"acf_x": 0.25**LAGS, "acf_y": 0.2**LAGS},
        ["neighbours correlate along y too (0.2", "Use the raw frames"],
        ["resampled"],
        False,
    ),
    "much along both": (
        {"acf_x": 0.5**LAGS, "acf_y": 0.5**LAGS},
        ["correlate along both axes (x 0.", "resampled"],
        ["n2v_span"],
        False,
    ),
    "interference along the rows": (
        {"acf_x": WAVE, "n_frames": 16},
        ["comes back farther on, as interference"],
        ["decays"],
        False,
    ),
    "sharpened along x": (
        {"acf_x": SHARP},
        ["correlate by -0.3", "opposed, as in sharpened"],
        ["after-glow", "decays"],
        False,
    ),
    "sharpened along y": (
        {"acf_x": (1,), "acf_y": SHARP},
        ["neighbours along y are opposed (-0.3", "Use the raw frames"],
        ["interpolated"],
        False,
    ),
    "rows beside": (
        {"acf_x": between((0, 1), (1, 0.3), (2, 0.3), (15, 0.3))},
        ["row offsets, which no span keeps out"],
        ["interpolated"],
        False,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_said_of_correlation(name):
    made, said, unsaid, justified = TABLE[name]
    frames = autocorrelated(**made)
    if name == "rows beside":
        frames = autocorrelated((1,))
        rows = np.random.default_rng(1).normal(size=(*frames.shape[:2], 1))
        frames = frames * np.sqrt(0.7) + rows * np.sqrt(0.3)
    (found,) = noise.diagnose(100 + frames, "TYX").detectors.values()
    sentence = noise.report.blind_spot(found)
    for words in said:
        assert words in sentence, (sentence, found.noise)
    for words in unsaid:
        assert words not in sentence, sentence
    assert found.justified is justified
    listed = any(sentence in text for text in noise.diagnose(100 + frames, "TYX").warnings)
    assert listed == (justified is not True)


def with_variance(of_mean, n_frames=8, seed=0):
    """Frames of a smooth scene whose noise has a variance that depends on its mean, 0 to 10."""
    y, x = np.mgrid[:192, :192] / 24
    clean = 5 + 5 * np.sin(y) * np.cos(x)
    white = np.random.default_rng(seed).normal(size=(n_frames, *clean.shape))
    return 100 + clean + white * np.sqrt(of_mean(clean))


@pytest.mark.parametrize(
    ("of_mean", "said"),
    [
        (lambda mean: 1 + 0.3 * mean, "noise grows with the signal, as counted electrons do"),
        (lambda mean: 1 + 0 * mean, "no dependence of the noise on the signal is seen"),
        (lambda mean: 4 - 0.35 * mean, "noise falls as the signal grows, by "),
    ],
    ids=["grows", "none", "falls"],
)
def test_what_is_said_of_signal_and_noise(of_mean, said):
    found = noise.diagnose(with_variance(of_mean), "TYX")
    text = " ".join(str(found).split())
    assert said in text
    (one,) = found.detectors.values()
    assert one.gain.is_significant == ("grows with" in said)
    assert one.gain.falls == ("falls" in said)
    if one.gain.falls:
        sigmas = round(-one.gain.gain / one.gain.gain_se)
        assert sigmas > 10
        assert f"by {sigmas} standard errors" in text
