"""What is submitted for a pretraining: one job, a task a GPU, and the record of it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.files import read_json, write_bytes, write_json
from granctl.launch.here import environment, granctl_words
from granctl.launch.slurm import Job, Resources, log_pattern, taken_function
from granctl.provenance import digest, plain, short
from granctl.spec import parse
from granctl.train.asked import Asked
from granctl.train.batches import Share, check_share
from granctl.train.recipe import recipe_names
from granctl.train.runs import CHECKPOINTS

SCRIPT, LOG = "pretrain.sbatch", "pretrain.log"
_RECORD_NAME = "job.json"
_SCHEMA = 1
_NOTICE = "USR2@180"
"""Three minutes before its time ends a job is told to save: the step and a checkpoint fit in."""
_SAVED = 140
"""The exit code of a training that USR2 stopped and that has saved all: 128 + 12."""
_ENDED = 143
"""That of one that TERM stopped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmTraining:
    """How Slurm is to train."""

    nodes: int = 1
    tasks_per_node: int = 1
    """Processes of a node; where there are GPUs, one each."""
    gpus_per_node: int = 0
    resources: Resources = field(default_factory=Resources)
    wait: bool = True
    """Whether the command ends when the run is whole, or when the job is submitted."""
    images_per_second: float | None = None
    """Of all processes together, for the estimate; None: as an earlier start had."""

    @property
    def processes(self) -> int:
        """Of the whole job."""
        return self.nodes * self.tasks_per_node

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.gpus_per_node and self.tasks_per_node != self.gpus_per_node:
            problem = f"there is one process for each of {self.gpus_per_node} GPUs of a node"
            raise BadOptionError("--tasks-per-node", problem, "leave it out")
        if self.images_per_second is not None and not self.images_per_second > 0:
            problem = f"{self.images_per_second} is not above 0"
            raise BadOptionError("--images-per-second", problem, "give what was measured")
        self.resources.check()


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """`granctl pretrain` as it was given, to be said again in a job."""

    workspace: Path
    shards: Path
    labels: Path
    recipe: str
    """A name, or a file, of which the job takes a copy: it may start long after."""
    given: tuple[str, ...] = ()
    """Other options, as words; all paths whole."""

    @property
    def recipe_file(self) -> Path | None:
        """The file of a recipe that does not come with granctl."""
        return None if self.recipe in recipe_names() else Path(self.recipe)

    def words(self, run: Path) -> list[str]:
        """The options in a job: nothing is left to what is newest, or to where it runs."""
        file = self.recipe_file
        recipe = str(train_folder(run) / file.name) if file else self.recipe
        words = ["--workspace", str(self.workspace), "--out", str(run), "--recipe", recipe]
        return [
            *words,
            "--shards",
            _whole(self.shards),
            "--labels",
            _whole(self.labels),
            *self.given,
        ]

    def keep_recipe(self, run: Path) -> None:
        """Copies the recipe's file beside the run."""
        if self.recipe_file is not None:
            text = self.recipe_file.read_bytes()
            write_bytes(train_folder(run) / self.recipe_file.name, text)


def _whole(path: Path) -> str:
    """A path from the root, or a URL as it is."""
    text = str(path)
    return text if re.match(r"[a-z0-9]+:/", text) else os.path.abspath(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """What was submitted for a run: job.json beside it."""

    run: str
    """Its folder."""
    name: str
    """Of the job: by it it is found in the queue, whatever became of who submitted it."""
    nodes: int
    processes: int
    gpus: int
    """Of the whole job."""
    steps: int
    images: int
    """Of an epoch."""
    epochs: int
    job: str = ""
    """Its id; empty: it was not taken yet."""


def train_folder(run: Path) -> Path:
    """Where script, log and record of a run's job lie: beside it, and they stay."""
    return run.with_name(f"{run.name}.slurm")


def submitted_of(asked: Asked, how: SlurmTraining) -> Submitted:
    """What is to be submitted.

    Raises:
        BadOptionError: so many processes cannot share a step.
        GranctlError: the images and the label map do not go together.
    """
    share = Share(size=how.processes, parts=asked.recipe.accumulate)
    check_share(asked.num_images, asked.recipe.batch_size, share)
    where = {"folder": os.path.realpath(asked.folder), "run": asked.digest}
    return Submitted(
        run=str(asked.folder),
        name=f"pretrain-{short(digest(where))}",
        nodes=how.nodes,
        processes=how.processes,
        gpus=how.nodes * how.gpus_per_node,
        steps=asked.steps,
        images=asked.num_images,
        epochs=asked.recipe.epochs,
    )


def job_of(submitted: Submitted, how: SlurmTraining, command: Command) -> Job:
    """The job.

    Told that its time ends, it saves and starts again by itself; only if this start has brought a
    checkpoint, so that none goes round for ever. Told to end, it saves and ends: Slurm decides.

    Args:
        submitted: what is to be trained.
        how: processes and resources.
        command: what is run.
    """
    run = Path(submitted.run)
    given = command.words(run)
    place = shlex.quote(str(run / CHECKPOINTS))
    if how.gpus_per_node and "--device" not in given:
        given += ["--device", "cuda"]  # a node without is to be told of, not to be trained on
    if "--workers" not in given:
        given += ["--workers", str(max(1, how.resources.cpus_per_task - 1))]
    train = shlex.join([*granctl_words(), "pretrain", *given])
    saved = f"saved() {{ ls -d {place}/step-*[0-9] 2>/dev/null; }}"
    srun = 'srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK"'
    ending = f"""code=$?
again=
# Told that its time ends: exit code {_SAVED}. One that saved nothing would go round for ever.
if [ "$code" -eq {_SAVED} ] && [ "$(saved)" != "$before" ]; then
    again="its time ends, and all is saved"
elif [ "$code" -eq {_SAVED} ]; then
    echo "its time ended before it had saved anything: give it more with --time"
fi
# Told to end by Slurm, for a more urgent job; what somebody cancels does not come back.
[ "$code" -eq {_ENDED} ] && taken && again="a more urgent job takes its place"
if [ -n "$again" ]; then
    echo "this job starts again: $again"
    scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
exit "$code\""""
    return Job(
        name=submitted.name,
        about=f"Trains {run.name}; started again, it goes on from its newest checkpoint.",
        command="\n".join(
            [saved, taken_function('"$SLURM_JOB_ID"'), "before=$(saved)", f"{srun} {train}"]
        ),
        log=log_pattern(train_folder(run), LOG),
        folder=train_folder(run),
        resources=how.resources,
        environment=environment(submitted.name),
        nodes=how.nodes,
        tasks_per_node=how.tasks_per_node,
        gpus_per_node=how.gpus_per_node,
        signal=_NOTICE,
        ending=ending,
    )


def write_submitted(submitted: Submitted) -> None:
    """Keeps what was submitted beside the run."""
    place = train_folder(Path(submitted.run)) / _RECORD_NAME
    write_json(place, {"schema": _SCHEMA, **plain(submitted)})


def find_submitted(run: Path) -> Submitted | None:
    """What was submitted for a run, or None."""
    path = train_folder(run) / _RECORD_NAME
    if not path.is_file():
        return None
    record = read_json(path)
    record.pop("schema", None)
    return parse(Submitted, record, str(path))
