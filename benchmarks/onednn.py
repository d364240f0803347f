"""What oneDNN is worth to a training step of the laptop preset on this processor.

    python benchmarks/onednn.py

TensorFlow uses oneDNN by itself only on processors with the newer AVX-512 instructions. Processor
time of a step with and without, in processes of their own, in turn.
Writes benchmarks/results/onednn.json.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import trials

SWITCH = "TF_ENABLE_ONEDNN_OPTS"


def measure(threads):
    """Print the least processor time of a step [s]."""
    import time

    trials.set_threads(threads)
    from n2v_stem_keras import N2VStemConfig

    print(trials.step_seconds(N2VStemConfig.preset("laptop"), time.process_time))


def child(value, threads):
    """Measure in another process with oneDNN off (0) or on (1)."""
    command = [sys.executable, __file__, "--measure", str(threads)]
    environment = {**os.environ, SWITCH: value}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def instructions():
    """Vector instructions of this processor that decide, as Linux names them."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8").split() if path.exists() else []
    return sorted({f for f in flags if f in ("avx2", "avx512f", "avx512_vnni", "amx_tile")})


def main():
    """Measure three times each, and write the figures."""
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]))
        return
    rows = [{value: child(value, 1) for value in ("0", "1")} for _ in range(3)]
    result = {
        "processor": instructions(),
        "step_without_s": [round(row["0"], 3) for row in rows],
        "step_with_s": [round(row["1"], 3) for row in rows],
        "times_as_fast": [round(row["0"] / row["1"], 2) for row in rows],
    }
    trials.write(trials.HERE / "onednn.json", json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
