"""The words of a package for the BioImage Model Zoo: rdf.yaml, its README, its environment.

Format 0.5 of https://github.com/bioimage-io/spec-bioimage-io. Nothing here knows of files or runs a
network; `bioimageio` does. The package bioimageio.spec judges what is written, where it is
installed, but does not build it: what is said would be as long, and only the YAML, the hashes and
the zip, ten lines, would be its work, for 22 more packages and seconds of import.
"""

from __future__ import annotations

import importlib.metadata
import json
import re

import numpy as np

from .._version import __version__
from ..folder import card
from ..folder import folder as model_folder

FORMAT_VERSION = "0.5.14"
RDF, CARD, ENVIRONMENT = "rdf.yaml", "README.md", "environment.yaml"
KERAS, ONNX = "weights.keras", "weights.onnx"
TEST_INPUT, TEST_OUTPUT, COVER = "test_input.npy", "test_output.npy", "cover.png"
SAMPLE_INPUT, SAMPLE_OUTPUT = "sample_input.tif", "sample_output.tif"
EPS = 1e-9  # added to the standard deviation by zero_mean_unit_variance, which needs one above 0
TOLERANCE = 1e-3  # of outputs that others reproduce; at most 1 % of the largest is allowed
AUTHOR_KEYS = ("name", "affiliation", "orcid", "email", "github_user")
CITE = (
    (
        "Thornley, W., Sullivan-Allsop, S., Cai, R. et al. Noise2Void for denoising atomic "
        "resolution scanning transmission electron microscopy images. npj Comput. Mater. 12, 68 "
        "(2026)",
        "10.1038/s41524-025-01939-1",
    ),
    (
        "Krull, A., Buchholz, T.-O., Jug, F. Noise2Void - Learning Denoising from Single Noisy "
        "Images. CVPR (2019)",
        "10.1109/CVPR.2019.00223",
    ),
)


# -- what a person says ---------------------------------------------------------------------------
def checked_authors(authors) -> list[dict]:
    """Return authors as dictionaries.

    Parameters
    ----------
    authors : str, dict, or sequence of these

    Raises
    ------
    ValueError
        None are given, one has no name, or an entry is not known.

    Examples
    --------
    >>> checked_authors(["Ada Lovelace", {"name": "Jane Doe", "affiliation": "Somewhere"}])
    [{'name': 'Ada Lovelace'}, {'name': 'Jane Doe', 'affiliation': 'Somewhere'}]
    """
    if not authors:
        raise ValueError(
            "no authors given; a package of bioimage.io names who answers for it: "
            "authors=['Jane Doe']"
        )
    many = [authors] if isinstance(authors, (str, dict)) else list(authors)
    return [_checked_author({"name": one} if isinstance(one, str) else one) for one in many]


def _checked_author(author) -> dict:
    if not isinstance(author, dict):
        raise ValueError(f"author {author!r}: found {type(author).__name__}, expected a name")
    unknown = sorted(set(author) - set(AUTHOR_KEYS))
    if unknown:
        raise ValueError(
            f"author {author.get('name')!r}: unknown entry {unknown[0]!r}, expected "
            f"{', '.join(AUTHOR_KEYS)}"
        )
    author = {key: str(author[key]).strip() for key in AUTHOR_KEYS if author.get(key)}
    name = author.get("name", "")
    if not name or "/" in name or "\\" in name:
        raise ValueError(f"author {name!r}: expected a name without slashes")
    orcid = author.get("orcid")
    if orcid and not re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", orcid):
        raise ValueError(f"author {name!r}: orcid is {orcid!r}, expected 0000-0000-0000-0000")
    return author


def checked_license(license) -> str:
    """Return the licence, or raise an error if there is none that looks like one."""
    if not license:
        raise ValueError(
            "no licence given; say under which one others may use the model, e.g. "
            "license='CC-BY-4.0'"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", license):
        raise ValueError(
            f"license is {license!r}, expected an identifier of https://spdx.org/licenses"
        )
    return license


def checked_name(name: str | None, model_name: str) -> str:
    """Return the name of a package, by default made of that of the model.

    Examples
    --------
    >>> checked_name(None, "au.graphene 2")
    'Noise2Void STEM au-graphene 2'
    """
    if name is None:
        return f"Noise2Void STEM {re.sub('[^A-Za-z0-9_+() -]', '-', model_name)}"[:128]
    if not re.fullmatch(r"[A-Za-z0-9_+() -]{5,128}", name):
        raise ValueError(
            f"name is {name!r}, expected 5 to 128 letters, digits, spaces and _+-() only"
        )
    return name


# -- rdf.yaml -------------------------------------------------------------------------------------
def describe(model, about: dict, test, hashes: dict, opset: int, export) -> dict:
    """Return the content of rdf.yaml.

    Parameters
    ----------
    model : N2VStem
    about : dict
        name, authors, license, description (or None).
    test : bioimageio.TestFrame
    hashes : dict
        File -> SHA-256, hexadecimal.
    opset : int
        Version of the operators of the ONNX graph.
    export : folder.export.Export
    """

    def file(name):
        return {"source": name, "sha256": hashes[name]}

    described = {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": about["name"],
        "description": about["description"] or _description(model.config),
        "authors": about["authors"],
        "license": about["license"],
        "cite": [{"text": text, "doi": doi} for text, doi in CITE],
        "documentation": file(CARD),
        "covers": [file(COVER)],
        "attachments": [file(ENVIRONMENT)],
        "tags": [
            "electron-microscopy", "STEM", "2d", "denoising", "image-restoration", "unet", "n2v",
            "noise2void", "tensorflow",
        ],
        "inputs": [_input(model.config, test, file)],
        "outputs": [_output(model.config, test, file)],
        "weights": _weights(file, opset),
        "config": _extra(model, test, export),
    }  # fmt: skip
    # tuples become lists, and what is named twice is there twice: YAML without tags and anchors
    return json.loads(json.dumps(described))


def _description(config) -> str:
    return (
        "Noise2Void denoising of atomic-resolution STEM movies, detectors "
        f"{', '.join(config.channels)}; trained on noisy movies alone with n2v_stem_keras."
    )


def _input(config, test, file) -> dict:
    size = {"min": config.size_multiple, "step": config.size_multiple}
    return {
        "id": "frames",
        "description": "noisy frames in raw units, detectors as channels",
        "axes": _axes(config.channels, test, size, size),
        "data": {"type": "float32"},
        "test_tensor": file(TEST_INPUT),
        "sample_tensor": file(SAMPLE_INPUT),
        "preprocessing": [
            {
                "id": "zero_mean_unit_variance",
                "kwargs": {"axes": ["batch", "y", "x"], "eps": EPS},
            }
        ],
    }


def _output(config, test, file) -> dict:
    y, x = ({"tensor_id": "frames", "axis_id": axis} for axis in "yx")
    return {
        "id": "denoised",
        "description": "denoised frames, in standard deviations of the input around its mean",
        "axes": _axes(config.channels, test, y, x),
        "data": {"type": "float32"},
        "test_tensor": file(TEST_OUTPUT),
        "sample_tensor": file(SAMPLE_OUTPUT),
    }


def _axes(channels, test, size_y, size_x) -> list[dict]:
    # the length of an output axis is length * scale / scale of the input, by the specification:
    # exact where the scale has no more than the 24 bits of single precision, else 88 may be 87.99
    space = {"type": "space", "unit": "nanometer", "scale": float(np.float32(test.pixel_size_nm))}
    return [
        {"type": "batch", "description": "frames of one movie"},
        {**space, "id": "y", "size": size_y, "description": "slow scan axis"},
        {**space, "id": "x", "size": size_x, "description": "fast scan axis"},
        {"type": "channel", "channel_names": list(channels), "description": "detectors"},
    ]


def _weights(file, opset) -> dict:
    versions = card.environment()["versions"]
    return {
        "keras_v3": {
            **file(KERAS),
            "keras_version": versions["keras"],
            "backend": ["tensorflow", versions["tensorflow"]],
            "comment": "Has layers of its own: pip install "
            f"n2v_stem_keras=={__version__} (see {ENVIRONMENT}), and import n2v_stem_keras.network "
            "before keras.saving.load_model.",
        },
        "onnx": {
            **file(ONNX),
            "opset_version": opset,
            "parent": "keras_v3",
            "comment": "Self-contained; tested with ONNX Runtime on the CPU.",
        },
    }


def _extra(model, test, export) -> dict:
    """Return what only this package asks for, and how exactly others must reproduce the test."""
    largest = float(test.output.max())
    tolerance = {
        "output_ids": ["denoised"],
        "relative_tolerance": TOLERANCE,
        "absolute_tolerance": min(TOLERANCE, max(0.0, 0.009 * largest)),
    }
    return {
        "bioimageio": {
            "reproducibility_tolerance": [tolerance],
            "modality": "scanning transmission electron microscopy",
            "task": "denoising",
        },
        "n2v_stem_keras": {
            "version": __version__,
            "model": model.name,
            "fingerprint": export.weights,
            "tile_overlap_px": export.tile_overlap,
            "config": model.config.to_dict(),
            "thresholds": model.thresholds,
            "test_input": test.origin,
        },
    }


def as_yaml(values: dict) -> str:
    """Return YAML, in the order of the values."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


# -- README.md and environment.yaml ---------------------------------------------------------------
def environment() -> str:
    """Return a conda environment in which weights.keras can be opened."""
    versions = {name: importlib.metadata.version(name) for name in ("keras", "tensorflow")}
    pinned = [f"n2v_stem_keras=={__version__}", *(f"{k}=={v}" for k, v in versions.items())]
    return as_yaml(
        {
            "name": "n2v-stem",
            "channels": ["conda-forge"],
            "dependencies": ["python>=3.11,<3.14", "pip", {"pip": pinned}],
        }
    )


def documentation(model, name: str, test, tile_overlap: int) -> str:
    """Return the README: the model's card, how to use the package, how to validate it."""
    text = _card(model)
    config, shape = model.config, " x ".join(map(str, test.raw.shape))
    return f"""{text.rstrip() if text else f"# {name}"}

## Use of this package

`{ONNX}` needs ONNX Runtime and nothing else. `{KERAS}` has layers of its own: install
`n2v_stem_keras=={__version__}` (`{ENVIRONMENT}`), and import them first:

```python
import keras, n2v_stem_keras.network  # the import makes the layers known

network = keras.saving.load_model("{KERAS}")
```

Input, float32, axes batch, y, x, channel: {", ".join(config.channels)}. The batch holds the
frames of one movie. {_context(config)}Both sides are multiples of {config.size_multiple} px.

1. Outside the network, before: each channel is standardised by its mean and standard deviation
   over all frames of the movie (`zero_mean_unit_variance` over batch, y, x). Give the frames in raw
   units, and all frames of a movie together, or at least as many as have its statistics.
2. Inside the network: everything else{_inside(config)}.
3. Outside, after: the output is in standard deviations of the input around its mean. For the
   input's units: `denoised = output * sd + mean`, with the two numbers of step 1. The specification
   has no operation for this; `scale_mean_variance` would be wrong, since it would stretch the
   denoised frame to the standard deviation of the noisy one.

Give whole frames. If they must be cut into tiles, tiles must overlap by {tile_overlap} px on each
side{_grid(config)}. No halo is declared, because a program would then pad frames that are smaller.
n2v_stem_keras does all of this by itself, reads the files of microscopes, and warns where noise or
pixel size lie outside of what the model was trained for.

The axes' scale, {test.pixel_size_nm:.4g} nm/px, is that of the test input.

## Validation

The test input is {test.origin} ({shape}, raw units); both kinds of weights reproduce the test
output from it. This shows that the network arrived whole, not that it suits your data. For that:

- Denoise movies with known truth, and compare with classical filters: `n2v-stem simulate`,
  `n2v-stem evaluate` (PSNR, SSIM, contrast of single atoms).
- Test for artefacts, that is atoms or lattice made of noise, drawn into holes, or leaked between
  detectors: `n2v-stem check`.
- On your own movie, look at input minus output: it should be white noise, without atoms or lattice.
- Noise that is correlated between neighbouring pixels passes through: `n2v-stem info MOVIE`
  measures it.
"""


def _card(model) -> str:
    """Return the card of a model's folder, or one made now."""
    folder = model.folder
    if folder is not None and (folder / model_folder.CARD).exists():
        return model_folder.own_file(folder, model_folder.CARD).read_text(encoding="utf-8")
    return card.write(model) if model.record["runs"] else ""


def _context(config) -> str:
    if not config.unet_context:
        return ""
    return (
        "Each is denoised by itself, although the model was trained to look at the frames around, "
        "too, which makes it better: for that, use n2v_stem_keras. "
    )


def _inside(config) -> str:
    if not config.lattice:
        return ""
    return f", also the local Wiener filter (windows of {config.unet_lattice_window} px)"


def _grid(config) -> str:
    return f" and start on multiples of {config.tile_multiple} px"
