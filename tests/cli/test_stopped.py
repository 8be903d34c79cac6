"""Every stage, stopped while it writes: its exit code, its words, and the same command again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shapes import TINY_RECIPE, build_shapes, label_map

from granctl.cli.main import run

FAULTS = {
    "ctrl-c": (KeyboardInterrupt(), 130, "run the same command again"),
    "full": (OSError(errno.ENOSPC, "full"), 2, "no space is left on the device"),
    "read-only": (OSError(errno.EROFS, "ro"), 2, "the file system is read-only"),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Each stage's command; what it needs from those before it lies in another workspace."""
    home = tmp_path_factory.mktemp("stages")
    shards = build_shapes(home)
    label_map([[0], [0], [1], [1]], ("top", "bottom")).write(home / "map.parquet")
    (home / "tiny.toml").write_text(TINY_RECIPE)
    model, features, result = home / "run", home / "train.parquet", home / "result"
    given = f"--shards {shards} --labels {home / 'map.parquet'} --recipe {home / 'tiny.toml'}"
    stages = {
        "cut": "tree cut --level 4",
        "build": f"shards build --source {home / 'shapes'} --shard-images 20",
        "pretrain": f"pretrain {given} --epochs 2",
        "embed": f"embed --run {model} --shards {shards}",
        "cluster": f"tree cut --cluster kmeans --classes 4 --shards {shards} --features {features}",
        "transfer": f"transfer --run {model} --target {shards}",
        "report": f"report {result}",
    }
    for stage, out in [("pretrain", model), ("embed", features), ("transfer", result)]:
        assert run([*stages[stage].split(), "--out", str(out), "--quiet"]) == 0
    return {stage: command.split() for stage, command in stages.items()}


@contextmanager
def writes_that_fail(fault: BaseException | None, at: int = 0) -> Iterator[list[int]]:
    """Raises at one of the calls that bring what was written to the disk; counts them."""
    real, seen = os.fsync, [0]

    def fsync(handle: int) -> None:
        seen[0] += 1
        if fault is not None and seen[0] == at:
            raise fault
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield seen


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "stage", ["cut", "build", "pretrain", "embed", "cluster", "transfer", "report"]
)
def test_a_stage_that_is_stopped_is_gone_on_with(
    stage: str, fault: str, granctl: Callable, commands: dict[str, list[str]], tmp_path: Path
) -> None:
    """At its first write, in the middle and at its last: nothing printed, nothing lost."""
    error, code, words = FAULTS[fault]
    command = [*commands[stage], "--workspace"]
    with writes_that_fail(None) as seen:
        whole = granctl(*command, tmp_path / "whole", "--json").json
    for at in sorted({1, (seen[0] + 1) // 2, seen[0]}):
        place = tmp_path / f"stopped-{at}"
        with writes_that_fail(error, at):
            stopped = granctl(*command, place)
        if stopped.code == 0:  # a training loses a checkpoint, which is said, and ends well
            assert stage in ("pretrain", "transfer")
            assert "no checkpoint could be written" in stopped.err
            assert words in stopped.err
            continue
        assert (stopped.code, stopped.out) == (code, ""), stopped.err
        assert words in stopped.err
        again = granctl(*command, place, "--json").json
        assert again["digest"] == whole["digest"]
        assert Path(again["path"]).exists()
        assert not list(place.rglob("*.tmp"))
        assert granctl(*command, place, "--json").json["made"] is False
