"""The scores of an evaluation: rows for programs, tables for people.

`Evaluation` is what `evaluation.evaluate.evaluate` returns. Every score is the mean over the frames
of a movie first; the mean and the standard error given are then taken over movies, since the frames
of one movie show the same lattice and mostly the same atoms and are not independent.
"""

from __future__ import annotations

import csv
import io
import textwrap
from dataclasses import dataclass

import numpy as np

from .._version import __version__
from ..atomic import write_json, write_text
from ..counting import counted

# metric -> heading, decimals, whether higher is better
METRICS = {
    "psnr": ("PSNR [dB]", 1, True),
    "ssim": ("SSIM", 3, True),
    "nrmse": ("N-RMSE", 4, False),
    "fluence_gain": ("fluence gain", 1, True),
}
FORMAT = "n2v_stem_keras evaluation 1"
_WIDTH = 110
_LABEL = 24


def mean_and_se(values) -> tuple[float, float]:
    """Mean, and standard error of the mean (nan for fewer than two values).

    Parameters
    ----------
    values : array_like
        (n,), one per movie; nan (nothing to measure in that movie) is left out.

    Examples
    --------
    >>> mean_and_se([1.0, 3.0])
    (2.0, 1.0)
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    if np.isinf(values).any():  # a perfect image has an infinite PSNR
        return float(values.mean()), float("nan")
    se = np.std(values, ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return float(values.mean()), float(se)


def plus_minus(mean, se, decimals) -> str:
    """Write a mean with its standard error, '-' where there is none.

    Examples
    --------
    >>> plus_minus(32.06, 0.31, 1), plus_minus(32.06, float("nan"), 1), plus_minus(np.nan, 1, 1)
    ('32.1 ± 0.3', '32.1 ± -', '-')
    """
    if np.isnan(mean):
        return "-"
    return f"{mean:.{decimals}f} ± " + ("-" if np.isnan(se) else f"{se:.{decimals}f}")


@dataclass(frozen=True)
class Level:
    """One strength of noise.

    Attributes
    ----------
    label : str
        Such as '10/10 dB'.
    psnr : dict
        detector -> (movies,) PSNR of the noisy frames as measured [dB].
    adatom_snr : dict
        detector -> (movies,) A/sigma of lone adatoms in one noisy frame, nan where there are none;
        empty where positions are unknown.
    """

    label: str
    psnr: dict
    adatom_snr: dict


@dataclass(frozen=True)
class Result:
    """One method at one level.

    Attributes
    ----------
    level : str
        Label of the level.
    method, label : str
        Name for programs, name for people.
    kind : {"input", "reference", "classical", "model"}
        The noisy frames, a yardstick, a tuned filter, or a trained model.
    scores : dict
        detector -> metric -> (movies,).
    parameters, at_limit : dict
        detector -> (movies,) the tuned parameter, and whether its search ended there; empty where
        there is none.
    parameter_name, unit : str
        Name and unit of the parameter.
    seconds_per_frame : float
        All detectors of a frame, median over movies, tuning left out [s].
    tuning_seconds : float
        Spent on the search, all movies together [s].
    note : str
        Why there are no scores; empty where there are.
    """

    level: str
    method: str
    label: str
    kind: str
    scores: dict
    parameters: dict
    at_limit: dict
    parameter_name: str = ""
    unit: str = ""
    seconds_per_frame: float = float("nan")
    tuning_seconds: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Methods x metrics x detectors x noise levels.

    Attributes
    ----------
    results : tuple of Result
        By level, in the order of the methods.
    levels : tuple of Level
        In the order given.
    detectors : tuple of str
        In the movies' order.
    shapes : tuple of (T, Y, X)
        One per movie.
    pixel_size_nm : float or None
        [nm/px].
    seed : int
        Seed of the noise added, if any.
    notes : tuple of str
        What a reader of the numbers must know.
    """

    results: tuple
    levels: tuple
    detectors: tuple
    shapes: tuple
    pixel_size_nm: float | None
    seed: int
    notes: tuple = ()

    @property
    def n_movies(self) -> int:
        """Number of movies."""
        return len(self.shapes)

    def rows(self) -> list[dict]:
        """Flatten into one row per level, method, detector and metric.

        Returns
        -------
        list of dict
            ``level, method, label, kind, detector, metric, mean, se, n_movies, per_movie,
            psnr_in [dB], adatom_snr, parameter`` (median over movies) ``, parameter_min,
            parameter_max, parameter_name, parameter_unit, movies_at_limit, seconds_per_frame,
            tuning_seconds, note``; nan where there is no number. All rows of a level carry its
            PSNR and A/sigma.
        """
        levels = {level.label: level for level in self.levels}
        rows = []
        for result in self.results:
            level = levels[result.level]
            for detector in result.scores or self.detectors:
                known = self._shared(result, level, detector)
                for metric in METRICS:
                    values = result.scores.get(detector, {}).get(metric, [])
                    mean, se = mean_and_se(values)
                    score = {"metric": metric, "mean": mean, "se": se}
                    score["per_movie"] = [float(v) for v in values]
                    rows.append({**known, **score})
        return rows

    def _shared(self, result, level, detector):
        """Return what all metrics of a method, level and detector have in common."""
        found = np.asarray(result.parameters.get(detector, [np.nan]), float)
        snr = level.adatom_snr.get(detector)
        return {
            "level": result.level,
            "method": result.method,
            "label": result.label,
            "kind": result.kind,
            "detector": detector,
            "n_movies": len(next(iter(result.scores.values()))["psnr"]) if result.scores else 0,
            "psnr_in": float(np.mean(level.psnr[detector])),
            "adatom_snr": np.nan if snr is None else mean_and_se(snr)[0],
            "parameter": float(np.median(found)),
            "parameter_min": float(found.min()),
            "parameter_max": float(found.max()),
            "parameter_name": result.parameter_name,
            "parameter_unit": result.unit,
            "movies_at_limit": int(np.sum(result.at_limit.get(detector, 0))),
            "seconds_per_frame": result.seconds_per_frame,
            "tuning_seconds": result.tuning_seconds,
            "note": result.note,
        }

    def facts(self) -> dict:
        """Return everything as plain numbers and words, as in the JSON file."""
        levels = [
            {
                "label": level.label,
                "psnr_in": {d: _summary(v) for d, v in level.psnr.items()},
                "adatom_snr": {d: _summary(v) for d, v in level.adatom_snr.items()},
            }
            for level in self.levels
        ]
        return {
            "format": FORMAT,
            "software": f"n2v_stem_keras {__version__}",
            "detectors": list(self.detectors),
            "pixel_size_nm": self.pixel_size_nm,
            "movies_TYX": [list(shape) for shape in self.shapes],
            "seed": self.seed,
            "levels": levels,
            "notes": list(self.notes),
            "rows": self.rows(),
        }

    def to_json(self, path) -> None:
        """Write everything as JSON, atomically; what is not finite becomes null."""
        write_json(path, self.facts())

    def to_csv(self, path) -> None:
        """Write the rows as CSV, atomically; nan becomes an empty cell."""
        rows = [{k: v for k, v in row.items() if k != "per_movie"} for row in self.rows()]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v is None or v != v else v for k, v in row.items()})
        write_text(path, text.getvalue())

    def table(self) -> str:
        """Return the table for a terminal, grouped by level and detector."""
        lines = [self.heading(), ""]
        for title, blocks in self._by_level():
            lines.append(title)
            for caption, cells, tuned in blocks:
                lines += [f"  {caption}", *_aligned(cells, "    ")]
                lines += textwrap.wrap(
                    tuned, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6
                )
                lines.append("")
        for note in self.notes:
            lines += textwrap.wrap(note, _WIDTH, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [self.heading(), ""]
        for title, blocks in self._by_level():
            for caption, (head, *cells), tuned in blocks:
                lines += [f"**{title}, {caption}**", "", _markdown_row(head)]
                lines.append("|:--" + "|--:" * (len(head) - 1) + "|")
                lines += [_markdown_row(row) for row in cells] + [""]
                lines += [tuned, ""] if tuned else []
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)]) + "\n"

    def heading(self) -> str:
        """Return one line about the movies."""
        sizes = sorted({f"{y}x{x}" for _, y, x in self.shapes})
        n_frames = sum(shape[0] for shape in self.shapes)
        scale = f", {self.pixel_size_nm:.4g} nm/px" if self.pixel_size_nm else ""
        return (
            f"{counted(self.n_movies, 'movie')}, {counted(n_frames, 'frame')} of "
            f"{', '.join(sizes)} px{scale}; mean ± standard error over movies"
        )

    def _by_level(self):
        """Yield a title and, per detector, its caption, cells (header first) and parameters."""
        for level in self.levels:
            results = [r for r in self.results if r.level == level.label]
            blocks = []
            for detector in self.detectors:
                caption = f"{detector}: input PSNR {np.mean(level.psnr[detector]):.1f} dB"
                if detector in level.adatom_snr:
                    snr = plus_minus(*mean_and_se(level.adatom_snr[detector]), 1)
                    caption += f", adatom A/sigma {snr}"
                scored = [r for r in results if detector in (r.scores or self.detectors)]
                cells = [_HEAD, *(_cells(r, detector) for r in scored)]
                tuned = [_parameter(r, detector) for r in scored if detector in r.parameters]
                blocks.append((caption, cells, "tuned: " + "; ".join(tuned) if tuned else ""))
            yield f"Input {level.label}", blocks


_HEAD = ["", *(heading for heading, _, _ in METRICS.values()), "time/frame"]


def _cells(result, detector):
    """Cells of one method: its label, its scores and time; or its label and note."""
    label = result.label
    label = label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
    if not result.scores:
        return [label, result.note]
    cells = [label]
    for metric, (_, decimals, _) in METRICS.items():
        mean, se = mean_and_se(result.scores[detector][metric])
        cells.append(
            plus_minus(mean, se, 0 if metric == "fluence_gain" and mean > 99 else decimals)
        )
    return [*cells, _time(result.seconds_per_frame)]


def _time(seconds):
    if np.isnan(seconds):
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def _parameter(result, detector):
    """Write the tuned parameter: median over movies, range, and whether it is at its limit."""
    found = np.asarray(result.parameters[detector], float)
    value = f"{np.median(found):.3g}"
    if np.ptp(found) > 0:
        value += f" ({found.min():.3g} to {found.max():.3g})"
    text = " ".join([result.label, result.parameter_name, value, result.unit]).strip()
    n = int(np.sum(result.at_limit[detector]))
    return f"{text}, at the end of the search in {n} of {found.size} movies" if n else text


def _aligned(rows, indent):
    """Lines of text with aligned columns; a row of two cells is a label and a sentence."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[c]) for row in full) for c in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = []
    for label, *cells in rows:
        if len(cells) > 1:
            cells = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append(f"{indent}{label:<{widths[0]}}  {'  '.join(cells)}".rstrip())
    return lines


def _markdown_row(cells):
    cells = [cell.replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(cells + [""] * (len(_HEAD) - len(cells))) + " |"


def _summary(values):
    mean, se = mean_and_se(values)
    return {"mean": mean, "se": se, "per_movie": [float(v) for v in values]}
