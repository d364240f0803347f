"""Train CAREamics on the frames of a folder for a given time: a child of ``peers.py``.

Runs in an environment of its own, knows nothing of this package and uses CAREamics as its guides
do (64x64 px, mean and standard deviation, flips and turns, its own network, optimiser and
scheduler).

    python peers_careamics.py FOLDER --minutes 5 [--n2v2] [--independent] [--span 11]

FOLDER/noisy-*.npy hold (frames, C, Y, X) float32; FOLDER/denoised-*.npy are written beside them,
the first of them being what it is trained on.
"""

import argparse
import json
import os
import time
from pathlib import Path


def main():
    """Train, predict, say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--n2v2", action="store_true")
    parser.add_argument("--independent", action="store_true")
    parser.add_argument("--span", type=int, help="px along x that structN2V hides")
    args = parser.parse_args()
    os.chdir(args.folder)

    import careamics
    import numpy as np
    import torch
    from careamics import CAREamist
    from careamics.config import create_advanced_n2v_config
    from lightning.pytorch.callbacks import Callback

    torch.set_num_threads(args.threads)
    noisy = {p.stem.split("-", 1)[1]: np.load(p) for p in sorted(Path().glob("noisy-*.npy"))}
    trained_on = noisy["training"]

    class Clock(Callback):
        """Stops after the given time, counted from the first step."""

        began, steps = None, 0

        def on_train_batch_start(self, trainer, *_):
            self.began = self.began or time.perf_counter()

        def on_train_batch_end(self, trainer, *_):
            self.steps += 1
            if time.perf_counter() - self.began > 60 * args.minutes:
                trainer.should_stop = True

    config = create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes="SCYX",
        patch_size=[64, 64],
        batch_size=16,
        num_epochs=100_000,
        num_steps=100,
        n_channels=trained_on.shape[1],
        independent_channels=args.independent,
        use_n2v2=args.n2v2,
        **({"struct_n2v_axes": "horizontal", "struct_n2v_span": args.span} if args.span else {}),
        num_workers=0,
        seed=args.seed + 1,  # it refuses 0
        trainer_params={"accelerator": "cpu", "enable_model_summary": False},
    )
    clock = Clock()
    peer = CAREamist(config, work_dir="work", callbacks=[clock], enable_progress_bar=False)
    peer.train(train_data=trained_on)
    seconds = time.perf_counter() - clock.began
    n_parameters = sum(p.numel() for p in peer.model.parameters())
    for name, frames in noisy.items():
        began = time.perf_counter()
        found, _ = peer.predict(frames, batch_size=1)
        found = np.concatenate([np.asarray(f).reshape(-1, *frames.shape[1:]) for f in found])
        per_frame = (time.perf_counter() - began) / len(frames)
        np.save(f"denoised-{name}.npy", found.astype(np.float32))
    Path("peer.json").write_text(
        json.dumps(
            {
                "seconds": seconds,
                "steps": clock.steps,
                "parameters": n_parameters,
                "seconds_per_frame": per_frame,
                "versions": f"CAREamics {careamics.__version__}, PyTorch {torch.__version__}",
            }
        )
    )


if __name__ == "__main__":
    main()
