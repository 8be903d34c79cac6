"""A result made again comes out the same, and a changed one is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from granctl.errors import LostInputError
from granctl.progress import Silent
from granctl.study.reproduce import differences, reproduce
from granctl.study.studyfile import load_study
from granctl.study.sweep import run_study
from granctl.workspace import Workspace

STUDY = """
recipe = "embedded-resnet"
seeds = 1
methods = ["finetune", "linear", "fewshot", "knn", "grouped"]
targets = ["source@depth-6"]
per_class = 4
steps = 3
images = 512
[set]
epochs = 1
model.width = 2
precision = "float32"
[options]
lengths = [2, 3]
tries = { "optimizer.lr" = [0.001, 0.01] }
shots = [1, 4]
k = 3
[[cut]]
depth = 6
"""


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[Path]]:
    """A study of one cut and one seed: a result of a run, and one from scratch."""
    root = tmp_path_factory.mktemp("reproduce")
    (root / "one.toml").write_text(STUDY)
    workspace = Workspace(root / "ws")
    done = run_study(workspace, load_study(str(root / "one.toml")), 1, Silent())
    return workspace, [Path(p) for p in done.details["results"]]


def test_a_result_comes_out_the_same(studied: tuple[Workspace, list[Path]]) -> None:
    """Run and transfer, by any method, are made anew elsewhere; every number agrees to the bit."""
    workspace, results = studied
    assert len(results) == 6
    for path in results:
        record = reproduce(workspace, path, "pretrain", 0.0, Silent())
        assert record["same"], record["differences"]
        assert record["same_inputs"]
        assert Path(record["again"]) != path
    anew = list((workspace.root / "reproductions").glob("*/runs/*/manifest.json"))
    assert len(anew) == 5  # of the run of each result that has one


def test_a_changed_number_is_noticed(
    studied: tuple[Workspace, list[Path]], granctl: Any, tmp_path: Path
) -> None:
    """Code 4, the fields are named; what differs by less than the tolerance is the same."""
    workspace, results = studied
    folder = shutil.copytree(results[0].parent, tmp_path / "changed")
    record = json.loads((folder / "result.json").read_text())
    changed = {**record, "top1": record["top1"] + 0.001, "correct": record["correct"] + 2}
    (folder / "result.json").write_text(json.dumps(changed))
    call = ("reproduce", folder, "--from", "transfer", "--workspace", workspace.root)
    done = granctl(*call, "--json")
    assert done.code == 4
    found = json.loads(done.out)
    assert set(found["differences"]) == {"top1", "correct"}
    assert "other numbers came out in top1" in done.err or "correct" in done.err


def test_tolerance_is_for_numbers_with_a_point() -> None:
    """A count that differs is another result; a fraction may differ by rounding."""
    then = {"top1": 0.5, "n": 10, "source": {"loss": 1.0}, "path": "a"}
    now = {"top1": 0.5001, "n": 11, "source": {"loss": 1.2}, "path": "b"}
    assert dict(differences(then, now, 0.001)) == {"n": [10, 11], "source.loss": [1.0, 1.2]}


def test_lists_are_compared_one_by_one() -> None:
    """Levels may differ by rounding as other numbers may; one more or less is another result."""
    then = {"levels": [{"cut": "depth-1", "top1": 0.5}, {"cut": "depth-2", "top1": 0.4}]}
    now = {"levels": [{"cut": "depth-1", "top1": 0.5001}, {"cut": "depth-2", "top1": 0.6}]}
    assert dict(differences(then, now, 0.001)) == {"levels.1.top1": [0.4, 0.6]}
    assert set(dict(differences(then, {"levels": now["levels"][:1]}, 1.0))) == {"levels"}


def test_a_lost_input_is_named(studied: tuple[Workspace, list[Path]], tmp_path: Path) -> None:
    """Shards that are gone cannot be read again, and the mend says how they were made."""
    workspace, results = studied
    moved = Workspace(tmp_path / "moved")
    shutil.copytree(workspace.root, moved.root)
    shutil.rmtree(moved.folder("shards"))
    with pytest.raises(LostInputError, match="shard set"):
        reproduce(moved, results[0], "pretrain", 0.0, Silent())
