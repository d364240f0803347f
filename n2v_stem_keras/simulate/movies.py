"""Simulated movies with known truth, such as the reference movie the package measures itself on.

A scene (`specimen.draw_scene`), imaged frame by frame: by the linear model of `fast`, or by the
multislice method that the paper uses (Methods, simulation) where the extra ``sim`` is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from . import fast
from .boundaries import Boundary
from .defects import Defect
from .specimen import Scene, Specimen, draw_scene
from .structures import in_holes

IMAGING = ("fast", "multislice")
Seed: TypeAlias = int | Sequence[int] | np.random.SeedSequence | np.random.Generator


@dataclass(frozen=True)
class SimulatedMovie:
    """A noise-free movie and the truth it was made from.

    Attributes
    ----------
    clean : numpy.ndarray
        (T, Y, X, C) float32 [fraction of the beam].
    detectors : tuple of str
        Names along C.
    pixel_size_nm : float
        [nm/px].
    positions : list of numpy.ndarray
        Adatoms inside each frame, (n, 2) float64, columns y, x [px]; whole numbers are pixel
        centres.
    ids : list of numpy.ndarray
        Identities of these adatoms, (n,) int. An adatom keeps its own as long as it can be
        followed; one that vanishes and reappears elsewhere gets a new one.
    holes : tuple of numpy.ndarray
        Outlines of the holes in the first frame, (k, 2) y, x [px].
    drift_px : numpy.ndarray
        (T, 2) y, x [px], how far lattice and holes have moved since the first frame.
    defects : tuple of Defect
        Point defects of the lattice, in the first frame [px].
    boundary : Boundary, optional
        Where the crystal turns or ends, in the first frame [px].
    imaging : str
        ``"fast"`` or ``"multislice"``.
    scene : Scene
        All atoms of all frames [nm].
    """

    clean: np.ndarray
    detectors: tuple[str, ...]
    pixel_size_nm: float
    positions: list[np.ndarray]
    ids: list[np.ndarray]
    holes: tuple[np.ndarray, ...]
    drift_px: np.ndarray
    defects: tuple[Defect, ...]
    boundary: Boundary | None
    imaging: str
    scene: Scene

    def hole_mask(self, t):
        """Pixels of frame `t` whose centres lie in a hole, (Y, X) bool."""
        shape = self.clean.shape[1:3]
        centres = np.indices(shape).reshape(2, -1).T - self.drift_px[t]
        return in_holes(centres, self.holes).reshape(shape)

    def lone_adatom_height(self, lone_nm=0.5):
        """Height of a lone adatom over its frame's range, per detector.

        A PSNR refers to the range (max - min) of a frame, and that to its brightest cluster; the
        adatom SNR A/sigma at a PSNR is this height times 10^(PSNR / 20).

        Parameters
        ----------
        lone_nm : float
            An adatom is alone where none is closer than this [nm].

        Returns
        -------
        numpy.ndarray
            (C,) median over the lone adatoms of all frames, of the distance of the pixel nearest to
            them from the frame's median; nan where no adatom is alone.
        """
        heights = []
        for frame, placed in zip(self.clean, self.positions, strict=True):
            apart = np.linalg.norm(placed[:, None] - placed, axis=-1) * self.pixel_size_nm
            np.fill_diagonal(apart, np.inf)
            y, x = np.rint(placed[np.all(apart > lone_nm, axis=1)]).astype(int).T
            ground = np.median(frame, axis=(0, 1))
            heights.append(np.abs(frame[y, x] - ground) / np.ptp(frame, axis=(0, 1)))
        heights = np.concatenate(heights)
        return np.median(heights, axis=0) if len(heights) else np.full(len(self.detectors), np.nan)


def simulate_movie(
    seed: Seed,
    shape: Sequence[int] = (256, 256),
    n_frames: int = 12,
    pixel_size_nm: float = 0.046,
    imaging: str = "fast",
    imaging_options: Mapping[str, Any] | None = None,
    progress: Callable[[], object] | None = None,
    **specimen: Any,
) -> SimulatedMovie:
    """Simulate a movie of adatoms on a lattice.

    Parameters
    ----------
    seed : int, sequence of int, numpy.random.SeedSequence or numpy.random.Generator
        The movie is a function of it and of the other arguments; a longer movie begins with
        the shorter one.
    shape : tuple of int
        (Y, X) [px].
    n_frames : int
        Frames T.
    pixel_size_nm : float
        [nm/px].
    imaging : {"fast", "multislice"}
        How the scene is imaged. Multislice needs abTEM (extra ``sim``) and takes minutes a frame.
    imaging_options : dict, optional
        Keyword arguments of `multislice.image`, e.g. its optics. `fast` has none.
    progress : callable, optional
        Called without arguments after each frame.
    **specimen
        The fields of `Specimen`: ``lattice``, ``n_layers``, ``rotation_rad``, ``origin_nm``,
        ``density_nm2``, ``min_distance_nm``, ``clusters``, ``pairs``, ``hole_radius_nm``,
        ``holes_nm``, ``motion``, ``drift_px``, ``drift_walk_px``, ``adatom``, ``neighbour_nm``,
        ``twist_rad``, ``defects``, ``boundary_rad``, ``edge``, ``support_nm``.

    Returns
    -------
    SimulatedMovie
        Clean frames of the detectors ADF and BF, with the truth.

    Raises
    ------
    ValueError
        An argument is out of its range, or there is no room for what is asked.
    ImportError
        `imaging` is ``"multislice"`` and abTEM is not installed.
    """
    shape = _checked_shape(shape, n_frames, pixel_size_nm)
    specimen = Specimen(**specimen)
    check_imaging(imaging, specimen, imaging_options)
    margin = fast.KERNEL_RADIUS_NM
    scene = draw_scene(specimen, seed, shape, n_frames, pixel_size_nm, margin)
    if imaging == "fast":
        frames = _fast_frames(scene, shape, pixel_size_nm)
    else:
        frames = _multislice_frames(scene, shape, pixel_size_nm, imaging_options or {})
    clean = np.empty((n_frames, *shape, len(fast.DETECTORS)), np.float32)
    for t, frame in enumerate(frames):
        clean[t] = frame
        if progress is not None:
            progress()
    pixels = [placed / pixel_size_nm for placed in scene.positions_nm]
    seen = [_inside(placed, shape) for placed in pixels]
    return SimulatedMovie(
        clean=clean,
        detectors=tuple(fast.DETECTORS),
        pixel_size_nm=float(pixel_size_nm),
        positions=[placed[kept] for placed, kept in zip(pixels, seen, strict=True)],
        ids=[ids[kept] for ids, kept in zip(scene.ids, seen, strict=True)],
        holes=tuple(hole / pixel_size_nm for hole in scene.holes_nm),
        drift_px=scene.path_nm / pixel_size_nm,
        defects=tuple(Defect(d.name, d.sites / pixel_size_nm) for d in scene.defects),
        boundary=scene.boundary
        and Boundary(scene.boundary.point / pixel_size_nm, scene.boundary.normal),
        imaging=imaging,
        scene=scene,
    )


def simulate_movies(seed, n_movies, **kwargs):
    """Simulate independent movies, each with a lattice of its own.

    Parameters
    ----------
    seed : int
        Movie i is `nth_movie` (seed, i), whatever the number of movies.
    n_movies : int
        Movies.
    **kwargs
        Arguments of `simulate_movie`. ``lattice`` may be a list to draw each movie's lattice from.

    Returns
    -------
    list of SimulatedMovie
        As many as asked for.
    """
    return [nth_movie(seed, i, **kwargs) for i in range(n_movies)]


def nth_movie(seed, i, lattice="graphene", **kwargs):
    """One of the movies of `simulate_movies`, for those who cannot hold all of them.

    Parameters
    ----------
    seed : int
        Seed of all movies.
    i : int
        Number of the movie, from 0.
    lattice : str, ase.Atoms or list of them
        From a list, one is drawn for the movie.
    **kwargs
        Other arguments of `simulate_movie`.

    Returns
    -------
    SimulatedMovie
        ``simulate_movie([seed, i], ...)``.
    """
    if isinstance(lattice, (list, tuple)):
        lattice = lattice[np.random.default_rng([seed, i, 1]).integers(len(lattice))]
    return simulate_movie([seed, i], lattice=lattice, **kwargs)


def reference_movie(
    seed,
    shape=(256, 256),
    n_frames=12,
    pixel_size_nm=0.046,
    n_layers=4,
    density_nm2=0.25,
    hops=False,
    progress=None,
):
    """Simulate the movie on which the package measures itself.

    Bernal-stacked graphene at random rotation and origin, static, with Au adatoms of which half
    move each frame by a normal step of 0.06 nm per axis, while 3 % vanish and reappear elsewhere.
    With ``hops=True`` the specimen drifts steadily at 0-1 px a frame in a random direction, 30 %
    of the adatoms jitter by 0.03 nm and 5 % hop by one to two lattice constants (0.246-0.492 nm).

    Parameters
    ----------
    seed : int, sequence of int, numpy.random.SeedSequence or numpy.random.Generator
        The movie is a function of it and of the other arguments; a longer movie begins with
        the shorter one.
    shape : tuple of int
        (Y, X) [px].
    n_frames : int
        Frames T.
    pixel_size_nm : float
        [nm/px].
    n_layers : int
        Graphene layers.
    density_nm2 : float
        Adatoms [nm^-2].
    hops : bool
        Drift, jitter and hops instead of random steps.
    progress : callable, optional
        Called without arguments after each frame.

    Returns
    -------
    SimulatedMovie
        Clean frames of the detectors ADF and BF, with the truth.
    """
    rng = np.random.default_rng(seed)
    # Turning a Bernal stack by 60 degrees mirrors it, which an image hardly shows.
    rotation, origin = rng.uniform(0, np.pi / 3), rng.uniform(-0.5, 0.5, 2)
    speed, heading = rng.uniform(0, 1), rng.uniform(0, 2 * np.pi)
    drift = (speed * np.sin(heading), speed * np.cos(heading)) if hops else 0.0
    return simulate_movie(
        rng,
        shape,
        n_frames,
        pixel_size_nm,
        progress=progress,
        n_layers=n_layers,
        rotation_rad=float(rotation),
        origin_nm=tuple(origin.tolist()),
        density_nm2=density_nm2,
        motion="hops" if hops else "steps",
        drift_px=drift,
    )


def check_imaging(imaging, specimen, imaging_options=None):
    """Raise unless a specimen can be imaged in a way.

    Parameters
    ----------
    imaging : str
        ``"fast"`` or ``"multislice"``.
    specimen : Specimen
        Its elements count.
    imaging_options : dict, optional
        As `simulate_movie` takes them.

    Raises
    ------
    ValueError
        There is no such imaging, or it does not know an element or the options.
    ImportError
        abTEM is missing.
    """
    if imaging not in IMAGING:
        raise ValueError(f"imaging is {imaging!r}; expected one of {', '.join(IMAGING)}")
    if imaging == "multislice":
        if importlib.util.find_spec("abtem") is None:
            raise ImportError(
                'imaging by multislice needs abTEM: pip install "n2v_stem_keras[sim]"; or choose '
                "fast imaging"
            )
        return
    if imaging_options:
        raise ValueError(f"imaging_options are {sorted(imaging_options)}; fast imaging has none")
    known = fast.elements()
    if missing := sorted(specimen.elements - set(known)):
        raise ValueError(
            f"fast imaging knows the elements {', '.join(known)}, not {', '.join(missing)}; "
            "choose imaging by multislice"
        )


def _fast_frames(scene, shape, pixel_size_nm):
    """Frames (Y, X, C) by linear imaging; the lattice is drawn again only where it has moved."""
    level = np.array([fast.background(detector) for detector in fast.DETECTORS])
    specimen = scene.specimen
    # kernels in graphene are those of a Bernal stack
    graphene = isinstance(specimen.lattice, str) and specimen.lattice == "graphene"
    graphene = graphene and not (specimen.twist_rad and specimen.n_layers != 1)
    kind = ("graphene", specimen.n_layers or 4) if graphene else ("isolated",)
    for t in range(len(scene.path_nm)):
        if t == 0 or np.any(scene.path_nm[t] != scene.path_nm[t - 1]):
            lattice = level + fast.contrast(scene.lattice(t), shape, pixel_size_nm, *kind)
        yield lattice + fast.contrast(scene.adatoms(t), shape, pixel_size_nm, *kind)


def _multislice_frames(scene, shape, pixel_size_nm, options):
    """Frames (Y, X, C) by multislice; a frame in which nothing has moved is not computed again."""
    from . import multislice

    frame = None
    for t in range(len(scene.path_nm)):
        still = t > 0 and all(
            np.array_equal(moving[t], moving[t - 1])
            for moving in (scene.path_nm, scene.positions_nm)
        )
        if not still:
            frame = multislice.image(scene.atoms(t), shape, pixel_size_nm, **options)
        yield frame


def _checked_shape(shape, n_frames, pixel_size_nm):
    """Frame shape as two ints; everything about the sampling checked."""
    if len(shape) != 2 or any(side < 1 or side != int(side) for side in shape):
        raise ValueError(f"shape is {shape}; expected (Y, X) [px], whole numbers above 0")
    if n_frames < 1 or n_frames != int(n_frames):
        raise ValueError(f"n_frames is {n_frames}; expected a whole number above 0")
    if not 0 < pixel_size_nm < np.inf:
        raise ValueError(f"pixel_size_nm is {pixel_size_nm}; expected a length above 0 [nm/px]")
    return tuple(int(side) for side in shape)


def _inside(positions, shape):
    """Which positions [px] have their nearest pixel in the frame."""
    nearest = np.rint(positions)
    return np.all((nearest >= 0) & (nearest < np.array(shape)), axis=1)
