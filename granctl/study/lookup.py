"""Where label maps and shards meet: the classes that a build writes beside its images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.shards.write import BuildSpec, ClassLookup, build_shards
from granctl.workspace import Artefact, Workspace


def build_under_labels(
    workspace: Workspace, spec: BuildSpec, labels: Path | None, out: Path | None, progress: Progress
) -> Artefact:
    """Builds shards whose `.cls` and `.json` follow a label map; without one each label is one.

    Raises:
        GranctlError: as `class_lookup` and `build_shards`.
    """
    classes = class_lookup(labels) if labels else None
    return build_shards(workspace, replace(spec, classes=classes), out, progress)


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
        hint = "build without it: `granctl pretrain --labels` looks such classes up at reading"
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
