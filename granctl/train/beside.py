"""What a result says beside its score: further sets, leaked images, how its classes are covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from granctl.progress import Progress
from granctl.train.evaluate import Scores
from granctl.train.further import Further
from granctl.train.leaks import Leaked
from granctl.train.lookup import map_of_run
from granctl.train.runs import Run
from granctl.train.transferspec import TransferSpec
from granctl.tree.labelmap import LabelMap
from granctl.tree.sourcemap import source_map
from granctl.workspace import Workspace


def beside_asked(spec: TransferSpec, further: Sequence[Further], leaked: Leaked) -> dict[str, Any]:
    """What the numbers depend on beside the target and the training.

    Nothing is said of what is not there, so that a result without it keeps its name. How many
    images leaked belongs to it: the run's shards may be there at one time and not at another.
    """
    about: dict[str, Any] = {}
    if further:
        about["score_on"] = {
            one.name: [one.shards.digest, one.split, one.labels_digest] for one in further
        }
    if spec.leaks != "checksum" and (leaked is not None or further):
        about["leaks"] = spec.leaks  # without a pretraining nothing leaks
    if leaked is not None and leaked["images"]:
        about["leaked"] = leaked
    return about


def beside_again(result: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `TransferSpec` that a result was made with: further sets, and what leaks do."""
    return {
        "score_on": tuple(one["asked"] for one in (result.get("also") or {}).values()),
        "leaks": result.get("leaks", "checksum"),
    }


def beside_measured(
    workspace: Workspace,
    spec: TransferSpec,
    further: Sequence[Further],
    also: Mapping[str, Scores],
    leaked: Leaked,
    run: Run | None,
    progress: Progress,
) -> dict[str, Any]:
    """The fields `leaks`, `also`, `leaked` and `source_map` of a result."""
    source = None
    if run is not None:
        source = _source_map(map_of_run(run, workspace), spec.target.labels, progress)
    return {
        "leaks": spec.leaks,
        "also": {one.name: one.record(also[one.name]) for one in further},
        "leaked": leaked,
        "source_map": source,
    }


def _source_map(
    source: LabelMap | None, target: LabelMap, progress: Progress
) -> dict[str, Any] | None:
    """How the classes of a target are covered by those of a run; None where its map is gone."""
    if source is None:
        progress.note("the label map of the run is not there any more: no map to the target's")
        return None
    found = source_map(source, target)
    if found is not None and found["none"]:
        progress.note(f"no class of the run covers {found['none']} of the target's classes")
    return found
