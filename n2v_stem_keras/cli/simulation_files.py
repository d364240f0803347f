"""The files of ``n2v-stem simulate``: movies, positions, and the record of what was made."""

import json
import re

from . import options

RECORD = "simulation.json"
_OUTPUT = re.compile(
    r"movie-\d+_(clean|undistorted|noisy_[\w.+-]+|positions|defects)\.(ome\.tif|csv)"
)


def earlier_files(out):
    """List the files of an earlier simulation; the record, which says all is there, first."""
    if not out.is_dir():
        return []
    names = sorted(file.name for file in out.iterdir() if _OUTPUT.fullmatch(file.name))
    recorded = [RECORD] if (out / RECORD).exists() else []
    return [out / name for name in recorded + names]


def make_movie(out, i, args, plan, progress):
    """Simulate a movie, write its files, and return its entry in the record."""
    from ..simulate import nth_movie, reference_movie

    try:
        if args.reference:
            movie = reference_movie([args.seed, i], progress=progress, **plan["movie"])
        else:
            movie = nth_movie(args.seed, i, progress=progress, **plan["movie"])
    except ValueError as error:
        raise options.UsageError(str(error)) from error
    name, made = f"movie-{i:02d}", {"seed": [args.seed, i]}
    files, displacement, truth = [], None, None
    for k, (label, level) in enumerate(plan["levels"].items()):
        noise_seed = [args.seed, i, 2 + k]  # 1 belongs to the choice of the lattice
        if args.scan:
            noisy, truth, displacement = _scanned(
                movie.clean, args.scan, level, [args.seed, i, 0], noise_seed
            )
        else:
            noisy = _glowing(_noisy(movie.clean, level, noise_seed), args)
        noise = {level[0]: level[1], "after_glow": args.after_glow, "scan": args.scan}
        noise["noise_seed"] = noise_seed
        path = out / f"{name}_noisy_{label}.ome.tif"
        files.append(_write_frames(path, noisy, movie, {**made, **noise}))
    clean = _glowing(movie.clean, args) if truth is None else truth
    files.insert(0, _write_frames(out / f"{name}_clean.ome.tif", clean, movie, made))
    if args.scan:
        path = out / f"{name}_undistorted.ome.tif"
        files.insert(1, _write_frames(path, movie.clean, movie, made))
    tables = [f"{name}_positions.csv"]
    _write_positions(out / tables[0], movie, displacement)
    if movie.defects:
        tables.append(f"{name}_defects.csv")
        _write_defects(out / tables[1], movie, displacement)
    return {
        "name": name,
        "seed": [args.seed, i],
        "files": [*files, *tables],
        **_truth(movie),
        "adatom_height_to_sigma": _height_to_sigma(movie, plan["levels"]),
    }


def _noisy(clean, level, seed):
    """Add noise of a level; counting noise leaves the unit of the clean frames."""
    from .. import noise

    kind, value = level
    if kind == "psnr":
        return noise.add_white_noise(clean, value, seed)
    try:
        return noise.add_poisson_noise(clean, value, seed, gain=1 / value)
    except ValueError as error:
        raise options.UsageError(f"--dose {value:g}: {error}") from error


def _scanned(clean, scan, level, seed, noise_seed):
    """Scan frames as badly as a microscope; return noisy and true ones, and where pixels lie."""
    from ..noise import scan_movie

    kind, value = level
    if kind == "psnr":
        found = scan_movie(clean, scan, seed, psnr_db=value, noise_seed=noise_seed)
        return found.noisy, found.truth, found.displacement_px
    try:
        found = scan_movie(clean, scan, seed, dose_e_px=value, noise_seed=noise_seed)
    except ValueError as error:
        raise options.UsageError(f"--dose {value:g}: {error}") from error
    return found.noisy / value, found.truth / value, found.displacement_px


def _glowing(frames, args):
    """Frames with the after-glow asked for."""
    from ..noise import after_glow

    return after_glow(frames, args.after_glow) if args.after_glow else frames


def _write_frames(path, frames, movie, made):
    """Write frames with the movie's detectors and pixel size; return the file's name."""
    from .._version import __version__
    from ..io import Movie, write_movie

    described = Movie.from_array(
        frames, "TYXC", detectors=movie.detectors, pixel_size_nm=movie.pixel_size_nm
    )
    made = {"software": f"n2v_stem_keras {__version__}", "imaging": movie.imaging, **made}
    write_movie(path, described, provenance={k: v for k, v in made.items() if v is not None})
    return path.name


def _write_positions(path, movie, displacement=None):
    """Write the true positions as a table: where the scan shows the adatoms."""
    from ..atomic import write_text

    lines = ["frame,y,x,y_nm,x_nm,id,element"]
    for t, (placed, ids) in enumerate(zip(movie.positions, movie.ids)):
        placed = _scanned_at(placed, t, displacement)
        for place, number in zip(placed, ids):
            at = _at(place, movie)
            lines.append(f"{t},{at},{number},{movie.scene.specimen.adatom}")
    write_text(path, "\n".join(lines) + "\n")


def _write_defects(path, movie, displacement=None):
    """Write where each frame shows the sites of point defects."""
    from ..atomic import write_text

    lines = ["frame,y,x,y_nm,x_nm,id,defect"]
    for t, drift in enumerate(movie.drift_px):
        for i, defect in enumerate(movie.defects):
            for place in _scanned_at(defect.sites + drift, t, displacement):
                lines.append(f"{t},{_at(place, movie)},{i},{defect.name}")
    write_text(path, "\n".join(lines) + "\n")


def _at(place, movie):
    """Columns y, x, y_nm, x_nm."""
    y, x = place
    return f"{y:.5f},{x:.5f},{y * movie.pixel_size_nm:.6f},{x * movie.pixel_size_nm:.6f}"


def _scanned_at(placed, t, displacement):
    """Move places (n, 2) [px] to where the scan of a frame shows them."""
    import numpy as np
    from scipy.ndimage import map_coordinates

    if displacement is None or not len(placed):
        return placed
    moved = [
        map_coordinates(displacement[t, ..., axis], placed.T, order=1, mode="nearest")
        for axis in (0, 1)
    ]
    return placed - np.stack(moved, axis=1)


def _truth(movie):
    """Return what a reader of the truth needs beside the positions."""
    specimen = movie.scene.specimen
    lattice = specimen.lattice
    return {
        "lattice": lattice if isinstance(lattice, str) else lattice.get_chemical_formula(),
        "rotation_rad": specimen.rotation_rad,
        "origin_nm": list(specimen.origin_nm),
        "drift_px": movie.drift_px.round(6).tolist(),
        **({"twist_rad": specimen.twist_rad} if specimen.twist_rad else {}),
        **_line(movie.boundary, specimen),
        "holes_px": [hole.round(4).tolist() for hole in movie.holes],
        "adatoms_per_frame": [len(placed) for placed in movie.positions],
    }


def _line(boundary, specimen):
    """Where the crystal turns, or ends, in the first frame."""
    if boundary is None:
        return {}
    line = {
        "point_px": boundary.point.round(4).tolist(),
        "normal": boundary.normal.round(6).tolist(),
    }
    if specimen.edge:
        return {"edge": line}
    return {"boundary": {**line, "tilt_rad": specimen.boundary_rad}}


def _height_to_sigma(movie, levels):
    """Height of a lone adatom over the noise's sigma, per level of white noise and detector.

    A PSNR refers to the range of a frame, which follows its brightest cluster: this says what it
    means for an adatom. Empty where no adatom is alone.
    """
    import numpy as np

    height = movie.lone_adatom_height()
    if not np.all(np.isfinite(height)):
        return {}
    return {
        label: {
            detector: round(float(height[c] * 10 ** (value[c] / 20)), 2)
            for c, detector in enumerate(movie.detectors)
        }
        for label, (kind, value) in levels.items()
        if kind == "psnr"
    }


def write_record(path, args, movies):
    """Write all that is needed to make the movies again, and what chance decided."""
    from .._version import __version__
    from ..atomic import write_text

    left_out = {"command", "parser", "run", "dry_run", "quiet", "overwrite", "out_dir"}
    head = {
        "format_version": 1,
        "software": f"n2v_stem_keras {__version__}",
        "options": {
            k: v for k, v in vars(args).items() if k not in left_out and v not in (None, False)
        },
        "units": {
            "clean": "fraction of the beam",
            "noisy": "fraction of the beam",
            "positions, drift_px, holes_px": "px, whole numbers are pixel centres",
        },
    }
    lines = ",\n".join(f"  {json.dumps(movie)}" for movie in movies)  # one movie per line
    text = json.dumps({**head, "movies": []}, indent=1)
    write_text(path, text.replace('"movies": []', f'"movies": [\n{lines}\n ]') + "\n")
