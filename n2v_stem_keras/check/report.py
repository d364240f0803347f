"""All tests of a model, each with what was found, what is allowed, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..atoms import Criterion, poisson_interval, sign_of
from .amorphous import amorphous_waves
from .boundary import lattice_at_line
from .crosstalk import detector_crosstalk
from .defects import defects_drawn
from .false_holes import false_holes
from .hole import atoms_in_hole, lattice_in_hole
from .implants import implants_drawn
from .noise_only import SIDE, noise_only
from .point import point
from .scenes import LATTICE, hole_that_fits

MAX_FALSE_PER_MPX = 10.0  # where the model states no rate
MAX_WAVE = 0.05  # amplitude [noise sigma]
MAX_WAVE_SHARE = 0.2  # amplitude over the standard deviation of what is drawn of amorphous carbon
MAX_RING = 0.1  # of a point's height
MAX_WIDTH = 1.5  # of a point's width
MAX_LEAK = 0.05  # of an adatom's height in the detector that shows it
MAX_HOLE_LATTICE = 0.25  # of the contrast of the lattice, in a hole of 1 nm radius, beyond an edge
ATOM_HOLE_NM, LATTICE_HOLES_NM = 2.0, (1.0, 2.0)  # radii of holes, where frames are large enough
# A defect of this d' stands out of the noise of 10^6 px in all but one of two hundred cases.
# Drawn with less than half of its contrast it is nearer to the perfect crystal than to itself.
ASKED_FROM, LEAST_DEFECT = 8.0, 0.5
# of the area of a perfect lattice, at 10 dB and more; so many times as much at 3 dB less
MAX_HOLES, MORE_HOLES = 5e-4, 6.0
LEAST_LATTICE = 0.25  # contrast of the lattice below which none is drawn that could have holes


@dataclass(frozen=True)
class Answer:
    """One question to a model, and its answer.

    Attributes
    ----------
    question : str
    detector : str
    found, allowed : str
        In words, with units.
    passed : bool or None
        None where the question could not be asked, which counts neither way.
    """

    question: str
    detector: str
    found: str
    allowed: str
    passed: bool | None

    def __post_init__(self):
        if self.passed is not None:
            object.__setattr__(self, "passed", bool(self.passed))  # numpy's is no JSON

    @property
    def verdict(self) -> str:
        """Whether it passed, in words."""
        return {True: "pass", False: "FAIL", None: "not asked"}[self.passed]


@dataclass
class Report:
    """What `check_model` found.

    Attributes
    ----------
    answers : list of Answer
    psnr_db, pixel_size_nm : float
        Noise [dB] and pixel size [nm/px] of the simulated frames.
    lattice : str
        That they show.
    noise, points, holes, defects, lines, false_holes, amorphous : list
        `NoiseOnly`, `Point`, `HoleAtoms`, `DefectDrawn`, `LatticeAtLine`, `FalseHoles` and
        `AmorphousWaves`, for the pictures.
    implants : list
        `Implants` in a movie of the user's, if there is one.
    """

    psnr_db: float
    pixel_size_nm: float
    lattice: str = LATTICE
    answers: list = field(default_factory=list)
    noise: list = field(default_factory=list)
    points: list = field(default_factory=list)
    holes: list = field(default_factory=list)
    defects: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    false_holes: list = field(default_factory=list)
    amorphous: list = field(default_factory=list)
    implants: list = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no answer is wrong."""
        return all(answer.passed is not False for answer in self.answers)


def check_model(
    predict: Callable[[np.ndarray], np.ndarray],
    criteria: Mapping[str, Criterion | None],
    *,
    predict_movie: Callable[[np.ndarray], np.ndarray] | None = None,
    movie: np.ndarray | None = None,
    rates: Mapping[str, float] | None = None,
    psnr_db: float = 10.0,
    pixel_size_nm: float = 0.046,
    lattice: str = LATTICE,
    n_frames: int = 24,
    seed: int = 0,
    progress: Callable[[str], object] | None = None,
) -> Report:
    """Ask a model all questions.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape and units. Its frames have
        nothing to do with each other.
    criteria : dict
        Detector -> `atoms.Criterion`, in the order of C; None where no atoms are looked for.
    predict_movie : callable, optional
        The same for frames of one drifting movie, which may be denoised together; `predict` if
        it makes no difference.
    movie : (T, Y, X, C) array, optional
        Frames of the user's own, of this pixel size: columns are taken out of them, too.
    rates : dict, optional
        Detector -> false atoms per 10^6 px that the model's threshold promises; 10 are allowed
        where nothing is promised.
    psnr_db : float
        Noise of frames that show something [dB].
    pixel_size_nm : float
        [nm/px].
    lattice : {"graphene", "hbn", "mos2"}
        What the test frames show: four layers of graphene, or one of another.
    n_frames : int
        Frames of 256x256 px for each question, larger ones where pixels are fine.
    seed : int
    progress : callable, optional
        Called with the name of each question before it is asked.

    Returns
    -------
    Report
    """
    detectors, rates = tuple(criteria), rates or {}
    limits = {name: max(rates.get(name, MAX_FALSE_PER_MPX), 0) for name in detectors}
    say = progress or (lambda name: None)
    as_movie = predict_movie or predict
    report = Report(float(psnr_db), float(pixel_size_nm), lattice)
    common = {"seed": seed, "pixel_size_nm": pixel_size_nm}
    half, part = max(1, n_frames // 2), max(2, n_frames // 3)

    say("noise alone")
    report.noise = noise_only(predict, criteria, n_frames, **common)
    report.answers += _about_noise(report.noise, n_frames, limits)
    say("one bright point")
    report.points = point(predict, detectors, n_frames=n_frames, **common)
    report.answers += _about_points(report.points)

    common |= {"psnr_db": psnr_db}
    say("amorphous carbon")
    report.amorphous = amorphous_waves(predict, detectors, n_frames=half, **common)
    report.answers += [_amorphous(f) for f in report.amorphous]

    common |= {"lattice": lattice}
    say("a hole in the lattice")
    radius = hole_that_fits(ATOM_HOLE_NM, pixel_size_nm)
    report.holes = atoms_in_hole(predict, criteria, radius, n_frames=n_frames, **common)
    report.answers += _about_holes(report.holes, limits)
    radii = sorted({hole_that_fits(radius, pixel_size_nm) for radius in LATTICE_HOLES_NM})
    in_holes = [
        lattice_in_hole(predict, detectors, radius, n_frames=half, **common) for radius in radii
    ]
    report.answers += [_in_hole(f) for found in in_holes for f in found]

    say("a perfect lattice")
    report.answers += [
        _holes(
            "false holes, each frame alone", f.detector, f.missing, f.n_missing, f.outside, psnr_db
        )
        for f in in_holes[0]
    ]
    report.false_holes = false_holes(as_movie, detectors, n_frames=half, **common)
    report.answers += [
        _holes("false holes, in a movie", f.detector, f.share, f.n_holes, f.contrast, psnr_db)
        for f in report.false_holes
    ]

    for kind in ("tilt boundary", "edge"):
        say(f"a crystal with {'an' if kind == 'edge' else 'a'} {kind}")
        found = lattice_at_line(as_movie, detectors, kind, n_frames=part, **common)
        report.lines += found
        report.answers += [_line(f) for f in found]

    say("point defects")
    for together in (False, True):
        how = as_movie if together else predict
        found = defects_drawn(how, detectors, n_frames=half, together=together, **common)
        report.defects += found
        report.answers += [_defect(f, detectors) for f in found]

    if len(detectors) == 2:
        say("crosstalk")
        report.answers += [
            Answer(
                f"adatoms that only {found.source} shows",
                found.target,
                f"{100 * found.share:+.1f} % of their height",
                f"within {100 * MAX_LEAK:z.0f} %",
                abs(found.share) <= MAX_LEAK,
            )
            for found in detector_crosstalk(predict, detectors, n_frames=half, **common)
        ]

    if movie is not None:
        say("columns taken out of your movie")
        signs = [sign_of(name) for name in detectors]
        report.implants = implants_drawn(as_movie, movie, signs, pixel_size_nm, seed)
        report.answers += _about_implants(report.implants, detectors)
    return report


def _a(noun):
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _about_noise(noise, n_frames, limits):
    """Answers on pure noise."""
    area = n_frames * SIDE**2 / 1e6
    for found in noise:
        name, limit = found.detector, limits[found.detector]
        if np.isfinite(found.height_sigma):
            yield _rate("atoms in pure noise", name, found.n_atoms, area, limit)
            yield _rate("blots as strong in pure noise", name, found.n_blots, area, limit)
        yield _wave("waves in pure noise", name, found.wave_sigma, found.wave_period_px)


def _about_points(points):
    """Answers on one bright point."""
    for found in points:
        width, ring = f"{found.width:.2f} times its own", f"{100 * found.ring:.1f} % of its height"
        allowed = f"at most {MAX_WIDTH:g} times"
        yield Answer("width of a point", found.detector, width, allowed, found.width <= MAX_WIDTH)
        allowed = f"at most {100 * MAX_RING:z.0f} %"
        yield Answer("rings around a point", found.detector, ring, allowed, found.ring <= MAX_RING)


def _about_holes(holes, limits):
    """Answers on atoms in a hole."""
    for found in holes:
        name, limit = found.detector, limits[found.detector]
        yield _rate("atoms in a hole", name, found.inside, found.inside_Mpx, limit)
        yield _rate("blots as strong in a hole", name, found.blots, found.inside_Mpx, limit)
        yield _rate("atoms on a bare lattice", name, found.outside, found.outside_Mpx, limit)


def _wave(question, detector, amplitude, period):
    """Answer on a wave that is drawn."""
    found = f"{amplitude:.3f} noise sigma" + (f", period {period:.1f} px" if amplitude else "")
    return Answer(question, detector, found, f"at most {MAX_WAVE:g}", amplitude <= MAX_WAVE)


def _amorphous(found):
    """Answer on a wave that stands out of one frame of amorphous carbon."""
    said = "none"
    if found.wave_share:
        said = f"{100 * found.wave_share:z.0f} % of the frame's standard deviation, "
        said += f"period {found.wave_period_px:.1f} px"
    allowed, passed = f"at most {100 * MAX_WAVE_SHARE:z.0f} %", found.wave_share <= MAX_WAVE_SHARE
    return Answer("waves in amorphous carbon", found.detector, said, allowed, passed)


def _lattice(question, detector, contrast):
    """Answer on lattice that is drawn where there is none."""
    found, limit = f"{100 * contrast:z.0f} % of its contrast", 100 * MAX_HOLE_LATTICE
    allowed, passed = f"at most {limit:z.0f} %", abs(contrast) <= MAX_HOLE_LATTICE
    return Answer(question, detector, found, allowed, passed)


def _in_hole(found):
    """Answer on lattice in a hole, and how well its waves would stand out there."""
    question = f"lattice in a hole of {found.radius_nm:g} nm radius"
    answer = _lattice(question, found.detector, found.inside)
    return replace(answer, found=f"{answer.found}; d' {found.d_prime:.1f}")


def _line(found):
    """Answer on lattice beyond a line, where a square of the strip tells that it has ended."""
    answer = _lattice(f"lattice beyond {_a(found.kind)}", found.detector, found.beyond)
    said = f"{answer.found}, before it {100 * found.own:z.0f} %; d' {found.d_prime:.1f}"
    if found.d_prime < ASKED_FROM:
        return replace(answer, found=said, allowed=f"asked from d' {ASKED_FROM:g} on", passed=None)
    return replace(answer, found=said)


def _holes(question, detector, share, number, contrast, psnr_db):
    """Answer on holes in a perfect lattice: it fails where even the low end is too much."""
    if contrast < LEAST_LATTICE:
        found = f"lattice drawn with {100 * contrast:z.0f} % of its contrast"
        least = f"asked from {100 * LEAST_LATTICE:z.0f} % on"
        return Answer(question, detector, found, least, None)
    limit = MAX_HOLES * MORE_HOLES ** max(0.0, (10.0 - psnr_db) / 3)
    low, high = (share * v / max(1, number) for v in poisson_interval(number))
    found = f"{number}, {100 * low:.2g} to {100 * high:.2g} % of the area (95 %)"
    found = found if number else "none"
    allowed = f"a share that may be {100 * limit:.2g} %"
    return Answer(question, detector, found, allowed, low <= limit)


def _defect(found, detectors):
    """Answer on a point defect: it fails where even the high end of its interval is too low."""
    how = "one frame" if found.n_frames == 1 else f"{found.n_frames} frames of it"
    question = f"{found.words}, {how}"
    together = "" if found.n_frames == 1 else f" a frame, {found.d_prime_together:.1f} together"
    low, high = (100 * value for value in found.interval_95)
    said = f"{low:z.0f} to {high:z.0f} % of its contrast (95 %), {100 * found.contrast:z.0f} % on "
    said += f"average; d' {found.d_prime:.1f}{together}"
    asked = found.d_prime_together >= ASKED_FROM
    allowed = (
        f"at least {100 * LEAST_DEFECT:z.0f} %" if asked else f"asked from d' {ASKED_FROM:g} on"
    )
    passed = found.interval_95[1] >= LEAST_DEFECT if asked else None
    return Answer(question, ", ".join(detectors), said, allowed, passed)


def _about_implants(implants, detectors):
    """Answers on columns that were taken out of a movie."""
    if not implants:
        found = "no lattice whose columns could be taken out"
        yield Answer("columns taken out of your movie", ", ".join(detectors), found, "-", None)
    for found in implants:
        answer = _defect(found, detectors)
        said = f"{answer.found}; {100 * found.recall:z.0f} % of {found.n_defects} are told from "
        said += f"intact ones in the output, {100 * found.recall_raw:z.0f} % in the raw frames"
        question = f"{found.words} taken out of your movie"
        yield replace(answer, question=question, found=said)


def _rate(question, detector, n, area_Mpx, limit):
    """Answer on a rate: it fails where even the low end of its interval is above the limit."""
    low, high = (v / area_Mpx for v in poisson_interval(n))
    return Answer(
        question,
        detector,
        f"{n} in {area_Mpx:.2f} Mpx, a rate of {low:.3g} to {high:.3g} per Mpx (95 %)",
        f"a rate that may be {limit:.3g} per Mpx",
        low <= limit,
    )
