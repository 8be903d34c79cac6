"""Tasks and ends of a planned set that are killed, and the same command again."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from generated_images import write_source
from test_interrupted import PROGRAM
from told import all_bytes

from granctl.progress import Silent
from granctl.shards.build.write import (
    BuildSpec,
    Task,
    build_planned,
    build_shards,
    finish_shards,
    plan_build,
)
from granctl.workspace import Workspace


def run(words: list[str], steps: Path, kill_at: int = 0) -> subprocess.CompletedProcess:
    """A command that dies at a step, or counts its steps."""
    environment = {**os.environ, "KILL_AT": str(kill_at), "STEPS": str(steps)}
    command = [sys.executable, "-c", PROGRAM, "shards", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def check_kills(tmp_path: Path, which: str, seed: int, num: int) -> int:
    """Kills a task, or the end, at random steps; what the rest then makes of it is a build's.

    Returns:
        How often it was killed.
    """
    spec = BuildSpec(source=str(write_source(tmp_path / "shapes")), shard_images=2)
    expected = all_bytes(build_shards(Workspace(tmp_path / "one"), spec, None, Silent()).path)
    planned = plan_build(Workspace(tmp_path / "w"), spec, None, Silent()).path
    if which == "finish":
        build_planned(planned, Task(0, 1), Silent())

    def words(folder: Path) -> list[str]:
        task = ["build", "--plan", str(folder), "--task", "1/2", "--workers", "1", "--quiet"]
        return task if which == "task" else ["finish", str(folder), "--quiet"]

    steps = tmp_path / "steps"
    counted = shutil.copytree(planned, tmp_path / "counted")
    assert run(words(counted), steps).returncode == 0
    num_steps = int(steps.read_text())
    points = random.Random(seed).sample(range(1, num_steps + 1), min(num, num_steps))
    for kill_at in points:
        killed = shutil.copytree(planned, tmp_path / f"killed-{kill_at}")
        assert run(words(killed), steps, kill_at).returncode == -signal.SIGKILL
        if which == "task":
            for number in (1, 0):
                build_planned(killed, Task(number, 2), Silent())
        finish_shards(killed, None, Silent())
        assert all_bytes(killed) == expected, f"killed at step {kill_at} of {num_steps}"
    return len(points)


@pytest.mark.parametrize("which", ["task", "finish"])
def test_killed_piece_of_a_set_goes_on_to_the_same_bytes(tmp_path, which):
    """Three random points of each."""
    check_kills(tmp_path, which, seed=0, num=3)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["task", "finish"])
def test_killed_piece_of_a_set_goes_on_from_anywhere(tmp_path, which):
    """Fifty random steps of a task, and every step of an end, which has fewer."""
    assert check_kills(tmp_path, which, seed=1, num=50) >= (50 if which == "task" else 12)
