"""`granctl pretrain --processes` and `granctl resume-check`, as people run them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shapes import TINY_RECIPE, build_shapes, label_map

LONG = TINY_RECIPE.replace("epochs = 4", "epochs = 3000")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the shapes and a map of them; beside it a long recipe."""
    root = tmp_path_factory.mktemp("together")
    built = build_shapes(root / "made")
    shutil.copytree(built, root / "workspace" / "shards" / built.name)
    maps = root / "workspace" / "label-maps"
    maps.mkdir()
    label_map([[0], [0], [1], [1]], ("top", "bottom")).write(maps / "map.parquet")
    (root / "tiny.toml").write_text(TINY_RECIPE)
    (root / "long.toml").write_text(LONG)
    return root


def asked(place: Path, recipe: str, *more: object) -> list[str]:
    """The command."""
    (shards,) = (place / "workspace" / "shards").iterdir()
    labels = place / "workspace" / "label-maps" / "map.parquet"
    command = [sys.executable, "-m", "granctl", "pretrain", "--shards", shards, "--labels", labels]
    return [str(word) for word in (*command, "--recipe", place / recipe, *more)]


def environment(place: Path) -> dict[str, str]:
    """With the workspace of these tests."""
    return {**os.environ, "GRANCTL_WORKSPACE": str(place / "workspace")}


def test_two_processes_make_one_run_and_say_it_once(place: Path) -> None:
    """One object on stdout; every held-out image is scored once."""
    command = asked(place, "tiny.toml", "--processes", 2, "--json")
    done = subprocess.run(command, capture_output=True, text=True, env=environment(place))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["made"]
    assert record["held_out"]["n"] == 20
    assert done.stderr.count("classes are present") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_signal_reaches_each_process_once(place: Path, number: int, tmp_path: Path) -> None:
    """They stop at one step, saved; the same command, told to end soon, goes on from there."""
    command = asked(place, "long.toml", "--processes", 2, "--out", tmp_path / "run")
    begun = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(place))
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not metrics.exists() or not metrics.read_text():
        assert begun.poll() is None, begun.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    begun.send_signal(number)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == 128 + number, said
    assert said.count("all is saved") == 1
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    assert f"after step {int(newest.name.removeprefix('step-'))} of" in said


def test_run_goes_on_as_if_nothing_had_been(granctl, place, monkeypatch) -> None:
    """One copy killed on one process; the folder of the run is only read."""
    monkeypatch.setenv("GRANCTL_WORKSPACE", str(place / "workspace"))
    (shards,) = (place / "workspace" / "shards").iterdir()
    labels = place / "workspace" / "label-maps" / "map.parquet"
    given = ("--shards", shards, "--labels", labels, "--recipe", place / "tiny.toml")
    run = granctl("pretrain", *given).path
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    record = granctl("resume-check", run, "--kills", 1, "--steps", 6, *given[:4], "--json").json
    assert record["same"]
    assert [kill["largest_difference"] for kill in record["kills"]] == [0.0]
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not list((place / "workspace" / "resume-checks").iterdir())
    other = ("--labels", _other_map(place))
    assert granctl("resume-check", run, *given[:2], *other).code == 2
    refused = granctl("resume-check", shards)
    assert refused.code == 3
    assert "not a run" in refused.err


def _other_map(place: Path) -> Path:
    """Of three classes."""
    path = place / "other.parquet"
    label_map([[0], [0], [1], [2]], ("a", "b", "c")).write(path)
    return path
