"""Which cuts of a source are ranked: those of its hierarchy that differ, or label maps given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from granctl.errors import BeyondTreeError, NoHierarchyError, NothingToRankError
from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.study.adviseevidence import TRAIN
from granctl.study.adviseprobe import Classes
from granctl.study.cuts import make_cut, open_taxonomy
from granctl.study.cutspec import CutSpec
from granctl.study.treecuts import tree_plan
from granctl.train.labelling import Labelling, label_images
from granctl.tree.labelmap import LabelMap
from granctl.tree.taxonomy import Taxonomy
from granctl.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A label map that the source could be pretrained on."""

    path: Path
    labels: LabelMap
    labelling: Labelling
    """Of the source's training images."""
    also: tuple[str, ...] = ()
    """Other cuts that give these images the same classes."""

    @property
    def classes(self) -> Classes:
        """As the probe takes them."""
        image, number = self.labelling.pairs(np.arange(len(self.labelling)))
        return Classes(
            image=self.labelling.row[image], number=number, num=self.labelling.num_classes
        )


def hierarchy_of(shards: ShardSet, path: Path | None) -> Taxonomy:
    """The taxonomy of a source: that of the file, else the embedded WordNet.

    Raises:
        NoHierarchyError: it lacks labels that the source's training images have.
        GranctlError: the file is missing or damaged.
    """
    taxonomy = open_taxonomy(path)
    present = _present(shards)
    missing = [label for label in present if label not in taxonomy.index_of]
    if missing:
        raise NoHierarchyError(shards.where, missing, len(present), taxonomy.source)
    return taxonomy


def cuts_of_hierarchy(
    workspace: Workspace, shards: ShardSet, path: Path | None, progress: Progress
) -> list[Candidate]:
    """Every depth and level, coarse to fine by their number, of which each gives other classes.

    Raises:
        NothingToRankError: fewer than two of them have two classes or more.
        GranctlError: as `hierarchy_of` and `label_images`.
    """
    taxonomy = hierarchy_of(shards, path)
    first: dict[tuple[int, ...], tuple[CutSpec, list[str]]] = {}
    for spec in _specs(taxonomy, path):
        plan, _ = tree_plan(spec, taxonomy)
        try:
            inputs = {"inputs": plan.inputs, "keyed_by": plan.keyed_by}
            labels = plan.compute({"method": plan.method, "params": plan.params, **inputs})
        except BeyondTreeError:
            continue
        _, also = first.setdefault(_signature(labels, shards), (spec, []))
        also.append(labels.name)
    found = []
    for spec, names in first.values():
        made = make_cut(workspace, spec, None, progress)
        labels = LabelMap.read(made.path)
        labelling = label_images(shards, TRAIN, labels)
        others = tuple(name for name in names if name != labels.name)
        found.append(Candidate(path=made.path, labels=labels, labelling=labelling, also=others))
    return _that_teach(found, shards, progress)


def given_cuts(paths: Sequence[Path], shards: ShardSet, progress: Progress) -> list[Candidate]:
    """The label maps of these files; of two with one digest the first.

    Raises:
        NothingToRankError: fewer than two of them have two classes or more.
        GranctlError: a map is missing, damaged, or does not know the source's images.
    """
    maps: dict[str, tuple[Path, LabelMap]] = {}
    for path in paths:
        labels = LabelMap.read(path)
        maps.setdefault(labels.digest, (path.absolute(), labels))
    found = [
        Candidate(path=path, labels=labels, labelling=label_images(shards, TRAIN, labels))
        for path, labels in maps.values()
    ]
    return _that_teach(found, shards, progress)


def _specs(taxonomy: Taxonomy, path: Path | None) -> Iterator[CutSpec]:
    """Depths from the coarsest, then levels; those beyond the labels are found out when cut."""
    longest = len(taxonomy.rank_starts) - 2  # edges
    for depth in range(1, longest + 1):
        yield CutSpec(method="depth", depth=depth, taxonomy=path)
    for level in range(longest):
        yield CutSpec(method="level", level=level, taxonomy=path)


def _present(shards: ShardSet) -> list[str]:
    counts = shards.label_counts[TRAIN]
    return [label for label, num in zip(shards.labels, counts, strict=True) if num]


def _signature(labels: LabelMap, shards: ShardSet) -> tuple[int, ...]:
    """The classes of each label that has images, numbered as they come: equal for equal classes."""
    number: dict[int, int] = {}
    found: list[int] = []
    for label in _present(shards):
        row = labels.index_of.get(label)
        classes = [] if row is None else labels.classes_of(label).tolist()
        found += [-1, *sorted(number.setdefault(c, len(number)) for c in classes)]
    return tuple(found)


def _that_teach(found: list[Candidate], shards: ShardSet, progress: Progress) -> list[Candidate]:
    several = [c for c in found if c.labelling.num_classes > 1]
    for candidate in found:
        if candidate.labelling.num_classes < 2:
            progress.note(f"left out: {candidate.labels.name} has one class with images")
    if len(several) < 2:
        raise NothingToRankError(shards.where, [c.labels.name for c in several])
    return several
