"""From what is asked to a plan: everything is checked here, before the first image is copied."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import SourceChangedError
from granctl.progress import Progress
from granctl.provenance import digest as digest_of
from granctl.shards.build.buildspec import BuildSpec
from granctl.shards.build.duplicates_file import write_duplicates
from granctl.shards.build.plan import PlannedShard, plan_shards
from granctl.shards.build.planfile import Plan, SourceRef, find_plan, write_plan
from granctl.shards.build.selection import classes_of_labels, holds_out, select, selection_identity
from granctl.shards.journal import check_no_journal
from granctl.shards.manifest import classes_record
from granctl.shards.source.knownsets import registered_name
from granctl.shards.source.listing import SPLITS, Source
from granctl.shards.source.resolve import EMBEDDED, open_source
from granctl.shards.store import url_of
from granctl.shards.tar import json_head, json_sizes, sample_bytes
from granctl.workspace import Workspace, slug

SCHEMA = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A source that was opened, under classes, and the shard set that it is to become."""

    source: Source
    classes: list[tuple[int, ...]]
    """The classes of each label of the listing; empty: the cut drops it."""
    folder: Path
    digest: str
    identity: Mapping[str, Any]
    """Everything that the bytes of the shards depend on, and nothing else."""
    inputs: Mapping[str, str]


def open_asked(
    workspace: Workspace, spec: BuildSpec, out: Path | None, progress: Progress
) -> Asked:
    """Opens the source and names the shard set; nothing is written.

    Raises:
        UserError: the source, the labels or the options cannot be used.
        RelabelUnfinishedError: the set is there, and half relabelled in place.
    """
    spec.check()
    source = open_source(
        workspace,
        spec.source,
        kind=spec.source_kind,
        known=spec.classes.class_of if spec.classes else None,
        progress=progress,
    )
    classes = classes_of_labels(source, spec.classes)
    labels = spec.classes.digest if spec.classes else None
    identity = {
        "source": source.digest,
        "classes": labels,
        "seed": spec.seed,
        "order": spec.order,
        "shard_images": spec.shard_images,
        "shard_bytes": spec.shard_bytes,
        "holdout_frac": spec.holdout_frac if holds_out(source, classes, spec) else None,
        **selection_identity(spec),
        **_image_identity(spec),
    }
    digest = digest_of({"kind": "shards", "schema": SCHEMA, **identity})
    folder = out.absolute() if out else workspace.place("shards", slug(source.name), digest)
    check_no_journal(folder)
    return Asked(
        source=source,
        classes=classes,
        folder=folder,
        digest=digest,
        identity=identity,
        inputs={"source": source.digest} | ({"labels": labels} if labels else {}),
    )


def _image_identity(spec: BuildSpec) -> dict[str, Any]:
    """What was asked beyond the defaults and decides what becomes of each image."""
    asked: dict[str, Any] = {"audit": "decode"} if spec.audit == "decode" else {}
    if spec.recode is not None:
        asked |= {"resize": spec.recode.resize, "quality": spec.recode.quality}
    return asked


def plan_of(workspace: Workspace, asked: Asked, spec: BuildSpec, progress: Progress) -> Plan:
    """The plan that lies in the folder, else a new one, which is put there.

    Raises:
        BadOptionError: the budget asks for more images than there are.
        OutputNotWritableError: no space, read-only, no permission.
    """
    found = found_plan(asked)
    if found is not None:
        return found
    plan, duplicates = _made(workspace, asked, spec, progress)
    write_duplicates(asked.folder, asked.source.listing, duplicates)
    write_plan(asked.folder, plan)
    return plan


def found_plan(asked: Asked) -> Plan | None:
    """The plan that lies in the folder, if it is the one that was asked for."""
    found = find_plan(asked.folder)
    return found if found is not None and found.digest == asked.digest else None


def foreseen_plan(workspace: Workspace, asked: Asked, spec: BuildSpec, progress: Progress) -> Plan:
    """As `plan_of`, but nothing is written.

    Raises:
        BadOptionError: the budget asks for more images than there are.
    """
    return found_plan(asked) or _made(workspace, asked, spec, progress)[0]


def _made(
    workspace: Workspace, asked: Asked, spec: BuildSpec, progress: Progress
) -> tuple[Plan, Any]:
    source, listing = asked.source, asked.source.listing
    chosen = select(workspace, source, asked.classes, spec, progress)
    present = np.unique(listing.label_of[chosen.split_of >= 0])
    plan = Plan(
        digest=asked.digest,
        shards=_shards(source, asked.classes, chosen.split_of, spec),
        source=SourceRef(
            text=_absolute(workspace, spec.source),
            kind=spec.source_kind,
            known=list(spec.classes.class_of) if spec.classes else None,
            workspace=str(workspace.root),
            digest=source.digest,
            name=source.name,
        ),
        classes=asked.classes,
        labels=[listing.labels[i] for i in present.tolist()],
        depth=spec.audit,
        recode=spec.recode,
        on_bad_image=spec.on_bad_image,
        rejected=listing.rejected,
        classes_record=_classes_record(spec, asked.classes, present.tolist()),
        identity=asked.identity,
        inputs=asked.inputs,
    )
    return plan, chosen.duplicates


def _shards(
    source: Source, classes: list[tuple[int, ...]], split_of: Any, spec: BuildSpec
) -> list[PlannedShard]:
    listing = source.listing
    heads = [len(json_head(*one)) for one in zip(listing.labels, classes, strict=True)]
    head_lengths = np.array(heads, dtype=np.int64)[listing.label_of]
    sizes = sample_bytes(listing.sizes, json_sizes(head_lengths, listing.names.json_lengths))
    return plan_shards(
        split_of,
        SPLITS,
        sizes,
        order=spec.order,
        seed=spec.seed,
        shard_images=spec.shard_images,
        shard_bytes=spec.shard_bytes,
        label_of=listing.label_of,
        lies_at=listing.lies_at,
    )


def _absolute(workspace: Workspace, text: str) -> str:
    """The source as a process in another folder would say it."""
    name = registered_name(workspace, text)
    if name == EMBEDDED or name in workspace.data_names() or url_of(name) is not None:
        return name
    return os.path.abspath(Path(text).expanduser())


def _classes_record(
    spec: BuildSpec, classes: list[tuple[int, ...]], present: list[int]
) -> dict[str, Any]:
    """What the manifest says of classes; `present` are the labels that have images."""
    ours = [classes[i] for i in present]
    if spec.classes is None:
        return classes_record(None, None, len(classes), ours)
    lookup = spec.classes
    return classes_record(lookup.digest, lookup.list_name, lookup.num_classes, ours)


def reopened(plan: Plan, progress: Progress) -> Source:
    """The source of a plan.

    Raises:
        SourceChangedError: it is not what was planned.
        UserError: it is gone.
    """
    ref = plan.source
    source = open_source(
        Workspace(Path(ref.workspace)), ref.text, kind=ref.kind, known=ref.known, progress=progress
    )
    if source.digest != ref.digest:
        raise SourceChangedError(source.root, "it is not as it was when the shards were planned")
    return source
