"""The checks of ``n2v-stem doctor``: each finds something out or says why it could not."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from . import requirements
from .doctor_children import children

NOT_FEATURES = ("all", "docs", "test")  # extras that gather others, or that developers need
# what an extra adds, if not an engine of its name
FEATURES = {
    "baselines": "BM3D in 'n2v-stem evaluate' (for non-commercial use)",
    "sim": "multislice and other structures in 'n2v-stem simulate'",
    "em": "DM3/DM4, EMD, hspy, zarr",
    "movie": "MP4, 'n2v-stem denoise --video'",
    "hyperspy": "HyperSpy signals",
    "track": "'n2v-stem atoms --track'",
    "onnx": "the engine onnx, 'n2v-stem export'",
    "onnx-cuda": "the engine onnx on cards of NVIDIA's, instead of the extra onnx",
    "onnx-directml": "the engine onnx on any graphics card, instead of the extra onnx",
    "dask": "dask arrays, clusters",
    "napari": "the viewer napari",
    "tensorboard": "curves of the training in TensorBoard",
    "gpu": "NVIDIA's libraries for TensorFlow (Linux)",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    section, check : str
    state : {'ok', 'missing', 'failed'}
    found : str
        A line for a person.
    advice : str
        What to do.
    facts : dict
        The same for programs.
    core : bool
        Whether the package cannot do without.
    """

    section: str
    check: str
    state: str
    found: str
    advice: str = ""
    facts: dict = dataclasses.field(default_factory=dict)
    core: bool = False

    def as_dict(self) -> dict:
        """Return all of it for JSON."""
        return dataclasses.asdict(self)


def examine(folders=()):
    """Make all checks, one after the other.

    Parameters
    ----------
    folders : sequence of path
        Looked at beside the current and the temporary folder.

    Yields
    ------
    Finding
    """
    yield from _guarded("Core", "python", _python, core=True)
    yield from _guarded("Core", "libraries", _libraries, core=True)
    for name, about in (("processor", _processor), ("memory", _memory), ("threads", _threads)):
        yield from _guarded("Machine", name, about)
    for section, check, core, outcome in children():
        yield from _guarded(section, check, outcome, core=core)
    yield from _guarded("Features", "extras", _extras)
    here = [("current folder", Path.cwd), ("temporary", lambda: Path(tempfile.gettempdir()))]
    here += [(str(folder), lambda folder=folder: Path(folder)) for folder in folders]
    for name, find in here:
        yield from _guarded("Folders", name, lambda find=find: _folder(find()))


def _guarded(section, check, function, core=False):
    """Yield what a check finds; one that raises an error has failed, with the reason.

    A check returns a line and facts, or a list of findings of its own.
    """
    try:
        found = function()
    except importlib.metadata.PackageNotFoundError as error:
        reason = f"{error}: was never installed, so its requirements are not known"
        yield Finding(section, check, "failed", reason, "pip install .", core=core)
    except (Exception, SystemExit) as error:  # whatever it is, the others go on
        reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
        state = getattr(error, "state", "failed")
        advice = getattr(error, "advice", "")
        yield Finding(section, check, state, " ".join(str(reason).split()), advice, core=core)
    else:
        if isinstance(found, list):
            yield from found
        else:
            yield Finding(section, check, "ok", found[0], facts=found[1], core=core)


# -- what is installed ----------------------------------------------------------------------------
def _python():
    version, wanted = platform.python_version(), requirements.python_versions()
    if not requirements.fits(version, wanted):
        raise RuntimeError(f"{version}, expected {wanted}")
    where = f"{platform.system()} {platform.machine()}"
    return f"{version}, {where}", {"version": version, "wanted": wanted, "system": where}


def _libraries():
    """Find this package and all that it cannot do without."""
    from .._version import __version__

    name = requirements.DISTRIBUTION
    found = [Finding("Core", name, "ok", __version__, facts={"version": __version__}, core=True)]
    for one in requirements.libraries():
        state, line, advice = "ok", one.version, ""
        if one.missing:
            state = "failed"
            line = f"{one.version or 'is missing'}, expected {one.wanted}"
            advice = f"pip install '{one.missing[0]}'"
        facts = {"version": one.version, "wanted": one.wanted}
        found.append(Finding("Core", one.name, state, line, advice, facts, core=True))
    return found


def _extras():
    """Find what each extra adds, and what of it is there."""
    findings = []
    for extra in requirements.extras():
        if extra in NOT_FEATURES:
            continue
        wanted = requirements.libraries(extra)
        missing = [part for one in wanted for part in one.missing]
        line = FEATURES.get(extra) or f"the engine {extra}"
        there = ", ".join(f"{one.name} {one.version}" for one in wanted if one.version)
        facts = {
            "libraries": {one.name: one.version for one in wanted},
            "missing": missing,
            "for": line,
        }
        if not wanted:
            line, advice, state = f"{line}: not for this system", "", "missing"
        elif not missing:
            line, advice, state = f"{line} ({there})", "", "ok"
        else:
            # names without versions: the pip line knows them
            lacking = ", ".join(re.split("[^\\w.-]", part)[0] for part in missing[:3])
            lacking += ", ..." if len(missing) > 3 else ""
            line, state = f"{line}: needs {lacking}", "missing"
            advice = f"pip install '{requirements.DISTRIBUTION}[{extra}]'"
        findings.append(Finding("Features", extra, state, line, advice, facts))
    return findings


# -- the machine ----------------------------------------------------------------------------------
def _processor():
    cores = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    model = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line for line in lines if line.startswith("model name")).split(":")[1].strip()
    text = f"{cores} cores" if usable == cores else f"{usable} of {cores} cores"
    return f"{text}, {model or 'unknown kind'}", {"cores": cores, "usable": usable, "kind": model}


def _memory():
    """Find how much memory there is, and how much is free, where the platform says so."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return "this platform does not say", {}
    facts = {"total_MiB": round(total / 2**20)}
    line = f"{total / 2**30:.1f} GiB"
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        facts["free_MiB"] = round(free / 2**10)
        line += f", {free / 2**20:.1f} GiB free"
    with contextlib.suppress(OSError, ValueError):  # a container's own limit, if it has one
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8"))
        facts["limit_MiB"] = round(limit / 2**20)
        line += f", limited to {limit / 2**30:.1f} GiB"
    return line, facts


def _threads():
    """Find which variables limit the threads of libraries."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    names += ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    found = {name: os.environ[name] for name in names if name in os.environ}
    line = ", ".join(f"{name}={value}" for name, value in found.items())
    return line or "not limited by the environment: all cores", found


# -- folders --------------------------------------------------------------------------------------
def _folder(folder: Path):
    """Find whether a folder can be written, by writing, and how much space there is."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    note = "" if there == folder.absolute() else f" (does not exist yet; {there} does)"
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is a file, expected a folder")
    with tempfile.TemporaryFile(dir=there, prefix=".n2v-stem-doctor-") as file:
        file.write(b"0" * 4096)
    free = shutil.disk_usage(there).free
    line = f"{folder.absolute()}{note}: can be written, {free / 2**30:.1f} GiB free"
    return line, {"path": str(folder.absolute()), "free_MiB": round(free / 2**20)}
