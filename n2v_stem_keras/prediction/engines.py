"""What runs the network at prediction time: TensorFlow, OpenVINO or ONNX Runtime.

TensorFlow is always there. The other two (extras ``openvino`` and ``onnx``) run the ONNX graph of
`folder.export`, on the CPU or on another device (`devices`), and import no TensorFlow. An engine
takes and gives standardised frames, ``run(frames)``, (B, Y, X, C_in) -> (B, Y, X, C) float32, Y and
X multiples of
``config.size_multiple``; all agree to rounding. Where the lattice image of whole frames is made
before, ``run`` takes what `lattice.LatticeImage.inputs` returns (`network.unet.for_engines`).

A new engine is a class here, in `EXPORT_ENGINES`, and an extra of its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import os
import threading
import time
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from ..folder.export import Export
from ..folder.folder import FolderError
from . import devices
from .devices import AUTO, CPU

MOST_THREADS = 256  # more than nearly all machines have cores


def check(engine: str, threads: int | None = None) -> None:
    """Raise an error if there is no such engine, device or number of threads.

    Parameters
    ----------
    engine : str
        Name of an engine, or engine:device.
    threads : int, optional

    Raises
    ------
    ValueError
        No such engine or device, or no number of threads.
    ImportError
        The engine is not installed, or not for that device.
    """
    engine, device = devices.split(engine) if isinstance(engine, str) else (engine, AUTO)
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}, expected one of {', '.join(map(repr, ENGINES))}")
    known = EXPORT_ENGINES[engine].DEVICES if engine in EXPORT_ENGINES else ()
    if device != AUTO and device not in known:
        has = f"has {', '.join((AUTO, *known))}" if known else "finds its device by itself"
        raise ValueError(f"device is {device!r}, and engine {engine!r} {has}")
    whole = isinstance(threads, (int, np.integer)) and not isinstance(threads, bool)
    if threads is not None and (not whole or threads < 1):
        raise ValueError(f"threads is {threads!r}, expected a whole number of at least 1, or None")
    most = max(MOST_THREADS, os.cpu_count() or 1)
    if threads is not None and threads > most:
        raise ValueError(f"threads is {threads}, expected at most {most}, or None for all cores")
    if engine in MODULES and not is_installed(engine):
        raise ImportError(
            f"engine {engine!r} needs {MODULES[engine]}: pip install 'n2v_stem_keras[{engine}]'"
        )
    if device not in (AUTO, CPU) and device not in (there := EXPORT_ENGINES[engine].available()):
        raise ImportError(
            f"{engine} has no device {device!r} here, only {', '.join(there)}; "
            f"{EXPORT_ENGINES[engine].DEVICES[device][-1]}"
        )


def is_installed(engine: str) -> bool:
    """Return whether an engine's package can be imported."""
    return importlib.util.find_spec(MODULES[engine]) is not None


def installed() -> list[str]:
    """Return the engines besides TensorFlow that are installed, the preferred one first."""
    return [engine for engine in MODULES if is_installed(engine)]


def preferred() -> str | None:
    """Return the engine that 'auto' takes: one that has a graphics card, or the first installed."""
    found = installed()
    for engine in found:
        with contextlib.suppress(ImportError):  # is installed, and does not work
            if EXPORT_ENGINES[engine].automatic() != CPU:
                return engine
    return found[0] if found else None


def open_engine(engine: str, export: Export, threads: int | None = None):
    """Return an engine that runs an export.

    Parameters
    ----------
    engine : str
        Name of one of `EXPORT_ENGINES`, or engine:device. Without a device the engine takes the
        one that it finds fit; any but the CPU is checked at the first frame.
    export : Export
    threads : int, optional
        Threads of one call of ``run``. Default: as many as there are cores.
    """
    check(engine, threads)
    name, device = devices.split(engine)
    kind = EXPORT_ENGINES[name]
    device = kind.automatic() if device == AUTO else device
    try:
        if device == CPU:
            return kind(export, threads)
        return devices.OnDevice(name, device, lambda where: kind(export, threads, where))
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # each engine has errors of its own
        reason = " ".join(str(error).split())[:400]
        raise FolderError(
            f"engine {engine!r} cannot open the ONNX export ({type(error).__name__}: {reason}); "
            "export the model again: n2v-stem export FOLDER"
        ) from error


class TensorFlowEngine:
    """A Keras network as one cached `tf.function` (Keras's `predict` costs 100 ms a call).

    Parameters
    ----------
    network : keras.Model
        Changes of its weights are seen at once.
    config : N2VStemConfig
    threads : int, optional
        TensorFlow takes them before its first operation only.
    """

    name = "tensorflow"

    def __init__(self, network, config, threads: int | None = None):
        import tensorflow as tf

        from ..network.unet import for_engines

        limit_tensorflow(threads)
        self.network, self.config = network, config
        self._constant = tf.constant
        call, signature = for_engines(network, config)
        self._call = tf.function(call, autograph=False).get_concrete_function(*signature)

    @functools.cached_property
    def tile_overlap(self) -> int:
        """Overlap that tiles need on each side [px]."""
        from ..network.reach import tile_overlap

        return tile_overlap(self.config)

    @functools.cached_property
    def stages(self) -> Stages | None:
        """The network in two parts for large frames, where its lattice images are its own."""
        import tensorflow as tf

        from ..network.reach import receptive_radius
        from ..network.unet import in_stages

        config, multiple = self.config, self.config.size_multiple
        if not config.lattice or config.lattice.runs_outside:
            return None
        (make, use), signature, n_seen = in_stages(self.network, config)
        seen = tf.TensorSpec((None, None, None, n_seen), tf.float32)
        calls = (make, [seen]), (use, signature)
        make, use = (
            tf.function(call, autograph=False).get_concrete_function(*specs)
            for call, specs in calls
        )
        overlap = -(-receptive_radius(config) // multiple) * multiple
        return Stages(
            lambda frames: self._run(make, frames[..., :n_seen]),
            lambda *inputs: self._run(use, *inputs),
            overlap,
        )

    def run(self, *inputs) -> np.ndarray:
        """(B, Y, X, C_in) -> (B, Y, X, C), float32."""
        return self._run(self._call, *inputs)

    def _run(self, call, *inputs):
        inputs = [self._constant(np.ascontiguousarray(x, np.float32)) for x in inputs]
        return call(*inputs).numpy()


@dataclasses.dataclass(frozen=True)
class Stages:
    """A network in two parts, of which the second needs less of a frame around each tile.

    Attributes
    ----------
    first : callable
        (B, Y, X, C_in) -> (B, Y, X, C), lattice images; tiles overlap as those of the network.
    second : callable
        The same and the lattice images -> (B, Y, X, C), the network's output.
    overlap : int
        That tiles of the second need on each side [px].
    """

    first: Callable
    second: Callable
    overlap: int


def limit_tensorflow(threads: int | None) -> None:
    """Set TensorFlow's number of threads.

    Raises
    ------
    ValueError
        It has already started with another number.
    """
    if threads is None or os.environ.get("TF_NUM_INTRAOP_THREADS") == str(threads):
        return
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    except RuntimeError:
        raise ValueError(
            f"threads is {threads}, but TensorFlow takes its number of threads before its first "
            f"operation only: start Python with TF_NUM_INTRAOP_THREADS={threads} in its "
            "environment, or use another engine"
        ) from None


class OnnxEngine:
    """ONNX Runtime, on the CPU or through one of its other providers."""

    name, module = "onnx", "onnxruntime"
    # device -> provider, what keeps it at float32, how to come by it; the preferred one first
    DEVICES: ClassVar = {
        "cuda": (
            "CUDAExecutionProvider",
            {"use_tf32": "0"},
            "in a fresh environment: pip install 'n2v_stem_keras[onnx-cuda]'",
        ),
        "dml": (
            "DmlExecutionProvider",
            {},
            "in a fresh environment, on Windows: pip install 'n2v_stem_keras[onnx-directml]'",
        ),
        "coreml": (
            "CoreMLExecutionProvider",
            {"ModelFormat": "MLProgram", "AllowLowPrecisionAccumulationOnGPU": "0"},
            "macOS has it, with 'n2v_stem_keras[onnx]'",
        ),
        # takes minutes to build its engine, for each size of frame anew
        "tensorrt": (
            "TensorrtExecutionProvider",
            {"trt_fp16_enable": "0"},
            "pip install 'n2v_stem_keras[onnx-cuda]' in a fresh environment, and TensorRT",
        ),
        CPU: ("CPUExecutionProvider", {}, "every ONNX Runtime has it"),
    }
    AUTOMATIC = ("cuda", "dml", "coreml", CPU)

    @classmethod
    def available(cls) -> list[str]:
        """Return the devices that this installation knows of; whether they work is not known."""
        import onnxruntime

        there = onnxruntime.get_available_providers()
        return [device for device, (provider, *_) in cls.DEVICES.items() if provider in there]

    @classmethod
    def automatic(cls) -> str:
        """Return the device that is taken where none is asked for."""
        there = cls.available()
        return next((device for device in cls.AUTOMATIC if device in there), CPU)

    @classmethod
    def describe(cls) -> tuple[str, dict]:
        """Return what is installed, as a line and as facts."""
        import onnxruntime

        version, providers = onnxruntime.__version__, onnxruntime.get_available_providers()
        facts = {"version": version, "providers": providers, "devices": cls.available()}
        return f"ONNX Runtime {version}", facts

    def __init__(self, export: Export, threads: int | None = None, device: str = CPU):
        import onnxruntime

        provider, settings, _ = self.DEVICES[device]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = threads or 0
        if device == "dml":  # it has neither
            options.enable_mem_pattern = False
            options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self.session = onnxruntime.InferenceSession(
            export.graph, options, providers=[(provider, settings)]
        )
        # where libraries of a device are missing, the CPU takes over in silence
        if provider not in self.session.get_providers():
            raise RuntimeError(f"ONNX Runtime could not load its {provider}")
        self.export, self.tile_overlap = export, export.tile_overlap
        self._names = [node.name for node in self.session.get_inputs()]

    def run(self, *inputs) -> np.ndarray:
        """(B, Y, X, C_in) -> (B, Y, X, C), float32."""
        inputs = [np.ascontiguousarray(x, np.float32) for x in inputs]
        return self.session.run(None, dict(zip(self._names, inputs, strict=True)))[0]


class OpenVinoEngine:
    """OpenVINO, on the CPU, or on a graphics card or neural processor of Intel's."""

    name, module = "openvino", "openvino"
    # device -> OpenVINO's name for it, how to come by it
    DEVICES: ClassVar = {
        CPU: ("CPU", "every OpenVINO has it"),
        "gpu": ("GPU", "OpenVINO sees graphics cards of Intel's with their OpenCL driver only"),
        "npu": ("NPU", "OpenVINO sees neural processors of Intel's with their driver only"),
    }

    @classmethod
    def available(cls) -> list[str]:
        """Return the devices that OpenVINO sees."""
        import openvino

        there = {name.partition(".")[0] for name in openvino.Core().available_devices}
        return [device for device, (name, _) in cls.DEVICES.items() if name in there]

    @classmethod
    def automatic(cls) -> str:
        """Return the device that is taken where none is asked for.

        The graphics part of a processor may be slower than the rest of it.
        """
        return CPU

    @staticmethod
    def describe() -> tuple[str, dict]:
        """Return what is installed, as a line and as facts."""
        import openvino

        version, devices = importlib.metadata.version("openvino"), openvino.Core().available_devices
        if "CPU" not in devices:
            raise RuntimeError(
                f"OpenVINO {version} sees {devices or 'no device'}, expected the CPU"
            )
        return f"OpenVINO {version}", {"version": version, "devices": devices}

    def __init__(self, export: Export, threads: int | None = None, device: str = CPU):
        import openvino

        # processors that have it would calculate in bfloat16, with errors of several percent
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads and device == CPU:  # of one call; several at the same time share the cores
            streams = max(1, os.cpu_count() // int(threads))
            settings |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams * int(threads)}
        core = openvino.Core()
        graph, (where, _) = core.read_model(export.graph, b""), self.DEVICES[device]
        self._compile = functools.partial(core.compile_model, graph, where, settings)
        self.compiled = self._compile()
        self.export, self.tile_overlap = export, export.tile_overlap
        self._own = threading.local()  # each thread has its buffers

    def run(self, *inputs) -> np.ndarray:
        """(B, Y, X, C_in) -> (B, Y, X, C), float32."""
        inputs = [np.ascontiguousarray(x, np.float32) for x in inputs]
        for attempt in range(9):
            if attempt >= 3:  # some compilations never do it right
                self.compiled = self._compile()
            if not hasattr(self._own, "request"):
                self._own.request = self.compiled.create_infer_request()
            found = self._own.request.infer(inputs, share_inputs=True)[0]
            if found.ndim == 4 and len(found) == len(inputs[0]):
                return found
            # OpenVINO 2026.4, once in some hundred runs: five axes, of a network of one detector
            del self._own.request
        raise RuntimeError(
            f"OpenVINO gave an array of shape {found.shape} for {inputs[0].shape}; use "
            "engine='onnx' or engine='tensorflow'"
        )


# the preferred one first
EXPORT_ENGINES = {engine.name: engine for engine in (OpenVinoEngine, OnnxEngine)}
MODULES = {name: engine.module for name, engine in EXPORT_ENGINES.items()}
ENGINES = ("auto", "tensorflow", *EXPORT_ENGINES)
ADVICE = "pip install 'n2v_stem_keras[openvino]' or 'n2v_stem_keras[onnx]'"


def seconds_per_frame(denoiser, shape=(512, 512), n_frames: int = 5) -> list[float]:
    """Measure an engine, after two frames to warm up, one frame at a time.

    Parameters
    ----------
    denoiser : prediction.tiles.Denoiser
        What `N2VStem.denoiser_on` returns.
    shape : (int, int)
        Size of a frame (Y, X) [px].
    n_frames : int

    Returns
    -------
    list of float
        Wall time of each frame [s].
    """
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(1, *shape, denoiser.config.n_channel_in)).astype(np.float32)
    seconds = []
    for _ in range(2 + n_frames):
        began = time.perf_counter()
        denoiser(frames)
        seconds.append(time.perf_counter() - began)
    return seconds[2:]
