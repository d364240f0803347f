"""Peers side by side: the same noisy frames, the same threads, the same training time.

    python benchmarks/peers.py --careamics-python ENV/bin/python
    python benchmarks/peers.py --table          # the table again from the journal

Contestants, each frame by itself: this package's laptop preset, the paper's settings in this
package, CAREamics' N2V and N2V2 (both detectors through one network at once, and each by itself),
each in a process and an environment of its own, and BM3D tuned on the truth of the frames scored.
Training time is counted from the first step, without imports. Without --careamics-python an
environment is made in --work and CAREamics installed into it (several GB with PyTorch). Scored on
the noisy training frames and on movies never seen: the reference movies, and structures that the
recipe was not tuned on at the same absolute noise. Writes peers.jsonl (the journal) and peers.md.
"""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import gains
import numpy as np
import trials

CAREAMICS = "careamics==0.3.5"
SURROUNDINGS = 1.1  # reading crops and averaging weights, beside the step itself
PEERS = {
    "this package, laptop preset": (),
    "this package, the paper's settings": (),
    "CAREamics N2V, detectors together": (),
    "CAREamics N2V, each detector by itself": ("--independent",),
    "CAREamics N2V2, detectors together": ("--n2v2",),
    "CAREamics N2V2, each detector by itself": ("--n2v2", "--independent"),
    "BM3D, tuned on the truth": (),
}


def careamics(options, noisy, args, work):
    """Run CAREamics in its own environment; return what it made of the movies and its record."""
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    for which, movies in noisy.items():
        frames = movies.reshape(-1, *movies.shape[2:]).transpose(0, 3, 1, 2)
        np.save(work / f"noisy-{which}.npy", frames)
    child = Path(__file__).with_name("peers_careamics.py").resolve()
    command = [args.careamics_python, child, work.resolve(), "--minutes", args.minutes]
    command += ["--threads", args.threads, "--seed", args.seed, *options]
    subprocess.run(list(map(str, command)), check=True)
    record = json.loads((work / "peer.json").read_text(encoding="utf-8"))
    denoised = {}
    for which, movies in noisy.items():
        frames = np.load(work / f"denoised-{which}.npy").transpose(0, 2, 3, 1)
        denoised[which] = frames.reshape(movies.shape)
    return denoised, record


def ours(name, noisy, args):
    """Train a configuration of this package for the time and denoise."""
    from n2v_stem_keras import N2VStemConfig

    shape = noisy["training"].shape[2:4]
    tiny = trials.TINY if args.tiny else {}
    if "paper" in name:
        # frames are smaller than the paper's, and 96 of them are all there is
        config = N2VStemConfig(n2v_patch_shape=shape, train_frame_step=1, train_seed=args.seed)
        config = config.replace(**tiny)
    else:
        config = N2VStemConfig.preset("laptop", train_seed=args.seed, **trials.SINGLE, **tiny)
    per_step = SURROUNDINGS * trials.step_seconds(config)
    steps = max(1, round(60 * args.minutes / per_step))
    trained = trials.train(config, noisy["training"], steps)
    denoised = {
        which: np.stack([trained(movie, gains.NUMBERS) for movie in movies])
        for which, movies in noisy.items()
    }
    return denoised, {
        "seconds": round(trained.seconds, 1),
        "steps": steps,
        "parameters": trained.network.count_params(),
        "versions": trials.machine(),
    }


def bm3d(noisy, truth):
    """BM3D, tuned on the frames scored."""
    denoised, strengths = {}, {}
    for which in noisy:
        found = trials.tuned_bm3d(truth[which], noisy[which], gains.NUMBERS)
        denoised[which], strengths[which] = found
    return denoised, {"seconds": 0, "strength": strengths}


def run(name, structure, level, args):
    """Train, denoise and score one contestant."""
    data = gains.Set(structure, level, args.tiny)
    truth, noisy = data.truth, data.noisy
    if name.startswith("CAREamics"):
        work = args.work / f"{name}-{structure}-{level[0]}".replace(" ", "-").replace(",", "")
        denoised, record = careamics(PEERS[name], noisy, args, work)
        denoised = {w: frames[:, list(gains.NUMBERS)] for w, frames in denoised.items()}
    elif name.startswith("BM3D"):
        denoised, record = bm3d(noisy, truth)
    else:
        denoised, record = ours(name, noisy, args)
    scores = {
        which: trials.score(
            trials.given(frames), truth[which], noisy[which], gains.NUMBERS, variants=False
        )
        for which, frames in denoised.items()
    }
    return {
        "peer": name,
        "structure": structure,
        "level": level,
        "minutes": args.minutes,
        "threads": args.threads,
        **record,
        **scores,
    }


def plan():
    """Every trial: (contestant, structure, level)."""
    sets = [("reference", level) for level in trials.LEVELS]
    sets += [(structure, trials.LEVELS[1]) for structure in trials.STRUCTURES]
    return [(name, *which) for which in sets for name in PEERS]


def key_of(name, structure, level):
    """Key of a trial in the journal."""
    noise = f"{level[0]}/{level[1]} dB"
    return f"{name} | {noise}" if structure == "reference" else f"{name} | {structure} | {noise}"


def table(rows):
    """Markdown: one table a structure and noise level."""
    text = []
    for structure, level in dict.fromkeys(trial[1:] for trial in plan()):
        lines = [
            "| contestant | PSNR on the noisy training frames, ADF / BF [dB] | SSIM | contrast | "
            "PSNR on movies never seen | steps | training [min] | threads | parameters |",
            "|---" * 9 + "|",
        ]
        for name in PEERS:
            row = rows.get(key_of(name, structure, level))
            if not row:
                continue
            psnr, ssim, contrast, held = (
                trials.mean_and_se(row[which][metric])
                for which, metric in (
                    ("training", "psnr"),
                    ("training", "ssim"),
                    ("training", "contrast"),
                    ("test", "psnr"),
                )
            )
            known = all(0.2 < v < 5 for v in contrast[0])
            cells = [
                name,
                " / ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(*psnr)),
                " / ".join(f"{m:.2f}" for m in ssim[0]),
                " / ".join(f"{m:.2f}" for m in contrast[0]) if known else "none",
                " / ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(*held)),
                str(row.get("steps", "-")),
                f"{row['seconds'] / 60:.1f}" if row["seconds"] else "-",
                str(row["threads"]),
                str(row.get("parameters", "-")),
            ]
            lines.append("| " + " | ".join(cells) + " |")
        if len(lines) > 2:
            title = "" if structure == "reference" else f"{structure}, "
            text.append(f"## {title}{level[0]}/{level[1]} dB\n\n" + "\n".join(lines))
    return "\n\n".join(text)


def make_environment(folder):
    """Make a virtual environment with CAREamics; return its python."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", CAREAMICS], check=True)
    return python


def main():
    """Run what is missing, then write the table."""
    args = trials.arguments(
        __doc__,
        careamics_python={"help": "python of an environment that has CAREamics"},
        work={"type": Path, "default": Path("peers"), "help": "default: %(default)s"},
        minutes={"type": float, "default": 5.0, "help": "of training each; default: 5"},
        seed={"type": int, "default": 0, "help": "of the training; default: 0"},
        only={"default": "", "help": "only contestants and levels whose key contains this"},
    )
    journal = trials.Journal(args.out / "peers.jsonl")
    if not args.table:
        wanted = [trial for trial in plan() if args.only in key_of(*trial)]
        if any(name.startswith("CAREamics") for name, *_ in wanted) and not args.careamics_python:
            args.careamics_python = make_environment(args.work / "careamics")
        for trial in args.mine(wanted):
            journal.run(key_of(*trial), lambda trial=trial: run(*trial, args))
    trials.write(args.out / "peers.md", table(journal.rows()))


if __name__ == "__main__":
    main()
