"""Builds that are killed, interrupted or run out of space, and the same command again."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from generated_images import write_source
from told import all_bytes

# Runs `granctl shards build` and dies by SIGKILL at the n-th step: a file synced, a file renamed
# (before and after), an image checked. With n = 0 it only counts.
PROGRAM = """
import os, signal, sys
import granctl.shards.build.pack as pack
from granctl.cli.main import main

kill_at, log = int(os.environ["KILL_AT"]), os.environ["STEPS"]
steps = 0

def step():
    global steps
    steps += 1
    if steps == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

def stepping(call, after):
    def wrapped(*arguments, **named):
        step()
        result = call(*arguments, **named)
        if after:
            step()
        return result
    return wrapped

os.fsync = stepping(os.fsync, after=False)
os.replace = stepping(os.replace, after=True)
pack.audit = stepping(pack.audit, after=False)
try:
    main()
finally:
    open(log, "w").write(str(steps))
"""


OPTIONS = ["--shard-images", "7", "--workers", "1", "--quiet"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The 24 generated images, held out by seed, so that every stage has work."""
    return write_source(tmp_path / "shapes", splits=False)


def run(source: Path, workspace: Path, kill_at: int = 0) -> subprocess.CompletedProcess:
    """The same command each time; only the environment says where to die."""
    steps = workspace.with_suffix(".steps")
    environment = {
        **os.environ,
        "GRANCTL_WORKSPACE": str(workspace),
        "KILL_AT": str(kill_at),
        "STEPS": str(steps),
    }
    options = ["--source", str(source), *OPTIONS]
    command = [sys.executable, "-c", PROGRAM, "shards", "build", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def check_kills(source: Path, tmp_path: Path, seed: int, num: int) -> None:
    """Kills `num` builds at random steps and compares what the next build makes of each."""
    whole = tmp_path / "whole"
    done = run(source, whole)
    assert done.returncode == 0, done.stderr
    num_steps = int((tmp_path / "whole.steps").read_text())
    expected = all_bytes(whole / "shards")
    assert len([name for name in expected if name.endswith(".tar")]) == 4
    for kill_at in random.Random(seed).sample(range(1, num_steps + 1), num):
        killed = tmp_path / f"killed-{kill_at}"
        assert run(source, killed, kill_at).returncode == -signal.SIGKILL
        done = run(source, killed)
        assert done.returncode == 0, done.stderr
        assert all_bytes(killed / "shards") == expected, f"killed at step {kill_at}"


def test_build_that_was_killed_goes_on_to_the_same_bytes(source, tmp_path):
    """Three random points; every file of the shard set equals that of an undisturbed build."""
    check_kills(source, tmp_path, seed=0, num=3)


@pytest.mark.slow
def test_build_that_was_killed_anywhere_goes_on_to_the_same_bytes(source, tmp_path):
    """Fifty random points."""
    check_kills(source, tmp_path, seed=1, num=50)


def test_full_disk_is_an_error_and_the_next_run_goes_on(source, tmp_path):
    """A limit of file size stands for the disk: exit 2, nothing half-written is taken for whole."""
    done = run(source, tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    limit = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
    limited = PROGRAM.replace("import os, signal, sys", f"{limit} import os, signal, sys")
    environment = {
        **os.environ,
        "GRANCTL_WORKSPACE": str(tmp_path / "full"),
        "KILL_AT": "0",
        "STEPS": str(tmp_path / "full.steps"),
    }
    options = ["--source", str(source), *OPTIONS]
    command = [sys.executable, "-c", limited, "shards", "build", *options]
    failed = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert failed.returncode == 2, failed.stderr
    assert "larger than allowed here; nothing half-written was taken for whole" in failed.stderr
    assert "run the same command again: it goes on" in failed.stderr
    (folder,) = (tmp_path / "full/shards").iterdir()
    assert not list(folder.glob("*.tar"))
    assert not list(folder.glob(".*.tmp"))
    assert run(source, tmp_path / "full").returncode == 0
    assert all_bytes(tmp_path / "full/shards") == all_bytes(tmp_path / "whole/shards")


def test_two_builds_at_once_make_one_shard_set(source, tmp_path):
    """The second waits for the first, or finds its work done; both end well with one result."""
    assert run(source, tmp_path / "whole").returncode == 0
    environment = {**os.environ, "GRANCTL_WORKSPACE": str(tmp_path / "both"), "KILL_AT": "0"}
    environment["STEPS"] = str(tmp_path / "both.steps")
    options = ["--source", str(source), *OPTIONS]
    command = [sys.executable, "-c", PROGRAM, "shards", "build", *options]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    paths = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(paths) == 1
    assert all_bytes(tmp_path / "both/shards") == all_bytes(tmp_path / "whole/shards")
