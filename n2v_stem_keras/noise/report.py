"""A diagnosis in a microscopist's words: report, verdict on the blind spot, warnings."""

from __future__ import annotations

import textwrap

import numpy as np

from ..counting import counted
from ..escaping import escaped
from .estimate import CORRELATION_LIMIT, MAX_SPAN, NEIGHBOUR_LIMIT

WIDTH = 100  # of the report [characters]
ROW_NOISE = 3.0  # row means vary so many times more than white noise lets them: worth a word
_DECAY = {
    "after-glow": "it decays at once, as detector after-glow does",
    "jitter": "it decays slowly, as with displaced scan lines (scan-line jitter)",
    "periodic": "it comes back farther on, as interference along the rows does",
    "sharpened": "they are opposed, as in sharpened or differentiated frames; use the raw frames",
}
_Y_TOO = 1 / 3  # of the correlation along x, from which on that along y is called as strong


def text(diagnosis):
    """Write the whole report."""
    lines = [_heading(diagnosis)]
    for name, found in diagnosis.detectors.items():
        lines += ["", name]
        lines += [_wrapped(f"  {label:<18}", words) for label, words in _rows(found) if words]
    if diagnosis.correlation is not None:
        lines += ["", _correlation(diagnosis)]
    if diagnosis.rows:
        lines += ["", _wrapped("Rows: ", diagnosis.rows)]
    if diagnosis.drift:
        lines += ["", _wrapped("Drift: ", diagnosis.drift)]
    said = {f"{name}: {blind_spot(found)}" for name, found in diagnosis.detectors.items()}
    others = [_wrapped("- ", warning) for warning in diagnosis.warnings if warning not in said]
    if others:
        lines += ["", "To look into:", *others]
    elif not diagnosis.warnings:
        lines += ["", "Nothing needs attention."]
    return "\n".join(lines)


def _wrapped(first, words):
    """Break into lines, indented as the first begins."""
    return textwrap.fill(words, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _heading(diagnosis):
    size = f"{diagnosis.pixel_size_nm:.4g} nm/px" if diagnosis.pixel_size_nm else "no pixel size"
    shape = " x ".join(map(str, diagnosis.shape))
    number = len(diagnosis.looked_at)
    seen = f"looked at {counted(number, 'frame')}"
    return f"{escaped(diagnosis.name)}: {shape} ({diagnosis.axes}), {size}; {seen}"


def _rows(found):
    """Labels and words of one detector."""
    if found.noise is None:
        return [("noise", "one value throughout, or no frame with finite values only")]
    noise = found.noise
    return [
        (
            "noise",
            f"sigma {noise.sigma:.4g} (+- {_percent(_ratio(noise.sigma_se, noise.sigma))}), "
            f"{found.noise_to_sd:.2g} of the standard deviation of the frames",
        ),
        ("correlation", _lags(noise)),
        ("rows", _row_words(found)),
        ("signal and noise", _gain_words(found.gain)),
        ("blind spot", blind_spot(found)),
        ("values", _value_words(found.levels)),
        ("pixels", _pixel_words(found)),
    ]


def _lags(noise):
    if not np.isfinite(noise.lag1_x):
        return "frames are too small to tell (32x32 px are needed)"
    some = ", ".join(f"{noise.acf_x[k]:z.2f}" for k in (2, 4, 8))
    return (
        f"{noise.lag1_x:z.2f} along x, {noise.lag1_y:z.2f} along y (+- {noise.lag1_se:.1g}) "
        f"between neighbours; along x at 2, 4, 8 px {some}"
    )


def _row_words(found):
    if not np.isfinite(found.row_noise):
        return ""
    return f"their means vary {found.row_noise:.1f} times as much as white noise lets them"


def _gain_words(gain):
    if gain is None:
        return "unknown: no consecutive frames of the same place"
    if not np.isfinite(gain.gain):
        return "unknown: consecutive frames differ by more than noise everywhere, or not at all"
    low, high = gain.mean_range
    line = (
        f"var = ({gain.gain:.3g} +- {gain.gain_se:.2g}) * mean + ({gain.intercept:.3g} +- "
        f"{gain.intercept_se:.2g}), means {low:.4g} to {high:.4g}"
    )
    if gain.falls:
        return (
            f"noise falls as the signal grows, by {-gain.gain / gain.gain_se:.0f} standard errors, "
            f"which counted electrons do not (an inverted image, or a detector near its end?): "
            f"{line}"
        )
    if not gain.is_significant:
        return f"no dependence of the noise on the signal is seen: {line}"
    return f"noise grows with the signal, as counted electrons do: {line}"


def blind_spot(found):
    """Verdict on the blind spot of one detector, in a sentence or two."""
    noise = found.noise
    if noise is None or not np.isfinite(noise.lag1_x):
        return "cannot be judged"
    slack = CORRELATION_LIMIT + 3 * noise.lag1_se
    along_x = f"{noise.lag1_x:z.2f} +- {noise.lag1_se:.1g}"
    along_y = f"{noise.lag1_y:z.2f} +- {noise.lag1_se:.1g}"
    if found.resampled:
        return (
            f"not justified: neighbours correlate along both axes (x {noise.lag1_x:z.2f}, y "
            f"{noise.lag1_y:z.2f}), as in interpolated, resampled, filtered or noise-free "
            "frames; no span mends that, use the raw frames"
        )
    if found.noise_free:
        return "not needed: hardly any noise is found at high frequencies"
    if noise.lag1_y < -slack:
        return (
            f"not justified: neighbours along y are opposed ({along_y}), as in sharpened or "
            "differentiated frames. Use the raw frames"
        )
    y_too = noise.lag1_y > slack
    if y_too and noise.lag1_y > _Y_TOO * abs(noise.lag1_x):
        too = " too" if noise.lag1_x > NEIGHBOUR_LIMIT + 3 * noise.lag1_se else ""
        return (
            f"not justified: neighbours correlate along y{too} ({along_y}), which "
            "those of raw scans do not. Was the movie interpolated, rotated or drift-corrected? "
            "Use the raw frames"
        )
    if found.row_share:
        words = _row_offsets(found)
    elif found.span == (1, 1):
        words = _one_pixel(found, along_x)
    else:
        words = (
            f"one pixel is not justified: neighbours along x correlate by {along_x} (limit "
            f"{NEIGHBOUR_LIMIT}); {_DECAY[found.cause]}. {_train(found.span)}"
            + ("; detail finer than 5 px along x is then lost" if found.span[1] == MAX_SPAN else "")
        )
    if y_too:
        words += f". Along y they correlate by {along_y}, too, which that does not cover"
    return words


def _one_pixel(found, along_x):
    """Verdict where no correlation is certain to be beyond its limit."""
    lag, error = found.noise.lag1_x, found.noise.lag1_se
    seen = f"correlation along x {along_x}, limit {NEIGHBOUR_LIMIT}"
    if found.justified is None:
        return (
            f"undecided: {seen}; more or larger frames would tell. n2v_span=(1, 3) is safe, (1, 1) "
            "keeps finer detail along x"
        )
    near = ", near the limit" if 0.6 * NEIGHBOUR_LIMIT < lag <= NEIGHBOUR_LIMIT else ""
    near = near if lag > 3 * error else ""
    if lag > NEIGHBOUR_LIMIT:
        near = " as far as these frames tell"
    return f"one pixel is justified{near} ({seen}): n2v_span=(1, 1)"


def _row_offsets(found):
    """Verdict where the autocorrelation along x has a plateau."""
    words = (
        f"one pixel is not justified: {100 * found.row_share:.0f} % of the noise variance is row "
        "offsets, which no span keeps out as they reach along the whole row (the correlation along "
        "x has a plateau). The laptop preset takes them off; without it, subtract them first"
    )
    if found.span == (1, 1):
        return f"{words}; then n2v_span=(1, 1) will do"
    return f"{words}. The rest: {_DECAY[found.cause]}. {_train(found.span)}"


def _train(span):
    return f"The laptop preset sees to it; without it, train with n2v_span={span}"


def _value_words(levels):
    words = f"{levels.lowest:.5g} to {levels.highest:.5g}, {levels.number} levels"
    ends = [
        f"{_percent(share)} of the pixels at the {end}"
        for end, share in (("lowest", levels.share_lowest), ("highest", levels.share_highest))
        if share > 1e-3
    ]
    return f"{words}; {', '.join(ends)}" if ends else f"{words}; few at either end"


def _percent(share):
    return f"{100 * share:.2g} %"


def _ratio(value, unit):
    return value / unit if unit > 0 else np.nan


def _pixel_words(found):
    kinds = {"dead": found.dead, "bright": found.bright, "dark": found.dark}
    words = [f"{len(places)} {kind}" for kind, places in kinds.items() if places]
    if found.spikes:
        words.append(f"{len(found.spikes)} that stand out of single frames (spikes)")
    return ", ".join(words) or "none stuck or standing out"


def _correlation(diagnosis):
    names = list(diagnosis.detectors)
    pairs = [
        f"{names[i]} and {names[j]} {diagnosis.correlation[i, j]:+.3f}"
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    words = f"{', '.join(pairs)} (+- {diagnosis.correlation_se:.1g})"
    return _wrapped("Noise of the detectors correlates: ", words)


def warnings(diagnosis):
    """List what needs attention, a sentence or two each."""
    found = [f"frame {_place(diagnosis, s, t)}: {why}" for s, t, why in diagnosis.bad_frames[:5]]
    if len(diagnosis.bad_frames) > 5:
        found.append(f"{len(diagnosis.bad_frames)} of the frames looked at are like that")
    for name, one in diagnosis.detectors.items():
        found += [f"{name}: {words}" for words in _detector_warnings(one)]
    noisy = [not (one.resampled or one.noise_free) for one in diagnosis.detectors.values()]
    if diagnosis.correlation is not None and all(noisy):
        found += _correlation_warnings(diagnosis)
    return found


def _place(diagnosis, s, t):
    if "S" not in diagnosis.axes:
        return str(t)
    return f"{t} of image {s}" if "T" in diagnosis.axes else f"of image {s}"


def _detector_warnings(found):
    if found.noise is None:
        yield "nothing to measure; was the detector switched on?"
        return
    doubtful = found.justified is None and np.isfinite(found.noise.lag1_x)
    if found.justified is False or doubtful:
        yield blind_spot(found)
    if found.odd_image:
        yield (
            f"image {found.odd_image[0]} is correlated more than the others "
            f"({found.odd_image[1]:.2f} along x): leave it out, or use a span of (1, 3) for all"
        )
    if found.row_noise > ROW_NOISE and not found.row_share and not found.resampled:
        yield (
            f"row noise: the means of rows vary {found.row_noise:.2g} times as much as white noise "
            "lets them; look for streaks along x in the result"
        )
    yield from _value_warnings(found)
    yield from _pixel_warnings(found)


def _value_warnings(found):
    levels = found.levels
    if levels.clipped_high:
        yield (
            f"saturated: {_percent(levels.share_highest)} of the pixels hold the highest value; "
            "the heights of bright atoms are lost. Lower the gain or the offset"
        )
    if levels.clipped_low:
        yield (
            f"cut off below: {_percent(levels.share_lowest)} of the pixels hold the lowest value. "
            "Raise the offset, unless single electrons are counted"
        )
    if levels.quantised:
        step = _ratio(levels.step, found.noise.sigma)
        yield (
            f"quantised: {levels.number} levels only (step {step:.2g} noise sigma). Export with "
            "more bits, unless single electrons are counted"
        )


def _pixel_warnings(found):
    if found.spikes:
        yield _spike_warning(found.spikes)
    if found.dead:
        yield f"{_count(found.dead)} never changing: {_places(found.dead)}"
    for kind in ("bright", "dark"):
        places = getattr(found, kind)
        if places:
            yield (
                f"{_count(places)} {kind}er than all around, at once as no probe draws: "
                f"{_places(places)}; replace by the median of the neighbours before training"
            )


def _spike_warning(spikes):
    """Say which pixels of single frames stand out."""
    frames = {place[:2] for place in spikes}
    several = len({series for series, _ in frames}) > 1
    some = [
        f"frame {t}{f' of movie {s}' if several else ''} (y {y}, x {x})"
        for s, t, y, x in spikes[:5]
    ]
    more = ", ..." if len(spikes) > 5 else ""
    return (
        f"{counted(len(spikes), 'spike')} in {len(frames)} of the frames, "
        f"pixels that stand out of one frame as no probe draws (X-rays, cosmic rays): "
        f"{', '.join(some)}{more}. They do not count as noise; replace them by the median of their "
        "neighbours before training"
    )


def _count(places):
    return counted(len(places), "pixel")


def _places(places):
    some = ", ".join(f"(y {y}, x {x})" for y, x in places[:5])
    return some + (", ..." if len(places) > 5 else "")


def _correlation_warnings(diagnosis):
    names = list(diagnosis.detectors)
    for i, j in zip(*np.triu_indices(len(names), 1)):
        value = diagnosis.correlation[i, j]
        if abs(value) > 0.1 + 3 * diagnosis.correlation_se:
            yield (
                f"{names[i]} and {names[j]}: their noise correlates by {value:+.2f}; hide both at "
                "the same place (n2v_joint_mask, the default), or one gives away the other"
            )
