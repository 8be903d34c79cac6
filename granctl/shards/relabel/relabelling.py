"""What a relabel makes of a shard set, known before anything is written: pure functions.

Its identity does not depend on the way: from a set, from a view of it, or from a set that was
relabelled before, the same labels under the same maps give the same digest, which is that of the
built set where its own map is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import LabelsNotInMapError, NothingKeptError
from granctl.provenance import digest as digest_of
from granctl.provenance import provenance
from granctl.shards.classes import ClassLookup
from granctl.shards.index import SCHEMA, ShardSet
from granctl.shards.manifest import classes_record
from granctl.shards.relabel.relabelspec import How, RelabelSpec
from granctl.workspace import Artefact

Classes = Sequence[tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Relabelling:
    """A set and the classes that it gets."""

    base: ShardSet
    """The set with the tars: of a view, the one that it reads."""
    classes: Classes
    """Of each label of the base, the first one first; empty: its images are left out."""
    also: Mapping[str, Classes]
    """Name -> the classes of each label under a further label set."""
    digest: str
    identity: Mapping[str, Any]
    inputs: Mapping[str, str]
    """Role -> digest of what was read."""
    records: Mapping[str, Any]
    """What its manifest says of this: `classes`, `also`, `relabelled`, `provenance`."""
    dropped: Sequence[str]
    """Labels of the set that was asked about whose images are left out now."""
    dropped_images: int

    @property
    def kept(self) -> list[int]:
        """Numbers of the labels of the base that stay."""
        return [i for i, classes in enumerate(self.classes) if classes]

    @property
    def drops(self) -> bool:
        """Whether images of the base are left out."""
        return not all(self.classes)

    def manifest(self) -> dict[str, Any]:
        """That of the relabelled set, but for what only its shards can say.

        Where labels of the base are left out, it lacks the content digest.
        """
        found = {**self.base.manifest, "digest": self.digest}
        for name in ("also", "relabelled", "content_digest" if self.drops else ""):
            found.pop(name, None)
        labels = [self.base.labels[i] for i in self.kept]
        return {**found, "labels": labels, "splits": self._splits(), **self.records}

    def _splits(self) -> dict[str, Any]:
        """Counts of the labels that stay; splits without any are gone."""
        splits = {}
        for name, split in self.base.manifest["splits"].items():
            counts, sizes = (
                [split[field][i] for i in self.kept] for field in ("label_counts", "label_bytes")
            )
            if any(counts):
                totals = {"images": sum(counts), "image_bytes": sum(sizes)}
                splits[name] = {**totals, "label_counts": counts, "label_bytes": sizes}
        return splits

    def artefact(self, folder: Path, how: How, manifest: Mapping[str, Any], made: bool) -> Artefact:
        """What `granctl shards relabel` made, or found whole."""
        splits = {name: split["images"] for name, split in manifest["splits"].items()}
        also = manifest.get("also", {})
        details = {
            "how": how,
            "content_digest": manifest.get("content_digest"),
            "images": sum(splits.values()),
            "splits": splits,
            "labels": len(manifest["labels"]),
            "classes": manifest["classes"]["num_classes"],
            "also": {name: record["num_classes"] for name, record in also.items()},
            "shards": len(manifest["shards"]),
            "bytes": sum(shard["bytes"] for shard in manifest["shards"]),
            "dropped_labels": len(self.dropped),
            "dropped_images": self.dropped_images,
        }
        return Artefact(kind="shards", path=folder, digest=self.digest, made=made, details=details)


def relabelling_of(opened: ShardSet, spec: RelabelSpec) -> Relabelling:
    """What a set becomes.

    Args:
        opened: the set that is relabelled; of a view, what it leaves out stays left out.
        spec: what is asked.

    Raises:
        LabelsNotInMapError: a label map does not know a label of the set.
        NothingKeptError: the label map drops all of them.
    """
    base = opened.base or opened
    for lookup in (spec.classes, *spec.also.values()):
        _check_known(opened, lookup)
    ours = set(opened.labels)
    classes = [spec.classes.class_of[label] if label in ours else () for label in base.labels]
    also = {
        name: [lookup.class_of.get(label, ()) for label in base.labels]
        for name, lookup in sorted(spec.also.items())
    }
    dropped = [label for label in opened.labels if not spec.classes.class_of[label]]
    if len(dropped) == len(opened.labels):
        raise NothingKeptError(opened.where, len(dropped))
    before = opened.manifest.get("relabelled", {})
    built = before.get("built") or _as_built(opened.manifest)
    left_out = sorted({*before.get("left_out", ()), *dropped})
    identity = _identity(spec, built["digest"], left_out)
    inputs = {"shards": str(built["digest"]), "labels": spec.classes.digest}
    inputs |= {f"also {name}": lookup.digest for name, lookup in sorted(spec.also.items())}
    kept = [i for i, one in enumerate(classes) if one]
    records: dict[str, Any] = {"classes": _record(spec.classes, [classes[i] for i in kept])}
    if spec.also:
        records["also"] = {
            name: _record(spec.also[name], [theirs[i] for i in kept])
            for name, theirs in also.items()
        }
    as_built = not left_out and not spec.also and spec.classes.digest == built["labels_digest"]
    if as_built and spec.how != "view":
        digest = str(built["digest"])
        identity, inputs = built["provenance"]["spec"], built["provenance"]["inputs"]
    else:
        digest = digest_of({"kind": "shards", "schema": SCHEMA, **identity})
        records["relabelled"] = {"built": built, "left_out": left_out}
    records["provenance"] = provenance(identity, inputs, with_command=False)
    return Relabelling(
        base=base,
        classes=classes,
        also=also,
        digest=digest,
        identity=identity,
        inputs=inputs,
        records=records,
        dropped=dropped,
        dropped_images=_num_images(opened, dropped),
    )


def _identity(spec: RelabelSpec, built: str, left_out: list[str]) -> dict[str, Any]:
    """Everything that the relabelled set depends on."""
    also = {name: lookup.digest for name, lookup in sorted(spec.also.items())}
    view = {"view": True} if spec.how == "view" else {}
    asked = {"relabelled": built, "left_out": left_out, "classes": spec.classes.digest}
    return {**asked, "also": also, **view}


def _as_built(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be known of a built set when its classes are other ones."""
    return {
        "digest": manifest["digest"],
        "labels_digest": manifest["classes"]["labels_digest"],
        "provenance": manifest["provenance"],
    }


def _record(lookup: ClassLookup, of_label: Classes) -> dict[str, Any]:
    return classes_record(lookup.digest, lookup.list_name, lookup.num_classes, of_label)


def _check_known(opened: ShardSet, lookup: ClassLookup) -> None:
    unknown = [label for label in opened.labels if label not in lookup.class_of]
    if unknown:
        num = _num_images(opened, unknown)
        raise LabelsNotInMapError(f"shard set {opened.where}", unknown, num, lookup.list_name)


def _num_images(opened: ShardSet, labels: Sequence[str]) -> int:
    """Images of these labels in all splits."""
    wanted = set(labels)
    return sum(
        num
        for counts in opened.label_counts.values()
        for label, num in zip(opened.labels, counts, strict=True)
        if label in wanted
    )
