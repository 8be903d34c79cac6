"""Slurm's own programs, called: submit a job, look into the queue, ask how jobs ended, cancel."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from granctl.errors import NoSlurmError, QueueSilentError, SubmitRefusedError
from granctl.files import write_bytes
from granctl.launch.slurm import (
    PLACED_FORMAT,
    QUEUE_FORMAT,
    SACCT_FORMAT,
    USUAL_ARRAY,
    Endings,
    Job,
    Placed,
    Queued,
    job_options,
    job_script,
    parse_array_size,
    parse_placed,
    parse_queue,
    parse_sacct,
    parse_scontrol,
)

_ANSWER_S = 60.0
_SILENT_S = 600.0
"""How long the queue may not answer: a controller that starts again takes a minute or two."""


def check_programs() -> None:
    """Raises NoSlurmError where this machine cannot submit jobs."""
    for program in ("sbatch", "squeue", "scontrol", "scancel"):
        if shutil.which(program) is None:
            raise NoSlurmError(program)


def submit(job: Job, script: Path, after: Sequence[str] = ()) -> str:
    """Writes the script and submits it; returns the job's id.

    Args:
        job: what to run.
        script: where to write it.
        after: what must have been before it starts, as `afterany:12`, `afterok:12` (the job ended
            well) or `aftercorr:12` (the task of the same index did). Where that can be no more
            Slurm cancels it.

    Raises:
        NoSlurmError: there is no sbatch.
        SubmitRefusedError: Slurm did not take it.
    """
    write_bytes(script, job_script(job).encode())
    # The options are said here too: variables such as SBATCH_PARTITION go before the script's.
    words = ["sbatch", "--parsable", *job_options(job)]
    if after:
        words += [f"--dependency={','.join(after)}", "--kill-on-invalid-dep=yes"]
    answer = _run([*words, str(script)])
    if answer.returncode != 0:
        raise SubmitRefusedError(script, _said(answer.stderr))
    return answer.stdout.strip().partition(";")[0]


def queued(name: str) -> list[Queued]:
    """The user's jobs of a name that have not ended.

    Raises:
        NoSlurmError: there is no squeue.
        QueueSilentError: it gives no answer for ten minutes.
    """
    began, pause = time.monotonic(), 0.5
    while True:
        answer = _ask_queue(name)
        if answer.returncode == 0:
            return parse_queue(answer.stdout)
        if (took := time.monotonic() - began) > _SILENT_S:
            raise QueueSilentError(took, _said(answer.stderr))
        time.sleep(pause)
        pause = min(2 * pause, 30.0)


def queued_now(name: str) -> list[Queued] | None:
    """As `queued`, for those who only look.

    Returns:
        None where there is no Slurm, or it gives no answer at once.
    """
    try:
        answer = _ask_queue(name)
    except NoSlurmError:
        return None
    return parse_queue(answer.stdout) if answer.returncode == 0 else None


def _ask_queue(name: str) -> subprocess.CompletedProcess[str]:
    words = ["squeue", f"--user={os.getuid()}", f"--name={name}"]
    return _run([*words, "--noheader", "--array", f"--format={QUEUE_FORMAT}"])


def array_size() -> int:
    """How many tasks this cluster lets an array have; Slurm's own number where nothing is known."""
    try:
        return parse_array_size(_run(["scontrol", "show", "config"]).stdout)
    except NoSlurmError:
        return USUAL_ARRAY


def seen(names: Sequence[str]) -> list[Placed] | None:
    """The user's jobs of some names that have not ended, with where they are.

    Returns:
        None where there is no Slurm, or it gives no answer at once.
    """
    words = ["squeue", f"--user={os.getuid()}", f"--name={','.join(names)}"]
    try:
        answer = _run([*words, "--noheader", f"--format={PLACED_FORMAT}"])
    except NoSlurmError:
        return None
    return parse_placed(answer.stdout) if answer.returncode == 0 else None


def ended(job: str) -> Endings:
    """How the tasks of a job ended, as far as Slurm still knows.

    Raises:
        NoSlurmError: there is no scontrol.
    """
    found = parse_scontrol(_run(["scontrol", "--oneliner", "show", "job", job]).stdout)
    if shutil.which("sacct") is None:
        return found
    # Where accounts are kept they have every task, but some seconds late; scontrol forgets.
    words = ["sacct", f"--jobs={job}", "--noheader", "--allocations", "--parsable2"]
    return parse_sacct(_run([*words, f"--format={SACCT_FORMAT}"]).stdout) | found


def cancel(job: str) -> None:
    """Ends a job; one that has ended stays as it is.

    Raises:
        NoSlurmError: there is no scancel.
    """
    _run(["scancel", job])


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a program of Slurm; one that gives no answer has exit code 1."""
    try:
        return subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=_ANSWER_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer in {_ANSWER_S:.0f} s")
    except FileNotFoundError as error:
        raise NoSlurmError(words[0]) from error


def _environment() -> dict[str, str]:
    """This process's, without what would mislead Slurm.

    Left out is what describes the job that this process may run in, which other jobs would inherit,
    and what makes sbatch wait or squeue hide jobs.
    """
    return {
        name: text
        for name, text in os.environ.items()
        if name in ("SLURM_CONF", "SLURM_CLUSTERS")
        or not name.startswith(("SLURM_", "SQUEUE_", "SBATCH_WAIT"))
    }


def _said(text: str) -> str:
    """The last lines of what a program said, as one."""
    lines = [line.rpartition("error: ")[2].strip() for line in text.strip().splitlines()]
    return "; ".join(lines[-3:]) or "it said nothing"
