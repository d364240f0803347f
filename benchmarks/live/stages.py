"""One frame's way, stage by stage, each with the least it could take.

Part of `live`. One thread. The floor of what multiplies is its FLOP over the rate of a large matrix
product; of what moves numbers, the bytes read and written over the rate of a large copy.
"""

import time

import numpy as np

from live import process, quality, speed, stream

REPEATS = 3


def rates():
    """Float32 FLOP/s of a matrix product and bytes/s read and written by a copy, one thread."""
    n = 2048
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    b, many = a.T.copy(), np.zeros(2**25, np.float32)
    copy = many.copy()
    flops = 2 * n**3 / shortest(lambda: a @ b)
    return flops, 2 * many.nbytes / shortest(lambda: np.copyto(copy, many))


def shortest(call, n=7):
    """Shortest of some calls [s]."""
    found = []
    for _ in range(n):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def median(call, n):
    """Median over calls [s]."""
    found = []
    for _ in range(n):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return float(np.median(found))


def network_flop(model, shape):
    """Floating point operations of a frame, multiply and add counted as two."""
    import tensorflow as tf

    from n2v_stem_keras.network.unet import for_engines

    call, signature = for_engines(model.keras_model, model.config)

    def fixed(spec):
        sizes = iter((1, *shape))
        return tf.TensorSpec([n or next(sizes) for n in spec.shape], spec.dtype)

    call = tf.function(call, autograph=False)
    graph = call.get_concrete_function(*map(fixed, signature)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def stages(args, name):
    """Measure each stage, with its floor [s]."""
    from n2v_stem_keras.lattice import frame as whole_frames
    from n2v_stem_keras.prediction.stream import RunningStatistics

    n_calls = 3 if args.tiny else 30
    model, frame = quality.student(args, name), speed.noisy_frame(args.tiny)
    flops, bandwidth = rates()
    denoiser = model.denoiser_on("openvino", 1)
    statistics = RunningStatistics()
    statistics.add(frame)
    known = statistics.now
    standard = known.standardise(frame)[None]
    n_floats = 4 * frame.size
    inputs = [standard]
    found = {
        "statistics": (median(lambda: statistics.add(frame), n_calls), 0.0),
        "standardising": (
            median(lambda: known.standardise(frame), n_calls),
            (frame.nbytes + n_floats) / bandwidth,
        ),
    }
    if model.config.lattice.runs_outside:
        planes = np.ascontiguousarray(np.moveaxis(standard, -1, 1))
        ops = whole_frames.NumpyOps()
        spectra = ops.forward(planes)
        # a real transform: half of 5 N log2 N
        fft = 2.5 * planes.size * np.log2(planes.shape[-2] * planes.shape[-1]) / flops
        height, width = planes.shape[2:]
        forward = median(lambda: ops.forward(planes), n_calls)
        backward = median(lambda: ops.backward(spectra.copy(), height, width), n_calls)
        shares = model.config.visible_shares
        inputs = [planes, whole_frames.lattice_of(planes, shares)]
        whole = median(lambda: whole_frames.lattice_of(planes, shares), n_calls)
        found["planes"] = (
            median(lambda: np.ascontiguousarray(np.moveaxis(standard, -1, 1)), n_calls),
            2 * n_floats / bandwidth,
        )
        found["lattice: Fourier transforms"] = (forward + backward, 2 * fft)
        # power, gain, product, slope: each reads or writes a frame's worth about ten times
        found["lattice: the rest"] = (whole - forward - backward, 10 * n_floats / bandwidth)
    flop = network_flop(model, frame.shape[:2])
    found["network"] = (median(lambda: denoiser.engine.run(*inputs), n_calls), flop / flops)
    output = denoiser(standard)[0]
    found["restoring units"] = (
        median(lambda: known.restore(output), n_calls),
        2 * n_floats / bandwidth,
    )
    denoise = speed.whole_way(model, "openvino", 1)
    denoise(frame)
    return {
        "student": name,
        "GFLOP": flop / 1e9,
        "GFLOP_per_s": flops / 1e9,
        "GB_per_s": bandwidth / 1e9,
        "ms": {k: [1e3 * v for v in pair] for k, pair in found.items()},
        "whole_ms": 1e3 * median(lambda: denoise(frame), n_calls),
    }


def alone(args):
    """Run `stages` with one thread of everything."""
    name = next(iter(quality.STUDENTS)) if args.tiny else stream.chosen(args)[0]
    return process.call(stages, args, 1, name)


def plan(args):
    """Return key -> trial."""
    return {f"stages | {n}": lambda: alone(args) for n in range(1 if args.tiny else REPEATS)}


def report(rows):
    """Markdown: stages and floors."""
    found = [row for key, row in rows.items() if key.startswith("stages | ")]
    first = found[0]
    lines = [
        f"## Where the time of a frame goes, one thread ({first['student']})",
        "",
        f"The network makes {first['GFLOP']:.2f} GFLOP a frame; a matrix product runs at "
        f"{spread([r['GFLOP_per_s'] for r in found])} GFLOP/s, a copy at "
        f"{spread([r['GB_per_s'] for r in found])} GB/s.",
        "",
        "| stage | takes [ms] | floor [ms] |",
        "|---|---|---|",
    ]
    for stage in first["ms"]:
        took, floor = zip(*(row["ms"][stage] for row in found))
        lines.append(f"| {stage} | {spread(took)} | {np.median(floor):.1f} |")
    total = [sum(v[0] for v in row["ms"].values()) for row in found]
    floor = [sum(v[1] for v in row["ms"].values()) for row in found]
    lines.append(f"| sum | {spread(total)} | {np.median(floor):.1f} |")
    lines.append(f"| measured as a whole | {spread([r['whole_ms'] for r in found])} | |")
    return "\n".join(lines)


def spread(values):
    """Write median, least and most."""
    return f"{np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
