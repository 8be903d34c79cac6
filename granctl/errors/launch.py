"""Faults of work on a cluster: no scheduler, one that refuses, jobs that ended badly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import RunError, UserError


class NoSlurmError(UserError):
    """A program of Slurm is not on this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"`{program}` of Slurm is not on PATH here",
            "run it on a machine of the cluster that submits jobs; `--dry-run` needs none,"
            " and without --launcher the work is done in this process",
        )


class SubmitRefusedError(UserError):
    """Slurm did not take a job."""

    def __init__(self, script: Path, said: str) -> None:
        super().__init__(
            f"Slurm refused {script}: {said}",
            "mend what it names (`sinfo` lists partitions and time limits; the options that go with"
            " --launcher decide); the same command goes on",
        )


class QueueSilentError(RunError):
    """Slurm's queue does not answer, time after time."""

    def __init__(self, took_s: float, said: str) -> None:
        super().__init__(
            f"squeue gave no good answer for {took_s:.0f} s (the last: {said})",
            "the jobs go on without this process; the same command waits for them again",
        )


class JobEndedError(RunError):
    """Jobs ended without doing their work; the subclasses say how, and the mend."""

    ended = "failed"
    mend = "mend what the log says; the same command goes on with what is missing"

    def __init__(self, what: str, log: Path, tail: Sequence[str]) -> None:
        lines = [f"{what}; log: {log}", *(f"  | {line}" for line in tail)]
        super().__init__("\n".join(lines), self.mend)


class JobFailedError(JobEndedError):
    """A job ended with an exit code, was killed, or is not known to Slurm any more."""


class JobCancelledError(JobEndedError):
    """Somebody cancelled a job, and so it does not come back by itself."""

    ended = "was cancelled"
    mend = "the same command submits what is missing again"


class JobTimedOutError(JobEndedError):
    """A job ran into its time limit, time after time without getting on."""

    ended = "ran into its time limit"
    mend = "give more with --time, or more tasks; the same command goes on with what is missing"


class JobOutOfMemoryError(JobEndedError):
    """A job needed more memory than it had."""

    ended = "had too little memory"
    mend = "give more, such as --sbatch '--mem=8G'; the same command goes on with what is missing"


class NodeFailedError(JobEndedError):
    """The machine under a job failed, or gave the job up for a more urgent one, too often."""

    ended = "lost its node"
    mend = "look at `sinfo -R`; the same command goes on with what is missing, on other nodes"


class NotSharedError(JobEndedError):
    """A job left no word behind: its node does not see the folder that it was to write into."""

    ended = "failed without a word"
    mend = (
        "the workspace must lie on a disk that every node sees under the same path: name one with"
        " --workspace; `srun ls FOLDER` shows what a node sees"
    )


class CellNotReadyError(RunError):
    """A task whose cell needs others that are not whole."""

    def __init__(self, cell: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"{cell} was not begun: {', '.join(missing)} is not whole",
            "the same command makes that first",
        )
