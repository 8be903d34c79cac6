"""Where a number comes from: the commands, specs and digests from the cut to the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from granctl.study.points import PUBLIC
from granctl.study.pretrainings import run_spec
from granctl.study.results import Result
from granctl.train.lookup import map_paths
from granctl.train.maps import further_digests
from granctl.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One artefact on the way to a number."""

    what: str
    """cut, pretrain, public weights or transfer."""
    digest: str
    path: str
    command: str | None
    """What was typed; None where the artefact is gone or says nothing."""
    spec: Mapping[str, Any] | None
    inputs: Mapping[str, str]


def lineage(workspace: Workspace, result: Result) -> list[Step]:
    """The steps behind a result, the cuts first; what is gone keeps its digest."""
    steps = []
    source = result.get("source")
    if source:
        made = run_spec(result.get("run")).get("provenance")
        path = str(result.get("run") or "")
        what = "public weights" if source["method"] == PUBLIC else "pretrain"
        run = _step(what, source.get("run_digest"), path, made)
        also, fine = further_digests(run.inputs)
        ours = [] if source["method"] == PUBLIC else [source.get("labels_digest")]
        cuts = [*ours, *also, *([fine] if fine else [])]
        steps += [_step("cut", cut, *_cut_record(workspace, cut)) for cut in cuts]
        steps.append(run)
    steps.append(_step("transfer", result["digest"], result["path"], result.get("provenance")))
    return steps


def _step(what: str, digest: Any, path: str, record: Any) -> Step:
    found = record if isinstance(record, Mapping) else {}
    return Step(
        what=what,
        digest=str(digest or ""),
        path=path,
        command=found.get("command"),
        spec=found.get("spec"),
        inputs=found.get("inputs") or {},
    )


def _cut_record(workspace: Workspace, digest: Any) -> tuple[str, Any]:
    """Path and provenance of the label map; only the file's metadata is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in map_paths(workspace, digest):
        try:
            head = json.loads((pq.read_schema(path).metadata or {})[b"granctl.label-map"])
        except (pa.ArrowException, OSError, KeyError, ValueError):
            continue
        if head.get("digest") == digest:
            return str(path), head.get("provenance")
    return "", None
