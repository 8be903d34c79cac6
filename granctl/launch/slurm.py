"""What is said to Slurm and what it answers, as values: scripts, options, its tables read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from granctl.errors import (
    BadOptionError,
    JobCancelledError,
    JobEndedError,
    JobFailedError,
    JobOutOfMemoryError,
    JobTimedOutError,
    NodeFailedError,
)

_OURS = {
    "--array": "-a",
    "--chdir": "-D",
    "--dependency": "-d",
    "--error": "-e",
    "--job-name": "-J",
    "--kill-on-invalid-dep": "",
    "--no-requeue": "",
    "--nodes": "-N",
    "--ntasks": "-n",
    "--ntasks-per-node": "",
    "--open-mode": "",
    "--output": "-o",
    "--parsable": "",
    "--test-only": "",
    "--wait": "-W",
    "--wrap": "",
}
"""Options of sbatch that the launcher decides: others' values would break what it relies on."""


START_MARK = "== "
"""Begins the line that each start of a job writes into its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a user asks of Slurm for each job."""

    partition: str | None = None
    """None: the cluster's default."""
    time: str | None = None
    """Limit for each job, as sbatch takes it: `04:00:00`, `1-12`, minutes; None: the default."""
    cpus_per_task: int = 1
    extra: tuple[str, ...] = ()
    """Other words for sbatch, such as `--qos=x`."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.cpus_per_task < 1:
            problem = f"{self.cpus_per_task} is below 1"
            raise BadOptionError("--cpus-per-task", problem, "give 1 up")
        for option, words in (
            ("--partition", [self.partition or ""]),
            ("--time", [self.time or ""]),
            ("--sbatch", self.extra),
        ):
            for word in words:
                if not word.isprintable():
                    raise BadOptionError(option, f"{word!r} is no word", "write it in one line")
        for word in self.extra:
            name = word.partition("=")[0]
            if any(name == long or (short and word[:2] == short) for long, short in _OURS.items()):
                raise BadOptionError(
                    "--sbatch", f"{word} is decided by the launcher", "leave it out"
                )

    def options(self) -> list[str]:
        """As sbatch takes them."""
        given = [f"--cpus-per-task={self.cpus_per_task}"]
        given += [f"--partition={self.partition}"] if self.partition else []
        given += [f"--time={self.time}"] if self.time else []
        return [*given, *self.extra]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One job, or an array of jobs that differ in their index."""

    name: str
    about: str
    """A sentence for those who read the script."""
    command: str
    """A line of shell; `$SLURM_ARRAY_TASK_ID` is the index."""
    log: str
    """Where it writes: a path in which `%a` is the index. A job that starts again writes on."""
    folder: Path
    """Where it runs: all machines must see it."""
    resources: Resources
    environment: Mapping[str, str] = field(default_factory=dict)
    array: tuple[int, ...] = ()
    """Indices; empty: one job."""
    at_once: int | None = None
    """Most tasks of the array that run at a time; None: as many as Slurm lets run."""
    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int = 0
    signal: str | None = None
    """What its steps are sent before its time ends, and how many seconds: `USR2@180`."""
    ending: str | None = None
    """Lines of shell after the command; None: the process of the command takes the shell's place,
    so that a signal to end reaches it."""


def job_options(job: Job) -> list[str]:
    """As sbatch takes them.

    The job may be requeued: a node that fails, or that is given to a more urgent job, costs no more
    than the time since the last thing that was written.
    """
    at_once = f"%{job.at_once}" if job.at_once else ""
    return [
        f"--job-name={job.name}",
        *([f"--array={indices_text(job.array)}{at_once}"] if job.array else []),
        f"--output={job.log}",
        "--open-mode=append",
        "--requeue",
        f"--chdir={job.folder}",
        f"--nodes={job.nodes}",
        f"--ntasks={job.nodes * job.tasks_per_node}",
        *([f"--ntasks-per-node={job.tasks_per_node}"] if job.tasks_per_node > 1 else []),
        *([f"--gpus-per-node={job.gpus_per_node}"] if job.gpus_per_node else []),
        *([f"--signal={job.signal}"] if job.signal else []),
        *job.resources.options(),
    ]


def job_script(job: Job) -> str:
    """What `sbatch` takes, and what a person can read, change and submit."""
    lines = ["#!/bin/sh", f"# {job.about}"]
    lines += [f"#SBATCH {shlex.quote(option)}" for option in job_options(job)]
    lines += [f"export {name}={shlex.quote(text)}" for name, text in job.environment.items()]
    start = f"{START_MARK}$(date -u +%FT%TZ) job $SLURM_JOB_ID on ${{SLURMD_NODENAME:-$(hostname)}}"
    lines.append(f'echo "{start}, start ${{SLURM_RESTART_COUNT:-0}}"')
    lines += [f"exec {job.command}"] if job.ending is None else [job.command, job.ending]
    return "\n".join(lines) + "\n"


def taken_function(job: str) -> str:
    """A function of shell: whether Slurm gives the place of a job to a more urgent one.

    Seen with Slurm 22.05: a preempted job that ends by itself in its grace time is FAILED, and
    Slurm does not start it again.

    Args:
        job: its id, as a word of shell.
    """
    return (
        f"taken() {{ scontrol --oneliner show job {job}"
        " | grep JobState=RUNNING | grep -q ' PreemptTime=[0-9]'; }"
    )


def log_pattern(folder: Path, name: str) -> str:
    """A path of a log for sbatch, which reads `%` as more than itself."""
    return str(folder).replace("%", "%%") + f"/{name}"


def indices_text(indices: Sequence[int]) -> str:
    """Sorted indices as `--array` takes them.

    Example:
        >>> indices_text([0, 1, 2, 5, 7, 8])
        '0-2,5,7-8'
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def indices_of(text: str) -> Iterator[int]:
    """The indices in Slurm's text for them: `3`, `0-2,5,7-8%4`, with or without brackets.

    Example:
        >>> list(indices_of("[0-2,5%4]"))
        [0, 1, 2, 5]
    """
    for run in text.strip("[]").partition("%")[0].split(","):
        first, _, last = run.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield from range(int(first), int(last or first) + 1)


class Queued(NamedTuple):
    """A job, or one task of an array, that has not ended."""

    job: str
    """Its id; of a task that of the array."""
    task: int | None
    """Its index in an array; None: it is in none."""
    state: str
    """PENDING, RUNNING, COMPLETING ..."""
    reason: str
    """Why it waits, in Slurm's words; None or empty where it runs."""

    @property
    def is_task(self) -> bool:
        """Whether it is one of an array."""
        return self.task is not None

    @property
    def is_pending(self) -> bool:
        """Whether it waits."""
        return self.state == "PENDING"


QUEUE_FORMAT = "%F|%K|%T|%r"


def parse_queue(text: str) -> list[Queued]:
    """Reads what `squeue --noheader --array --format=QUEUE_FORMAT` printed."""
    rows = (line.strip().split("|", 3) for line in text.splitlines())
    return [
        Queued(r[0], int(r[1]) if r[1].isdecimal() else None, r[2], r[3].strip())
        for r in rows
        if len(r) == 4
    ]


_MAX_ARRAY = re.compile(r"^MaxArraySize\s*=\s*(\d+)", re.MULTILINE)
USUAL_ARRAY = 1001
"""Slurm's own MaxArraySize: an index is below it."""


def parse_array_size(text: str) -> int:
    r"""How many tasks an array may have, from what `scontrol show config` printed.

    Example:
        >>> parse_array_size("MaxArraySize            = 4001\n")
        4001
    """
    found = _MAX_ARRAY.search(text)
    return max(int(found[1]), 1) if found else USUAL_ARRAY


class Placed(NamedTuple):
    """A job that has not ended, and where it is."""

    name: str
    job: str
    """Its id."""
    state: str
    """PENDING, RUNNING, COMPLETING ..."""
    where: str
    """Its nodes, or in brackets why it waits."""


PLACED_FORMAT = "%j|%A|%T|%R"


def parse_placed(text: str) -> list[Placed]:
    """Reads what `squeue --noheader --format=PLACED_FORMAT` printed."""
    rows = (line.strip().split("|", 3) for line in text.splitlines())
    return [Placed(*(field.strip() for field in row)) for row in rows if len(row) == 4]


class Ended(NamedTuple):
    """How a job, or one task of an array, ended."""

    state: str
    """COMPLETED, FAILED, CANCELLED, TIMEOUT, NODE_FAIL, OUT_OF_MEMORY, PREEMPTED ..."""
    exit_code: str
    """Code, colon, signal, as in `1:0`."""
    node: str

    def error(self) -> type[JobEndedError]:
        """The class of the fault."""
        return _ERROR_OF_STATE.get(self.state, JobFailedError)

    def sentence(self) -> str:
        """How it ended, for people."""
        if self.state in ("UNKNOWN", "COMPLETED"):
            return "ended without doing its work"
        code, _, signal = self.exit_code.partition(":")
        how = f" by signal {signal}" if signal not in ("", "0") else ""
        how = how or (f" with exit code {code}" if code not in ("", "0") else "")
        return f"{self.error().ended}{how}{f' on {self.node}' if self.node else ''}"


UNKNOWN = Ended("UNKNOWN", "", "")
"""Slurm forgets jobs some minutes after their end where it keeps no accounts."""

_ERROR_OF_STATE: Mapping[str, type[JobEndedError]] = {
    "CANCELLED": JobCancelledError,
    "TIMEOUT": JobTimedOutError,
    "DEADLINE": JobTimedOutError,
    "OUT_OF_MEMORY": JobOutOfMemoryError,
    "NODE_FAIL": NodeFailedError,
    "BOOT_FAIL": NodeFailedError,
    "PREEMPTED": NodeFailedError,
}
_ALIVE = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "RESIZING"}
_FIELD = re.compile(r"(\w+)=(\S*)")

Endings = dict[int | None, Ended]
"""Index (None: the job is no array) -> how it ended."""


def parse_scontrol(text: str) -> Endings:
    """Reads what `scontrol --oneliner show job ID` printed; leaves out what has not ended."""
    found: Endings = {}
    for line in text.splitlines():
        fields: dict[str, str] = {}
        for name, word in _FIELD.findall(line):
            fields.setdefault(name, word)
        node = fields.get("NodeList", "").replace("(null)", "")
        ended = Ended(fields.get("JobState", ""), fields.get("ExitCode", ""), node)
        _add(found, fields.get("ArrayTaskId", ""), ended)
    return found


SACCT_FORMAT = "JobID,State,ExitCode,NodeList"


def parse_sacct(text: str) -> Endings:
    """Reads what `sacct --noheader --allocations --parsable2 --format=SACCT_FORMAT` printed."""
    found: Endings = {}
    for row in (line.split("|") for line in text.splitlines()):
        if len(row) == 4:
            node = "" if row[3] == "None assigned" else row[3]
            # "CANCELLED by 1000" says by whom
            _add(found, row[0].partition("_")[2], Ended(row[1].partition(" ")[0], row[2], node))
    return found


def _add(found: Endings, indices: str, ended: Ended) -> None:
    if ended.state and ended.state not in _ALIVE:
        found.update(dict.fromkeys(indices_of(indices) if indices else [None], ended))
