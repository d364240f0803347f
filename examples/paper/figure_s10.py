"""Fig. S10: holes in the graphene, at ten times the dose: does the network put adatoms into them?

The paper damages its window with ten times the dose and checks that no adatoms are drawn inside the
holes, where there can be none; it gives no number.

Here movies have holes of 1.4 nm radius in the same graphene, with adatoms around them, at ten times
the dose of the training (a tenth of the noise's variance). No model has seen a hole. Adatoms are
found as `N2VStem.find_atoms` finds them, with thresholds set on a noisy test movie without holes,
of the same dose, at five false atoms per 10^6 px (`N2VStem.optimize_thresholds`). Counted are those
whose centres lie in a hole, 0.15 nm from its edge or farther in; the interval is the exact one
(Clopper and Pearson) for the share of frames' holes that hold one. Beside them the density of
adatoms found outside the holes, which is what a hole would hold if adatoms were drawn there as
elsewhere.
"""

import warnings

import numpy as np
from common import (
    DETECTORS,
    PIXEL_NM,
    RECIPES,
    TEST_SEED,
    arguments,
    as_movie,
    clean_movies,
    trained_at,
    write_numbers,
)
from panels import window_at
from scipy.ndimage import binary_erosion
from scipy.stats import beta
from supplement import LEVELS, noise_of_level, with_noise

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot.atoms import atoms_on_frames
from n2v_stem_keras.simulate import simulate_movie

NAME = "figure_s10"
HOLE_NM, INSIDE_NM = 1.4, 0.15
RATE_PER_MPX = 5.0
DOSES = {"ten times the dose": 10}
DRAWN = (16, 16)
SIDE_PX = 136


def main():
    """Count at both levels and doses, draw the higher dose of one."""
    args = arguments(__doc__)
    movies, tests = hole_movies(args.scale), clean_movies(args.scale, "test")
    clean = np.stack([movie.clean for movie in movies])
    found, drawn = {recipe: {} for recipe in RECIPES}, {}
    for k, level in enumerate(LEVELS):
        sigma, _ = noise_of_level(tests, level)
        for recipe in RECIPES:
            model = trained_at(args, level, recipe)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                by_dose = found[recipe][level_label(level, len(DETECTORS))] = {}
                for d, (words, times) in enumerate(DOSES.items()):
                    own = sigma / np.sqrt(times)
                    without = with_noise(tests[0].clean[None], own, [TEST_SEED, 11, k, d])
                    model.optimize_thresholds(
                        as_movie(without),
                        false_alarms_per_Mpx=rate(args),
                        n_frames=40,
                        verbose=False,
                    )
                    noisy = with_noise(clean, own, [TEST_SEED, 10, k, d])
                    tables = [
                        model.find_atoms(as_movie(frames[None]), verbose=False) for frames in noisy
                    ]
                    by_dose[words] = count(movies, tables, rate(args))
                    if level == DRAWN and times == 10:
                        denoised = model.predict(as_movie(noisy[:1]))[0, 0]
                        drawn[recipe] = noisy[0, 0], denoised, places_of(tables[0], 0)
    draw(args.out / f"{NAME}.png", movies[0], drawn)
    for recipe, by_level in found.items():
        for level, by_dose in by_level.items():
            for dose, one in by_dose.items():
                print(f"{recipe}, {level}, {dose}: {one['adatoms_in_holes']} adatoms in "
                      f"{one['holes']} holes of frames ({one['expected_if_as_outside']:.1f} if as "
                      "outside)")  # fmt: skip
    write_numbers(args, NAME, {
        "paper": {"numbers": None, "finding": "no adatoms in holes, at ten times the dose"},
        "note": "adatoms_in_holes: found in all frames. interval_95: of the share of holes of "
        "frames that hold one, exact. expected_if_as_outside: adatoms that as large an area "
        "outside the holes holds; expected_of_the_threshold: false ones that the "
        "thresholds allow there, both detectors together.",
        "hole_radius_nm": HOLE_NM,
        "false_atoms_per_Mpx_of_the_thresholds": rate(args),
        "recipes": found,
    })  # fmt: skip


def rate(args):
    """Rate of false atoms that thresholds are set to; a high one in a test, which is quicker."""
    return 500.0 if args.scale.name == "tiny" else RATE_PER_MPX


def hole_movies(scale):
    """Movies like the reference movies, each with a hole."""
    side = scale.side_px
    radius = min(HOLE_NM, 0.25 * side * PIXEL_NM)
    return [
        simulate_movie(
            [TEST_SEED, 10, i], (side, side), scale.n_frames, PIXEL_NM, hole_radius_nm=radius
        )
        for i in range(scale.n_test)
    ]


def places_of(table, t):
    """Adatoms of a frame, (n, 2) y, x [px]."""
    return table[table["frame"] == t][["y", "x"]].to_numpy(float).reshape(-1, 2)


def count(movies, tables, rate_per_mpx):
    """Count adatoms in holes and outside."""
    inside = outside = with_one = holes = 0
    area = {"in": 0, "out": 0}
    rim = max(1, round(INSIDE_NM / PIXEL_NM))
    for movie, table in zip(movies, tables):
        for t in range(len(movie.clean)):
            mask = movie.hole_mask(t)
            core, ground = binary_erosion(mask, iterations=rim), ~mask
            area["in"], area["out"] = area["in"] + core.sum(), area["out"] + ground.sum()
            places = np.rint(places_of(table, t)).astype(int)
            y, x = np.clip(places, 0, np.subtract(mask.shape, 1)).T
            here = int(core[y, x].sum())
            inside, outside = inside + here, outside + int(ground[y, x].sum())
            holes += 1
            with_one += here > 0
    return {
        "adatoms_in_holes": inside,
        "holes": holes,
        "holes_with_one": int(with_one),
        "interval_95": clopper_pearson(int(with_one), holes),
        "hole_area_nm2": float(area["in"] * PIXEL_NM**2),
        "found_outside": outside,
        "expected_if_as_outside": float(outside * area["in"] / max(1, area["out"])),
        "expected_of_the_threshold": float(rate_per_mpx * area["in"] / 1e6 * len(DETECTORS)),
    }


def clopper_pearson(k, n, level=0.95):
    """Exact interval of a share of which k of n were seen.

    Examples
    --------
    >>> [round(float(v), 3) for v in clopper_pearson(0, 48)]
    [0.0, 0.074]
    """
    tail = (1 - level) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    high = beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    return [float(low), float(high)]


def draw(path, movie, drawn):
    """Draw the hole of the first frame with the adatoms found."""
    mask = movie.hole_mask(0)
    window = window_at(np.argwhere(mask).mean(axis=0), mask.shape, SIDE_PX)
    corner = [part.start for part in window]
    rows, places = [], []
    for c, detector in enumerate(DETECTORS):
        panels, here = [], []
        for recipe, (noisy, denoised, atoms) in drawn.items():
            if not panels:
                panels.append(("noisy", noisy[window][..., c]))
                here.append(None)
            panels.append((recipe, denoised[window][..., c]))
            here.append(_seen(atoms - corner, window))
        panels.append(("truth", movie.clean[0][window][..., c]))
        here.append(_seen(movie.positions[0] - corner, window))
        rows.append({"name": detector, "panels": panels, "sqrt": detector == "ADF"})
        places.append(here)
    atoms_on_frames(path, rows, places[0], PIXEL_NM, "Ten times the dose of the training, 26 dB")


def _seen(places, window):
    """Those of the places that lie in a window."""
    side = [part.stop - part.start for part in window]
    return places[np.all((places >= 0) & (places <= np.subtract(side, 1)), axis=1)]


if __name__ == "__main__":
    main()
