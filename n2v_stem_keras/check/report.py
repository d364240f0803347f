"""All tests of a model, each with what was found, what is allowed, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..atoms import Criterion, poisson_interval
from .crosstalk import detector_crosstalk
from .hole import atoms_in_hole, lattice_in_hole
from .noise_only import noise_only
from .point import point

MAX_FALSE_PER_MPX = 10.0  # where the model states no rate
MAX_WAVE = 0.05  # amplitude [noise sigma]
MAX_RING = 0.1  # of a point's height
MAX_WIDTH = 1.5  # of a point's width
MAX_LEAK = 0.05  # of an adatom's height in the detector that shows it
MAX_HOLE_LATTICE = 0.25  # of the contrast of the lattice, in a hole of 1 nm radius


@dataclass(frozen=True)
class Answer:
    """One question to a model, and its answer.

    Attributes
    ----------
    question : str
    detector : str
    found, allowed : str
        In words, with units.
    passed : bool
    """

    question: str
    detector: str
    found: str
    allowed: str
    passed: bool

    def __post_init__(self):
        object.__setattr__(self, "passed", bool(self.passed))  # numpy's is no JSON


@dataclass
class Report:
    """What `check_model` found.

    Attributes
    ----------
    answers : list of Answer
    psnr_db, pixel_size_nm : float
        Noise [dB] and pixel size [nm/px] of the simulated frames.
    noise, points, holes : list
        `NoiseOnly`, `Point` and `HoleAtoms`, for the pictures.
    """

    psnr_db: float
    pixel_size_nm: float
    answers: list = field(default_factory=list)
    noise: list = field(default_factory=list)
    points: list = field(default_factory=list)
    holes: list = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every answer is as it should be."""
        return all(answer.passed for answer in self.answers)


def check_model(
    predict: Callable[[np.ndarray], np.ndarray],
    criteria: Mapping[str, Criterion | None],
    *,
    rates: Mapping[str, float] | None = None,
    psnr_db: float = 10.0,
    pixel_size_nm: float = 0.046,
    n_frames: int = 24,
    seed: int = 0,
    progress: Callable[[str], object] | None = None,
) -> Report:
    """Ask a model all questions.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape and units.
    criteria : dict
        Detector -> `atoms.Criterion`, in the order of C; None where no atoms are looked for.
    rates : dict, optional
        Detector -> false atoms per 10^6 px that the model's threshold promises; 10 are allowed
        where nothing is promised.
    psnr_db : float
        Noise of frames that show something [dB].
    pixel_size_nm : float
        [nm/px].
    n_frames : int
        Frames of 256x256 px for each question.
    seed : int
    progress : callable, optional
        Called with the name of each question before it is asked.

    Returns
    -------
    Report
    """
    detectors, rates = tuple(criteria), rates or {}
    say = progress or (lambda name: None)
    report = Report(float(psnr_db), float(pixel_size_nm))
    common = {"seed": seed, "pixel_size_nm": pixel_size_nm}
    add = report.answers.append

    say("noise alone")
    report.noise = noise_only(predict, criteria, n_frames, **common)
    for found in report.noise:
        limit = max(rates.get(found.detector, MAX_FALSE_PER_MPX), 0)
        if np.isfinite(found.height_sigma):
            add(_rate("atoms in pure noise", found.detector, found.n_atoms,
                      found.n_atoms / found.per_Mpx if found.n_atoms else n_frames * 256**2 / 1e6,
                      limit))  # fmt: skip
        add(
            Answer(
                "waves in pure noise",
                found.detector,
                f"{found.wave_sigma:.3f} noise sigma"
                + (f", period {found.wave_period_px:.1f} px" if found.wave_sigma else ""),
                f"at most {MAX_WAVE:g}",
                found.wave_sigma <= MAX_WAVE,
            )
        )

    say("one bright point")
    report.points = point(predict, detectors, n_frames=n_frames, **common)
    for found in report.points:
        width, ring = f"{found.width:.2f} times its own", f"{100 * found.ring:.1f} % of its height"
        add(
            Answer(
                "width of a point",
                found.detector,
                width,
                f"at most {MAX_WIDTH:g}",
                found.width <= MAX_WIDTH,
            )
        )
        add(
            Answer(
                "rings around a point",
                found.detector,
                ring,
                f"at most {100 * MAX_RING:.0f} %",
                found.ring <= MAX_RING,
            )
        )

    say("a hole in the lattice")
    options = {"psnr_db": psnr_db, **common}
    report.holes = atoms_in_hole(predict, criteria, n_frames=n_frames, **options)
    for found in report.holes:
        limit = rates.get(found.detector, MAX_FALSE_PER_MPX)
        add(_rate("atoms in a hole", found.detector, found.inside, found.inside_Mpx, limit))
        add(_rate("atoms on a bare lattice", found.detector, found.outside, found.outside_Mpx,
                  limit))  # fmt: skip
    for found in lattice_in_hole(predict, detectors, n_frames=n_frames // 2 or 1, **options):
        add(
            Answer(
                "lattice in a hole of 1 nm radius",
                found.detector,
                f"{100 * found.inside:.0f} % of its contrast",
                f"at most {100 * MAX_HOLE_LATTICE:.0f} %",
                abs(found.inside) <= MAX_HOLE_LATTICE,
            )
        )
    if len(detectors) == 2:
        say("crosstalk")
        for found in detector_crosstalk(predict, detectors, n_frames=n_frames // 2 or 1, **options):
            add(
                Answer(
                    f"adatoms that only {found.source} shows",
                    found.target,
                    f"{100 * found.share:+.1f} % of their height",
                    f"within {100 * MAX_LEAK:.0f} %",
                    abs(found.share) <= MAX_LEAK,
                )
            )
    return report


def _rate(question, detector, n, area_Mpx, limit):
    """Answer on a rate: it fails where even the low end of its interval is above the limit."""
    low, high = (v / area_Mpx for v in poisson_interval(n))
    return Answer(
        question,
        detector,
        f"{n} in {area_Mpx:.2f} Mpx: {n / area_Mpx:.3g} per Mpx ({low:.3g} to {high:.3g})",
        f"{limit:.3g} per Mpx",
        low <= limit,
    )
