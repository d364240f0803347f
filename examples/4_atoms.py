# %% [markdown]
"""
# 4. Atoms and tracks: find them, say how many are false, follow them

As a script: `python examples/4_atoms.py`, after `3_prediction.py`.

An atom is a peak of a certain height. Which height? That which noise hardly ever reaches: noise
of the movie's strength goes through the same model, and the peaks that come out are counted.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from n2v_stem_keras import N2VStem, read_movie
from n2v_stem_keras.atoms import match, sign_of
from n2v_stem_keras.atoms.track import link
from n2v_stem_keras.plot.atoms import atoms_on_frames, tracks_over_time

# %% tags=["parameters"]
OUT = Path("out")  # where the examples before wrote
TINY = False  # a matter of seconds, to test an installation

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Atoms: find them, count false ones, follow them.")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
OUT, TINY = args.out, args.tiny

# %% [markdown]
"""
## Thresholds

They are kept in the model folder (thresholds.json). What repeats (the lattice) does not count as
an atom; for the columns of a crystal say `height_sigma=` in `find_atoms` instead.
"""

# %%
movie = read_movie(OUT / "noisy.ome.tif")
model = N2VStem(None, "model", basedir=OUT)
# false atoms per 10^6 px, of each detector: 5 are one in three frames of 256x256
rate = 1000 if TINY else 5
for name, part in model.optimize_thresholds(movie, false_alarms_per_Mpx=rate).items():
    low, high = part["interval_95"]
    print(f"{name}: atoms are at least {part['height_sigma']:.2f} noise sigma high; false ones")
    print(f"    per 10^6 px of {part['method']}: {low:.1f} to {high:.1f} (95 % interval)")

# %% [markdown]
"""
## A table of atoms

Found in the denoised frames, positions fitted to the raw pixels. `ep` is the standard error that
the noise allows [px]; `snr_ADF` the height in ADF over its raw noise.
"""

# %%
NEAR_NM = 0.14  # an atom found this close to a true one is that atom


def compare(table, known, pixel_size_nm):
    """Count which of the atoms found are true, and how far they lie from where they are."""
    found_in, known_in = table.groupby("frame"), known.groupby("frame")
    n_right, errors = 0, []
    for t, truth in known_in:
        found = found_in.get_group(t) if t in found_in.groups else table[:0]
        yx, true_yx = found[["y", "x"]].to_numpy(), truth[["y", "x"]].to_numpy()
        pairs = match(yx, true_yx, NEAR_NM / pixel_size_nm)
        n_right += len(pairs.found)
        errors.append(yx[pairs.found] - true_yx[pairs.known])
    rms = np.sqrt(np.mean(np.concatenate(errors) ** 2)) if n_right else np.nan
    print(f"Against the truth: precision {n_right / max(1, len(table)):.2f} (found atoms that are)")
    print(f"                   recall    {n_right / len(known):.2f} (atoms that were found)")
    print(f"                   position  {1e3 * rms * pixel_size_nm:.0f} pm per axis (rms)")


table = model.find_atoms(movie)
table.to_csv(OUT / "atoms.csv", index=False)
print(f"\n{len(table)} atoms in {movie.n_frames} frames. The first of them:")
print(table.head(3).to_string(index=False, float_format="%.3g"))
known = pd.read_csv(OUT / "truth.csv") if (OUT / "truth.csv").exists() else None
if known is not None:
    compare(table, known, movie.pixel_size_nm)

# %% [markdown]
"""
## Where they are

The frame with most atoms, and a circle of 0.15 nm around each. Are there atoms without a circle,
or circles without an atom? Then the threshold does not suit you.
"""

# %%
t = int(table["frame"].mode()[0]) if len(table) else 0
raw, denoised = movie.frame(0, t), read_movie(OUT / "denoised.ome.tif").frame(0, t)
here = table.loc[table["frame"] == t, ["y", "x"]]
rows = [
    {
        "name": name,
        "panels": [("noisy", raw[..., c])] + [("denoised", denoised[..., c])] * 2,
        "sqrt": sign_of(name) > 0,
    }
    for c, name in enumerate(movie.detectors)
]
title = f"frame {t}: {len(here)} atoms"
atoms_on_frames(OUT / "4_atoms.png", rows, (None, None, here), movie.pixel_size_nm, title)
print(f"Wrote {OUT}/atoms.csv and 4_atoms.png: are there atoms without a circle, or circles")
print("without an atom? Then the threshold does not suit you; say height_sigma= to find_atoms.")

# %% tags=["active-ipynb"]
# from IPython.display import Image
#
# Image(OUT / "4_atoms.png")

# %% [markdown]
"""
## Tracks

trackpy (`pip install "n2v_stem_keras[track]"`) tells which atom is which from frame to frame. A
steady drift makes all tracks parallel.
"""

# %%
try:
    tracks = link(table, search_range_nm=0.5, memory=1, n_frames=movie.n_frames)
except ImportError as error:
    print(f"\nNo tracks: {error}")
else:
    tracks.table.to_csv(OUT / "tracks.csv", index=False)
    tracks_over_time(OUT / "4_tracks.png", denoised[..., 0], tracks.table, movie.pixel_size_nm)
    seen_for = np.median(tracks.residence) if len(tracks.residence) else 0
    print(f"\n{len(tracks.residence)} tracks, half of them at least {seen_for:.0f} frames long")
    if known is not None:
        lengths = known.groupby("particle").size()
        print(f"(in truth {len(lengths)} atoms, half of them in at least {lengths.median():.0f})")
    print(f"Wrote {OUT}/tracks.csv and 4_tracks.png: a steady drift makes all tracks parallel.")

# %% tags=["active-ipynb"]
# Image(OUT / "4_tracks.png") if (OUT / "4_tracks.png").exists() else None
