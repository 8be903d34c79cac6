"""The same number again: a result's pretraining and transfer run anew, and compared field by field.

<workspace>/reproductions/<digest>/
  runs/, results/     what was made anew, as in any workspace
  reproduction.json   what came out; written last, and the next call begins anew
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from granctl.errors import BadOptionError, GranctlError, LostInputError, NotReproducedError
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.provenance import plain, short
from granctl.study.results import Result, load_results
from granctl.train.asked import PretrainSpec
from granctl.train.beside import beside_again
from granctl.train.lookup import find_map, shards_by_digest
from granctl.train.maps import further_digests
from granctl.train.origin import Origin
from granctl.train.ownhead import own_labels_digest
from granctl.train.pretrain import pretrain
from granctl.train.public import PublicModel
from granctl.train.recipe import Recipe, Transfer, recipe_of
from granctl.train.runs import Run
from granctl.train.targets import Target, given_target, open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec, options_of
from granctl.workspace import SPEC_NAME, Workspace

RECORD_NAME = "reproduction.json"
From = Literal["pretrain", "transfer"]
_OF_THE_MAKING = frozenset(
    {
        "path",
        "run",
        "provenance",
        "made",
        "digest",
        "computed",
        "inputs",
        "predictions",
        "source_map",
        "pretraining",
    }
)
"""Fields that say where and when a result was made, and what its inputs say, not what came out; and
the digest of every prediction, which no tolerance could be applied to."""


def reproduce(
    workspace: Workspace, path: Path, begin: From, tolerance: float, progress: Progress
) -> dict[str, Any]:
    """Makes a result again from the inputs of its digests, beside the artefacts that it came from.

    The fields: result, again (paths), same, same_inputs (whether the new result has the old one's
    digest), differences (field -> [then, now]), tolerance, computed ([then, now]).

    Args:
        workspace: where the shards and label maps of the result are.
        path: a result.json, or its folder.
        begin: `pretrain` trains the run anew as well, `transfer` starts from the run as it is;
            public weights are read again in any case.
        tolerance: by how much a number may differ, as an absolute difference.
        progress: told each stage.

    Raises:
        NotAResultError: the file is none.
        LostInputError: shards, a label map or the run are not in the workspace any more.
    """
    found = load_results([path])
    if len(found) != 1:
        raise BadOptionError("RESULT", f"{path} holds {len(found)} results", "name one of them")
    result = found[0]
    place = workspace.root / "reproductions" / short(result["digest"])
    if (place / RECORD_NAME).exists():
        shutil.rmtree(place)
    anew = Workspace(place)
    run, init = None, (result.get("source") or {}).get("init")
    if result.get("source") and init is None:
        run = Path(str(result["run"]))
        if begin == "pretrain":
            run = _run_again(workspace, anew, run, progress)
    target = target_of(workspace, result, progress)
    public = None if init is None else PublicModel.of_option(init)
    recipe, steps, options = _training(result, _opened(run) if run else public)
    spec = TransferSpec(
        target=target,
        method=result["method"],
        run=run,
        init=public,
        recipe=recipe,
        per_class=result["per_class"],
        steps=steps,
        seed=result["seed"],
        home=workspace,
        run_labels=_run_labels(workspace, result, run),
        **options,
        **beside_again(result),
    )
    again = transfer(anew, spec, None, progress)
    differing = dict(differences(result, again.details, tolerance))
    record = {
        "kind": "reproduction",
        "schema": 1,
        "result": result["path"],
        "again": str(again.path),
        "begin": begin,
        "same": not differing,
        "same_inputs": again.digest == result["digest"],
        "differences": differing,
        "tolerance": tolerance,
        "computed": [result.get("computed"), again.details.get("computed")],
    }
    write_json(place / RECORD_NAME, record)
    return record


def check_same(record: Mapping[str, Any]) -> None:
    """Raises NotReproducedError where other numbers came out."""
    if not record["same"]:
        raise NotReproducedError(list(record["differences"]), record["computed"])


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], tolerance: float, place: str = ""
) -> Iterator[tuple[str, list[Any]]]:
    """The fields of `then` whose value is another in `now`: dotted name, and both values."""
    for key, old in then.items():
        if not place and (key in _OF_THE_MAKING or key in ("kind", "schema")):
            continue
        new, name = now.get(key), f"{place}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, tolerance, f"{name}.")
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            before, after = (dict(zip(map(str, range(len(x))), x, strict=True)) for x in (old, new))
            yield from differences(before, after, tolerance, f"{name}.")
        elif isinstance(old, float) and isinstance(new, (int, float)):
            if not math.isclose(old, new, rel_tol=0, abs_tol=tolerance):
                yield name, [old, new]
        elif plain(old) != plain(new):
            yield name, [old, new]


def _run_again(workspace: Workspace, anew: Workspace, path: Path, progress: Progress) -> Path:
    """Trains the run in that folder anew, from the shards and the label maps of its digests."""
    run = _opened(path)
    inputs = read_json(path / SPEC_NAME)["provenance"]["inputs"]
    spec = PretrainSpec(
        shards=find_shards(workspace, inputs["shards"]),
        labels=find_labels(workspace, inputs["labels"]),
        recipe=run.recipe,
        seed=run.spec["seed"],
        images=run.spec["images"],
        **find_further(workspace, inputs),
    )
    return pretrain(anew, spec, None, progress).path


def _opened(path: Path) -> Run:
    try:
        return Run.open(path)
    except GranctlError as error:
        raise LostInputError("run", str(path), "granctl pretrain") from error


def _training(result: Result, origin: Origin | None) -> tuple[Recipe, int | None, dict[str, Any]]:
    """Recipe, steps and options of the transfer, as its spec.json has them resolved."""
    asked = read_json(Path(result["path"]).parent / SPEC_NAME)["spec"]
    if origin is not None:
        table = plain(origin.recipe)
    else:
        name = result.get("recipe") or "reproduced"
        table = {"name": name, "about": "as the result says", "epochs": 1, "batch_size": 1}
        table["optimizer"] = asked["training"]["optimizer"]
        names = {field.name for field in dataclasses.fields(Transfer)}  # a probe has more
        shared = {key: value for key, value in asked["training"].items() if key in names}
        table |= dict.fromkeys(("finetune", "linear", "scratch"), shared)
    table |= {"name": result.get("recipe") or table["name"]}
    if not isinstance(origin, Run):  # any recipe may have been named; a run has its own
        table["precision"] = asked.get("precision", "auto")
    table |= {"model": asked["model"], "input": asked["input"]}
    training = asked["training"]
    if training is not None:  # some methods train nothing
        table[result["method"]] = training
    steps = None if training is None else training["steps"]
    recipe = recipe_of(table, f"the recipe of {result['path']}")
    return recipe, steps, options_of(asked["options"])


def _run_labels(workspace: Workspace, result: Result, run: Path | None) -> Path | None:
    """The label map of the run, for a method that reads the run's own head."""
    if result["method"] != "grouped" or run is None:
        return None
    return find_labels(workspace, own_labels_digest(_opened(run)))


def target_of(workspace: Workspace, result: Result, progress: Progress) -> Target:
    """The target of a result, with the digests that it had."""
    wanted = result["inputs"]
    there = shards_by_digest(workspace, wanted["target_shards"])
    # A target of a study has a name of its own, and one that was a path has only its last part.
    paths = [] if there is None else [f"{there.where}@{result.get('target_cut')}"]
    for name in (result["target"], *paths):
        try:
            target = open_target(workspace, name, progress)
        except GranctlError:
            continue
        digests = target.shards.digest, target.labels.digest
        if digests == (wanted["target_shards"], wanted["target_labels"]):
            return dataclasses.replace(target, name=result["target"])
    shards = find_shards(workspace, wanted["target_shards"])
    labels = find_labels(workspace, wanted["target_labels"])
    return dataclasses.replace(given_target(shards, labels), name=result["target"])


def find_shards(workspace: Workspace, digest: str) -> Path:
    """The shard set with that content digest.

    Raises:
        LostInputError: there is none in the workspace.
    """
    found = shards_by_digest(workspace, digest)
    if found is None:
        raise LostInputError("shard set", short(digest), "granctl shards build")
    return found.root


def find_further(workspace: Workspace, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The further label maps of a run's inputs, as fields of `PretrainSpec`.

    Raises:
        LostInputError: one is not in the workspace.
    """
    also, fine = further_digests(inputs)
    return {
        "also": tuple(find_labels(workspace, digest) for digest in also),
        "fine": None if fine is None else find_labels(workspace, fine),
    }


def find_labels(workspace: Workspace, digest: str) -> Path:
    """The label map with that digest.

    Raises:
        LostInputError: there is none in the workspace.
    """
    found = find_map(workspace, digest)
    if found is None:
        raise LostInputError("label map", short(digest), "granctl tree cut")
    return found[0]
