"""What is said to Slurm and what it answers, without a Slurm."""

import subprocess
from pathlib import Path

import pytest

from granctl.errors import (
    BadOptionError,
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    NodeFailedError,
)
from granctl.launch.here import environment, granctl_words
from granctl.launch.shardfaults import fruitless
from granctl.launch.slurm import (
    Ended,
    Job,
    Queued,
    Resources,
    indices_of,
    indices_text,
    job_script,
    log_pattern,
    parse_queue,
    parse_sacct,
    parse_scontrol,
)
from granctl.launch.waiting import tail_of


def job(folder: Path, **fields: object) -> Job:
    """A job that prints its index and an argument."""
    given = {
        "name": "shards-1f",
        "about": "Prints.",
        "command": """printf '%s ' "$SLURM_ARRAY_TASK_ID" "$WORD" """,
        "log": log_pattern(folder, "task-%a.log"),
        "folder": folder,
        "resources": Resources(partition="main", time="04:00:00", extra=("--qos=a b",)),
        "environment": {"WORD": "it's $HOME"},
        "array": (0, 1, 2, 7),
    }
    return Job(**{**given, **fields})


def test_script_says_every_option_in_words_that_sbatch_reads():
    """One line an option; blanks are quoted; `%` of a folder is no pattern."""
    lines = job_script(job(Path("/data/100% x"))).splitlines()
    assert lines[0] == "#!/bin/sh"
    for line in (
        "#SBATCH --job-name=shards-1f",
        "#SBATCH --array=0-2,7",
        "#SBATCH '--output=/data/100%% x/task-%a.log'",
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        "#SBATCH '--chdir=/data/100% x'",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --partition=main",
        "#SBATCH --time=04:00:00",
        "#SBATCH '--qos=a b'",
    ):
        assert line in lines
    assert "--array" not in job_script(job(Path("/data"), array=()))


def test_script_is_a_shell_script_that_runs(tmp_path):
    """Marks its start, sets the environment as it is, and becomes the command."""
    done = subprocess.run(
        ["/bin/sh", "-c", job_script(job(tmp_path))],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "7", "SLURM_JOB_ID": "12"},
    )
    mark, said = done.stdout.splitlines()
    assert mark.startswith("== 20")
    assert " job 12 on " in mark
    assert mark.endswith(", start 0")
    assert said == "7 it's $HOME "


@pytest.mark.parametrize(
    ("indices", "text"),
    [([0], "0"), ([0, 1, 2], "0-2"), ([3, 5, 6, 9], "3,5-6,9"), (list(range(1000)), "0-999")],
)
def test_indices_of_an_array_there_and_back(indices, text):
    """Runs are joined, and read again as they were."""
    assert indices_text(indices) == text
    assert list(indices_of(text)) == indices
    assert list(indices_of(f"[{text}%4]")) == indices


def test_queue_is_read():
    """A line a task; reasons may hold blanks; what is no such line is left out."""
    text = "12|0|RUNNING|None\n12|7|PENDING|launch failed held\n13|N/A|PENDING|Dependency\nx\n"
    assert parse_queue(text) == [
        Queued("12", 0, "RUNNING", "None"),
        Queued("12", 7, "PENDING", "launch failed held"),
        Queued("13", None, "PENDING", "Dependency"),
    ]


def test_ends_of_jobs_are_read_from_scontrol():
    """One line a task, or one for many that never started; what still runs has not ended."""
    head = "JobState={} Reason=None Dependency=(null) ExitCode={} NodeList={} Command=JobState=no"
    text = "\n".join(
        [
            "JobId=13 ArrayJobId=12 ArrayTaskId=0 " + head.format("FAILED", "1:0", "node1"),
            "JobId=12 ArrayJobId=12 ArrayTaskId=3-5%2 " + head.format("CANCELLED", "0:0", "(null)"),
            "JobId=14 ArrayJobId=12 ArrayTaskId=1 " + head.format("RUNNING", "0:0", "node2"),
            "JobId=15 " + head.format("NODE_FAIL", "0:1", "node2"),
        ]
    )
    assert parse_scontrol(text) == {
        0: Ended("FAILED", "1:0", "node1"),
        **dict.fromkeys((3, 4, 5), Ended("CANCELLED", "0:0", "")),
        None: Ended("NODE_FAIL", "0:1", "node2"),
    }
    assert parse_scontrol("") == {}


def test_ends_of_jobs_are_read_from_sacct():
    """Its word for who cancelled is left out."""
    text = "12_0|TIMEOUT|0:0|node1\n12_[3-4%2]|CANCELLED by 0|0:0|None assigned\n"
    text += "14|COMPLETED|0:0|node2\n"
    assert parse_sacct(text) == {
        0: Ended("TIMEOUT", "0:0", "node1"),
        **dict.fromkeys((3, 4), Ended("CANCELLED", "0:0", "")),
        None: Ended("COMPLETED", "0:0", "node2"),
    }


@pytest.mark.parametrize(
    ("ended", "error", "words"),
    [
        (Ended("FAILED", "3:0", "node1"), JobFailedError, "failed with exit code 3 on node1"),
        (Ended("FAILED", "0:9", "node1"), JobFailedError, "failed by signal 9 on node1"),
        (Ended("CANCELLED", "0:0", ""), JobCancelledError, "was cancelled"),
        (Ended("TIMEOUT", "0:0", "n7"), JobTimedOutError, "ran into its time limit on n7"),
        (Ended("PREEMPTED", "0:15", "n7"), NodeFailedError, "lost its node by signal 15 on n7"),
        (Ended("UNKNOWN", "", ""), JobFailedError, "ended without doing its work"),
    ],
)
def test_end_of_a_job_has_a_class_and_a_sentence(ended, error, words):
    """Each with a mend of its own, after the tail of the log."""
    assert ended.error() is error
    assert ended.sentence() == words
    raised = error("task 3 did not", Path("/x/task-3.log"), ["a", "b"])
    assert raised.message == "task 3 did not; log: /x/task-3.log\n  | a\n  | b"
    assert raised.exit_code == 4


@pytest.mark.parametrize(
    "words", ["--array=1-3", "-a1-3", "--output=x", "--wait", "-W", "--dependency=singleton", "-d1"]
)
def test_options_that_the_launcher_decides_are_refused(words):
    """They would break what it relies on."""
    with pytest.raises(BadOptionError, match="is decided by the launcher"):
        Resources(extra=(words,)).check()


def test_words_over_several_lines_are_refused():
    """They would be commands of the script."""
    for fields in ({"partition": "a\nrm"}, {"time": "1\n"}, {"extra": ("--qos=\n",)}):
        with pytest.raises(BadOptionError, match="is no word"):
            Resources(**fields).check()
    Resources(extra=("--qos=x", "--account=y", "--exclude=n[1-3]", "--waitx")).check()


@pytest.mark.parametrize(
    ("missing", "rounds"),
    [([], 0), ([9], 0), ([9, 4], 0), ([9, 9], 1), ([9, 4, 4, 4], 2), ([9, 9, 9, 2, 2], 1)],
)
def test_rounds_without_a_shard_more_are_counted_from_the_end(missing, rounds):
    """Whoever gets on, slowly, is not given up."""
    assert fruitless(missing) == rounds


def test_environment_finds_the_same_granctl(monkeypatch, tmp_path):
    """Paths are made absolute, what decides about data is kept, and nothing else is named."""
    monkeypatch.chdir(tmp_path)
    ours = {"PYTHONPATH": "lib::/abs", "GRANCTL_CACHE": "cache", "HOME": "/root"}
    found = environment("shards-1f", ours)
    package, *others = found["PYTHONPATH"].split(":")
    assert Path(package, "granctl/launch/here.py").is_file()
    assert others == [f"{tmp_path}/lib", "/abs"]
    assert found["GRANCTL_CACHE"] == f"{tmp_path}/cache"
    assert found["GRANCTL_JOB"] == "shards-1f"
    assert len(found) == 3
    words = [*granctl_words(), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=found)
    assert done.returncode == 0, done.stderr


def test_tail_of_a_log_is_that_of_the_last_start(tmp_path):
    """What an earlier start wrote is no news; a log that is not there has no tail."""
    log = tmp_path / "task-0.log"
    log.write_text("== a\n1\n2\n== b\n" + "".join(f"{i}\n" for i in range(20)))
    assert tail_of(log) == [str(i) for i in range(8, 20)]
    log.write_text("== a\n1\n== b\n2\n")
    assert tail_of(log) == ["== b", "2"]
    assert tail_of(tmp_path / "none.log") == []
