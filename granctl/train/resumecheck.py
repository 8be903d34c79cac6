"""Does a run go on as if nothing had been? Short copies are killed, go on, and are compared."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import CopyFailedError
from granctl.progress import Progress, Silent
from granctl.train import checkpoint
from granctl.train.asked import PretrainSpec
from granctl.train.device import Machine
from granctl.train.metrics import METRICS_NAME, read_metrics
from granctl.train.pretrain import Keep, pretrain
from granctl.train.runs import CHECKPOINTS, Run
from granctl.train.world import environment_of, free_port

_CLOCK = ("images_per_s", "waiting_frac", "memory_mb", "mfu")
"""Fields of metrics that depend on the machine and its load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckSpec:
    """How a run is checked."""

    steps: int = 20
    """Of each copy."""
    kills: int = 3
    """Copies that are killed, each at a step of its own."""
    processes: int = 1
    """That train together."""
    seed: int = 0
    """Which steps."""


def short_copy(spec: PretrainSpec, num_images: int, steps: int) -> PretrainSpec:
    """The same training for so many steps: one epoch of fewer images, or more of few.

    Args:
        spec: of the run.
        num_images: that it trains on.
        steps: of the copy, at least.
    """
    recipe = spec.recipe
    images = min(num_images, recipe.batch_size * steps)
    of_epoch = -(-images // recipe.batch_size)
    recipe = dataclasses.replace(recipe, epochs=-(-steps // of_epoch))
    return dataclasses.replace(spec, recipe=recipe, images=images)


def check_resume(
    folder: Path, spec: PretrainSpec, check: CheckSpec, machine: Machine, progress: Progress
) -> list[dict[str, Any]]:
    """Runs a training undisturbed, and copies of it that are killed and go on.

    Args:
        folder: gets the copies.
        spec: a short training.
        check: how often, and on how many processes.
        machine: where it is computed.
        progress: told each copy.

    Returns:
        For each killed copy: `step` at which it was killed, `same` (bit for bit: weights,
        optimizer, metrics), `largest_difference` of any number of the state.

    Raises:
        CopyFailedError: a copy did not end as it was meant to.
    """
    whole = folder / "undisturbed"
    progress.start("copies", 1 + 2 * check.kills, "runs")
    _run(whole, spec, check.processes, machine, kill_at=0)
    progress.advance()
    steps = Run.open(whole).record["steps"]
    chance = random.Random(check.seed)
    found = []
    for step in sorted(chance.sample(range(1, steps), min(check.kills, steps - 1))):
        killed = folder / f"killed-{step}"
        _run(killed, spec, check.processes, machine, kill_at=step)
        _run(killed, spec, check.processes, machine, kill_at=0)
        difference = _difference(_state(killed), _state(whole))
        same = difference == 0.0 and _metrics(killed) == _metrics(whole)
        found.append({"step": step, "same": same, "largest_difference": difference})
        progress.advance(2, f"killed at step {step}: {'the same' if same else 'not the same'}")
    progress.finish()
    return found


def _run(folder: Path, spec: PretrainSpec, size: int, machine: Machine, *, kill_at: int) -> None:
    """One copy in processes of its own.

    Raises:
        CopyFailedError: one was not killed, or another ending was not meant.
    """
    context = multiprocessing.get_context("spawn")
    port = free_port()
    started = [
        context.Process(target=_one, args=(rank, size, port, folder, spec, machine, kill_at))
        for rank in range(size)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    wanted = -signal.SIGKILL if kill_at else 0
    for process in started:
        if process.exitcode != wanted:
            raise CopyFailedError(folder, process.exitcode or 0, kill_at)


def _one(
    rank: int,
    size: int,
    port: int,
    folder: Path,
    spec: PretrainSpec,
    machine: Machine,
    kill_at: int,
) -> None:
    """In a process of its own: trains, and kills itself at the end of a step."""
    from granctl.train import loop
    from granctl.workspace import Workspace

    if size > 1:
        os.environ.update(environment_of(rank, size, port))
    keep = Keep(every_steps=2)
    watched = loop.after_step(lambda step: _die() if step == kill_at else None)
    with watched:
        pretrain(Workspace(folder.parent), spec, folder, Silent(), machine, keep)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _state(run: Path) -> Mapping[str, Any]:
    found, _ = checkpoint.newest(run / CHECKPOINTS, Run.open(run).digest, Silent())
    if found is None:
        raise CopyFailedError(run, 0, 0)
    return found.state


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = read_metrics(run / METRICS_NAME)
    return [{key: value for key, value in line.items() if key not in _CLOCK} for line in lines]


def _difference(one: Any, other: Any) -> float:
    """The largest difference of two states; infinite where they have other parts."""
    import torch

    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape:
            return float("inf")
        if torch.equal(one, other):
            return 0.0
        return float((one.double() - other.double()).abs().max())
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        return max((_difference(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, (list, tuple)) and len(one) == len(other):
        return max(map(_difference, one, other), default=0.0)
    if isinstance(one, float) and isinstance(other, float):
        return 0.0 if one == other else abs(one - other)
    return 0.0 if one == other else float("inf")
