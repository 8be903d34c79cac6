"""Builds in several processes: the same bytes, and clean ends when one of them dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generated_images import encoded, write_source
from told import Told, all_bytes

from granctl.errors import WorkerDiedError
from granctl.shards.build import packers
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.workspace import Workspace

FIELDS = {"shard_images": 3, "on_bad_image": "skip"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The 24 generated images and three bad ones."""
    root = write_source(tmp_path / "shapes")
    for i, content in enumerate((b"", b"text", encoded(5)[:150])):
        (root / f"train/n0000000{i + 1}/bad.png").write_bytes(content)
    return root


def built(source: Path, workspace: Path, workers: int, told: Told | None = None) -> dict:
    """Every file of the shard set but spec.json, which says by which command it was made."""
    spec = BuildSpec(source=str(source), **FIELDS)
    made = build_shards(Workspace(workspace), spec, None, told or Told(), workers)
    return {name: raw for name, raw in all_bytes(made.path).items() if name != "spec.json"}


@pytest.mark.parametrize("workers", [2, 8])
def test_bytes_are_the_same_for_any_number_of_workers(source, tmp_path, workers):
    """Shards, index, bad.csv, manifest: all of it, and the notes to the user too."""
    told_one, told_many = Told(), Told()
    one = built(source, tmp_path / "one", 1, told_one)
    assert len([name for name in one if name.endswith(".tar")]) == 9
    assert built(source, tmp_path / "many", workers, told_many) == one
    assert [n.replace("/many/", "/one/") for n in told_many.notes] == told_one.notes


def test_progress_of_several_workers_is_told_in_full(source, tmp_path):
    """Every image is counted once, the bad ones too."""
    told = Told()
    built(source, tmp_path / "w", 3, told)
    assert told.done == {"building shards": 27}


def test_worker_that_is_killed_is_told_and_the_same_command_goes_on(source, tmp_path, monkeypatch):
    """SIGKILL in the middle of a shard: which shards it had, and whole ones are kept."""
    real = packers.packed

    def dying(folder, shard, packing, tell):
        if shard.stem == "train-000003":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(folder, shard, packing, tell)

    monkeypatch.setattr(packers, "packed", dying)
    with pytest.raises(WorkerDiedError, match="train-000003") as caught:
        built(source, tmp_path / "w", 2)
    assert "--workers" in caught.value.hint
    monkeypatch.setattr(packers, "packed", real)
    told = Told()
    assert built(source, tmp_path / "w", 2, told) == built(source, tmp_path / "whole", 1)
    assert any(note.startswith("going on: ") for note in told.notes)


SLOW_PROGRAM = """
import sys, time
from granctl.shards.build import pack
real = pack.audit
def slow(*arguments):
    time.sleep(0.05)
    return real(*arguments)
pack.audit = slow
from granctl.cli.main import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(source, tmp_path, number):
    """Killed or interrupted: no process is left, and the same command ends with the same bytes."""
    arguments = ["--source", source, "--shard-images", 3, "--on-bad-image", "skip", "--workers", 2]
    environment = {**os.environ, "GRANCTL_WORKSPACE": str(tmp_path / "w")}
    command = [sys.executable, "-c", SLOW_PROGRAM, "shards", "build", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    children = wait_for_children(process.pid, 2)
    time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    deadline = time.monotonic() + 10
    while any(running(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(running(child) for child in children)
    assert built(source, tmp_path / "w", 1) == built(source, tmp_path / "whole", 1)


def wait_for_children(parent: int, num: int) -> list[int]:
    """The processes that a process began, once there are so many."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [int(word) for word in path.read_text().split()]
        if len(found) >= num:
            return found
        time.sleep(0.01)
    raise AssertionError(f"fewer than {num} workers began")


def running(process: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
