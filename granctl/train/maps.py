"""The label maps of one pretraining: the one that is scored, and those that teach beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, NotNestedError, SeveralClassesError
from granctl.shards.index import ShardSet
from granctl.train import losses
from granctl.train.heads import Fine, Head, Levels, Part
from granctl.train.labelling import Labelling, keys_of, label_images
from granctl.tree.labelmap import LabelMap


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """One map; or several levels (`also`); or a coarse map with the finer one of the head."""

    labels: LabelMap
    also: tuple[LabelMap, ...] = ()
    fine: LabelMap | None = None

    def __post_init__(self) -> None:
        """Checks that they can teach together.

        Raises:
            BadOptionError: both further levels and a fine map, one map twice, or one keyed by
                images and another by labels.
        """
        if self.also and self.fine is not None:
            problem = "a head has several levels or fine classes, and --also is given too"
            raise BadOptionError("--fine", problem, "leave one of them out")
        for i, level in enumerate(self.also):
            if level.keyed_by != self.labels.keyed_by:
                problem = (
                    f"{level.name} is keyed by {level.keyed_by}, and --labels {self.labels.name}"
                    f" by {self.labels.keyed_by}"
                )
                raise BadOptionError("--also", problem, "give maps of one label list")
            if level.content_digest in {m.content_digest for m in (self.labels, *self.also[:i])}:
                problem = f"{level.name} is given twice, or is the map of --labels"
                raise BadOptionError("--also", problem, "give each level once")

    @classmethod
    def read(cls, labels: Path, also: Sequence[Path] = (), fine: Path | None = None) -> Maps:
        """Reads their files.

        Raises:
            MissingInputError: one is not there.
            ManifestMismatchError: one is no label map, or was changed.
            BadOptionError: they cannot teach together.
        """
        return cls(
            labels=LabelMap.read(labels),
            also=tuple(LabelMap.read(path) for path in also),
            fine=None if fine is None else LabelMap.read(fine),
        )

    @property
    def digests(self) -> dict[str, str]:
        """What of the maps a run's identity holds: role -> digest; the order of levels counts."""
        roles = {"labels": self.labels}
        roles |= {f"also_{i}": level for i, level in enumerate(self.also, 1)}
        roles |= {"fine": self.fine} if self.fine is not None else {}
        found = {}
        for role, labels in roles.items():
            found[role] = labels.digest
            # Maps that were made by hand may share a digest, which says how a map was made.
            found[f"{role}_content"] = labels.content_digest
        return found

    def labelled(self, shards: ShardSet, split: str) -> tuple[Labelling, Head | None]:
        """The images that teach and their classes in `labels`; how the head is to be read.

        With several levels these are the images that have a class at any of them.

        Raises:
            LabelsNotInMapError: an image has a label that a map does not know.
            OtherImagesError: a map is keyed by images, and of another shard set.
            NothingToLearnError: no image has a class in one of the maps.
            SeveralClassesError: several maps, and an image has several classes in one of them.
            NotNestedError: a fine class lies in several coarse classes or in none.
        """
        if self.also:
            return _levels(shards, split, self.labels, self.also)
        if self.fine is not None:
            return _fine(shards, split, self.labels, self.fine)
        return label_images(shards, split, self.labels), None


def further_digests(inputs: Mapping[str, str]) -> tuple[list[str], str | None]:
    """Digests of the further levels, in order, and of the fine map, of a run's inputs.

    Args:
        inputs: as `Maps.digests` gave them to the run.

    Example:
        >>> further_digests({"labels": "aa", "also_1": "bb", "also_1_content": "cc"})
        (['bb'], None)
    """
    also = [inputs[f"also_{i}"] for i in range(1, len(inputs)) if f"also_{i}" in inputs]
    return also, inputs.get("fine")


# --- levels ---------------------------------------------------------------------------------------


def _levels(
    shards: ShardSet, split: str, first: LabelMap, also: Sequence[LabelMap]
) -> tuple[Labelling, Levels]:
    key = keys_of(shards, split, first)
    own, column = _level(shards, split, first, "--labels", first)
    parts, columns = [_part("labels", first, own)], [column]
    for level in also:
        found, column = _level(shards, split, level, "--also", first)
        parts.append(_part("also", level, found))
        columns.append(column)
    table = np.stack(columns, axis=1)
    row = np.flatnonzero(table.max(axis=1)[key] >= 0)
    taught = np.flatnonzero(np.bincount(key[row]))
    labelling = dataclasses.replace(
        own, row=row, key=key[row], labels_present=len(taught), dropped=len(key) - len(row)
    )
    weights = losses.level_weights(table[taught])
    return labelling, Levels(parts=tuple(parts), table=table, weights=tuple(weights.tolist()))


def _level(
    shards: ShardSet, split: str, level: LabelMap, option: str, first: LabelMap
) -> tuple[Labelling, NDArray[np.int64]]:
    """A level looked up, and the class there of each entry of the first map; -1: none."""
    found = _one_class(shards, split, level, option, "levels")
    num = np.diff(found.offsets)
    class_of_entry = np.full(len(num) + 1, -1, dtype=np.int64)  # the last: of labels it lacks
    class_of_entry[:-1][num > 0] = found.classes[found.offsets[:-1][num > 0]]
    if level.labels == first.labels:
        return found, class_of_entry[:-1]
    entry = [level.index_of.get(label, -1) for label in first.labels]
    return found, class_of_entry[np.array(entry, dtype=np.int64)]


# --- a coarse map and a finer one -----------------------------------------------------------------


def _fine(
    shards: ShardSet, split: str, coarse_map: LabelMap, fine_map: LabelMap
) -> tuple[Labelling, Fine]:
    coarse = _one_class(shards, split, coarse_map, "--labels", "marginal")
    fine = _one_class(shards, split, fine_map, "--fine", "marginal")
    coarse_of_row = np.full(len(coarse) + coarse.dropped, -1, dtype=np.int64)
    coarse_of_row[coarse.row] = coarse.main_class
    is_taught = coarse_of_row[fine.row] >= 0
    fine_class, coarse_class = fine.main_class[is_taught], coarse_of_row[fine.row][is_taught]
    coarse_of_fine = np.full(fine.num_classes, -1, dtype=np.int64)
    coarse_of_fine[fine_class] = coarse_class
    crosses = bool((coarse_of_fine[fine_class] != coarse_class).any())
    has_fine = np.bincount(coarse_class, minlength=coarse.num_classes) > 0
    if crosses or (coarse_of_fine < 0).any() or not has_fine.all():
        faults = _unnested(coarse, fine, fine_class, coarse_class)
        raise NotNestedError(fine_map.name, coarse_map.name, faults)
    return coarse, Fine(
        coarse=_part("labels", coarse_map, coarse),
        fine=_part("fine", fine_map, fine),
        coarse_of_fine=coarse_of_fine,
    )


def _unnested(
    coarse: Labelling,
    fine: Labelling,
    fine_class: NDArray[np.int64],
    coarse_class: NDArray[np.int64],
) -> list[str]:
    """What is wrong with fine classes, then coarse ones, of the images that have both."""
    found: dict[int, list[int]] = {k: [] for k in range(fine.num_classes)}
    for pair in np.unique(fine_class * coarse.num_classes + coarse_class).tolist():
        found[pair // coarse.num_classes].append(pair % coarse.num_classes)
    faults = []
    for k, around in found.items():
        if len(around) != 1:
            names = " and ".join(_called(coarse, c) for c in around[:2]) or "none"
            more = f" and {len(around) - 2} more" if len(around) > 2 else ""
            faults.append(f"{_called(fine, k)} lies in {names}{more}")
    lacking = sorted(set(range(coarse.num_classes)).difference(*found.values()))
    return faults + [f"{_called(coarse, c)} has no fine class" for c in lacking]


def _called(labelling: Labelling, number: int) -> str:
    return f"{labelling.class_ids[number]} ({labelling.class_names[number]})"


# --- both -----------------------------------------------------------------------------------------


def _one_class(shards: ShardSet, split: str, labels: LabelMap, option: str, loss: str) -> Labelling:
    """A map looked up that gives each image one class at most."""
    found = label_images(shards, split, labels)
    if found.multi_label:
        several = np.unique(found.key[np.diff(found.offsets)[found.key] > 1])
        examples = [labels.labels[i] for i in several.tolist()]
        raise SeveralClassesError(loss, f"{option} {labels.name}", labels.keyed_by, examples)
    return found


def _part(role: Literal["labels", "also", "fine"], labels: LabelMap, found: Labelling) -> Part:
    return Part(
        role=role,
        name=labels.name,
        digest=labels.digest,
        class_ids=found.class_ids,
        class_names=found.class_names,
        classes_total=found.classes_total,
        images=len(found),
    )
