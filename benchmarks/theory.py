"""What the theory costs: a training step and a whole run, beside the same with torch autograd.

    python benchmarks/theory.py [--rounds 7] [--steps 600]

Contenders run interleaved, one process each, on one thread. A line is a ratio of wall and of CPU
time, made of the least of each over the rounds, beside the median of the ratios of single rounds,
the seconds, and the goal.

* **Steps** are those of the working regime: 128 samples of 8 patches of 64 dimensions, 128 neurons,
  2 and 16 classes; each takes its batch from the training set and changes the weights. Packages
  are loaded before the clock runs.
* **The whole command**, coarse and fine labels of one seed, is `granctl theory run` from its start
  to its end, against a program that does the same by torch autograd (`_theory_peers.py`), and must
  import it.
* **Five seeds** with as many processes as the machine has processors: seconds, and the most memory
  that the command's processes had together (their resident pages; shared ones count in each).
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _race import Runner, compare, granctl, line, missing, race, versions

PEERS = Path(__file__).with_name("_theory_peers.py")
GOAL_S, GOAL_MB = 15, 300
POLL_S = 0.02


def main() -> None:
    """Runs all and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores,", *versions(sys.executable, ["numpy", "torch"]))
    if missing(sys.executable, ["torch"]):
        print("left out: torch is not installed")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        for classes in (2, 16):
            runners = {
                name: Runner(
                    [sys.executable, str(PEERS), name, str(classes), str(asked.steps)], out
                )
                for name in ("torch_steps", "granctl_steps")
            }
            times = race(runners, asked.rounds)
            what = f"a step, {classes} classes: torch autograd / granctl"
            compare(times, what, "torch_steps", "granctl_steps", 1)
        run = ["theory", "run", "--seeds", 1, "--processes", 1, "--quiet", "--out", out]
        runners = {
            "torch_program": Runner(peer("torch_program"), out),
            "granctl": Runner(granctl(*run), out),
        }
        times = race(runners, asked.rounds)
        what = "coarse and fine, one seed, whole: torch / granctl"
        compare(times, what, "torch_program", "granctl", 3)
        seconds, megabytes = five_seeds(out)
    line("five seeds, whole", f"{seconds:.1f} s", f"{GOAL_S} s")
    line("five seeds: memory of all processes", f"{megabytes:.0f} MB", f"{GOAL_MB} MB")


def peer(name: str) -> list[str]:
    """The command of a contender."""
    return [sys.executable, str(PEERS), name]


def five_seeds(out: Path) -> tuple[float, float]:
    """Seconds, and the most resident memory of the command and its children, in MB."""
    began, most = time.perf_counter(), 0.0
    child = subprocess.Popen(
        granctl("theory", "run", "--seeds", 5, "--quiet", "--out", out), stdout=subprocess.DEVNULL
    )
    while child.poll() is None:
        most = max(most, sum(resident(process) for process in family(child.pid)))
        time.sleep(POLL_S)
    if child.returncode:
        raise SystemExit(f"granctl theory run ended with {child.returncode}")
    return time.perf_counter() - began, most / 1e6


def family(process: int) -> list[int]:
    """A process and all below it; those that end meanwhile are left out."""
    found = [process]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, path.read_text().split())
            except OSError:
                continue
    return found


def resident(process: int) -> int:
    """Bytes of a process's pages in memory; 0: it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
