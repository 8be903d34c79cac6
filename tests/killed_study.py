"""A study that is killed at random moments, and whether it comes to the same numbers.

    python tests/killed_study.py FOLDER [--seed 7] [--slurm]

runs the study of 44 cells twice: undisturbed in two processes, and killed three times, with SIGKILL
to all its processes; with --slurm the second one on the Slurm that is on PATH, where the command
that waits and all tasks that run are killed. It prints when it killed what, and compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from granctl.study.results import load_results
from granctl.workspace import Workspace

STUDY = """
recipe = "embedded-resnet"
seeds = 2
targets = ["source@leaf"]
per_class = 2
steps = 2
images = 512
[set]
epochs = 1
batch_size = 256
model.width = 2
[[cut]]
level = 0
[[cut]]
depth = "5..6"
[[cut]]
random = true
like = "leaf"
draws = "each-seed"
"""
FORTY = STUDY.replace("seeds = 2", "seeds = 4").replace("images = 512", "images = 4096")
"""44 cells: shards, seven cuts, 16 pretrainings, 20 transfers."""
FEW = (
    STUDY.partition("[[cut]]\ndepth")[0]
    .replace("seeds = 2", "seeds = 1")
    .replace("steps = 2", 'steps = 2\nscratch = "none"')
)
"""Four cells: shards, a cut, a pretraining, a transfer."""
SLURM = ("--launcher", "slurm", "--partition", "main")


PLACES = {"path", "run", "provenance", "made", "source"}
"""Of a result: where it and its run lie, and the command; they differ between workspaces."""


def numbers(workspace: Workspace) -> dict[str, dict[str, object]]:
    """Digest of a result -> every number of it, and the checksum of its predictions."""
    return {
        result["digest"]: {key: value for key, value in result.items() if key not in PLACES}
        for result in load_results(workspace)
    }


def weights(workspace: Workspace) -> dict[str, str]:
    """Run -> sha256 of the bytes of its last weights."""
    import torch

    found = {}
    for run in sorted(workspace.folder("run").glob("*/manifest.json")):
        last = max((run.parent / "checkpoints").glob("step-*"))
        network = torch.load(last / "state.pt", weights_only=True)["network"]
        hashed = hashlib.sha256()
        for name, tensor in sorted(network.items()):
            hashed.update(name.encode() + tensor.numpy().tobytes())
        found[run.parent.name] = hashed.hexdigest()
    return found


def command(study: Path, workspace: Path, *words: str) -> list[str]:
    """`granctl sweep run`."""
    start = [sys.executable, "-m", "granctl", "sweep", "run", str(study), "-q"]
    return [*start, "--workspace", str(workspace), *words]


def kill_at_random(
    words: list[str],
    kills: int,
    seed: int,
    between: tuple[float, float],
    also: Callable[[], None] = lambda: None,
) -> list[float]:
    """Starts a command anew and kills all its processes; returns after how many seconds.

    Args:
        words: the command.
        kills: how often; one that ends before does not count.
        seed: of the moments.
        between: seconds, the least and the most.
        also: is called at each kill.
    """
    chance = random.Random(seed)
    done = []
    for _ in range(kills):
        wait = chance.uniform(*between)
        process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            print(f"killed {wait:.1f} s after its start")
            also()
            process.wait()
            done.append(wait)
    return done


def kill_tasks(workspace: Path) -> None:
    """SIGKILL to the process of every cell that runs, on nodes that are of this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:  # it ended just now
            continue
        if "task" in words and words[0] == sys.executable and str(workspace) in " ".join(words):
            array, index = words[words.index("task") + 2 :][:2]
            print(f"  SIGKILL to {array} {index}")
            os.kill(int(folder.name), signal.SIGKILL)


def main() -> None:
    """Runs it, says what happened, and compares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slurm", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    study = asked.folder / "forty.toml"
    study.write_text(FORTY)
    calm, killed = (Workspace((asked.folder / name).absolute()) for name in ("calm", "killed"))
    began = time.monotonic()
    subprocess.run(command(study, calm.root, "--processes", "2"), check=True)
    print(f"undisturbed: whole after {time.monotonic() - began:.0f} s")
    words = command(study, killed.root, *(SLURM if asked.slurm else ("--processes", "2")))
    began = time.monotonic()
    between = (10.0, 40.0) if asked.slurm else (2.0, 20.0)
    also = partial(kill_tasks, killed.root)
    kill_at_random(words, 3, asked.seed, between, also if asked.slurm else lambda: None)
    code, times = 1, 0
    while code:
        times += 1
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        code = done.returncode
        print("\n".join([f"the same command: exit code {code}", *done.stderr.splitlines()]))
        assert times < 9, "it does not get on"
    print(f"killed three times: whole after {time.monotonic() - began:.0f} s")
    status = [*words[:4], "status", str(study), "-q", "--workspace", str(killed.root), "--json"]
    states = json.loads(subprocess.run(status, capture_output=True, check=True).stdout)["states"]
    print(f"states: {states}")
    one, two = numbers(calm), numbers(killed)
    print(f"{len(one)} results, all numbers: {'equal' if one == two else 'DIFFERENT'}")
    first, second = weights(calm), weights(killed)
    print(f"{len(first)} runs, weights by sha256: {'equal' if first == second else 'DIFFERENT'}")
    print(f"temporary files left: {len(list(killed.root.rglob('*.tmp')))}")


if __name__ == "__main__":
    main()
