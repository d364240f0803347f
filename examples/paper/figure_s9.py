"""Fig. S9: one bright point in ADF: what comes out, how wide, and does it leak into BF?

The paper puts a bright point into the middle of the ADF channel of an otherwise empty frame and
finds artefacts of low intensity without defined periods, without a number.

Here there are two points: one bright pixel, which to a blind-spot network is noise by definition,
and one of the shape of an adatom's image; each on a flat frame, as (probably) in the paper, and in
noise, where the response is the mean difference with and without the point. Heights are in those
of a lone adatom. The answer in BF is given in percent of an adatom's height there: an adatom-shaped
point that is in ADF alone does not exist in the specimens the network has seen, so it may well
draw one into BF; how dark it does is the measure of how far one detector speaks for the other. As a
control the same point is put into both detectors, bright and dark, as a real adatom is.
The flat frame has a thousandth of the noise, or it would pass for one that was not recorded.
Frames are standardised as in ``figure_s7.py``; drawn at (7, 6) dB.
"""

import numpy as np
from artefacts import BY_STREAM, bench
from common import DETECTORS, PAPER, PIXEL_NM, RECIPES, TEST_SEED, arguments, write_numbers
from panels import window_at
from supplement import LEVELS

from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import fast

HEIGHTS = (1, 3, 10)  # [heights of a lone adatom]
SHOWN = 3
# of the noise: what does not change at all was not recorded, and is not denoised
FAINT, FAINT_SEED = 1e-3, 9
SIDE_PX = 64
PANELS = (
    ("flat frame", "one pixel"),
    ("flat frame", "adatom's shape"),
    ("noise", "adatom's shape"),
)


def points(shape):
    """Points of height 1 in the middle of a frame: name -> (Y, X, C), an adatom's being (1, 1)."""
    middle = [side // 2 for side in shape]
    pixel = np.zeros(shape, np.float32)
    pixel[tuple(middle)] = 1.0
    place = np.array([[0.0, *(PIXEL_NM * side for side in middle)]])
    adatom = fast.contrast({"Au": place}, shape, PIXEL_NM, "graphene")[..., 0]
    adatom = (adatom / adatom.max()).astype(np.float32)
    dark = np.zeros(shape, np.float32)
    return {
        "one pixel": np.stack([pixel, dark], axis=-1),
        "adatom's shape": np.stack([adatom, dark], axis=-1),
        "adatom's shape in both detectors": np.stack([adatom, adatom], axis=-1),
    }


def width(image):
    """Full width at half maximum of the peak in the middle, mean of x and y [px]; nan without."""
    middle = [side // 2 for side in image.shape]
    widths = []
    for profile, at in ((image[middle[0]], middle[1]), (image[:, middle[1]], middle[0])):
        half, edges = profile[at] / 2, []
        for side in (profile[at:], profile[at::-1]):
            below = np.flatnonzero(side < half)
            if half <= 0 or not below.size:
                return float("nan")
            k = below[0]
            edges.append(k - 1 + (side[k - 1] - half) / (side[k - 1] - side[k]))
        widths.append(sum(edges))
    return float(np.mean(widths))


def describe(response, point, height, bench):
    """Numbers of a response (Y, X, C) to a point (Y, X) of a height [adatoms]."""
    adf, bf = response[..., 0] / bench.height[0], response[..., 1] / bench.height[1]
    middle = tuple(side // 2 for side in adf.shape)
    strong = np.argwhere(np.abs(adf) >= 0.05 * np.abs(adf).max())
    peak = bf.ravel()[np.argmax(np.abs(bf))]
    return {
        "height_out_over_in": adf[middle] / height,
        "sum_out_over_in": adf.sum() / (height * point.sum()),
        "width_in_px": width(point),
        "width_out_px": width(adf) if adf[middle] > 0.05 * height else None,
        "reach_5_percent_px": float(np.hypot(*(strong - middle).T).max()),
        "bf_at_the_point_percent_of_adatom": 100 * bf[middle],
        "bf_largest_percent_of_adatom": 100 * peak,
        "bf_largest_percent_of_adf_answer": 100 * abs(peak) / np.abs(adf).max(),
    }


def responses(test, noise):
    """Responses of a model: where -> point -> height -> (frame, denoised, numbers)."""
    flat = test.noise(FAINT_SEED, test.sigma * FAINT)[:1]
    found = {}
    for where, ground in (("flat frame", flat), ("noise", noise)):
        without = test.apply(ground)
        found[where] = {}
        for name, point in points(noise.shape[1:3]).items():
            for height in HEIGHTS:
                frames = ground.copy()  # (T, Y, X, C)
                frames += (height * test.height * point).astype(np.float32)
                denoised = test.apply(frames)
                numbers = describe((denoised - without).mean(axis=0), point[..., 0], height, test)
                found[where].setdefault(name, {})[height] = frames[0], denoised[0], numbers
    return found


def draw(path, found, middle, recipe, level):
    """Draw each point and what comes out."""
    cut = window_at(middle, [2 * side for side in middle], SIDE_PX)
    rows = []
    for c, detector in enumerate(DETECTORS):
        panels = []
        for where, name in PANELS:
            before, after, _ = found[where][name][SHOWN]
            panels.append((f"{name}, {where}", before[cut][..., c]))
            panels.append(("denoised", after[cut][..., c]))
        y = middle[0] - cut[0].start
        row = {"name": detector, "panels": panels, "sqrt": detector == "ADF", "profile_y": y}
        rows.append({**row, "reference": 2 if detector == "ADF" else -1})
    title = f"A point of {SHOWN} adatom heights, in ADF only; {recipe}, at {level}"
    before_after(path, rows, PIXEL_NM, title)


def main():
    args = arguments(__doc__)
    recipes = {}
    for recipe in RECIPES:
        levels = recipes[recipe] = {}
        for psnr_db in LEVELS:
            test = bench(args, psnr_db, recipe)
            noise = test.noise([TEST_SEED, 71])
            found = responses(test, noise)
            levels[test.name] = {
                **test.facts(),
                "response": {
                    where: {
                        name: {f"{height} adatoms": one[-1] for height, one in by_height.items()}
                        for name, by_height in by_point.items()
                    }
                    for where, by_point in found.items()
                },
            }
        name = "figure_s9b.png" if recipe == PAPER else "figure_s9.png"
        draw(args.out / name, found, [side // 2 for side in noise.shape[1:3]], recipe, test.name)
    write_numbers(args, "figure_s9", {
        "paper": {"numbers": None, "finding": "artefacts of low intensity, no defined periods"},
        "note": BY_STREAM + " Response: denoised with the point minus denoised without it; in "
        "noise the mean over frames. Heights in lone adatoms of the clean test movie.",
        "shown_height_in_adatoms": SHOWN,
        "recipes": recipes,
    })  # fmt: skip
    for recipe, levels in recipes.items():
        for name, level in levels.items():
            for where, by_point in level["response"].items():
                for point, by_height in by_point.items():
                    one = by_height["1 adatoms"]
                    print(
                        f"{recipe}, {name}, {point} of 1 adatom on {where}: height out/in "
                        f"{one['height_out_over_in']:.2f}, BF "
                        f"{one['bf_at_the_point_percent_of_adatom']:.0f} % of an adatom"
                    )


if __name__ == "__main__":
    main()
