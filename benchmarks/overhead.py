"""What the package costs beyond the network: import, data pipeline, prediction.

    python benchmarks/overhead.py

Share of a training step of the laptop preset that the pipeline takes, as processor time: batches
are made alone, and steps are run on a batch that is already there. Prediction of 100 frames of
128x128 px against the bare network calls on the same batches. Importing the package, as wall time
beyond a bare interpreter. Nothing else should run. Writes benchmarks/results/overhead.json.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.training import data, loop

RESULTS = Path(__file__).parent / "results" / "overhead.json"


def spread(values):
    values = sorted(values)
    return {"min": values[0], "median": float(np.median(values)), "max": values[-1]}


def pipeline_share(repeats=5, n_steps=20):
    """Processor seconds of making a batch over those of a step on a ready batch."""
    config = N2VStemConfig.preset("laptop")
    movie = np.random.default_rng(0).normal(size=(24, 256, 256, 2)).astype(np.float32)
    regions = [data.Region(0, tuple(range(24)), (0, 256))]
    samples = data.BlindSpotData([movie], [scan(movie)], regions, config)
    batches = samples.training(0, 10**6).as_numpy_iterator()
    network = loop.build_trainer(config)
    network.prepare(config, 1000)
    batch = next(batches)
    network.train_on_batch(*batch)
    for _ in range(5):
        next(batches)
    shares, steps, made = [], [], []
    for _ in range(repeats):
        began = time.process_time()
        for _ in range(n_steps):
            next(batches)
        made.append((time.process_time() - began) / n_steps)
        time.sleep(1)  # let the prefetched batches finish outside of the next measurement
        began = time.process_time()
        for _ in range(n_steps):
            network.train_on_batch(*batch)
        steps.append((time.process_time() - began) / n_steps)
        shares.append(made[-1] / (made[-1] + steps[-1]))
    return {
        "pipeline_cpu_ms_per_step": spread([1e3 * v for v in made]),
        "step_cpu_ms": spread([1e3 * v for v in steps]),
        "pipeline_share_of_step": spread(shares),
    }


def prediction_overhead(repeats=7):
    """Wall time of predict over that of the bare network calls, in turn."""
    config = N2VStemConfig.preset("laptop", unet_n_depth=2, unet_n_first=8)
    movie = np.random.default_rng(0).normal(size=(100, 128, 128, 2)).astype(np.float32)
    model = N2VStem(config, basedir=None)
    model.trained = True
    limits = {"noise_to_sd": [0.0, 2.0]}
    noise = {"lag1_x_max": 0.9, "lag1_y_max": 0.9, "residual_mean_max_sigma": 99.0}
    model.thresholds = {c: {"noise": noise, "domain": limits} for c in config.channels}
    batches = [movie[i : i + 16] for i in range(0, 100, 16)]
    run = model.denoiser.engine.run

    def bare():
        return [run(batch) for batch in batches]

    model.predict(movie)
    bare()
    ratios, seconds = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        bare()
        middle = time.perf_counter()
        model.predict(movie)
        end = time.perf_counter()
        ratios.append((end - middle) / (middle - began))
        seconds.append((end - middle) / 100 * 1e3)
    return {"predict_over_bare_calls": spread(ratios), "predict_ms_per_frame": spread(seconds)}


def import_seconds(repeats=5):
    """Wall time of ``import n2v_stem_keras`` in a fresh interpreter, beyond a bare one."""

    def timed(code):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    return {
        "import_s": spread([timed("import n2v_stem_keras") - timed("pass") for _ in range(repeats)])
    }


def main():
    result = {
        "cores": os.cpu_count(),
        **import_seconds(),
        **pipeline_share(),
        **prediction_overhead(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
