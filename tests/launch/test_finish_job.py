"""What a finish job decides, and what the waiting command makes of it, with Slurm faked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from generated_images import write_source

import granctl.launch.commands as commands
from granctl.errors import (
    BadImagesError,
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    QueueSilentError,
)
from granctl.launch.shardbuild import build_on_slurm, finish_or_again
from granctl.launch.shardjobs import SlurmBuild, read_launched
from granctl.progress import Silent
from granctl.shards.build import pack
from granctl.shards.build.audit import Audit
from granctl.shards.build.write import (
    BuildSpec,
    Task,
    build_planned,
    build_shards,
    plan_build,
)
from granctl.workspace import Workspace

ENDED = "echo JobId=5 ArrayTaskId={} JobState={} ExitCode={} NodeList=node1"


@pytest.fixture
def spec(tmp_path) -> BuildSpec:
    """24 images in 8 shards."""
    return BuildSpec(source=str(write_source(tmp_path / "shapes")), shard_images=3)


@pytest.fixture
def planned(tmp_path, spec, programs) -> Path:
    """The set, planned and submitted in 4 tasks; Slurm answers that no job is left."""
    programs(sbatch="echo 5", squeue="", scontrol="exit 1", scancel="")
    workspace = Workspace(tmp_path / "w")
    folder = plan_build(workspace, spec, None, Silent()).path
    build_on_slurm(workspace, folder, SlurmBuild(tasks=4, wait=False), "fail", Silent())
    return folder


def packed(folder: Path, *tasks: int) -> None:
    """These of 4 tasks have done their work."""
    for task in tasks:
        build_planned(folder, Task(task, 4), Silent())


def ended(folder: Path):
    """What a finish job does."""
    return finish_or_again(folder, "fail", Silent())


def rounds(folder: Path) -> list[list[int]]:
    """The tasks of each array."""
    return [list(one.tasks) for one in read_launched(folder).rounds]


def test_end_with_every_shard_makes_the_set_whole(planned):
    """No job more."""
    packed(planned, 0, 1, 2, 3)
    assert ended(planned).whole
    assert rounds(planned) == [[0, 1, 2, 3]]
    assert ended(planned).whole


def test_missing_shards_are_submitted_again_with_a_finish_job_after_them(planned, programs):
    """Only the tasks that left some out; the end is well, for another one comes."""
    calls = programs(sbatch="echo 6", scontrol=ENDED.format(2, "FAILED", "1:0"))
    packed(planned, 0, 1, 3)
    calls.unlink()
    found = ended(planned)
    assert (found.whole, found.details["jobs"]) == (False, {"tasks": "6", "finish": "6"})
    array, finish = (s for s in calls.read_text().splitlines() if s.startswith("sbatch"))
    assert "--array=2 " in array
    assert "--dependency" not in array
    assert "--dependency=afterany:6" in finish
    assert rounds(planned) == [[0, 1, 2, 3], [2]]


def test_who_gets_on_is_not_given_up(planned):
    """One task more each round; after the last one three rounds that bring nothing."""
    for task in range(3):
        packed(planned, task)
        ended(planned)
    ended(planned)
    ended(planned)
    assert rounds(planned) == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3], [3], [3]]
    with pytest.raises(JobFailedError, match=r"2 of 8 shards .*task 3 ended without") as caught:
        ended(planned)
    assert "task-3.log" in caught.value.message
    assert len(rounds(planned)) == 6


def test_time_limit_has_its_own_mend(planned, programs):
    """The class of the fault is that of the task's end."""
    programs(scontrol=ENDED.format("0-3", "TIMEOUT", "0:0"))
    ended(planned)
    ended(planned)
    with pytest.raises(JobTimedOutError, match="task 0 ran into its time limit") as caught:
        ended(planned)
    assert "--time" in caught.value.hint


def test_cancelled_task_is_not_submitted_again(planned, programs):
    """It is said first, whatever happened to others."""
    texts = [ENDED.format(0, "FAILED", "1:0"), ENDED.format(3, "CANCELLED", "0:0")]
    programs(scontrol="\n".join(texts))
    packed(planned, 1, 2)
    with pytest.raises(JobCancelledError, match="task 3 was cancelled on node1, task 0 failed"):
        ended(planned)
    assert rounds(planned) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("queue", "submits"), [("5|2|RUNNING|None\n6|N/A|P|D", 0), ("5|2|R|N", 1)])
def test_finish_job_that_was_requeued_doubles_nothing(
    planned, programs, monkeypatch, queue, submits
):
    """It had submitted tasks already, and perhaps a finish job; its own id is none of these."""
    calls = programs(squeue=f"printf '{queue}\\n4|N/A|RUNNING|None\\n'", sbatch="echo 9")
    monkeypatch.setenv("SLURM_JOB_ID", "4")
    calls.unlink()
    assert not ended(planned).whole
    submitted = [s for s in calls.read_text().splitlines() if s.startswith("sbatch")]
    assert len(submitted) == submits
    assert all("--dependency=afterany:5" in line for line in submitted)


def test_images_that_could_not_be_read_are_tried_once_more(planned, monkeypatch):
    """Another node may read them; then they are bad images like others."""
    real = pack._checked

    def failing(reading, name, depth):
        content, found = real(reading, name, depth)
        if name.endswith("n00000002/a.png"):
            return b"", Audit("", 0, 0, "cannot be read: Input/output error", pack.UNREADABLE)
        return content, found

    monkeypatch.setattr(pack, "_checked", failing)
    packed(planned, 0, 1, 2, 3)
    assert not ended(planned).whole
    (_, again) = rounds(planned)
    assert len(again) == 1
    packed(planned, *again)
    with pytest.raises(BadImagesError, match=r"n00000002/a\.png"):
        ended(planned)
    assert len(rounds(planned)) == 2


def test_waiting_command_trusts_a_finish_job_and_waits_for_the_disk(
    planned, programs, tmp_path, spec
):
    """The queue is empty and the manifest not to be seen yet: it is looked for again."""
    packed(planned, 0, 1, 2, 3)
    whole = build_shards(Workspace(tmp_path / "one"), spec, None, Silent()).path
    shutil.copy(whole / "index.parquet", planned)
    late = (
        f"[ -e {tmp_path}/second ] && cp {whole}/manifest.json {planned}; touch {tmp_path}/second"
    )
    done = "echo JobId=5 JobState=COMPLETED ExitCode=0:0 NodeList=node1"
    programs(scontrol=f"{done}\n{late}")
    found = build_on_slurm(Workspace(tmp_path / "w"), planned, SlurmBuild(), "fail", Silent())
    assert (found.whole, found.made) == (True, True)
    assert found.details["images"] == 24


def test_queue_that_is_silent_is_said_after_a_while(planned, programs, tmp_path, monkeypatch):
    """Exit 4: the jobs go on without this process."""
    programs(squeue="[ -e $0.once ] || { touch $0.once; exit 0; }; echo no controller >&2; exit 1")
    monkeypatch.setattr(commands, "_SILENT_S", 0.0)
    with pytest.raises(QueueSilentError, match="no controller") as caught:
        build_on_slurm(Workspace(tmp_path / "w"), planned, SlurmBuild(), "fail", Silent())
    assert caught.value.exit_code == 4
