"""`granctl theory` at the command line: what it prints, that it goes on, what it refuses."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--set", "samples=16", "--set", "test=100", "--set", "k=4"]
"""A run of a tenth of a second."""


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANCTL_WORKSPACE", str(tmp_path / "ws"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_run_gives_lists_over_seeds(granctl: Any) -> None:
    """One object: for coarse and fine the errors by read-out, the ratio, and what is documented."""
    done = granctl("theory", "run", *SMALL, "--seeds", 2, "--processes", 1, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["kind"] == "theory"
    assert record["made"] is True
    assert record["schema"] == 1
    assert record["seeds"] == [0, 1]
    assert record["setting"]["k"] == 4
    for labels, classes in (("coarse", 2), ("fine", 8)):
        of = record[labels]
        assert of["classes"] == classes
        for kind in ("easy", "hard"):
            assert set(of[kind]) == {"max", "sum", "probe", "finetune"}
            assert all(len(errors) == 2 for errors in of[kind].values())
        for name in ("response_ratio", "alignment", "auc", "loss", "epochs", "steps"):
            assert len(of[name]) == 2
        for name in ("response", "aligned"):
            assert [len(level) for level in of[name]] == [2, 2]
    assert record["coarse"]["hard"]["max"][0] > record["fine"]["hard"]["max"][0]
    manual = (Path(__file__).parents[2] / "docs" / "commands" / "theory.md").read_text()
    for name in (*record["fine"], "seeds", "warnings", "setting", "command"):
        assert f"`{name}`" in manual
    assert (Path(record["path"]) / "manifest.json").is_file()
    assert "trainings" in done.err
    again = granctl("theory", "run", *SMALL, "--seeds", 2, "--json")
    assert json.loads(again.out) == {**record, "made": False}


def test_any_number_of_processes_gives_the_same_bytes(
    granctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every file, whatever was typed."""
    made = []
    for processes in (1, 2):
        out = tmp_path / f"of-{processes}"
        arguments = ["run", *SMALL, "--seeds", 2, "--processes", processes, "--out", out]
        monkeypatch.setattr("sys.argv", ["granctl", "theory", *map(str, arguments)])
        assert granctl("theory", *arguments).code == 0
        made.append(content(out))
    assert made[0] == made[1]
    assert len(made[0]) == 6  # spec, manifest, two label spaces by two seeds


def test_an_interrupted_sweep_goes_on(granctl: Any) -> None:
    """What was trained stays, what is missing is trained, and the end is the same."""
    command = ["theory", "sweep", "--vary", "rho=0,0.1", *SMALL, "--seeds", 1, "--processes", 1]
    done = granctl(*command, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["kind"] == "theory-sweep"
    assert record["vary"] == "rho"
    assert [p["value"] for p in record["points"]] == [0.0, 0.1]
    assert [p["setting"]["rho"] for p in record["points"]] == [0.0, 0.1]
    folder = Path(record["path"])
    whole = content(folder)
    (folder / "manifest.json").unlink()
    gone, *kept = sorted((folder / "trainings").glob("*.json"))
    gone.unlink()
    marks = {path: path.stat().st_mtime_ns for path in kept}
    assert granctl(*command).out.strip() == str(folder)
    assert content(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == marks


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--set", "k=4", "--set", "between=[2]", "--set", "P=9", "--seeds", "1"],
        ["run", "--labels", "merged:4", "--labels", "fine", "--seeds", "1"],
        ["sweep", "--vary", "classes=2,4", "--set", "samples=4", "--seeds", "1"],
        [
            "sweep",
            "--vary",
            "rho=0.0,0.25",
            "--set",
            "samples=4",
            "--labels",
            "fine",
            "--seeds",
            "1",
        ],
        ["sweep", "--vary", "alpha_drawn=patch,sample", "--set", "samples=4", "--seeds", "1"],
        ["sweep", "--vary", "between=[],[2]", "--set", "P=9", "--seeds", "2"],
    ],
    ids=" ".join,
)
def test_a_command_that_asks_for_the_same_is_told(words: list[str]) -> None:
    """The one that was typed, in one order; it has the same identity."""
    from granctl.study.theoryasked import Asked, asked_run, asked_sweep

    def asked(typed: list[str]) -> Asked:
        given: dict[str, list[str]] = {"--set": [], "--labels": [], "--vary": [], "--seeds": []}
        for name, value in zip(typed[1::2], typed[2::2], strict=True):
            given[name].append(value)
        seeds = int(given["--seeds"][0])
        if typed[0] == "run":
            return asked_run(given["--set"], given["--labels"], seeds)
        return asked_sweep(given["--set"], given["--vary"][0], given["--labels"], seeds)

    first = asked(words)
    told = shlex.split(first.command())
    assert told[:2] == ["granctl", "theory"]
    assert asked(told[2:]).identity() == first.identity()
    assert sorted(told[2:]) == sorted(words)


def test_label_spaces_are_varied(granctl: Any) -> None:
    """By a number of classes, or by word."""
    for vary, ways in (
        ("classes=2,8,16", ["merged", "fine", "split"]),
        ("labels=coarse,random:4,misaligned:2", ["coarse", "random", "misaligned"]),
    ):
        arguments = ["sweep", "--vary", vary, *SMALL, "--set", "epochs=2", "--seeds", 1]
        done = granctl("theory", *arguments, "--processes", 1, "--json")
        assert done.code == 0, done.err
        points = json.loads(done.out)["points"]
        assert [p["varied"]["way"] for p in points] == ways


def test_a_deeper_hierarchy_is_asked_for(granctl: Any) -> None:
    """Two nodes between a superclass and its four subclasses: features of three levels."""
    deep = ["--set", "between=[2]", "--set", "P=8", "--set", "s=2", "--set", "superclasses=3"]
    asked = ["run", *SMALL, *deep, "--set", "epochs=2", "--labels", "merged:6", "--seeds", 1]
    done = granctl("theory", *asked, "--processes", 1, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["setting"]["between"] == [2]
    assert len(record["merged:6"]["response"]) == 3
    assert record["merged:6"]["classes"] == 6


def test_unmet_conditions_are_warned_of(granctl: Any) -> None:
    """On stderr and in the object: those known before, and the loss that stayed."""
    arguments = ["run", *SMALL, "--set", "epochs=1", "--seeds", 1, "--processes", 1, "--json"]
    done = granctl("theory", *arguments)
    warnings = json.loads(done.out)["warnings"]
    named = [line.split('"')[1] for line in warnings]
    assert named == ["enough samples a subclass", *["small training loss"] * 2]
    for line in warnings:
        assert f"warning: {line}" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--set", "k=40"], "d: 82 orthonormal features need more than 64"),
        (["run", "--set", "P=3"], "P: an easy sample has 2 patches on each of 2 levels"),
        (["run", "--labels", "merged:3"], "3 classes do not divide among 2 superclasses"),
        (["run", "--labels", "sample"], "width = 128 neurons do not suffice for 1600"),
        (["run", "--labels", "finest"], "'finest' is no label space"),
        (["run", "--set", "kk=4"], "kk: unknown key; did you mean k"),
        (["run", "--set", "k=4.5"], "k: int was expected"),
        (["run", "--set", "noise=nan"], "noise: not a number"),
        (["run", "--set", "bias_rule=free"], "'free' is none of none, fixed, norm, trained"),
        (["run", "--set", "k"], "'k' is not KEY=VALUE"),
        (["run", "--seeds", "0"], "--seeds: 0 is below 1"),
        (["run", "--processes", "0"], "--processes: 0 is below 1"),
        (["sweep", "--vary", "k"], "--vary: 'k' is not NAME=VALUE,VALUE"),
        (["sweep", "--vary", "alpha_daggr=1"], "known: alpha_dagger"),
        (["sweep", "--vary", "k=2,2"], "2 stands twice"),
        (["sweep", "--vary", "k=2,40"], "--vary k=40: 1 fault"),
        (["sweep", "--vary", "k=2,4", "--set", "k=8"], "--set: k is varied, and its one value 8"),
        (
            ["sweep", "--vary", "classes=2,4", "--labels", "misaligned:4"],
            "--labels: --vary classes",
        ),
        (["sweep", "--vary", "classes=2,3"], "--vary classes=3: 1 fault"),
        (["sweep", "--vary", "labels=coarse,none"], "'none' is no label space"),
    ],
)
def test_what_cannot_be_is_refused(
    granctl: Any, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Before anything is trained or written; exit code 2, the parameter named."""
    done = granctl("theory", *arguments)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    "arguments",
    [["run", "--set", "kk=4"], ["sweep", "--vary", "k=2,40"], ["sweep", "--vary", "classes=2,3"]],
)
def test_the_page_that_lists_parameters_is_named(granctl: Any, arguments: list[str]) -> None:
    """The other commands' page lists none of these."""
    done = granctl("theory", *arguments)
    assert "hint: mend the lines named above; docs/commands/theory.md lists" in done.err
