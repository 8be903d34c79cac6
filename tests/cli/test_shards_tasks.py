"""Tasks of a plan for any engine: `shards plan`, `shards build --plan P --task i/n`, `finish`."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generated_images import encoded, write_source
from told import all_bytes

OPTIONS = ("--shard-images", 3, "-q")
MODULE = (sys.executable, "-m", "granctl", "shards")


@pytest.fixture
def source(tmp_path) -> Path:
    """24 images in 6 classes: 6 shards to train and 2 to test."""
    return write_source(tmp_path / "shapes")


@pytest.fixture
def plan(granctl, source) -> Path:
    """The planned set."""
    return granctl("shards", "plan", "--source", source, *OPTIONS).path


@pytest.fixture
def expected(granctl, source, tmp_path) -> dict[str, bytes]:
    """The files that one build makes."""
    return set_bytes(build_elsewhere(granctl, source, tmp_path).path)


def build_elsewhere(granctl, source, tmp_path, *words):
    """`shards build` in a workspace of its own."""
    own = ("--workspace", tmp_path / "elsewhere", "--workers", 1)
    return granctl("shards", "build", "--source", source, *OPTIONS, *own, *words)


def set_bytes(folder: Path) -> dict[str, bytes]:
    """Every file but spec.json, which says by which command the set was begun."""
    return {name: raw for name, raw in all_bytes(folder).items() if name != "spec.json"}


def test_plan_says_how_much_there_is_to_do(granctl, source, plan):
    """Images, shards, bytes; nothing is packed; the same command again finds it."""
    found = granctl("shards", "plan", "--source", source, *OPTIONS, "--json").json
    assert (found["images"], found["shards"], found["splits"]) == (24, 8, {"train": 18, "test": 6})
    assert found["bytes"] > 24 * 2000
    assert (found["made"], found["whole"]) == (False, False)
    assert not list(plan.glob("*.tar"))
    again = granctl("shards", "plan", "--source", source, "--shard-images", 3)
    assert again.path == plan
    assert "whole" not in again.err


def test_tasks_in_parallel_processes_and_any_order_make_the_bytes_of_a_build(plan, expected):
    """Three tasks shuffled, one of them twice at once; then the end."""
    tasks = [0, 1, 1, 2]
    random.Random(0).shuffle(tasks)
    commands = [[*MODULE, "build", "--plan", str(plan), "--task", f"{i}/3", "-q"] for i in tasks]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    ends = {(process.communicate()[0], process.returncode) for process in running}
    assert ends == {(f"{plan}\n".encode(), 0)}
    assert not (plan / "manifest.json").exists()
    done = subprocess.run([*MODULE, "finish", str(plan), "--json"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert set_bytes(plan) == expected


@pytest.mark.parametrize("num", [1, 2, 11])
def test_any_number_of_tasks_will_do(granctl, plan, expected, num):
    """Also more than there are shards: those have nothing to do."""
    for i in reversed(range(num)):
        record = granctl(
            "shards", "build", "--plan", plan, "--task", f"{i}/{num}", "-q", "--json"
        ).json
        assert (record["whole"], record["task"], record["tasks"]) == (False, i, num)
    assert granctl("shards", "finish", plan, "-q").path == plan
    assert set_bytes(plan) == expected


def test_two_ends_at_once_make_one_set(granctl, plan, expected):
    """Both print the path; nobody finds half of it."""
    granctl("shards", "build", "--plan", plan, "--task", "0/1", "-q")
    command = [*MODULE, "finish", str(plan)]
    both = [subprocess.Popen(command, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    ends = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert {out for out, _ in ends} == {f"{plan}\n"}
    assert set_bytes(plan) == expected


def test_end_with_a_shard_missing_names_it_and_the_mend(granctl, plan, expected):
    """Exit 2; what the mend says ends well."""
    for i in (0, 2):
        granctl("shards", "build", "--plan", plan, "--task", f"{i}/3", "-q")
    refused = granctl("shards", "finish", plan)
    assert refused.code == 2
    assert f"3 of 8 shards of {plan} are not there yet: " in refused.err
    assert f"`granctl shards build --plan {plan}`" in refused.err
    assert granctl("shards", "build", "--plan", plan, "--workers", 2, "-q").path == plan
    assert set_bytes(plan) == expected


def test_bad_images_of_tasks_are_judged_at_the_end(granctl, source, tmp_path):
    """Tasks end well; `finish` names them with exit 2, and leaves them out when it is told to."""
    (source / "train/n00000002/a.png").write_bytes(b"no image")
    plan = granctl("shards", "plan", "--source", source, *OPTIONS).path
    for i in range(2):
        assert granctl("shards", "build", "--plan", plan, "--task", f"{i}/2", "-q").code == 0
    refused = granctl("shards", "finish", plan)
    assert refused.code == 2
    assert f"1 bad image, all named in {plan}/bad.csv: train/n00000002/a.png" in refused.err
    assert granctl("shards", "finish", plan, "--on-bad-image", "skip").path == plan
    skipped = build_elsewhere(granctl, source, tmp_path, "--on-bad-image", "skip").path
    assert set_bytes(plan) == set_bytes(skipped)
    assert granctl("shards", "finish", plan).code == 2
    assert granctl("shards", "finish", plan, "--on-bad-image", "skip").path == plan


def test_end_does_as_was_planned(granctl, source):
    """A plan with --on-bad-image skip needs no other word at its end."""
    (source / "train/n00000002/a.png").write_bytes(b"no image")
    asked = ("--source", source, *OPTIONS, "--on-bad-image", "skip")
    plan = granctl("shards", "plan", *asked).path
    granctl("shards", "build", "--plan", plan, "--task", "0/1", "-q")
    found = granctl("shards", "finish", plan, "--json", "-q").json
    assert (found["bad_images"], found["images"]) == (1, 23)


def test_whole_set_has_nothing_to_plan_or_to_do(granctl, source, plan, expected):
    """Every command prints its path and changes nothing."""
    granctl("shards", "build", "--plan", plan, "-q")
    for words in (
        ("plan", "--source", source, "--shard-images", 3),
        ("build", "--plan", plan),
        ("build", "--plan", plan, "--task", "1/2"),
        ("finish", plan),
    ):
        again = granctl("shards", *words)
        assert again.path == plan
        assert "there already, whole" in again.err
    assert set_bytes(plan) == expected


def test_plan_again_does_not_wait_for_tasks_at_work(granctl, source, plan):
    """They share the folder's lock, and the plan is there."""
    handle = os.open(plan, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        command = [*MODULE, "plan", "--source", str(source), *map(str, OPTIONS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        os.close(handle)
    assert done.stdout == f"{plan}\n"


def test_end_does_not_wait_for_a_task_that_hangs(granctl, plan, expected):
    """Every shard is whole: whoever still writes one changes nothing."""
    granctl("shards", "build", "--plan", plan, "--task", "0/1", "-q")
    handle = os.open(plan, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    (plan / ".train-000000.tar.7@othernode.tmp").write_bytes(b"half")
    try:
        done = subprocess.run([*MODULE, "finish", str(plan)], capture_output=True, timeout=60)
    finally:
        os.close(handle)
    assert done.returncode == 0, done.stderr
    assert set_bytes(plan) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "0/3"), "--task: a task needs a plan"),
        (("--plan", "PLAN", "--task", "3/3"), "'3/3' is no task of several"),
        (("--plan", "PLAN", "--task", "3"), "'3' is no task of several"),
        (("--plan", "PLAN", "--task", "-1/3"), "'-1/3' is no task of several"),
        (("--plan", "PLAN", "--task", "0/0"), "'0/0' is no task of several"),
        (("--plan", "PLAN", "--task", "a/b"), "'a/b' is no task of several"),
        (("--plan", "PLAN", "--task", ""), "'' is no task of several"),
        (("--plan", "PLAN", "--seed", "1"), "--plan: the plan says what is built"),
        (("--plan", "PLAN", "--on-bad-image", "skip"), "--plan: the plan says what is built"),
        (("--plan", "PLAN", "--out", "x"), "--plan: the plan says what is built"),
        (("--plan", "PLAN", "--source", "x"), "--plan: the plan says what is built"),
        (("--plan", "/no/such/plan"), "plan not found: /no/such/plan"),
        (("--plan", "/no/such/plan", "--task", "0/1"), "plan not found: /no/such/plan"),
    ],
)
def test_words_that_do_not_go_together(granctl, plan, words, said):
    """Exit 2 with the mend."""
    refused = granctl("shards", "build", *(plan if word == "PLAN" else word for word in words))
    assert refused.code == 2
    assert said in refused.err
    assert "hint: " in refused.err


def test_end_of_what_was_never_planned(granctl, tmp_path):
    """No such folder: exit 2; a folder without a plan: exit 3."""
    missing = granctl("shards", "finish", tmp_path / "none")
    assert missing.code == 2
    assert "plan not found" in missing.err
    (tmp_path / "empty").mkdir()
    empty = granctl("shards", "finish", tmp_path / "empty")
    assert empty.code == 3
    assert "there is no plan" in empty.err


def test_source_that_changed_since_it_was_planned(granctl, source, plan):
    """Exit 3 before anything is packed."""
    (source / "train/n00000001/new.png").write_bytes(encoded(99))
    refused = granctl("shards", "build", "--plan", plan, "--task", "0/2")
    assert refused.code == 3
    assert "it is not as it was when the shards were planned" in refused.err
    assert not list(plan.glob("*.tar"))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damaged_plan_is_refused_and_made_again(granctl, source, plan, expected, damage):
    """Exit 3 with the mend, which keeps the shards that are whole."""
    granctl("shards", "build", "--plan", plan, "--task", "0/2", "-q")
    path = plan / ".parts/plan.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-20]), "empty": b""}[damage])
    for words in (("build", "--plan", plan, "--task", "1/2"), ("finish", plan)):
        refused = granctl("shards", *words)
        assert refused.code == 3
        assert f"{path}: damaged, or of another version" in refused.err
    assert granctl("shards", "plan", "--source", source, *OPTIONS).path == plan
    going = granctl("shards", "build", "--plan", plan)
    assert "going on: 4 of 8 shards are whole" in going.err
    assert set_bytes(plan) == expected


SLOW = """
import time
import granctl.shards.build.pack as pack
audit = pack.audit
def slow(*given):
    time.sleep(0.3)
    return audit(*given)
pack.audit = slow
import signal, granctl.shards.build.write as write
from granctl.files import replacing
from granctl.cli.main import main
main()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_task_that_is_told_to_end_leaves_nothing(plan, expected, granctl, workers):
    """SIGTERM: exit 143, no half file, and the same task goes on."""
    words = ["shards", "build", "--plan", str(plan), "--task", "0/1", "--workers", str(workers)]
    begun = subprocess.Popen([sys.executable, "-c", SLOW, *words], stderr=-1, text=True)
    while not list(plan.glob("*.tar")):
        time.sleep(0.02)
    begun.send_signal(signal.SIGTERM)
    _, err = begun.communicate(timeout=30)
    assert begun.returncode == 143
    assert "error: ended by a signal; nothing half-written was taken for whole" in err
    assert not list(plan.glob(".*.tmp"))
    granctl("shards", "build", "--plan", plan, "-q")
    assert set_bytes(plan) == expected


@pytest.mark.parametrize("variable", ["SLURM_ARRAY_TASK_ID", "GRANCTL_JOB"])
def test_jobs_of_a_cluster_leave_the_newest_alone(granctl, plan, monkeypatch, variable):
    """Neither a task nor the end of a set is what a person at a terminal made last."""
    monkeypatch.setenv(variable, "3")
    granctl("shards", "build", "--plan", plan, "--task", "0/1", "-q")
    assert granctl("shards", "finish", plan, "-q").path == plan
    refused = granctl("shards", "show")
    assert refused.code == 2
    assert "no shards was given" in refused.err
    monkeypatch.delenv(variable)
    assert granctl("shards", "show").code == 2


@pytest.mark.parametrize(
    ("variable", "first"),
    [
        ("SLURM_ARRAY_TASK_ID", 0),
        ("JOB_COMPLETION_INDEX", 0),
        ("SGE_TASK_ID", 1),
        ("LSB_JOBINDEX", 1),
    ],
)
def test_lines_of_the_manual_number_the_tasks_from_0(variable, first):
    """The engines number from 0 or from 1; the first and the last task are right in a shell."""
    page = (Path(__file__).parents[2] / "docs/commands/shards-cluster.md").read_text()
    (line,) = (row for row in page.splitlines() if row[:1] == "|" and variable in row)
    task = line.rpartition("` |")[0].rpartition("--task ")[2]
    for i in (0, 63):
        environment = {variable: str(first + i)}
        said = subprocess.run(
            ["/bin/sh", "-c", f"echo {task}"], capture_output=True, env=environment
        )
        assert said.stdout == f"{i}/64\n".encode()
