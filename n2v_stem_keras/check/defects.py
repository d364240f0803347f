"""Does a model draw what breaks a lattice: a vacancy, a dopant?

What is rare is drawn as the usual where pixels say little, and the paper's specimens hold nothing
rare. How much the pixels say is known here: d' is the signal-to-noise ratio of a defect for a
filter that knows its shape and place, all detectors together. Defects that drown are not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import LATTICE, noisy, side_of, sigma_of, simulated

# of each lattice: the names of `simulate.defects`, in words
DEFECTS = {
    "graphene": {
        "V_C": "monovacancy",
        "V2_C": "divacancy",
        "Si_C": "Si in the place of C",
        "Si3_C": "three Si together",
    },
    "hbn": {
        "V_B": "B missing",
        "V_N": "N missing",
        "Si_B": "Si in the place of B",
        "Si3_B": "three Si together",
    },
    "mos2": {
        "V_S": "column of S missing",
        "V_Mo": "column of Mo missing",
        "W_Mo": "W in the place of Mo",
        "W3_Mo": "three W together",
    },
}
REACH_NM = 0.46  # how far around its middle a defect is looked at [nm]
MOST_EACH = 4  # defects of a kind in a frame, and intact places beside them
PER_NM2, MARGIN_NM = 0.7, 0.5  # there is room for so many; none so near to the border [nm]
TAIL = 0.975


@dataclass(frozen=True)
class DefectDrawn:
    """How much of a kind of point defect a model draws.

    Attributes
    ----------
    name, words : str
        As `simulate` names it, and in words.
    d_prime : float
        Signal-to-noise ratio in one frame.
    n_frames : int
        Frames that show the same defect and are denoised together, 1 if each is by itself.
    contrast : float
        1 where it is drawn as it is, 0 where the crystal is drawn as perfect.
    interval_95 : (float, float)
        95 % interval of that.
    n_defects : int
    psnr_db : float
        Noise of the frames, which hold no adatoms [dB].
    truth, noisy, denoised : numpy.ndarray
        (Y, X) one of them, in the first detector.
    """

    name: str
    words: str
    d_prime: float
    n_frames: int
    contrast: float
    interval_95: tuple[float, float]
    n_defects: int
    psnr_db: float
    truth: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray

    @property
    def d_prime_together(self) -> float:
        """Signal-to-noise ratio in all frames that show it."""
        return self.d_prime * self.n_frames**0.5


def defects_drawn(
    predict,
    detectors,
    psnr_db=10.0,
    seed=0,
    n_frames=12,
    pixel_size_nm=0.046,
    lattice=LATTICE,
    together=False,
):
    """Put point defects into a lattice and see how much of each is drawn.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape, C in the order of `detectors`.
    detectors : sequence of str
        Names, of ADF and BF.
    psnr_db : float
        White noise of each detector [dB], relative to the perfect crystal without adatoms.
    seed : int
    n_frames : int
    pixel_size_nm : float
        [nm/px].
    lattice : str
        A key of `DEFECTS`; four layers of graphene, one of the others.
    together : bool
        Whether the frames are those of one movie, in which each defect stays and nothing moves:
        what is asked is not whether the drift of a crystal is found. Otherwise each frame shows
        another crystal.

    Returns
    -------
    list of DefectDrawn
        One for each kind that there is room for.

    Notes
    -----
    Contrast is the slope of what is drawn, less the perfect crystal, against the true difference,
    by least squares with the crystal itself and a constant of each detector beside it: a crystal
    that is drawn too weakly is no vacancy. What is found so at intact places is taken off.
    """
    crystal = Crystal(detectors, seed, n_frames, pixel_size_nm, lattice, together)
    sigma = sigma_of(crystal.perfect, psnr_db)
    frames = noisy(crystal.clean, sigma, [seed, 11 + together])
    denoised = np.asarray(predict(frames), float)
    found = []
    for name, words in crystal.names.items():
        there, intact, d_prime = crystal.measure(denoised, sigma, name)
        if not len(there) or not len(intact):
            continue
        images = (crystal.clean, frames, denoised)
        found.append(
            DefectDrawn(
                name,
                words,
                d_prime,
                n_frames if together else 1,
                *mean_and_interval(there, intact),
                len(there),
                float(psnr_db),
                *(crystal.example(image[..., 0], name) for image in images),
            )
        )
    return found


def mean_and_interval(there, intact):
    """Return the difference of means, and its 95 % interval by Student's distribution."""
    from scipy.stats import t as student

    mean = float(np.mean(there) - np.mean(intact))
    freedom = len(there) + len(intact) - 2
    if freedom < 1:
        return mean, (-np.inf, np.inf)
    square = sum(((part - np.mean(part)) ** 2).sum() for part in (there, intact)) / freedom
    error = np.sqrt(square * (1 / len(there) + 1 / len(intact)))
    reach = float(student.ppf(TAIL, freedom) * error)
    return mean, (mean - reach, mean + reach)


class Crystal:
    """Frames of a crystal with defects, and what each of them, or one at another place, changes.

    Attributes
    ----------
    names : dict
        Name -> words of the kinds that there is room for.
    perfect, clean : (T, Y, X, C) arrays
        Without defects, and with them.
    """

    def __init__(self, detectors, seed, n_frames, pixel_size_nm, lattice, together):
        if lattice not in DEFECTS:
            raise ValueError(f"lattice is {lattice!r}; expected one of {', '.join(DEFECTS)}")
        room = int(PER_NM2 * (side_of(pixel_size_nm) * pixel_size_nm - 2 * MARGIN_NM) ** 2)
        names = list(DEFECTS[lattice])[: max(1, room // 2)]
        self.names = {name: DEFECTS[lattice][name] for name in names}
        self.n_each = int(np.clip(room // (2 * len(names)), 1, MOST_EACH))
        self.reach = max(2, round(REACH_NM / pixel_size_nm))
        parts = []
        for i in range(1 if together else n_frames):
            options = {"lattice": lattice, "density_nm2": 0.0}
            options |= {"n_frames": n_frames} if together else {"n_frames": 1}
            key, wanted = [seed, 17, i], dict.fromkeys(names, 2 * self.n_each)
            movie, both = simulated(key, detectors, pixel_size_nm, defects=wanted, **options)
            _, perfect = simulated(key, detectors, pixel_size_nm, **options)
            parts.append((movie, both - perfect, perfect))
        self.perfect = np.concatenate([perfect for *_, perfect in parts])
        self.change = np.concatenate([change for _, change, _ in parts])
        # of each frame: (name, which of its kind, crystal, middle)
        self.sites = []
        for i, (movie, *_) in enumerate(parts):
            number = {name: 0 for name in names}
            known = []
            for defect in movie.defects:
                known.append((defect.name, number[defect.name], i, defect.centre))
                number[defect.name] += 1
            for drift in movie.drift_px:
                self.sites.append([(n, k, c, centre + drift) for n, k, c, centre in known])
        shape = self.perfect.shape[1:3]
        self.nearest = np.stack([_nearest([s[-1] for s in of], shape) for of in self.sites])
        there = np.stack(
            [
                np.array([self._is_there(s) for s in of])[near]
                for of, near in zip(self.sites, self.nearest)
            ]
        )
        self.clean = self.perfect + self.change * there[..., None]

    def _is_there(self, site):
        """Every second place of a kind is left intact."""
        return site[1] % 2 == 0

    def measure(self, frames, sigma, name):
        """Contrast of each defect of a kind, at intact places likewise, and d' in one frame."""
        seen, d_primes = {True: {}, False: {}}, []
        for t, sites in enumerate(self.sites):
            for i, site in enumerate(sites):
                window = self._window(t, site[-1]) if site[0] == name else None
                if window is None:
                    continue
                there = self._is_there(site)
                wanted = self.change[window] * (self.nearest[window] == i)[..., None] / sigma
                truth = (self.perfect if there else self.clean)[window] / sigma
                d_primes.append(float((wanted**2).sum()) ** 0.5)
                value = _slope(frames[window] / sigma - truth, wanted, truth)
                seen[there].setdefault(site[1:3], []).append(value)
        # frames of one defect are not independent of each other
        there, intact = (np.array([np.mean(v) for v in seen[w].values()]) for w in (True, False))
        return there, intact, float(np.mean(d_primes)) if d_primes else float("nan")

    def example(self, frames, name):
        """Cut one defect of a kind out of frames (T, Y, X), from the middle of them on."""
        order = np.roll(np.arange(len(frames)), -(len(frames) // 2))
        for t in order:
            for site in self.sites[t]:
                window = self._window(t, site[-1]) if site[0] == name else None
                if window is not None and self._is_there(site):
                    return frames[window]
        return np.zeros((1, 1))

    def _window(self, t, centre):
        """Pixels of frame `t` around a place; None at the border."""
        low = np.rint(centre).astype(int) - self.reach
        high = low + 2 * self.reach + 1
        if low.min() < 0 or (high > self.perfect.shape[1:3]).any():
            return None
        return np.s_[t, low[0] : high[0], low[1] : high[1]]


def _slope(drawn, wanted, crystal):
    """Slope of images (Y, X, C), beside a crystal and a constant of each detector."""
    n = drawn.shape[-1]
    basis = [wanted.ravel()]
    for c in range(n):
        own = np.arange(n) == c
        basis += [(crystal * own).ravel(), (np.ones_like(crystal) * own).ravel()]
    basis = np.stack(basis, axis=1).astype(float)
    return float(np.linalg.lstsq(basis, drawn.astype(float).ravel(), rcond=None)[0][0])


def _nearest(centres, shape):
    """Return the number of the place that is nearest to each pixel, (Y, X)."""
    from scipy.spatial import cKDTree

    return cKDTree(centres).query(np.indices(shape).reshape(2, -1).T)[1].reshape(shape)
