"""The classes of a label map, as the plain values that shards are labelled with."""

from __future__ import annotations

from pathlib import Path

from granctl.errors import BadOptionError
from granctl.shards.classes import ClassLookup


def class_lookup(path: Path) -> ClassLookup:
    """Reads a label map as label -> classes.

    Raises:
        MissingInputError: there is no such file.
        ManifestMismatchError: it is no label map, or was changed.
        BadOptionError: it is keyed by image: `.cls` holds the class of a label.
    """
    from granctl.tree.labelmap import LabelMap

    labels = LabelMap.read(path)
    if labels.keyed_by != "label":
        problem = f"{path} gives classes to single images, not to labels"
        hint = "leave it out here: `granctl pretrain --labels` looks such classes up at reading"
        raise BadOptionError("--labels", problem, hint)
    bounds, classes = labels.offsets.tolist(), labels.classes.tolist()
    return ClassLookup(
        digest=labels.digest,
        class_of={
            label: tuple(classes[bounds[i] : bounds[i + 1]])
            for i, label in enumerate(labels.labels)
        },
        num_classes=labels.num_classes,
        list_name=str(labels.params.get("list", "of its labels")),
    )
