"""Runs of a workspace while they are made: which state each is in, how far, by whom; no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from granctl.alone import is_made
from granctl.errors import NothingToUseError, UnknownRunError
from granctl.files import read_json
from granctl.launch.commands import seen
from granctl.launch.slurm import Placed
from granctl.launch.trainjob import find_submitted, train_folder
from granctl.train.metrics import METRICS_NAME, newest_metrics, rate_of
from granctl.train.starts import STARTS_NAME, Start, read_starts
from granctl.workspace import MANIFEST_NAME, SPEC_NAME, Workspace

State = Literal["whole", "running", "waiting", "stopped"]
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """How a run stands."""

    folder: Path
    digest: str
    recipe: str
    """Its name."""
    seed: int
    state: State
    where: str | None
    """By whom it is made, or for what it waits; None: by nobody."""
    job: Placed | None
    """Slurm's, while it has not ended."""
    start: Start | None
    """The last one."""
    step: int
    """Of the last line of metrics."""
    steps: int | None
    """Of the whole training; None: no process has begun it."""
    loss: float | None
    images_per_s: float | None
    left_s: float | None
    """Seconds of training that are left, at this rate."""

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": str(self.folder),
            "digest": self.digest,
            "recipe": self.recipe,
            "seed": self.seed,
            "state": self.state,
            "where": self.where,
            "job": self.job.job if self.job else None,
            "step": self.step,
            "steps": self.steps,
            "loss": self.loss,
            "images_per_s": self.images_per_s,
            "left_s": self.left_s,
        }


def run_states(workspace: Workspace) -> list[RunState]:
    """Every run of a workspace, the one that was last begun or submitted first."""
    return states_of(run_folders(workspace))


def run_folders(workspace: Workspace) -> list[Path]:
    """Every run's folder, the one that was last begun or submitted first."""
    place = workspace.folder("run")
    found = [path.parent for path in place.glob(f"*/{SPEC_NAME}")] if place.is_dir() else []
    return sorted(found, key=_began, reverse=True)


def chosen_run(workspace: Workspace, given: str | None) -> Path:
    """The folder of a run that was named.

    Args:
        workspace: where to look.
        given: a folder, the beginning of a digest or of a folder's name; None: the newest.

    Raises:
        UnknownRunError: no run goes by it, or several.
        NothingToUseError: there is none at all.
    """
    if given is not None and (Path(given) / SPEC_NAME).is_file():
        return Path(given).absolute()
    folders = run_folders(workspace)
    if given is None:
        if not folders:
            raise NothingToUseError("run", workspace.root, "granctl pretrain")
        return folders[0]
    found = [path for path in folders if path.name.startswith(given) or _is_of(path, given)]
    if len(found) != 1:
        names = [path.name for path in folders]
        raise UnknownRunError(given, [path.name for path in found], names)
    return found[0]


def state_of(folder: Path) -> RunState:
    """How one run stands."""
    return states_of([folder])[0]


def states_of(folders: Sequence[Path]) -> list[RunState]:
    """How runs stand; Slurm is asked once, and only of those that it may be making."""
    submitted = {
        folder: one
        for folder in folders
        if not (folder / MANIFEST_NAME).is_file() and (one := find_submitted(folder))
    }
    names = sorted({one.name for one in submitted.values()})
    jobs = {one.name: one for one in (seen(names) or [] if names else [])}
    found = []
    for folder in folders:
        one = submitted.get(folder)
        steps = one.steps if one else None
        found.append(_state(folder, jobs.get(one.name) if one else None, steps))
    return found


def _state(folder: Path, job: Placed | None, steps: int | None) -> RunState:
    spec = read_json(folder / SPEC_NAME)
    recipe = spec["spec"]["recipe"]
    starts = read_starts(folder / STARTS_NAME)
    start = starts[-1] if starts else None
    lines = newest_metrics(folder / METRICS_NAME)
    last: Mapping[str, Any] = lines[-1] if lines else {}
    state, where = _made_by(folder, job, start)
    rate = rate_of(lines)
    left_s = None
    if rate and start is not None and state != "whole":
        left_s = (start.images * recipe["epochs"] - last["images_seen"]) / rate
    return RunState(
        folder=folder,
        digest=str(spec["digest"]),
        recipe=str(recipe["name"]),
        seed=int(spec["spec"]["seed"]),
        state=state,
        where=where,
        job=job,
        start=start,
        step=int(last.get("step", 0)),
        steps=start.steps if start else steps,
        loss=last.get("loss"),
        images_per_s=rate,
        left_s=left_s,
    )


def _made_by(folder: Path, job: Placed | None, start: Start | None) -> tuple[State, str | None]:
    if (folder / MANIFEST_NAME).is_file():
        return "whole", None
    if job is not None:
        where = f"job {job.job} {'on ' if not job.where.startswith('(') else ''}{job.where}"
        return ("waiting" if job.state in _WAITING else "running"), where.strip()
    if start is None:
        return ("running", "a process that begins") if is_made(folder) else ("stopped", None)
    where = str(start.maker)
    if start.maker.is_near:
        return ("running", where) if start.maker.is_alive else ("stopped", None)
    return ("running", where) if is_made(folder) else ("stopped", None)


def _began(folder: Path) -> float:
    """When it was last begun or submitted."""
    marks = (folder / SPEC_NAME, folder / STARTS_NAME, train_folder(folder) / "job.json")
    return max(path.stat().st_mtime for path in marks if path.is_file())


def _is_of(folder: Path, prefix: str) -> bool:
    """Whether the run's digest begins so."""
    if not re.fullmatch(r"[0-9a-f]{4,64}", prefix):
        return False
    return str(read_json(folder / SPEC_NAME)["digest"]).startswith(prefix)
