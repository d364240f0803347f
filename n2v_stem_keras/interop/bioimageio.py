"""A trained model as a package of the BioImage Model Zoo: one zip that other programs run.

    rdf.yaml                    the description, format 0.5 of bioimageio.spec; see `bioimageio_rdf`
    weights.keras               Keras 3; needs the layers of this package
    weights.onnx                ONNX; needs nothing of this package
    test_input.npy              one noisy frame in raw units, (1, Y, X, C) float32
    test_output.npy             what the network makes of it, (1, Y, X, C) float32
    sample_input.tif, sample_output.tif    the same, for Fiji
    README.md                   the model card, how to use the package, how to validate it
    cover.png, environment.yaml

What is inside: the whole network, with its local Wiener filter. What is outside: standardisation
of the input, which the specification has an operation for (zero_mean_unit_variance over batch, y
and x), so that the input is raw; and its inverse, which it has none for. The output is therefore
in standard deviations of the input around its mean. (The specification's scale_mean_variance would
stretch the denoised frame to the standard deviation of the noisy one.)
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic, scratch_folder
from ..folder.folder import FolderError
from ..io import as_movie
from ..io.movie import MovieLike
from ..normalize import DataError
from ..series import collect_series
from . import bioimageio_rdf as rdf

if TYPE_CHECKING:
    from ..model import N2VStem

LARGEST_SIDE = 256  # of the test frame [px]
SIMULATED_PSNR_DB = 10.0  # of the test frame, if none is given
PIXEL_SIZE_NM = 0.046  # of a simulated one, if the model does not know what it was trained for


@dataclass(frozen=True)
class TestFrame:
    """What a package is tested with.

    Attributes
    ----------
    raw : (1, Y, X, C) float32 array
        In raw units.
    output : (1, Y, X, C) float32 array
        Output of the network, standardised.
    pixel_size_nm : float
        [nm/px].
    origin : str
        Where the frame is from, for a person.
    """

    raw: np.ndarray
    output: np.ndarray
    pixel_size_nm: float
    origin: str


def export_bioimageio(
    model: N2VStem,
    path: str | os.PathLike,
    *,
    authors: str | dict[str, str] | Sequence[str | dict[str, str]] | None = None,
    license: str | None = None,
    name: str | None = None,
    description: str | None = None,
    test_input: MovieLike | None = None,
    test_input_axes: str | None = None,
    detectors: Sequence[str] | None = None,
    pixel_size_nm: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a trained model as a package of the BioImage Model Zoo (bioimage.io).

    Parameters
    ----------
    model : N2VStem
    path : path
        The ``.zip`` to write; it appears whole or not at all.
    authors : str, dict, or sequence of these
        Who answers for the model: a name, or name, affiliation, orcid, email, github_user.
    license : str
        SPDX identifier, e.g. 'CC-BY-4.0' or 'BSD-3-Clause'.
    name : str, optional
        Shown to people, 5 to 128 letters, digits and ``_+- ()``; by default made of the model's.
    description : str, optional
        At most 1024 letters; by default made of the configuration.
    test_input : array, path or io.Movie, optional
        Movie of which the middle frame becomes the test input, cut to at most 256 px. By default
        a simulated one, gold on graphene at 10 dB.
    test_input_axes : str, optional
        Axes of an array, as in `N2VStem.predict`.
    detectors : sequence of str, optional
        Names of the detectors of `test_input`, along its C axis.
    pixel_size_nm : float, optional
        [nm/px] of the axes; by default that of `test_input`, or the middle of what the model was
        trained for.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        Authors or licence are missing or not understood; the model has a lattice image of whole
        frames, or frames are prepared for it (`preparation`); or, where bioimageio.spec is
        installed, it refuses the description.
    FolderError
        The model was never trained, or the file exists.
    DataError
        The test input cannot be used.
    ImportError
        tf2onnx is missing (extra ``onnx``).

    Notes
    -----
    A model that sees the frames around each is packed as one that sees none: the format knows no
    drift. Called like StarDist's function of this name. The network is fully convolutional: test
    frames only show that it was transported whole.

    Examples
    --------
    >>> export_bioimageio(
    ...     model, "au-graphene.zip", authors=["Jane Doe"], license="CC-BY-4.0"
    ... )  # doctest: +SKIP
    """
    path = _checked_path(path, overwrite)
    people, license = rdf.checked_authors(authors), rdf.checked_license(license)
    name = rdf.checked_name(name, model.name)
    if not model.trained:
        raise FolderError(f"{model.name}: was never trained (no weights); train it first")
    if model.config.lattice.runs_outside:
        raise ValueError(
            f"{model.name} has a lattice image of whole frames (unet_lattice = "
            f"{model.config.unet_lattice!r}), which ONNX cannot hold; make a package of a model "
            "with windows, or without a lattice image"
        )
    if model.config.preparation:
        raise ValueError(
            f"{model.name!r} prepares its frames ({model.config.preparation.describe()}), which "
            "the format cannot say; make a package of a model trained with n2v_background_px=None, "
            "n2v_after_glow=None, n2v_level_rows=False and n2v_straighten_rows=False"
        )
    from ..network.unet import alone
    from ..prediction.convert import OPSET, convert

    network = alone(model.keras_model, model.config)
    export = convert(model.keras_model, model.config, single=True)
    test = _test_frame(model, network, test_input, test_input_axes, detectors, pixel_size_nm)
    files = {
        rdf.KERAS: _keras_file(network),
        rdf.ONNX: export.graph,
        rdf.TEST_INPUT: _npy(test.raw),
        rdf.TEST_OUTPUT: _npy(test.output),
        rdf.SAMPLE_INPUT: _tiff(test.raw, test.pixel_size_nm),
        rdf.SAMPLE_OUTPUT: _tiff(test.output, test.pixel_size_nm),
        rdf.COVER: _cover(model.config.channels, test),
        rdf.ENVIRONMENT: rdf.environment().encode(),
        rdf.CARD: rdf.documentation(model, name, test, export.tile_overlap).encode(),
    }
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    about = {"name": name, "authors": people, "license": license, "description": description}
    described = rdf.describe(model, about, test, hashes, OPSET, export)
    _validate(described, files, path)
    files = {rdf.RDF: rdf.as_yaml(described).encode(), **files}
    with (
        atomic(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as package,
    ):
        for file, data in files.items():
            package.writestr(file, data)
    return path


def standardise(raw) -> np.ndarray:
    """Do what the specification calls zero_mean_unit_variance, per detector over all frames.

    Parameters
    ----------
    raw : (B, Y, X, C) array

    Returns
    -------
    float32 array
    """
    raw = np.asarray(raw, np.float64)
    mean, sd = raw.mean((0, 1, 2), keepdims=True), raw.std((0, 1, 2), keepdims=True)
    return ((raw - mean) / (sd + rdf.EPS)).astype(np.float32)


def _checked_path(path, overwrite) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise FolderError(f"{path}: expected a name that ends in .zip")
    if path.is_dir():
        raise FolderError(f"{path} is a folder; export to another path")
    if path.exists() and not overwrite:
        raise FolderError(
            f"{path} exists; remove it, export to another path, or use overwrite=True"
        )
    return path


# -- what the package is tested with --------------------------------------------------------------
def _test_frame(model, network, movie, axes, detectors, pixel_size_nm) -> TestFrame:
    """Take the middle frame of a movie, and denoise it."""
    config = model.config
    origin = "given by the authors"
    if movie is None:
        size = pixel_size_nm or trained_pixel_size_nm(model) or PIXEL_SIZE_NM
        movie, axes, detectors = _simulated(config, size), "TYXC", config.channels
        pixel_size_nm, origin = size, f"simulated, gold on graphene, {SIMULATED_PSNR_DB:g} dB"
    movie = as_movie(movie, axes, detectors, pixel_size_nm)
    series = collect_series(movie, config, context="none")[0]
    size = pixel_size_nm or series.pixel_size_nm or trained_pixel_size_nm(model)
    if not size:
        raise DataError(
            f"{movie.name}: its pixel size is not known, nor the model's; give pixel_size_nm"
        )
    frames = series.frames
    usable = series.usable_frames
    if not usable:
        raise DataError(f"{movie.name}: all frames are blank; expected one that shows something")
    t = usable[len(usable) // 2]
    window = tuple(_middle(n, config.size_multiple, movie.name) for n in frames.shape[1:3])
    raw = np.asarray(frames[t], np.float32)[window][None]
    output = np.asarray(network(standardise(raw), training=False), np.float32)
    return TestFrame(raw, output, float(size), origin)


def _middle(n: int, multiple: int, name: str) -> slice:
    """Return the middle of a side of a frame, a multiple of what the network needs."""
    length = min(n, LARGEST_SIDE) // multiple * multiple
    if not length:
        raise DataError(f"{name}: a side of {n} px, expected at least {multiple} px")
    start = (n - length) // 2
    return slice(start, start + length)


def _simulated(config, pixel_size_nm):
    """Return a noisy simulated movie, (T, Y, X, C), of a model's detectors."""
    from ..atoms import sign_of
    from ..noise import add_white_noise
    from ..simulate import reference_movie

    movie = reference_movie(
        0,
        shape=(LARGEST_SIDE, LARGEST_SIDE),
        n_frames=1,
        pixel_size_nm=pixel_size_nm,
    )
    place = {1: movie.detectors.index("ADF"), -1: movie.detectors.index("BF")}
    clean = movie.clean[..., [place[sign_of(channel)] for channel in config.channels]]
    return add_white_noise(clean, SIMULATED_PSNR_DB, seed=0)


def trained_pixel_size_nm(model) -> float | None:
    """Return the middle of the pixel sizes that a model was trained for [nm/px], if it says."""
    ranges = [part.get("domain", {}).get("pixel_size_nm") for part in model.thresholds.values()]
    known = [(low * high) ** 0.5 for low, high in filter(None, ranges) if low > 0]
    return known[0] if known else None


# -- files ----------------------------------------------------------------------------------------
def _keras_file(network) -> bytes:
    with scratch_folder() as folder:
        file = folder / rdf.KERAS
        network.save(file)
        return file.read_bytes()


def _npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _tiff(array, pixel_size_nm) -> bytes:
    """Return a test frame as ImageJ's TIFF."""
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(
        file,
        array[0].transpose(2, 0, 1),  # (C, Y, X)
        imagej=True,
        resolution=(1 / pixel_size_nm, 1 / pixel_size_nm),
        metadata={"axes": "CYX", "unit": "nm"},
    )
    return file.getvalue()


def _cover(channels, test: TestFrame) -> bytes:
    from ..atoms import sign_of
    from ..plot.cover import cover

    noisy = standardise(test.raw)[0, ..., 0]
    return cover(noisy, test.output[0, ..., 0], sqrt=sign_of(channels[0]) > 0)


def _validate(described: dict, files, path: Path) -> None:
    """Let bioimageio.spec judge a description, if it is installed; nothing is fetched."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import bioimageio.spec as judge
    except ImportError:
        return
    known = dict.fromkeys(files)  # that they are what they should be is known here
    context = judge.ValidationContext(perform_io_checks=False, known_files=known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = judge.validate_format(described, context=context)
    if summary.status == "failed":
        errors = [error for detail in summary.details for error in detail.errors]
        said = "; ".join(f"{'.'.join(map(str, e.loc))}: {e.msg}" for e in errors[:5])
        raise ValueError(f"{path}: not written, bioimageio.spec refuses its description: {said}")
