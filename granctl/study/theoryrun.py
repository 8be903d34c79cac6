"""Runs and sweeps of the theory as artefacts: a folder, its trainings, its numbers by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.provenance import digest, plain, provenance
from granctl.study.theoryasked import Asked, Point
from granctl.study.theoryjobs import run_jobs
from granctl.theory.conditions import unfitted
from granctl.workspace import (
    Artefact,
    Kind,
    Workspace,
    begin_folder,
    finish_folder,
    folder_state,
)

SCHEMA = 1
PARTS = "trainings"
"""The folder of the trainings' records, histories among them."""
_BY_SEED = ("steps", "epochs", "loss", "response_ratio", "alignment", "auc")
_BY_SEED_AND_LEVEL = ("response", "aligned")
_BY_SEED_AND_READOUT = ("easy", "hard")


def run_theory(
    workspace: Workspace, asked: Asked, out: Path | None, processes: int, progress: Progress
) -> Artefact:
    """Trains and measures what is missing; the same call goes on after an interruption.

    Args:
        workspace: where it goes without `out`.
        asked: a run or a sweep.
        out: another folder for it.
        processes: trainings at a time.
        progress: told each training, and every condition of the theorems that does not hold.

    Raises:
        BadOptionError: no process.
        OutputExistsError: `out` holds something else.
        TheoryDivergedError: a loss is not finite any more.
        WorkerDiedError: a process was killed.
    """
    if processes < 1:
        raise BadOptionError("--processes", f"{processes} is below 1", "give 1 or more")
    spec = asked.identity()
    identity = digest(spec)
    kind: Kind = "theory" if asked.vary is None else "theory-sweep"
    name = "run" if asked.vary is None else asked.vary.replace("_", "-").lower()
    folder = out.absolute() if out else workspace.place(kind, name, identity)
    state = folder_state(folder, identity)
    for line in _unmet(asked):
        progress.note(f"warning: {line}")
    if state == "absent":
        begin_folder(folder, identity, spec, {}, with_command=False)
    with making_alone(folder, progress):
        records = run_jobs(folder / PARTS, asked.jobs(), processes, progress)
        details = _details(asked, records)
        for line in details["warnings"][len(_unmet(asked)) :]:
            progress.note(f"warning: {line}")
        if made := state != "whole":
            head = {"kind": kind, "schema": SCHEMA, "digest": identity}
            origin = provenance(spec, {}, with_command=False)
            finish_folder(folder, {**head, **details, "provenance": origin})
    return Artefact(kind=kind, path=folder, digest=identity, made=made, details=details)


def _unmet(asked: Asked) -> list[str]:
    return [_at(asked, point, line) for point in asked.points for line in point.unmet()]


def _at(asked: Asked, point: Point, line: str) -> str:
    return line if asked.vary is None else f"{asked.vary} = {point.value}: {line}"


def _details(asked: Asked, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The fields of `--json`; `records` in the order of the jobs."""
    left = iter(records)
    warnings, points = _unmet(asked), []
    for point in asked.points:
        entry: dict[str, Any] = {"value": plain(point.value), "setting": plain(point.setting)}
        trained = [[next(left) for _ in point.spaces] for _ in range(asked.seeds)]
        for (key, space), own in zip(point.spaces.items(), zip(*trained, strict=True), strict=True):
            entry[key] = {"labels": space.word, "way": space.way, **over_seeds(own)}
            if told := unfitted(point.setting, space.word, own):
                warnings.append(_at(asked, point, told))
        points.append(entry)
    head = {
        "command": asked.command(),
        "seeds": list(range(asked.seeds)),
        "warnings": warnings,
    }
    if asked.vary is None:
        (entry,) = points
        return {**head, **{key: value for key, value in entry.items() if key != "value"}}
    return {**head, "vary": asked.vary, "points": points}


def over_seeds(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Records of one label space as one, its numbers as lists over the seeds; no histories."""
    first = records[0]
    return {
        "classes": first["classes"],
        "neurons": first["neurons"],
        **{name: [r[name] for r in records] for name in _BY_SEED},
        **{
            name: [[r[name][level] for r in records] for level in range(len(first[name]))]
            for name in _BY_SEED_AND_LEVEL
        },
        **{
            name: {readout: [r[name][readout] for r in records] for readout in first[name]}
            for name in _BY_SEED_AND_READOUT
        },
    }
