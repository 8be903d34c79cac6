"""`granctl sweep` at the command line: what is printed where, and faults with their mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TINY = """
recipe = "embedded-resnet"
seeds = 1
targets = ["source@leaf"]
[[cut]]
level = 0
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return str(path)


def test_plan_prints_a_line_a_cell_and_costs_on_stderr(granctl: Any, study: str) -> None:
    """stdout: stage, name, needs; stderr: the table; `--json`: both as one object."""
    done = granctl("sweep", "plan", study)
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert lines[0] == ["shards", "shards", ""]
    assert ["pretrain", "run.leaf.s0", "shards,cut.leaf"] in lines
    assert "what it costs: 5 cells, 0 whole" in done.err
    record = json.loads(granctl("sweep", "plan", study, "--rate", "1000", "--json").out)
    assert [c["name"] for c in record["plan"]] == [name for _, name, _ in lines]
    assert record["costs"]["hours"] > 0
    assert "folder" not in record["study"]


def test_status_of_a_study_that_never_ran(granctl: Any, study: str) -> None:
    """Everything waits, and nothing is written by looking."""
    done = granctl("sweep", "status", study)
    assert done.out.startswith("tiny: 0 done, 0 running, 0 queued, 0 failed, 0 stopped, 5 waiting")


def test_list_and_init(granctl: Any, tmp_path: Path) -> None:
    """The studies that come with granctl, and a copy of one, not overwritten once changed."""
    listed = dict(line.split("\t") for line in granctl("sweep", "list").out.splitlines())
    assert {"demo", "embedded"} <= set(listed)
    out = tmp_path / "mine.toml"
    assert granctl("sweep", "init", "demo", "--out", str(out)).out.strip() == str(out)
    out.write_text(out.read_text().replace("seeds = 3", "seeds = 7"))
    again = granctl("sweep", "init", "demo", "--out", str(out))
    assert again.code == 2
    assert "seeds = 7" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "nothing-such"], "no study is named"),
        (["run", "demo", "--processes", "0"], "--processes"),
        (["run", "demo", "--cell", "nope"], "no cell of the study"),
    ],
)
def test_faults_of_the_user_end_with_2(
    granctl: Any, arguments: tuple[str, ...], words: str
) -> None:
    """What cannot be done is said with its mend."""
    done = granctl("sweep", *arguments)
    assert done.code == 2
    assert words in done.err
