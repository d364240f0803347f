"""Attack the package: forged folders, damaged movies, odd arguments, odd surroundings, mutants.

    python benchmarks/hostile.py [--only PATTERN] [--again]
    python benchmarks/hostile.py --mutants 2000

Each case of `hostile_cases.py` runs in a child process with limits of time and memory, forked from
this one, which has imported all that is slow to import. It has to end well or with one of the
package's own errors. A traceback, an exception of another library, a signal or a time-out is a
failure, and so is a case that must be refused and is not.

Mutants are small files, those in $N2V_STEM_DATA/formats and some that the package writes, with
bits turned, bytes left out or put in: each is opened and its first and last frame read, many in one
child, within 20 s. Each has to be read or refused by an own error.

Goes on where it stopped (--again begins anew). Writes results/hostile.jsonl, a line a case, and the
table results/hostile.md.
"""

import argparse
import contextlib
import fnmatch
import functools
import importlib
import json
import linecache
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import hostile_cases
import numpy as np

import n2v_stem_keras

HERE = Path(__file__).parent
JOURNAL, TABLE = HERE / "results" / "hostile.jsonl", HERE / "results" / "hostile.md"
PACKAGE = str(Path(n2v_stem_keras.__file__).parent)
LIMIT_S, LIMIT_NBYTES = 240.0, 6 * 2**30  # of a case; memory beyond what is loaded
MUTANT_S, BATCH = 20.0, 50
SMALL_NBYTES = 10**6  # of files that mutants are made of
EXIT_CODES = (0, 2, 3, 4, 5)
REFUSED = 99  # exit code of a function that raises an own error
NOISE = ("Traceback (most recent call last)", "Exception ignored", "Segmentation fault")


# -- cases ----------------------------------------------------------------------------------------
def run_case(case, fixtures: Path) -> dict:
    """Run a case in a child; return how it ended."""
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        work = place / "work"
        work.mkdir()
        pid = os.fork()
        if pid == 0:
            _be_child(lambda: _run_here(case, work, fixtures), place)
        began = time.monotonic()
        code, late = _wait(pid, LIMIT_S)
        said = (place / "stderr").read_text(errors="replace")
        printed = (place / "stdout").read_text(errors="replace")
        found = {"case": f"{case.group}/{case.name}", "seconds": round(time.monotonic() - began, 1)}
        found |= {"outcome": _outcome(case, code, late, said, printed), "code": code}
        found["said"] = _without_places(said.strip() or printed.strip())[-300:]
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _without_places(text) -> str:
    """Return a text without the folders of the machine that this runs on."""
    root = str(Path(__file__).resolve().parents[1])
    return re.sub(r"/tmp/[\w-]+", "PLACE", text.replace(f"{root}/", ""))


def _outcome(case, code, late, said, printed) -> str:
    """Say how a case ended: 'done', 'refused' or what is wrong."""
    if late:
        return f"FAILED: more than {LIMIT_S:g} s"
    if code < 0:
        return f"FAILED: {signal.Signals(-code).name}"
    for text in NOISE:
        if text in said or text in printed:
            return f"FAILED: {text}"
    if any(c in said + printed for c in "\x1b\x9b\u202e"):
        return "FAILED: steers the terminal"
    if code == REFUSED or code in EXIT_CODES[1:]:
        outcome = "refused"
    elif code == 0:
        outcome = "done"
    elif isinstance(case.body, hostile_cases.Shell):
        outcome = "refused" if "n2v-stem: " in said else f"FAILED: exit code {code}"
    else:
        return f"FAILED: exit code {code}"
    if case.must and outcome != case.must:
        return f"FAILED: {outcome}, expected {case.must}"
    return outcome


def _be_child(action, place: Path) -> None:
    """Carry out an action with limits, its output in files; never return."""
    code = 1
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            descriptor = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        descriptor = os.open(os.devnull, os.O_RDONLY)
        os.dup2(descriptor, 0)
        sys.stdout = open(1, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = loaded + LIMIT_NBYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = action() or 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException as error:
        if is_own(error):
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = REFUSED
        else:
            traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run_here(case, work: Path, fixtures: Path) -> int:
    if case.prepare:
        case.prepare(work, fixtures)
    os.chdir(work)
    if isinstance(case.body, hostile_cases.Shell):
        environment = os.environ | {"F": str(fixtures), "TF_CPP_MIN_LOG_LEVEL": "3"}
        line = case.body.line.replace("$N2V", f"{sys.executable} -m n2v_stem_keras")
        os.execve("/bin/bash", ["bash", "-o", "pipefail", "-c", line], environment)
    return case.body(fixtures)


def is_own(error: BaseException) -> bool:
    """Return whether an error is the package's: of its kinds, the system's, or raised by it."""
    if type(error).__module__.startswith("n2v_stem_keras"):
        return True
    if isinstance(error, (OSError, ImportError)):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    raised = linecache.getline(last.filename, last.lineno).strip().startswith("raise")
    return (
        isinstance(error, (ValueError, TypeError)) and last.filename.startswith(PACKAGE) and raised
    )


def _wait(pid: int, limit_s: float) -> tuple[int, bool]:
    """Return the exit code of a child, negative for a signal, and whether it came too late."""
    deadline, late = time.monotonic() + limit_s, False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), late
        if time.monotonic() > deadline and not late:
            late = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)


# -- mutants --------------------------------------------------------------------------------------
def mutant(data: bytes, rng) -> bytes:
    """Return a file with a few bits turned, a part left out, bytes put in, or its end cut off."""
    data = bytearray(data)
    kind, n = rng.integers(5), len(data)
    # most of what can go wrong stands in headers
    where = int(rng.integers(min(n, 4096)) if rng.random() < 0.7 else rng.integers(n))
    if kind == 0:
        for _ in range(rng.integers(1, 9)):
            where = int(rng.integers(min(n, 4096)) if rng.random() < 0.7 else rng.integers(n))
            data[where] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[int(rng.integers(1, n)) :]
    elif kind == 2:
        data[where:where] = rng.bytes(int(rng.integers(1, 65)))
    elif kind == 3:
        del data[where : where + int(rng.integers(1, 65))]
    else:
        width = int(rng.choice([1, 2, 4, 8]))
        data[where : where + width] = rng.choice([b"\x00", b"\xff", b"\x7f"]) * width
    return bytes(data)


def read_ends(path: Path) -> None:
    """Open a movie and read its first and last frame."""
    from n2v_stem_keras.io import read_movie

    movie = read_movie(path)
    for s, t in ((0, 0), (movie.n_series - 1, movie.n_frames - 1)):
        frame = movie.frame(s, t)
        assert frame.shape == (*movie.frame_shape, movie.n_detectors), "a frame of another shape"
        assert frame.dtype == movie.dtype, "a frame of another type"


def run_mutants(first: int, n: int, sources: list[Path]):
    """Read mutants number `first` to `n`; yield what became of each, many at a time."""
    number = first
    while number < n:
        results = []
        place = Path(tempfile.mkdtemp(prefix="mutants-"))
        last = min(n, number + BATCH)
        pid = os.fork()
        if pid == 0:
            batch = range(number, last)
            _be_child(functools.partial(_read_batch, batch, sources, place), place)
        code, late = _wait(pid, BATCH * MUTANT_S)
        lines = (place / "results").read_text().splitlines() if (place / "results").exists() else []
        results += map(json.loads, lines)
        number += len(lines)
        if number < last:  # the child died in this one
            how = "too late" if late or code == -signal.SIGALRM else f"exit code {code}"
            source = sources[number % len(sources)].name
            results.append({"case": f"mutants/{number} {source}", "outcome": f"FAILED: {how}"})
            number += 1
        shutil.rmtree(place, ignore_errors=True)
        print(f"mutants: {number} of {n}", flush=True)
        yield results


def _read_batch(batch, sources, place) -> int:
    """Read some mutants, a line for each that is survived; one that takes too long kills."""
    import warnings

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends what Python cannot interrupt
    with open(place / "results", "w") as journal:
        for number in batch:
            source = sources[number % len(sources)]
            path = place / source.name
            path.write_bytes(mutant(source.read_bytes(), np.random.default_rng(number)))
            if source.suffix == ".ser" and source.with_suffix(".emi").exists():
                shutil.copy(source.with_suffix(".emi"), place)
            signal.setitimer(signal.ITIMER_REAL, MUTANT_S)
            try:
                read_ends(path)
                outcome = "done"
            except BaseException as error:
                outcome = "refused" if is_own(error) else f"FAILED: {_one_line(error)}"
            signal.setitimer(signal.ITIMER_REAL, 0)
            path.unlink()
            case = f"mutants/{number} {source.name}"
            journal.write(json.dumps({"case": case, "outcome": outcome}) + "\n")
            journal.flush()
    return 0


def _one_line(error) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text} ({Path(last.filename).name}:{last.lineno})"


# -- journal and table ----------------------------------------------------------------------------
def write_table(found: list[dict]) -> None:
    """Write results/hostile.md."""
    groups = {}
    for one in found:
        kind = "failed" if one["outcome"].startswith("FAILED") else one["outcome"]
        groups.setdefault(one["case"].partition("/")[0], Counter())[kind] += 1
    lines = [
        "# Attacks",
        "",
        "Made by `benchmarks/hostile.py`. Each case ran in a process with limits of time and "
        "memory. *Done*: it worked. *Refused*: one of the package's own errors. *Failed*: a "
        "traceback, an exception of another library, a signal, a time-out, or done where it must "
        "be refused.",
        "",
        "| group | cases | done | refused | failed |",
        "|---|---|---|---|---|",
    ]
    for group, counts in groups.items():
        numbers = " | ".join(str(counts[kind]) for kind in ("done", "refused", "failed"))
        lines.append(f"| {group} | {counts.total()} | {numbers} |")
    failed = [one for one in found if one["outcome"].startswith("FAILED")]
    lines += ["", f"{len(found)} cases, {len(failed)} failed.", ""]
    lines += [f"- {one['case']}: {one['outcome']}" for one in failed]
    TABLE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def read_journal() -> dict[str, dict]:
    """Return what is known of each case; the last line of a case counts."""
    if not JOURNAL.exists():
        return {}
    lines = map(json.loads, JOURNAL.read_text(encoding="utf-8").splitlines())
    return {one["case"]: one for one in lines}


def write_journal(found: dict[str, dict]) -> None:
    """Write all lines anew."""
    text = "".join(json.dumps(one) + "\n" for one in found.values())
    JOURNAL.write_text(text, encoding="utf-8")


def in_child(action) -> None:
    """Do something in a child, so that TensorFlow's threads never start in this process."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0, "what the cases start from could not be made"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="cases whose group/name fits a pattern")
    parser.add_argument("--again", action="store_true", help="run what was run before, too")
    parser.add_argument("--failed", action="store_true", help="run again what failed")
    parser.add_argument("--mutants", type=int, metavar="N", help="run so many mutants instead")
    args = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path(PACKAGE).parent)}
    for name in ("dask.array", "h5py", "pandas", "rsciio", "tifffile", "zarr"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import n2v_stem_keras.cli
    import n2v_stem_keras.interop.bioimageio
    import n2v_stem_keras.model
    import n2v_stem_keras.plot  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        fixtures, found = Path(folder), read_journal()
        os.environ["XDG_DATA_HOME"] = str(fixtures / "home")
        in_child(lambda: hostile_cases.make_fixtures(fixtures))
        if args.mutants:
            formats = Path(os.environ.get("N2V_STEM_DATA", "nowhere")) / "formats"
            sources = [p for p in sorted(formats.glob("*.*")) if p.stat().st_size < SMALL_NBYTES]
            sources = [p for p in sources if p.suffix not in (".emi", ".txt")]
            sources += [fixtures / name for name in hostile_cases.FILES]
            if args.again:
                found = {k: v for k, v in found.items() if not k.startswith("mutants/")}
            done = sum(name.startswith("mutants/") for name in found)
            for results in run_mutants(done, args.mutants, sources):
                found |= {one["case"]: one for one in results}
                write_journal(found)
        else:
            cases = hostile_cases.all_cases()
            names = {_name(case) for case in cases}  # others have gone since
            found = {k: v for k, v in found.items() if k in names or k.startswith("mutants/")}
            cases = [case for case in cases if fnmatch.fnmatch(_name(case), args.only)]
            for i, case in enumerate(cases):
                known = found.get(_name(case))
                wanted = args.again or (args.failed and known and "FAILED" in known["outcome"])
                if known and not wanted:
                    continue
                one = found[_name(case)] = run_case(case, fixtures)
                if "FAILED" in one["outcome"]:
                    print(f"{i}/{len(cases)} {one['case']}: {one['outcome']}\n    {one['said']!r}")
                    sys.stdout.flush()
                write_journal(found)
        write_journal(found)
        write_table(list(found.values()))
    print(TABLE.read_text(encoding="utf-8"))


def _name(case) -> str:
    return f"{case.group}/{case.name}"


if __name__ == "__main__":
    main()
