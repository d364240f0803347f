"""Multislice imaging with abTEM, as the paper's simulated frames were made (Methods).

Needs the extra ``sim``. abTEM: Madsen and Susi, Open Research Europe 1, 24 (2021); the slices'
potentials are those of Lobato and Van Dyck. The window is cut into tiles, each with a cell of its
own and a margin of empty beam path around it, so that neither time per probe nor memory grows with
the frame. All tiles have cells of one size, and signals are scaled so that the empty beam reads its
exact share, since the discrete angles of a cell make it a little more or less. For the same reason
the contrast of a detector with an edge inside the cone (BF) is right to some per cent only. Adatoms
lie at the entrance surface and layers below them. Where the atoms lie in a few planes, each plane
is one slice and sits exactly at its depth; else slices are 0.1 nm thick.

PRISM (Ophus, Adv. Struct. Chem. Imaging 3, 13 (2017)) is chosen where it costs less: for thick
specimens and many probes. For a few atomic layers the plain method is the faster one, since its
probes cross a handful of slices only.
"""

from __future__ import annotations

import numpy as np

from .optics import PAPER

SAMPLING_NM = 0.008  # carries scattering to 174 mrad at 80 keV after the antialias cut of 2/3
TILE_NM = 1.5
MARGIN_NM = 0.5  # the probe's tails, and the reach of an atom's kernel
SLICE_NM = 0.1
_MOST_PLANES = 24
_BATCH = 32


def image(
    atoms,
    shape,
    pixel_size_nm,
    optics=PAPER,
    sampling_nm=SAMPLING_NM,
    method="auto",
    prism_interpolation=1,
    phonons=0,
    phonon_sigma_nm=0.006,
    seed=0,
    progress=None,
):
    """Image of a frame's atoms on all detectors.

    Parameters
    ----------
    atoms : dict
        element -> (n, 3) positions z, y, x [nm]; z >= 0 is the depth below the surface in focus,
        pixel (0, 0) is centred at y = x = 0. Atoms within 0.5 nm of the window matter, too.
    shape : tuple of int
        (Y, X) [px].
    pixel_size_nm : float
        [nm/px].
    optics : Optics
        The microscope.
    sampling_nm : float
        Sampling of potential and probe [nm]; it bounds the scattering angles,
        wavelength / (3 * sampling).
    method : {"auto", "multislice", "prism"}
        ``auto`` takes the one that costs less by count of operations, or PRISM where
        `prism_interpolation` is more than 1.
    prism_interpolation : int
        PRISM's interpolation factor; 1 is exact. With 3, images of graphene with Au adatoms were
        made ten times faster than by multislice, 0.4 % of their range off (rms).
    phonons : int
        Frozen-phonon configurations to average; 0 leaves the atoms still.
    phonon_sigma_nm : float
        Root mean square displacement along each of y and x [nm].
    seed : int
        Seed of the frozen phonons.
    progress : callable, optional
        Called as ``progress(tiles_done, tiles)``.

    Returns
    -------
    numpy.ndarray
        (Y, X, C) float32 [fraction of the beam], C in the order of ``optics.detectors_mrad``.

    Raises
    ------
    ImportError
        abTEM is not installed.
    ValueError
        A detector reaches beyond the angles that the sampling carries, or atoms lie above z = 0.
    """
    _import_abtem()
    _check(atoms, optics, sampling_nm, method)
    if method == "auto" and prism_interpolation > 1:
        method = "prism"  # for all tiles, since interpolation coarsens the angles of a cell
    step = min(0.5 / optics.cutoff_nm, pixel_size_nm)
    border = 4 * optics.source_sigma_nm + 2 * step
    size = np.array(shape) * pixel_size_nm
    n_probes = np.ceil((size + 2 * border) / step).astype(int) + 1
    n_tiles = np.maximum(1, np.rint(n_probes * step / TILE_NM)).astype(int)
    cuts = [np.array_split(np.arange(n), k) for n, k in zip(n_probes, n_tiles, strict=True)]
    fine = np.zeros((*n_probes, len(optics.detectors_mrad)))
    tiles = [(y, x) for y in cuts[0] for x in cuts[1]]
    span = [(max(map(len, cut)) - 1) * step for cut in cuts]
    settings = (optics, sampling_nm, method, prism_interpolation, phonons, phonon_sigma_nm)
    empty = signals({}, np.zeros((1, 2)), *settings[:4], span_nm=span)[0]
    for done, (y, x) in enumerate(tiles):
        places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2) * step - border
        found = signals(atoms, places, *settings, seed=[seed, done], span_nm=span)
        fine[np.ix_(y, x)] = found.reshape(len(y), len(x), -1)
        if progress is not None:
            progress(done + 1, len(tiles))
    fine *= _calibration(optics, empty)
    return _sample(fine, shape, pixel_size_nm, step, border, optics.source_sigma_nm)


def operations(n_probes, n_slices, gpts, n_beams, prism_interpolation=1):
    """Count the operations of both methods for one tile.

    Parameters
    ----------
    n_probes, n_slices : int
        Probe positions, slices.
    gpts : int
        Grid points of the potential along each side [px].
    n_beams : int
        Plane waves inside the aperture.
    prism_interpolation : int
        Interpolation factor of PRISM.

    Returns
    -------
    dict
        ``multislice`` and ``prism``: complex multiplications, roughly.
    """
    crossing = n_slices * gpts**2 * (2 * np.log2(gpts**2) + 2)  # two FFTs and two products a slice
    window = (gpts / prism_interpolation) ** 2
    beams = n_beams / prism_interpolation**2
    detect = window * np.log2(window)
    return {
        "multislice": n_probes * (crossing + gpts**2 * np.log2(gpts**2)),
        "prism": beams * crossing + n_probes * (beams * window + detect),
    }


def _import_abtem():
    try:
        import abtem
    except ImportError:
        raise ImportError(
            "multislice imaging needs abTEM: pip install 'n2v_stem_keras[sim]' "
            "(imaging='fast' does without)"
        ) from None
    return abtem


def _check(atoms, optics, sampling_nm, method):
    if method not in ("auto", "multislice", "prism"):
        raise ValueError(f"method is {method!r}; expected 'auto', 'multislice' or 'prism'")
    carried = 1e3 * optics.wavelength_nm / (3 * sampling_nm)
    for name, (_, outer) in optics.detectors_mrad.items():
        if outer > carried:
            raise ValueError(
                f"detector {name} reaches to {outer} mrad, but a sampling of {sampling_nm} nm "
                f"carries angles to {carried:.0f} mrad only; sample at "
                f"{1e3 * optics.wavelength_nm / (3 * outer):.4f} nm or finer"
            )
    for element, positions in atoms.items():
        if len(positions) and np.asarray(positions)[:, 0].min() < 0:
            raise ValueError(f"{element} atoms lie above the surface z = 0; expected depths >= 0")


def _calibration(optics, empty):
    """Factors that give the empty beam its exact signal on each detector that sees it, (C,)."""
    exact = np.array([optics.empty_beam(detector) for detector in optics.detectors_mrad])
    seen = (exact > 0) & (empty > 0)
    return np.where(seen, exact / np.where(seen, empty, 1.0), 1.0)


def signals(
    atoms,
    places_nm,
    optics=PAPER,
    sampling_nm=SAMPLING_NM,
    method="auto",
    prism_interpolation=1,
    phonons=0,
    phonon_sigma_nm=0.006,
    seed=0,
    margin_nm=MARGIN_NM,
    span_nm=0.0,
):
    """Signals of the detectors at any probe positions, without the blur of the source.

    One cell holds all positions and a margin around them.

    Parameters
    ----------
    atoms : dict
        As in `image`.
    places_nm : numpy.ndarray
        (n, 2) probe positions y, x [nm].
    margin_nm : float
        Width of the cell's margin [nm].
    span_nm : float or (float, float)
        Make the cell for positions that span at least this (y, x) [nm]. Signals of different cells
        do not join, since a cell's discrete angles decide how much of the beam a detector gets.
    optics, sampling_nm, method, prism_interpolation, phonons, phonon_sigma_nm, seed
        As in `image`.

    Returns
    -------
    numpy.ndarray
        (n, C) float64 [fraction of the beam].
    """
    from scipy.fft import next_fast_len

    abtem = _import_abtem()
    places_nm = np.asarray(places_nm, float)
    low, high = places_nm.min(axis=0), places_nm.max(axis=0)
    span = np.maximum(high - low, span_nm) + 2 * margin_nm
    # a multiple of the interpolation factor, or PRISM loses the normalisation
    factor = prism_interpolation
    gpts = [factor * next_fast_len(int(np.ceil(round(s / sampling_nm / factor, 6)))) for s in span]
    cell = np.array(gpts) * sampling_nm
    origin = (low + high - cell) / 2
    inside = _inside(atoms, origin, cell)
    potential = _potential(*inside, cell, gpts, seed, phonons, phonon_sigma_nm)
    scan = abtem.CustomScan(10.0 * (places_nm - origin))
    detectors = [abtem.AnnularDetector(*angles) for angles in optics.detectors_mrad.values()]
    if method == "auto":
        n_slices = len(potential)
        method = _cheaper(len(places_nm), n_slices, cell, gpts, optics, prism_interpolation)
    beam = {"energy": 1e3 * optics.energy_kev, "semiangle_cutoff": optics.convergence_mrad}
    if method == "prism":
        waves = abtem.SMatrix(potential=potential, interpolation=prism_interpolation, **beam)
        transfer = abtem.CTF(aberration_coefficients=_aberrations(optics), **beam)
        measured = waves.scan(scan=scan, detectors=detectors, ctf=transfer)
    else:
        probe = abtem.Probe(aberrations=_aberrations(optics), **beam)
        probe.grid.match(potential)
        measured = probe.scan(potential, scan=scan, detectors=detectors, max_batch=_BATCH)
    measured = measured.compute(progress_bar=False)
    measured = measured if isinstance(measured, (list, tuple)) else [measured]
    arrays = [np.asarray(each.reduce_ensemble().array, float) for each in measured]
    return np.stack(arrays, axis=-1)


def _inside(atoms, origin, cell):
    """Symbols and positions (n, 3) y, x, z [nm] of the atoms in a cell, from its corner."""
    symbols, places = [], [np.empty((0, 3))]
    for element, positions in atoms.items():
        positions = np.asarray(positions, float).reshape(-1, 3)
        local = positions[:, 1:] - origin
        kept = np.all((local >= 0) & (local < cell), axis=1)
        places.append(np.column_stack([local, positions[:, 0]])[kept])
        symbols += [element] * int(kept.sum())
    return symbols, np.concatenate(places)


def _potential(symbols, positions, cell, gpts, seed, n_phonons, phonon_sigma_nm):
    """Potential of one tile; abTEM's first axis is our y."""
    import ase

    abtem = _import_abtem()
    thickness = _slices(positions[:, 2])
    box = (*(10.0 * cell), sum(thickness))
    inward = [0.0, 0.0, 0.01]  # [A]; an atom on the boundary of two slices belongs to the lower one
    atoms = ase.Atoms(symbols, positions=10.0 * positions + inward, cell=box, pbc=True)
    if n_phonons:
        child = np.random.SeedSequence(seed).generate_state(1)[0]
        atoms = abtem.FrozenPhonons(
            atoms, n_phonons, 10.0 * phonon_sigma_nm, directions="xy", seed=int(child)
        )
    potential = abtem.Potential(
        atoms, gpts=tuple(gpts), slice_thickness=thickness, projection="infinite"
    )
    return potential.build(lazy=False) if not n_phonons else potential


def _slices(depths):
    """Thickness of each slice [A]: one a plane of atoms, which lies at its entrance, or 1 A."""
    planes = np.unique(np.round(depths, 4)) * 10.0
    if 0 < len(planes) <= _MOST_PLANES:
        edges = np.unique([0.0, *planes, planes[-1] + 1.0])
        return tuple(float(t) for t in np.diff(edges))
    return (10.0 * SLICE_NM,) * (1 + int(max(depths, default=0.0) / SLICE_NM))


def _aberrations(optics):
    """Coefficients as abTEM wants them [A] and [rad]; C10 is minus the defocus."""
    lengths = {
        name: value if name.startswith("phi") else 10.0 * value
        for name, value in optics.aberrations_nm.items()
    }
    return {"C10": -10.0 * optics.defocus_nm, **lengths}


def _cheaper(n_probes, n_slices, cell, gpts, optics, interpolation):
    """Name of the cheaper method."""
    radius = 1e-3 * optics.convergence_mrad / optics.wavelength_nm  # [nm^-1]
    n_beams = int(np.pi * radius**2 * np.prod(cell))
    counts = operations(n_probes, n_slices, float(np.sqrt(np.prod(gpts))), n_beams, interpolation)
    return min(counts, key=counts.get)


def _sample(fine, shape, pixel_size_nm, step, border, source_sigma_nm):
    """Blur the signals (n_y, n_x, C) by the source and read them at the pixel centres."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    places = [(border + pixel_size_nm * np.arange(n)) / step for n in shape]
    places = np.meshgrid(*places, indexing="ij")
    channels = np.moveaxis(fine, -1, 0)
    blurred = [gaussian_filter(c, source_sigma_nm / step, mode="nearest") for c in channels]
    sampled = [map_coordinates(c, places, order=3, mode="nearest") for c in blurred]
    return np.stack(sampled, axis=-1).astype(np.float32)
