"""Pretrainings under several label maps are the same on several processes, and after a kill."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shapes import LABELS, label_map
from test_exact import VIT, metrics_of, same, state_of
from together import Together

from granctl.files import read_json

MAPS = {
    "leaf": [[0], [1], [2], [3]],
    "rows": [[0], [0], [1], [1]],
    "some": [[], [0], [1], [0]],
}
WAYS = {
    "levels": ("leaf", "--also", "rows", "--also", "some"),
    "marginal": ("rows", "--fine", "leaf"),
}
SMOOTHED = "label_smoothing = 0.1\n" + VIT


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path
) -> Iterator[Callable[..., tuple[Path, list[int]]]]:
    """`run(loss, name, size=2)` pretrains with mixed images; the folder, and the exit codes."""
    root = tmp_path_factory.mktemp("several")
    for name, classes in MAPS.items():
        labels = label_map(classes, LABELS, method="level", params={"level": name})
        labels.write(root / f"{name}.parquet")
    (root / "tiny.toml").write_text(SMOOTHED)

    def call(loss: str, name: str, **how: Any) -> tuple[Path, list[int]]:
        maps = [root / f"{word}.parquet" if word in MAPS else word for word in WAYS[loss]]
        out = root / f"{loss}-{name}"
        asked = ("--shards", shapes_folder, "--recipe", root / "tiny.toml", "--out", out)
        ended = together.pretrain((*asked, "--labels", *maps), **how)
        return out, ended.codes

    with Together(root) as together:
        yield call


@pytest.mark.parametrize("loss", WAYS)
def test_two_processes_are_one_and_go_on_bit_for_bit(run, loss):
    """Losses agree with one process but for rounding; killed at step 7 it ends the same."""
    one, codes = run(loss, "one")
    assert codes == [0]
    two, codes = run(loss, "two", size=2)
    assert codes == [0, 0]
    for line, other in zip(metrics_of(one), metrics_of(two), strict=True):
        assert other["loss"] == pytest.approx(line["loss"], rel=1e-3)
        assert other["images_seen"] == line["images_seen"]
    details = [read_json(folder / "manifest.json")["details"] for folder in (one, two)]
    assert details[0]["loss"] == details[1]["loss"] == loss
    assert details[0]["held_out"]["n"] == details[1]["held_out"]["n"] == 20
    killed, codes = run(loss, "killed", size=2, step=7, signal=signal.SIGKILL)
    assert codes == [-signal.SIGKILL] * 2
    assert run(loss, "killed", size=2)[1] == [0, 0]
    assert same(state_of(killed), state_of(two))
    assert metrics_of(killed) == metrics_of(two)
