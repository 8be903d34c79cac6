"""`granctl runs`: what is there, how far it is, who makes it, and its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shapes import LABELS, TINY_RECIPE, build_shapes, label_map

PACKAGE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A pretraining of 20 steps."""
    home = tmp_path_factory.mktemp("runs")
    label_map([[0], [1], [2], [3]], LABELS).write(home / "map.parquet")
    (home / "tiny.toml").write_text(TINY_RECIPE)
    given = f"--shards {build_shapes(home)} --labels {home / 'map.parquet'}"
    return f"pretrain {given} --recipe {home / 'tiny.toml'} --workers 0 --quiet".split()


@pytest.fixture
def endless(words: list[str], workspace_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The same with many epochs, begun by a process of its own."""
    command = [sys.executable, "-m", "granctl", *words, "--epochs", "100000"]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    pipe = subprocess.PIPE
    begun = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
    yield begun
    if begun.poll() is None:
        begun.kill()
    begun.communicate()


def _until(true: Callable[[], object]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_no_run_is_an_empty_list_and_nothing_to_show(granctl) -> None:
    """A list may be empty; what is to be shown must be there."""
    assert granctl("runs", "list", "--json").json == {"kind": "runs", "runs": [], "schema": 1}
    for verb in ("show", "tail", "stop"):
        refused = granctl("runs", verb)
        assert refused.code == 2
        assert "hint: " in refused.err


def test_whole_run_is_shown_with_all_that_is_known(granctl, words) -> None:
    """By nothing, its folder, its digest or its name; text and one object."""
    made = granctl(*words, "--json").json
    run = Path(made["path"])
    (line,) = granctl("runs", "list", "--json").json["runs"]
    assert (line["state"], line["step"], line["steps"]) == ("whole", 20, 20)
    assert (line["where"], line["left_s"]) == (None, None)
    assert line["images_per_s"] > 0
    table = granctl("runs", "list").out.splitlines()
    assert table[0].split() == ["run", "state", "step", "images/s", "loss", "left", "where"]
    assert table[1].split()[:3] == [run.name, "whole", "20/20"]
    for name in ([], [run], [made["digest"][:6]], [run.name], ["tiny"]):
        assert granctl("runs", "show", *name, "--json").json["digest"] == made["digest"]
    shown = granctl("runs", "show", "--json").json
    assert shown["asked"]["recipe"]["name"] == "tiny"
    assert set(shown["inputs"]) == {"shards", "labels", "labels_content"}
    assert [one["step"] for one in shown["checkpoints"]] == [15, 20]
    assert all(one["bytes"] > 1000 for one in shown["checkpoints"])
    assert shown["metrics"]["last"]["step"] == 20
    assert shown["details"]["steps"] == 20
    assert (len(shown["starts"]), shown["log"]) == (1, None)
    text = granctl("runs", "show").out
    for words_ in ("state        whole", "step         20/20", "recipe       tiny: for tests"):
        assert words_ in text
    assert "checkpoints  step 15 (" in text


def test_tail_prints_the_last_lines(granctl, words) -> None:
    """So many; with --json one object, when following a line each; a whole run ends it at once."""
    run = granctl(*words).path
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert granctl("runs", "tail", "--lines", 2, "--json").json["lines"] == lines[-2:]
    text = granctl("runs", "tail", run.name, "--lines", 1).out
    assert text.startswith(f"step 20, epoch 3, loss {lines[-1]['loss']:.4f}, lr ")
    followed = granctl("runs", "tail", "--follow", "--lines", 3, "--json")
    assert [json.loads(line) for line in followed.out.splitlines()] == lines[-3:]
    assert granctl("runs", "tail", "--lines", 0).out.strip() == ""


def test_names_of_none_or_several_runs_are_refused(granctl, words) -> None:
    """With near names, or those that it could be."""
    for seed in (0, 1):
        granctl(*words, "--seed", seed)
    several = granctl("runs", "show", "tiny")
    assert several.code == 2
    assert "2 runs begin with 'tiny': tiny-" in several.err
    none = granctl("runs", "stop", "huge")
    assert none.code == 2
    assert "no run of the workspace is 'huge'" in none.err
    whole = granctl("runs", "stop")
    assert whole.code == 2
    assert "is whole: no process or job makes it" in whole.err


def test_running_training_is_found_followed_and_stopped(granctl, endless) -> None:
    """It saves and leaves with 143; who follows it ends too; then it is stopped, and can go on."""
    _until(lambda: "running" in granctl("runs", "list").out)
    _until(lambda: "step " in granctl("runs", "tail", "--lines", 1).out)
    (line,) = granctl("runs", "list", "--json").json["runs"]
    assert line["where"] == f"process {endless.pid} on {os.uname().nodename}"
    assert line["steps"] == 500_000
    assert line["left_s"] > 0
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-m", "granctl", "runs", "tail", "--follow", "--lines", "1"]
    follower = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    begin = [follower.stdout.readline() for _ in range(3)]
    assert all(line.startswith("step ") for line in begin)
    stopped = granctl("runs", "stop", "--json").json
    assert stopped["how"] == f"SIGTERM to process {endless.pid}"
    _, err = endless.communicate(timeout=60)
    assert endless.returncode == 143
    assert "all is saved" in err
    with follower.stdout as out:  # `communicate` would lose what `readline` has read ahead
        rest = out.read()
    assert follower.wait(60) == 0
    run = Path(line["path"])
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"step {last['step']}, " in (begin + rest.splitlines())[-1]
    assert granctl("runs", "list", "--json").json["runs"][0]["state"] == "stopped"
    refused = granctl("runs", "stop")
    assert refused.code == 2
    assert "is stopped: no process or job makes it" in refused.err


def test_run_of_another_machine_is_told_of_and_not_stopped(granctl, words) -> None:
    """Its maker's number means nothing here; whether it is alive, the lock of its folder says."""
    import fcntl

    run = granctl(*words).path
    (run / "manifest.json").unlink()
    starts = run / "starts.jsonl"
    line = json.loads(starts.read_text())
    line["maker"] |= {"host": "far-away", "boot": "another"}
    starts.write_text(json.dumps(line) + "\n")
    assert granctl("runs", "list", "--json").json["runs"][0]["state"] == "stopped"
    handle = os.open(run, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    (found,) = granctl("runs", "list", "--json").json["runs"]
    assert (found["state"], found["where"]) == (
        "running",
        f"process {os.getpid()} on far-away",
    )
    refused = granctl("runs", "stop")
    os.close(handle)
    assert refused.code == 2
    assert "on far-away, which cannot be told from here" in refused.err


def test_reader_that_leaves_is_no_error(words, granctl) -> None:
    """`granctl runs tail | head -1` says nothing on stderr."""
    granctl(*words)
    command = f"{sys.executable} -m granctl runs tail --follow --lines 20 | true"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
