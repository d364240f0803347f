"""Scores of methods over all test movies: what figures 7, 9, S3 and S6 draw.

From `n2v_stem_keras.evaluation.evaluate`, with the noisy frames of the other figures. Classical
methods are tuned once a level on the truth of frames that are scored: flattered.
"""

import json
import warnings

from common import DETECTORS, PIXEL_NM, clean_movies, noisy_frames, results_of

from n2v_stem_keras import __version__
from n2v_stem_keras.evaluation.evaluate import evaluate
from n2v_stem_keras.evaluation.scores import METRICS

_OF_ALL_METRICS = (
    "level",
    "method",
    "label",
    "kind",
    "detector",
    "psnr_in",
    "adatom_snr",
    "parameter",
    "parameter_unit",
    "movies_at_limit",
    "seconds_per_frame",
    "note",
)


def evaluate_test_movies(args, levels, models, methods):
    """Score models and classical methods on the test movies of a scale.

    Parameters
    ----------
    args : argparse.Namespace
        What `common.arguments` returned.
    levels : sequence of tuple
        PSNR (ADF, BF) of the noise [dB].
    models, methods
        As for `n2v_stem_keras.evaluation.evaluate.evaluate`.

    Returns
    -------
    Evaluation
    """
    movies = clean_movies(args.scale, "test")

    def say(done, total, what):
        if what:
            print(f"  {done + 1}/{total} {what}", flush=True)

    with warnings.catch_warnings():  # a model far from the noise it was trained on says so
        warnings.simplefilter("ignore", UserWarning)
        return evaluate(
            [movie.clean for movie in movies],
            DETECTORS,
            PIXEL_NM,
            noisy={level: noisy_frames(movies, level) for level in levels},
            models=models,
            methods=methods,
            tune_per="level",
            positions=[movie.positions for movie in movies],
            progress=say,
        )


def score_test_movies(args, name, levels, models, methods):
    """Score as `evaluate_test_movies` does, and make short records.

    Classical methods have no seed: where the numbers of the first seed lie beside --out, theirs are
    taken from there.

    Parameters
    ----------
    args, levels, models, methods
        As for `evaluate_test_movies`.
    name : str
        Of the figure.

    Returns
    -------
    evaluation : Evaluation
    records : list of dict
        See `table`.
    """
    known = classical_of_first_seed(args, name)
    evaluation = evaluate_test_movies(args, levels, models, () if known else methods)
    own = {_key(record): record for record in table(evaluation)}
    records = [own.pop(_key(record), record) for record in known]
    return evaluation, [*records, *own.values()]


def classical_of_first_seed(args, name):
    """Read the records of the first seed's run; none for that seed itself, and without one."""
    path = args.out.parent / f"{name}.json"
    if not args.seed or args.out != results_of(args.seed, path.parent) or not path.exists():
        return []
    numbers = json.loads(path.read_text(encoding="utf-8"))
    made = numbers["scale"], numbers["seed"], numbers["version"]
    return numbers["scores"] if made == (args.scale.name, 0, __version__) else []


def _key(record):
    return record["level"], record["label"], record["detector"]


def table(evaluation):
    """Turn an evaluation into short records, one per level, method and detector.

    Returns
    -------
    list of dict
        With each metric as [mean, standard error over movies], and what `plot_rows` needs.
    """
    records = {}
    for row in evaluation.rows():
        key = row["level"], row["method"], row["detector"]
        record = records.setdefault(key, {name: row[name] for name in _OF_ALL_METRICS})
        record[row["metric"]] = [row["mean"], row["se"]]
    return [
        {name: value for name, value in record.items() if value not in ("", None)}
        for record in records.values()
    ]


def plot_rows(records):
    """Rows as `plot.scores` draws them, from the records of `table`, read back or not."""
    return [
        {**record, "metric": metric, "mean": record[metric][0], "se": record[metric][1]}
        for record in records
        for metric in METRICS
        if metric in record and record[metric][0] is not None
    ]


def record_of(records, **wanted):
    """Find the one record with the given values."""
    (found,) = (r for r in records if all(r.get(k) == v for k, v in wanted.items()))
    return found
