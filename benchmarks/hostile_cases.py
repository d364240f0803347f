"""The cases of `hostile.py`: forged folders, damaged movies, odd arguments, odd surroundings.

A case is a group, a name and what is done in a child process, in a folder of its own: a command
line (`Cli`), a command of the shell (`Shell`) or a function (`Api`). `must` says how it has to end,
where that is known: 'refused', or 'done'.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


@dataclasses.dataclass
class Case:
    """One attack; `prepare(place, fixtures)` makes its files, which are not under test."""

    group: str
    name: str
    body: object
    must: str | None = None
    prepare: Callable | None = None


@dataclasses.dataclass
class Cli:
    """n2v-stem with these arguments; FIXTURES in one is where the whole files lie."""

    argv: list

    def __call__(self, fixtures):
        """Run the command; return its exit code."""
        from n2v_stem_keras.cli import main

        return main([str(word).replace("FIXTURES", str(fixtures)) for word in self.argv])


@dataclasses.dataclass
class Shell:
    """A command line of the shell; $N2V is n2v-stem, $F the fixtures."""

    line: str


@dataclasses.dataclass
class Api:
    """A function of the fixtures' folder."""

    function: Callable

    def __call__(self, fixtures):
        """Call the function; return 0."""
        self.function(fixtures)
        return 0


def all_cases() -> list[Case]:
    """Return all cases, the quick ones first."""
    made = [*arguments(), *forged_folders(), *movies(), *objects(), *surroundings()]
    names = [f"{case.group}/{case.name}" for case in made]
    assert len(set(names)) == len(names), "two cases have one name"
    return made


# -- what they start from -------------------------------------------------------------------------
def make_fixtures(place: Path) -> None:
    """Make whole models and movies: good, exported; half trained; one file of each format."""
    import h5py
    import instrument_files
    import keras

    from n2v_stem_keras import N2VStem, N2VStemConfig
    from n2v_stem_keras.io import Movie, write_movie
    from n2v_stem_keras.training import data

    data.FEW_PIXELS, data.MIN_VALIDATION_PIXELS = 0, 500  # they have to be there, not to be good
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    clean = np.stack([np.sin(y / 3) + np.cos(x / 4), np.cos(y / 5)], axis=-1)
    movie = (1000 + 30 * (clean + rng.normal(0, 0.7, (8, 48, 64, 2)))).astype(np.float32)
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.05, "frame_time_s": 0.5}
    whole = Movie.from_array(movie, "TYXC", **known)
    write_movie(place / "m.ome.tif", movie, like=whole)
    write_movie(place / "m.tif", movie[..., :1], like=whole.select([0]), format="imagej")
    write_movie(place / "m.hspy", movie, like=whole, format="hspy")
    np.save(place / "m.npy", movie)
    np.savez_compressed(place / "m.npz", movie=movie)
    with h5py.File(place / "m.h5", "w") as file:
        file.create_dataset("scan/movie", data=movie, chunks=(1, 48, 64, 2), compression="gzip")
    counts = np.clip(movie[..., 0], 0, 65535).astype("u2")
    instrument_files.write_ser(place / "m_ADF.ser", counts)
    instrument_files.write_ser(place / "m_BF.ser", counts[::-1])
    config = N2VStemConfig.preset(
        "laptop", unet_n_depth=1, unet_n_first=3, unet_kern_size_first=3, unet_lattice="none",
        n2v_patch_shape=(32, 32), train_epochs=1, train_steps_per_epoch=2, train_batch_size=2,
        unet_context=False,
    )  # fmt: skip
    model = N2VStem(config, "good", place / "models")
    model.train(movie, verbose=False)
    model.export(format="onnx")
    half = N2VStem(config, "half", place / "models")
    half.callbacks.append(keras.callbacks.LambdaCallback(on_epoch_begin=_interrupt))
    with contextlib.suppress(KeyboardInterrupt):
        half.train(movie, epochs=3, verbose=False)
    N2VStem(config, "empty", place / "models")


def _interrupt(epoch, logs):
    if epoch == 1:
        raise KeyboardInterrupt


def _copy(name="good"):
    def prepare(place, fixtures):
        shutil.copytree(fixtures / "models" / name, place / "m")

    return prepare


def _then(*steps):
    def prepare(place, fixtures):
        for step in steps:
            step(place, fixtures)

    return prepare


# -- forged folders -------------------------------------------------------------------------------
def _nested(n):
    return b'{"format_version": 1, "a": ' + b"[" * n + b"]" * n + b"}"


DAMAGES = {
    "empty": lambda text: b"",
    "cut": lambda text: text[: len(text) // 2],
    "list": lambda text: b"[1, 2]",
    "null": lambda text: b"null",
    "number": lambda text: b"3",
    "nested": lambda text: _nested(100_000),
    "digits": lambda text: b'{"format_version": ' + b"9" * 5000 + b"}",
    "infinite": lambda text: b'{"format_version": 1e999}',
    "nan": lambda text: b'{"format_version": NaN}',
    "twice": lambda text: b'{"format_version": 1, "format_version": 1}',
    "not utf-8": lambda text: b'{"\xff\xfe": 1}',
    "newer": lambda text: _changed(text, format_version=99),
    "unknown key": lambda text: _changed(text, **{"\x1b[2J\n": 1}),
    "no version": lambda text: _changed(text, format_version=None),
    "binary": lambda text: bytes(range(256)) * 20,
}


def _changed(text, **values):
    return json.dumps(json.loads(text) | values).encode()


def _open_export(fixtures):
    from n2v_stem_keras.prediction.predictor import ExportedModel

    ExportedModel("m")


def _open_model(fixtures):
    from n2v_stem_keras import N2VStem

    N2VStem(None, "m", ".")


def _load_checkpoint(fixtures):
    from n2v_stem_keras.training.checkpoint import load_checkpoint

    load_checkpoint(Path("m"))


READERS = {
    "config.json": ("good", Cli(["info", "m"])),
    "thresholds.json": ("good", Cli(["info", "m"])),
    "training.json": ("good", Cli(["info", "m"])),
    "network.json": ("good", Api(_open_export)),
    "checkpoint/epoch-0001/state.json": ("half", Api(_load_checkpoint)),
}


def _rewrite(name, change):
    def prepare(place, fixtures):
        path = place / "m" / name
        text = path.read_bytes()
        path.unlink()
        path.write_bytes(change(text))

    return prepare


def _replace(name, how):
    def prepare(place, fixtures):
        path = place / "m" / name
        path.unlink()
        how(path, fixtures)

    return prepare


def _sparse(size):
    def make(path, fixtures):
        with open(path, "wb") as file:
            file.truncate(size)

    return make


REPLACED = {
    "a folder": lambda path, fixtures: path.mkdir(),
    "a pipe": lambda path, fixtures: os.mkfifo(path),
    "a link outside": lambda path, fixtures: path.symlink_to("/etc/passwd"),
    "a link in a circle": lambda path, fixtures: path.symlink_to(path.name),
    "a link to a device": lambda path, fixtures: path.symlink_to("/dev/zero"),
    "40 GB": _sparse(40 * 2**30),
}


def forged_folders():
    """Yield attacks through the files of a model folder."""
    for file, (model, body) in READERS.items():
        for damage, change in DAMAGES.items():
            # a thresholds.json of this kind is one without a detector
            prepare = _then(_copy(model), _rewrite(file, change))
            yield Case("folders", f"{file}: {damage}", body, "refused", prepare)
        for damage, how in REPLACED.items():
            prepare = _then(_copy(model), _replace(file, how))
            yield Case("folders", f"{file}: {damage}", body, "refused", prepare)
    yield from _forged_values()
    yield from _forged_weights()
    yield from _forged_graphs()
    yield from _linked_folders()
    for name, argv in {
        "denoise": ["FIXTURES/m.ome.tif", "--out", "o"],
        "atoms": ["FIXTURES/m.ome.tif", "--out", "o"],
        "check": [],
        "live": ["--watch", ".", "--out", "o"],
    }.items():
        words = [name, *argv]
        words += (
            ["FIXTURES/models/empty"] if name == "check" else ["--model", "FIXTURES/models/empty"]
        )
        yield Case("folders", f"no weights: {name}", Cli(words), "refused")


VALUES = {
    "network larger than its weights": ("config.json", {"unet_n_first": 64, "unet_n_depth": 4}),
    "network of 10^10 parameters": ("config.json", {"unet_n_first": 512, "unet_n_depth": 6}),
    "features as text": ("config.json", {"unet_n_first": "3"}),
    "features of many digits": ("config.json", {"unet_n_first": 10**400}),
    "no detectors": ("config.json", {"channels": []}),
    "detector that steers": ("config.json", {"channels": ["\x1b[2J", "B"]}),
    "detector of 10^6 letters": ("config.json", {"channels": ["A" * 10**6, "B"]}),
    "other detectors": ("config.json", {"channels": ["A"]}),
    "patch of odd size": ("config.json", {"n2v_patch_shape": [33, 31]}),
    "runs that are numbers": ("training.json", {"runs": [1, 2]}),
    "runs without movies' names": ("training.json", {"runs": [{"finished": True, "movies": [{}]}]}),
    "movies as a number": ("training.json", {"runs": [{"finished": True, "movies": 3}]}),
    "history of texts": ("training.json", {"history": {"loss": ["a"]}}),
    "history of two lengths": ("training.json", {"history": {"loss": [1], "val_loss": [1, 2]}}),
    "distance of 10^6 nm": ("thresholds.json", {"ADF": {"atoms": {"min_distance_nm": 1e6}}}),
    "distance of 1e308 nm": ("thresholds.json", {"ADF": {"atoms": {"min_distance_nm": 1e308}}}),
    "sign of a text": ("thresholds.json", {"ADF": {"atoms": {"sign": "\x1b[1m"}}}),
    "parts as a list": ("thresholds.json", {"ADF": [1]}),
    "unknown detector": ("thresholds.json", {"\x1b]0;x\x07": {}}),
}
STATES = {
    "first epoch 10^12": {"first_epoch": 10**12},
    "epoch 10^12": {"epoch": 10**12},
    "epochs 0": {"epochs": 0},
    "negative": {"epoch": -1},
    "history of texts": {"history": {"loss": ["a"]}},
    "history too long": {"history": {"loss": [1.0] * 1000}},
    "best without a number": {"best": {"epoch": "x"}},
    "best as a list": {"best": [1]},
    "fingerprints of numbers": {"fingerprints": [1]},
    "true as a number": {"steps_per_epoch": True},
}


def _forged_values():
    for name, (file, values) in VALUES.items():
        prepare = _then(_copy(), _rewrite(file, lambda text, v=values: _changed(text, **v)))
        yield Case("folders", f"values: {name}", Api(_open_model), "refused", prepare)
    state = "checkpoint/epoch-0001/state.json"
    for name, values in STATES.items():
        prepare = _then(_copy("half"), _rewrite(state, lambda text, v=values: _changed(text, **v)))
        yield Case("folders", f"state: {name}", Api(_load_checkpoint), "refused", prepare)
    arrays = "checkpoint/epoch-0001/arrays.npz"
    for name, make in {
        "empty": lambda path: path.write_bytes(b""),
        "no zip": lambda path: path.write_bytes(b"PK" + bytes(1000)),
        "no arrays": lambda path: zipfile.ZipFile(path, "w").close(),
        "a bomb": lambda path: _zip_bomb(path, "w0"),
        "a bomb of a header": lambda path: _header_bomb(path),
        "objects": lambda path: np.savez(path, a=np.array([{}], object)),
    }.items():
        prepare = _then(_copy("half"), _replace(arrays, lambda path, fixtures, m=make: m(path)))
        yield Case("folders", f"arrays.npz: {name}", Api(_load_checkpoint), "refused", prepare)


def _zip_bomb(path, name, n_bytes=2**31):
    header = _npy_header((n_bytes // 4,))
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        file.write(header)
        for _ in range(n_bytes // 2**24):
            file.write(bytes(2**24))


def _header_bomb(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", _npy_header((10**6, 10**6)) + bytes(100))


def _npy_header(shape, descr="<f4"):
    import io

    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        made, {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    )
    return made.getvalue()


def _forged_weights():
    import h5py

    def attack(change):
        def prepare(place, fixtures):
            with h5py.File(place / "m" / "weights_best.weights.h5", "r+") as file:
                name = _first_array(file)
                change(file, name, file[name][()])

        return _then(_copy(), prepare)

    def put(**options):
        def change(file, name, value):
            del file[name]
            file.create_dataset(name, data=value, **options)

        return change

    def declare(file, name, value):
        del file[name]
        file.create_dataset(name, (2**20, 2**20), "f4", chunks=(1024, 1024))

    def link(file, name, value):
        del file[name]
        file[name] = h5py.ExternalLink("/etc/passwd", "/x")

    def nan(file, name, value):
        file[name][...] = np.nan

    def soft(file, name, value):
        del file[name]
        file[name] = h5py.SoftLink("/nowhere")

    def shape(file, name, value):
        del file[name]
        file[name] = value.ravel()

    def deep(file, name, value):
        group = file
        for _ in range(3000):
            group = group.create_group("g")

    attacks = {
        "chunked": put(chunks=True),
        "compressed": put(compression="gzip"),
        "shuffled": put(shuffle=True),
        "declared 10^12": declare,
        "a link to a file": link,
        "a soft link": soft,
        "NaN": nan,
        "other shape": shape,
        "text": lambda file, name, value: (file.pop(name), file.update({name: b"x"})),
        "nested 3000 times": deep,
        "a name that steers": lambda file, name, value: file.create_group("\x1b[2Jx"),
    }
    for name, change in attacks.items():
        must = None if "steers" in name else "refused"
        yield Case("folders", f"weights: {name}", Api(_open_model), must, attack(change))
    file = "weights_best.weights.h5"
    for name, how in {**REPLACED, "garbage": lambda p, f: p.write_bytes(bytes(range(256)))}.items():
        prepare = _then(_copy(), _replace(file, how))
        yield Case("folders", f"weights: {name}", Api(_open_model), "refused", prepare)
    for part in (0.1, 0.5, 0.9):
        cut = _rewrite(file, lambda text, part=part: text[: int(part * len(text))])
        prepare = _then(_copy(), cut)
        yield Case("folders", f"weights: cut at {part}", Api(_open_model), "refused", prepare)


def _first_array(group):
    found = []
    group.visititems(lambda name, item: found.append(name) if hasattr(item, "dtype") else None)
    return found[0]


def _forged_graphs():
    """Graphs of others with the right hashes in network.json."""

    def forge(make):
        def prepare(place, fixtures):
            import hashlib

            graph = make((place / "m" / "network.onnx").read_bytes())
            (place / "m" / "network.onnx").write_bytes(graph)
            path = place / "m" / "network.json"
            digest = f"sha256:{hashlib.sha256(graph).hexdigest()}"
            path.write_bytes(_changed(path.read_bytes(), graph=digest))

        return _then(_copy(), prepare)

    def made(op, **attributes):
        def make(graph):
            from onnx import TensorProto, helper

            shape = ["b", "y", "x", 2]
            ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "ab"]
            node = helper.make_node(op, ["a"], ["b"], **attributes)
            model = helper.make_model(
                helper.make_graph([node], "g", ends[:1], ends[1:]),
                opset_imports=[helper.make_opsetid("", 18)], ir_version=10,
            )  # fmt: skip
            return model.SerializeToString()

        return make

    def constant(graph):
        from onnx import TensorProto, helper

        shape = helper.make_tensor("s", TensorProto.INT64, [3], [2000, 2000, 2000])
        nodes = [
            helper.make_node("Constant", [], ["s"], value=shape),
            helper.make_node("ConstantOfShape", ["s"], ["b"]),
        ]
        ends = [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, None),
        ]
        opset = [helper.make_opsetid("", 18)]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
        return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()

    graphs = {
        "identity": made("Identity"),
        "NaN": made("Log"),
        "wrong shape": made("Shape"),
        "32 GB": constant,
        "OpenVINO IR": lambda graph: b'<?xml version="1.0"?><net name="x" version="11"/>',
        "garbage": lambda graph: bytes(range(256)),
        "empty": lambda graph: b"",
        "cut": lambda graph: graph[: len(graph) // 2],
        "outside data": lambda graph: graph + b"location",
    }
    for name, make in graphs.items():
        for engine in ("onnx", "openvino"):
            argv = ["denoise", "FIXTURES/m.ome.tif", "--model", "m", "--out", "o"]
            body = Cli([*argv, "--engine", engine])
            yield Case("folders", f"graph: {name} on {engine}", body, "refused", forge(make))
    for name, values in {"overlap": {"tile_overlap": 10**9}, "no seal": {"seal": 3}}.items():
        prepare = _then(_copy(), _rewrite("network.json", lambda t, v=values: _changed(t, **v)))
        yield Case("folders", f"graph: {name}", Api(_open_export), "refused", prepare)


def _linked_folders():
    def linked(name, model="half"):
        def prepare(place, fixtures):
            (place / "outside").mkdir()
            path = place / "m" / name
            if path.is_dir():
                shutil.rmtree(path)
            path.symlink_to(place / "outside", target_is_directory=True)

        return _then(_copy(model), prepare)

    def logs(fixtures):
        from n2v_stem_keras.folder.folder import own_folder

        own_folder(Path("m"), "logs")

    yield Case("folders", "linked: logs", Api(logs), "refused", linked("logs"))
    body = Api(_load_checkpoint)
    yield Case("folders", "linked: checkpoint", body, "refused", linked("checkpoint"))
    epoch = linked("checkpoint/epoch-0001")
    yield Case("folders", "linked: an epoch", body, "refused", epoch)

    def save(fixtures):
        from n2v_stem_keras import N2VStem

        N2VStem(None, "m", ".").export()

    yield Case(
        "folders", "linked: saved_model", Api(save), "refused", linked("saved_model", "good")
    )


# -- movies ---------------------------------------------------------------------------------------
FILES = ("m.ome.tif", "m.tif", "m.hspy", "m.npy", "m.npz", "m.h5", "m_ADF.ser")


def _damaged(name, change):
    def prepare(place, fixtures):
        (place / name).write_bytes(change((fixtures / name).read_bytes()))

    return prepare


def _zeroed(data):
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


FILE_DAMAGES = {
    "empty": lambda data: b"",
    "16 bytes": lambda data: data[:16],
    "a tenth": lambda data: data[: len(data) // 10],
    "half": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "zeros within": _zeroed,
    "bits turned": lambda data: bytes(b ^ 0xFF for b in data[:4096]) + data[4096:],
    "text": lambda data: b"no movie\n" * 1000,
    "garbage": lambda data: np.random.default_rng(1).bytes(5000),
}


def movies():
    """Yield damaged, forged and odd movies."""
    for name in FILES:
        for damage, change in FILE_DAMAGES.items():
            prepare = _damaged(name, change)
            # the last bytes of some formats say nothing, and zeros are values
            must = "refused" if damage in ("empty", "16 bytes", "text", "garbage") else None
            yield Case("movies", f"{name}: {damage}", Cli(["info", name]), must, prepare)
    yield from _bombs()
    yield from _odd_files()
    yield from _odd_names()
    yield from _odd_values()


def _bombs():
    import h5py

    def npy(place, fixtures):
        (place / "b.npy").write_bytes(_npy_header((10**6, 10**6)) + bytes(1000))

    def npz(place, fixtures):
        _zip_bomb(place / "b.npz", "a")

    def npz_header(place, fixtures):
        _header_bomb(place / "b.npz")

    def h5(shape, chunks):
        def prepare(place, fixtures):
            with h5py.File(place / "b.h5", "w") as file:
                file.create_dataset("a", shape, "f4", chunks=chunks, compression="gzip")

        return prepare

    def tiff(place, fixtures):
        import tifffile

        tifffile.imwrite(place / "b.tif", np.zeros((8, 8), "u1"))
        data = bytearray((place / "b.tif").read_bytes())
        place_of = int.from_bytes(data[4:8], "little")
        n_tags = int.from_bytes(data[place_of : place_of + 2], "little")
        for i in range(n_tags):
            start = place_of + 2 + 12 * i
            if int.from_bytes(data[start : start + 2], "little") in (256, 257):
                data[start + 2 : start + 12] = (
                    (4).to_bytes(2, "little")
                    + (1).to_bytes(4, "little")
                    + (10**6).to_bytes(4, "little")
                )
        (place / "b.tif").write_bytes(data)

    def zarr_one(place, fixtures):
        import zarr

        zarr.create_array(
            str(place / "b.zarr"), shape=(10**9, 512, 512), chunks=(1, 512, 512), dtype="f4"
        )

    bombs = {
        "npy of 10^6 x 10^6": (npy, "b.npy"),
        "npz that unpacks to 2 GB": (npz, "b.npz"),
        "npz with a header of 4 TB": (npz_header, "b.npz"),
        "h5 of 10^6 x 10^6": (h5((10**6, 10**6), (1000, 1000)), "b.h5"),
        "h5 of 10^9 frames": (h5((10**9, 64, 64), (1, 64, 64)), "b.h5"),
        "h5 in chunks of 2 GB": (h5((4, 20000, 20000), (1, 20000, 20000)), "b.h5"),
        "tiff of 10^6 x 10^6": (tiff, "b.tif"),
        "zarr of 10^9 frames": (zarr_one, "b.zarr"),
    }
    for name, (prepare, file) in bombs.items():
        yield Case("movies", f"bomb: {name}", Cli(["info", file]), "refused", prepare)


def _odd_files():
    odd = {
        "a pipe": lambda place, fixtures: os.mkfifo(place / "a.tif"),
        "a folder": lambda place, fixtures: (place / "a.tif").mkdir(),
        "a link in a circle": lambda place, fixtures: (place / "a.tif").symlink_to("a.tif"),
        "a link to nothing": lambda place, fixtures: (place / "a.tif").symlink_to("b.tif"),
        "a device": lambda place, fixtures: (place / "a.tif").symlink_to("/dev/zero"),
        "npy by name": _renamed("m.npy"),
        "h5 by name": _renamed("m.h5"),
        "ser by name": _renamed("m_ADF.ser"),
    }
    for name, prepare in odd.items():
        yield Case("movies", f"odd: {name}", Cli(["info", "a.tif"]), "refused", prepare)
    for suffix in ("", ".xyz", ".png", ".csv", ".zarr", ".emd", ".dm4", ".mrc", ".emi"):
        prepare = _damaged_as(f"a{suffix}")
        yield Case(
            "movies", f"odd: text as {suffix}", Cli(["info", f"a{suffix}"]), "refused", prepare
        )


def _damaged_as(name):
    return lambda place, fixtures: (place / name).write_text("no movie\n" * 200)


def _renamed(name):
    return lambda place, fixtures: shutil.copy(fixtures / name, place / "a.tif")


NAMES = {
    "steers": "a\x1b[2J\x1b]0;x\x07.npy",
    "two lines": "a\nn2v-stem: all is well.npy",
    "not utf-8": b"a\xff\xfe.npy",
    "dollars": "a$b_{c$.npy",
    "percent": "a%s%d{0}.npy",
    "200 letters": "a" * 200 + ".npy",
    "80 letters of 3 bytes": "\u4e2d" * 80 + ".npy",
    "spaces": "  a b  .npy",
    "turned": "a\u202egnp.npy",
    "quotes": "a'\"`b.npy",
    "glob": "a[1]*?.npy",
    "braces": "{name}_{detector}.npy",
    "colons": "a::b.npy",
}


def _odd_names():
    def put(name):
        def prepare(place, fixtures):
            path = os.path.join(os.fsencode(place), os.fsencode(name))
            shutil.copy(fixtures / "m.npy", path)

        return prepare

    for label, name in NAMES.items():
        word = os.fsdecode(name)
        yield Case("names", f"info: {label}", Cli(["info", word]), "done", put(name))
        argv = ["denoise", word, "--model", "FIXTURES/models/good", "--out", "o"]
        # what is longer than a file's name can be is refused
        must = None if "letters" in label else "done"
        yield Case("names", f"denoise: {label}", Cli(argv), must, put(name))
        argv = [
            "train",
            word,
            "--dry-run",
            "--set",
            "unet_context=false",
            "--set",
            "unet_lattice=none",
        ]
        yield Case("names", f"train: {label}", Cli(argv), None, put(name))


def _odd_values():
    rng = np.random.default_rng(2)
    good = rng.normal(100, 10, (4, 32, 32)).astype("f4")
    values = {
        "one pixel": np.ones((4, 1, 1), "f4"),
        "one row": good[:, :1],
        "one frame": good[:1],
        "constant": np.ones_like(good),
        "NaN": np.where(good > 110, np.nan, good),
        "all NaN": np.full_like(good, np.nan),
        "infinite": np.where(good > 110, np.inf, good),
        "1e37": good * np.float32(1e35),
        "1e300": good.astype("f8") * 1e300,
        "tiny": good * np.float32(1e-40),
        "truth values": good > 100,
        "complex": good.astype("c8"),
        "text": good.astype("U8"),
        "objects": good.astype(object),
        "dates": good.astype("i8").astype("M8[s]"),
        "structures": np.zeros((4, 8), [("a", "f4")]),
        "half floats": good.astype("f2"),
        "long floats": good.astype(np.longdouble),
        "big-endian": good.astype(">f4"),
        "uint64 near the end": np.full(good.shape, 2**64 - 1, "u8"),
        "five axes": good[None, None],
        "six axes": good[None, None, None],
        "one axis": good.ravel(),
        "no axes": np.float32(3),
        "no frames": good[:0],
    }
    for name, array in values.items():

        def prepare(place, fixtures, array=array):
            np.save(place / "v.npy", array, allow_pickle=True)

        yield Case("values", f"info: {name}", Cli(["info", "v.npy"]), None, prepare)
        argv = ["train", "v.npy", "--dry-run", "--axes", "TYX"]
        yield Case("values", f"train: {name}", Cli(argv), None, prepare)


# -- objects in Python ----------------------------------------------------------------------------
def _with_model(action):
    def function(fixtures):
        from n2v_stem_keras import open_model

        action(open_model(fixtures / "models" / "good", "onnx"))

    return Api(function)


def objects():
    """Yield odd objects in the place of movies, frames and options."""
    movie = np.random.default_rng(3).normal(100, 10, (4, 32, 32, 2)).astype("f4")

    def frame_table(model):
        import pandas as pd

        model.predict(pd.DataFrame(movie[0, ..., 0]))

    def dask_unknown(model):
        import dask.array as da

        array = da.from_array(movie)
        model.predict(array[array[:, 0, 0, 0] > 0])

    refused = {
        "DataFrame": frame_table,
        "dict of arrays": lambda m: m.predict({"ADF": movie[..., 0], "BF": movie[..., 1]}),
        "empty dict": lambda m: m.predict({}),
        "None": lambda m: m.predict(None),
        "number": lambda m: m.predict(3),
        "bytes": lambda m: m.predict(b"a.tif"),
        "empty path": lambda m: m.predict(""),
        "null byte": lambda m: m.predict("a\0.tif"),
        "surrogate": lambda m: m.predict("a\ud800.tif"),
        "set": lambda m: m.predict({1, 2}),
        "generator": lambda m: m.predict(f for f in movie),
        "list of texts": lambda m: m.predict(["a", "b"]),
        "empty list": lambda m: m.predict([]),
        "ragged list": lambda m: m.predict([movie[0], movie[0, :3]]),
        "complex": lambda m: m.predict(movie.astype("c8")),
        "objects": lambda m: m.predict(movie.astype(object)),
        "truth values": lambda m: m.predict(movie > 100),
        "dask of unknown length": dask_unknown,
        "n_tiles 5": lambda m: m.predict(movie, n_tiles=5),
        "n_tiles of zeros": lambda m: m.predict(movie, n_tiles=(0, 0)),
        "n_tiles of fractions": lambda m: m.predict(movie, n_tiles=(1.5, 2)),
        "n_tiles of texts": lambda m: m.predict(movie, n_tiles=("a", "b")),
        "axes of a number": lambda m: m.predict(movie, axes=3),
        "axes of other letters": lambda m: m.predict(movie, axes="ABCD"),
        "detectors of numbers": lambda m: m.predict(movie, detectors=(1, 2)),
        "pixel size nan": lambda m: m.predict(movie, pixel_size_nm=float("nan")),
        "threads 5000": lambda m: m.predict(movie, threads=5000),
        "context": lambda m: m.predict(movie, context="future"),
        "stream of complex": lambda m: list(m.stream([movie[0].astype("c8")])),
        "stream of objects": lambda m: list(m.stream([movie[0].astype(object)])),
        "stream of truth": lambda m: list(m.stream([movie[0] > 100])),
        "stream of texts": lambda m: list(m.stream(["a"])),
        "stream of None": lambda m: list(m.stream([None])),
        "stream of ragged": lambda m: list(m.stream([[[1, 2], [3]]])),
        "stream of three detectors": lambda m: list(m.stream([np.zeros((8, 8, 3))])),
        "stream of NaN": lambda m: list(m.stream([np.full((32, 32, 2), np.nan)])),
        "stream of no iterable": lambda m: list(m.stream(3)),
        "mean without sd": lambda m: list(m.stream([movie[0]], mean=1.0)),
        "rate of false": lambda m: m.deviations(movie, false_per_Mpx=-1),
    }
    for name, action in refused.items():
        yield Case("objects", name, _with_model(action), "refused")
    done = {
        "stream of changing shape": lambda m: list(m.stream([movie[0], movie[0, :24]])),
        "stream of nothing": lambda m: list(m.stream([])),
        "memory-mapped": lambda m: m.predict(movie[::-1, ::-1]),
        "frozen": lambda m: m.predict(np.frombuffer(movie.tobytes(), "f4").reshape(movie.shape)),
    }
    for name, action in done.items():
        yield Case("objects", name, _with_model(action), None)

    def no_atoms(fixtures):
        import pandas as pd

        from n2v_stem_keras.atoms.find import columns
        from n2v_stem_keras.atoms.track import link

        for n_frames in (None, 4):
            link(pd.DataFrame(columns=columns(["ADF"])), n_frames=n_frames)

    yield Case("objects", "no atoms to link", Api(no_atoms), "done")
    for name, value in {
        "null byte": "a\0b",
        "surrogate": "a\ud800",
        "path": "a/b",
        "dots": "..",
    }.items():

        def create(fixtures, value=value):
            from n2v_stem_keras import N2VStem, N2VStemConfig

            N2VStem(N2VStemConfig.preset("live"), value, ".")

        yield Case("objects", f"model's name: {name}", Api(create), "refused")


# -- arguments ------------------------------------------------------------------------------------
BAD = {
    "number": ("nan", "inf", "-1", "0", "1e309", "abc", "", "9" * 5000),
    "text": ("", "\x1b[2J", "../../x", "9" * 5000, "[" * 3000, "a,b,c", "nan", "/dev/null"),
}
BASES = {
    "train": ["FIXTURES/m.ome.tif", "--basedir", "b", "--dry-run", "--set", "unet_lattice=none"],
    "denoise": ["FIXTURES/m.ome.tif", "--model", "FIXTURES/models/good", "--dry-run"],
    "live": ["--watch", "w", "--out", "o", "--model", "FIXTURES/models/good", "--dry-run"],
    "evaluate": ["FIXTURES/models/good", "--dry-run"],
    "atoms": ["FIXTURES/m.ome.tif", "--model", "FIXTURES/models/good", "--dry-run"],
    "check": ["FIXTURES/models/good", "--dry-run"],
    "export": ["FIXTURES/models/empty"],
    "info": ["FIXTURES/m.ome.tif"],
    "simulate": ["o", "--dry-run"],
}
RUN_FILES = {
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nmovies: [*c, *c]\n",
    "an alias to itself": "movies: &a [*a]\n",
    "50 000 keys": "".join(f"k{i}: 1\n" for i in range(50_000)),
    "50 000 movies": "movies: [" + ", ".join("a.tif" for _ in range(50_000)) + "]\n",
    "2 MB": "# " + "x" * 2_000_000,
    "deep": "movies: " + "[" * 20_000 + "]" * 20_000,
    "5000 digits": "epochs: " + "9" * 5000 + "\n",
    "a date": "epochs: 2020-13-45\n",
    "a null byte": "name: a\0b\n",
    "an escaped null byte": 'name: "a\\0b"\n',
    "a surrogate": 'name: "a\\ud800"\n',
    "an object": "name: !!python/object/apply:os.system [ls]\n",
    "a list": "- a\n- b\n",
    "a text": "hello\n",
    "binary": "\x00\x01\x02\xff",
    "a key that steers": '"\\e[2J": 1\n',
    "a mapping as name": "name: {a: b}\n",
    "nan": "epochs: .nan\n",
    "a key that is a list": "? [a, b]\n: 1\n",
    "twice": "name: a\nname: b\n",
}


def arguments():
    """Yield each option of each command with odd values, and odd run files."""
    from n2v_stem_keras.cli import build_parser

    commands = next(
        a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)
    ).choices
    turn = 0
    for command, base in BASES.items():
        for action in commands[command]._actions:
            if not action.option_strings or action.nargs == 0 or action.dest in ("help", "run"):
                continue
            kind = "number" if action.type in (int, float) else "text"
            for _ in range(2):
                value = BAD[kind][turn % len(BAD[kind])]
                turn += 1
                name = f"{command} {action.option_strings[-1]}={_short(value)}"
                body = Cli([command, *base, f"{action.option_strings[-1]}={value}"])
                yield Case("arguments", f"{turn}: {name}", body, None, _a_folder("w"))
        if command != "evaluate":  # which then evaluates, for minutes
            yield Case("arguments", f"{command} without anything", Cli([command]), None)
        for word in ("--nonsense", "\x1b[2J"):
            yield Case("arguments", f"{command} {_short(word)}", Cli([command, *base, word]), None)
    for name, text in RUN_FILES.items():
        prepare = _run_file(text)
        body = Cli(["train", "FIXTURES/m.ome.tif", "--dry-run", "--run", "run.yaml"])
        # of movies the command line has the last word
        must = None if name == "50 000 movies" else "refused"
        yield Case("run files", name, body, must, prepare)


def _a_folder(name):
    return lambda place, fixtures: (place / name).mkdir()


def _run_file(text):
    return lambda place, fixtures: (place / "run.yaml").write_bytes(text.encode("utf-8", "replace"))


def _short(value):
    return ascii(value if len(value) < 20 else f"{value[:5]}...({len(value)})")[1:-1]


# -- surroundings ---------------------------------------------------------------------------------
DENOISE = "$N2V denoise $F/m.ome.tif --model $F/models/good --out o"
SHELLS = {
    "info | head -1": "$N2V info $F/m.ome.tif | head -1",
    "info --json | head -1": "$N2V info --json $F/m.ome.tif | head -1",
    "denoise | true": f"{DENOISE} | true",
    "template | head -1": "$N2V train --run-template | head -1",
    "help | true": "$N2V --help | true",
    "stdout closed": "$N2V info $F/m.ome.tif >&-",
    "stderr closed": f"{DENOISE} 2>&-",
    "all closed": f"{DENOISE} <&- >&- 2>&-",
    "stdout full": "$N2V info $F/m.ome.tif > /dev/full",
    "stderr full": "$N2V info nowhere.tif 2> /dev/full",
    "optimised": "PYTHONOPTIMIZE=2 $N2V --help",
    "optimised denoise": f"PYTHONOPTIMIZE=2 {DENOISE}",
    "plain ASCII": f"LC_ALL=C PYTHONIOENCODING=ascii PYTHONUTF8=0 {DENOISE}",
    "MPLBACKEND of nonsense": f"MPLBACKEND=nonsense {DENOISE}",
    "MPLBACKEND of a window": f"MPLBACKEND=QtAgg {DENOISE}",
    "no home": f"HOME=/nowhere XDG_DATA_HOME= {DENOISE}",
    "no home, export": "cp -r $F/models/good m; HOME=/dev/null XDG_DATA_HOME= $N2V export m",
    "no temporary folder": f"TMPDIR=/nowhere {DENOISE}",
    "few open files": f"ulimit -n 40; {DENOISE}",
    "files of 10 kB": f"ulimit -f 10; {DENOISE}",
    "threads 5000": f"{DENOISE} --threads 5000",
    "threads 0": f"{DENOISE} --threads 0",
    "out is a file": f"echo > o; {DENOISE}",
    "out is a device": f"{DENOISE}/x > /dev/null --overwrite --out /dev/null",
    "working folder is gone": "mkdir g; cd g; rmdir ../g; $N2V info $F/m.ome.tif",
    "umask": f"umask 777; {DENOISE}",
    "warnings are errors": f"PYTHONWARNINGS=error {DENOISE}",
    "no terminal": f"TERM= COLUMNS=-5 {DENOISE}",
    "narrow": "COLUMNS=1 $N2V train --help",
    "log level": f"TF_CPP_MIN_LOG_LEVEL=abc {DENOISE}",
    "bad threads of TensorFlow": f"TF_NUM_INTRAOP_THREADS=abc {DENOISE}",
    "train in a file": "echo > models; $N2V train $F/m.ome.tif --name x",
    "doctor": "$N2V doctor --json | head -1",
}


def surroundings():
    """Yield commands in odd surroundings."""
    for name, line in SHELLS.items():
        yield Case("surroundings", name, Shell(line), None)
