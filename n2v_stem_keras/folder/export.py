"""The network outside of TensorFlow: an ONNX graph in the model folder, for the other engines.

    network.onnx   (B, Y, X, C_in) -> (B, Y, X, C), float32, standardised frames of any size;
                   where a lattice image is made outside of the network, planes (B, C_in, Y, X) of
                   frames and lattice images instead (`network.unet.for_engines`)
    network.json   what it was made of: fingerprints of weights and graph, overlap of tiles

An export of other weights than the folder's is stale: it is refused, never silently used. So is one
that somebody else has made (`seal`): it is to be trusted like code. Knows nothing of Keras;
`prediction.convert` makes the graph.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..atomic import atomic, write_json
from ..config import N2VStemConfig
from . import folder as model_folder
from . import pretrained, seal
from .folder import FolderError

MAX_OVERLAP = 2**16  # [px]
MAX_GRAPH_BYTES = 2**31  # protobuf, in which it is written, knows no more
_EXPECTED = {"weights": str, "graph": str, "tile_overlap": int, "seal": str}


class NoExport(FolderError):
    """A model folder has no export that fits it."""


class StaleExport(NoExport):
    """The export was made of other weights, or of another network."""


class ForeignExport(StaleExport):
    """The export was made by another account, or by nobody knows whom."""


@dataclass(frozen=True)
class Export:
    """A network as ONNX.

    Attributes
    ----------
    graph : bytes
    weights : str
        Fingerprint of the network it was made of.
    tile_overlap : int
        Overlap that tiles need on each side [px]; see `prediction.tiles.Denoiser`.
    """

    graph: bytes
    weights: str
    tile_overlap: int


def fingerprint(config: N2VStemConfig, weights) -> str:
    """Return ``sha256:...`` of a network: what it is made of and its weights, in any order.

    Settings count where they differ from the default, which is what a network was before there was
    such a setting: so a new one changes no fingerprint.

    Parameters
    ----------
    config : N2VStemConfig
    weights : iterable of arrays
    """
    default, shape = N2VStemConfig(), {}
    for name in N2VStemConfig.names():
        value = getattr(config, name)
        own = name.startswith("unet_") and not name.startswith("unet_lattice")
        if own and value != getattr(default, name):
            shape[name] = value
    if config.lattice:
        # `lattice.layers.AsBlinded` weakens by these
        shape["lattice"] = [*config.lattice.fingerprint(), config.visible_shares]
    digests = []
    for array in weights:
        array = np.ascontiguousarray(array, np.float32)
        digests.append(hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest())
    whole = [shape, config.n_channel_in, config.n_channel_out, sorted(digests)]
    return _sha256(json.dumps(whole, sort_keys=True).encode())


def fingerprint_of(folder: Path, config: N2VStemConfig) -> str:
    """Return the fingerprint of the network in a model folder, without building it.

    Raises
    ------
    FolderError
        There are no weights, or their file is damaged or suspicious.
    """
    import h5py

    names = (model_folder.WEIGHTS_BEST, model_folder.WEIGHTS_LAST)
    name = next((n for n in names if model_folder.is_there(folder, n)), None)
    if name is None:
        raise FolderError(f"{folder}: was never trained (no weights); train it first")
    path = model_folder.own_file(folder, name)
    model_folder.check_weights(path, n_parameters=config.most_parameters)
    weights = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda _, item: weights.append(item[()]) if _is_array(item) else None)
    return fingerprint(config, weights)


def write(folder: Path, export: Export) -> Path:
    """Write an export into a model folder, and return the graph's path."""
    # while the graph is replaced there must be no description that seems to fit
    (folder / model_folder.EXPORT).unlink(missing_ok=True)
    with atomic(folder / model_folder.GRAPH) as temporary:
        temporary.write_bytes(export.graph)
    described = {
        "format_version": model_folder.FORMAT_VERSION,
        "weights": export.weights,
        "graph": _sha256(export.graph),
        "tile_overlap": export.tile_overlap,
    }
    described["seal"] = seal.seal(described)
    write_json(folder / model_folder.EXPORT, described)
    return folder / model_folder.GRAPH


def read(folder: Path, weights: str) -> Export | None:
    """Read the export of a model folder, trusting nothing.

    Parameters
    ----------
    folder : Path
    weights : str
        Fingerprint of the network that is wanted.

    Returns
    -------
    Export or None
        None if the folder has no export.

    Raises
    ------
    StaleExport
        It was made of another network, or (ForeignExport) by another account.
    FolderError
        It is damaged or suspicious.
    """
    folder = Path(folder)
    if not model_folder.is_there(folder, model_folder.EXPORT):
        return None
    path = folder / model_folder.EXPORT
    values = model_folder.read_json(folder, model_folder.EXPORT)
    described = {key: value for key, value in values.items() if key != "seal"}
    model_folder.check_version(values, path)
    values.setdefault("seal", "")
    for key, kind in _EXPECTED.items():
        if type(values.get(key)) is not kind:
            found = values.get(key, "nothing")
            raise FolderError(f"{path}: {key}: found {found!r}, expected {kind.__name__}")
    if unknown := set(values) - set(_EXPECTED):
        raise FolderError(f"{path}: unknown key {sorted(unknown)[0]!r}")
    overlap = values["tile_overlap"]
    if not 0 <= overlap <= MAX_OVERLAP:
        raise FolderError(f"{path}: tile_overlap: found {overlap}, expected 0 to {MAX_OVERLAP}")
    if values["weights"] != weights:
        raise StaleExport(
            f"{folder}: its ONNX export was made of other weights ({values['weights'][:19]}..., "
            f"the model has {weights[:19]}...); {remedy(folder, again=True)}"
        )
    graph = _read_graph(folder, values["graph"])
    if not (seal.is_sealed(described, values["seal"]) or _is_trusted(folder, described)):
        raise ForeignExport(
            f"{folder}: its ONNX export was not made by this account, and it runs like code; "
            f"{remedy(folder, again=True)}, or set {seal.TRUST}=1 if you trust whoever made it"
        )
    return Export(graph, weights, overlap)


def _is_trusted(folder: Path, described: dict) -> bool:
    """Return whether an export came with the package, or the user trusts those of others."""
    if pretrained.is_one(folder) or seal.trusts_others():
        return True
    installed = (pretrained.find(name) for name in pretrained.names())
    theirs = (
        model_folder.read_json(one, model_folder.EXPORT)
        for one in installed
        if (one / model_folder.EXPORT).exists()
    )
    # whoever made them may have put a seal on them
    return any({k: v for k, v in one.items() if k != "seal"} == described for one in theirs)


def remedy(folder: Path, again: bool = False) -> str:
    """Say how to make an export of a model folder, or to make it again."""
    if pretrained.is_one(folder):
        name = Path(folder).name
        return f"make a copy of the model with one: n2v-stem export {name} --out models/{name}"
    return f"{'export it again' if again else 'make one'}: n2v-stem export {folder}"


def _read_graph(folder: Path, expected: str) -> bytes:
    path = model_folder.own_file(folder, model_folder.GRAPH)
    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise FolderError(
            f"{path}: {path.stat().st_size} bytes, expected at most {MAX_GRAPH_BYTES}"
        )
    graph = path.read_bytes()
    if _sha256(graph) != expected:
        raise FolderError(
            f"{path}: is not the graph that {model_folder.EXPORT} describes; it is damaged, "
            f"{remedy(folder, again=True)}"
        )
    # the key under which ONNX keeps the names of files with further data; we write none
    if b"location" in graph:
        raise FolderError(f"{path}: keeps data outside the file; refused")
    return graph


def _is_array(item) -> bool:
    return hasattr(item, "dtype")


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
