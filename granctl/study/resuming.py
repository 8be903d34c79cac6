"""`granctl resume-check`: a run's own inputs, short copies of it, and what came out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError, ManifestMismatchError, MissingInputError, NotResumedError
from granctl.files import read_json
from granctl.progress import Progress
from granctl.provenance import short
from granctl.shards.index import ShardSet
from granctl.study.reproduce import find_further, find_labels, find_shards
from granctl.train.asked import TRAIN, PretrainSpec
from granctl.train.device import Machine
from granctl.train.maps import Maps
from granctl.train.recipe import recipe_of
from granctl.train.resumecheck import CheckSpec, check_resume, short_copy
from granctl.tree.labelmap import LabelMap
from granctl.workspace import SPEC_NAME, Workspace


def resume_check(
    workspace: Workspace,
    run: Path,
    check: CheckSpec,
    tolerance: float,
    machine: Machine,
    progress: Progress,
    shards: Path | None = None,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Kills short copies of a run at random steps, and compares them with an undisturbed one.

    The run itself may be whole, unfinished or at work: only its spec.json is read. The copies lie
    in the workspace while they are needed. `shards` and `labels` say where its inputs lie; None:
    they are looked for in the workspace.

    Returns:
        What `--json` prints: `run`, `steps`, `processes`, `kills` (step, same,
        largest_difference), `same`.

    Raises:
        MissingInputError, ManifestMismatchError: there is no such run.
        LostInputError: its shards or label map are not in the workspace any more.
        BadOptionError: those that are given are not its own.
        CopyFailedError: a copy did not end as it was meant to.
    """
    spec, digest = _spec_of(workspace, run, shards, labels)
    maps = Maps.read(spec.labels, spec.also, spec.fine)
    labelling, _ = maps.labelled(ShardSet.open(spec.shards), TRAIN)
    copy = short_copy(spec, spec.images or len(labelling), check.steps)
    place = workspace.root / "resume-checks" / short(digest)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    kills = check_resume(place, copy, check, machine, progress)
    shutil.rmtree(place)
    same = all(kill["same"] or kill["largest_difference"] <= tolerance for kill in kills)
    return {
        "kind": "resume-check",
        "schema": 1,
        "path": str(run),
        "digest": digest,
        "made": True,
        "steps": check.steps,
        "processes": check.processes,
        "tolerance": tolerance,
        "kills": kills,
        "same": same,
    }


def check_resumed(record: dict[str, Any], computed: str) -> None:
    """Raises NotResumedError where a copy came out otherwise."""
    if not record["same"]:
        bad = [kill for kill in record["kills"] if not kill["same"]]
        largest = max(kill["largest_difference"] for kill in bad)
        raise NotResumedError([kill["step"] for kill in bad], largest, computed)


def _spec_of(
    workspace: Workspace, run: Path, shards: Path | None, labels: Path | None
) -> tuple[PretrainSpec, str]:
    """What a run was asked, with paths of its inputs, and its digest."""
    if not run.exists():
        raise MissingInputError("run", run, "make one with `granctl pretrain`")
    path = run / SPEC_NAME
    if not path.is_file() or "recipe" not in read_json(path).get("spec", {}):
        problem = f"not a run: it has no {SPEC_NAME} of one"
        raise ManifestMismatchError(run, problem, "name the folder of a run")
    found = read_json(path)
    asked, inputs = found["spec"], found["provenance"]["inputs"]
    if shards is not None:
        _check_same("--shards", shards, ShardSet.open(shards).digest, inputs["shards"])
    if labels is not None:
        _check_same("--labels", labels, LabelMap.read(labels).digest, inputs["labels"])
    spec = PretrainSpec(
        shards=shards or find_shards(workspace, inputs["shards"]),
        labels=labels or find_labels(workspace, inputs["labels"]),
        recipe=recipe_of(asked["recipe"], str(path)),
        seed=asked["seed"],
        images=asked["images"],
        **find_further(workspace, inputs),
    )
    return spec, str(found["digest"])


def _check_same(option: str, path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        problem = f"{path} has the digest {short(found)}, the run was trained on {short(wanted)}"
        raise BadOptionError(option, problem, "name the one that the run was trained on")
