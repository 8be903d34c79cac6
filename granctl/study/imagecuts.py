"""What gets a class in cuts by features and at random: labels, or the images of a shard set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, KeyedApartError, LabelsNotInMapError
from granctl.shards.index import ShardSet
from granctl.tree.labelmap import KeyedBy, LabelMap
from granctl.tree.taxonomy import Taxonomy

SPLIT = "train"
"""Maps keyed by image are made to train on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Keys:
    """The labels, or the images, that a map is to hold, in its order."""

    ids: Sequence[str]
    """Label ids, or checksums."""
    keyed_by: KeyedBy
    label_ids: Sequence[str]
    """Labels that the keys have; empty where that is not known."""
    label_index: NDArray[np.integer]
    """Shape (len(ids),): index into `label_ids`; empty where that is not known."""
    source: Path
    """Where they come from, for messages."""

    @classmethod
    def of_labels(cls, ids: Sequence[str], source: Path) -> Keys:
        """Labels."""
        return cls(
            ids=ids,
            keyed_by="label",
            label_ids=ids,
            label_index=np.arange(len(ids)),
            source=source,
        )

    @classmethod
    def of_images(cls, shards: ShardSet) -> Keys:
        """The train split's images; of images with the same bytes the first."""
        raw = shards.checksums(SPLIT)
        _, first = np.unique(raw, return_index=True)
        first = np.sort(first)
        return cls(
            ids=[c.decode() for c in raw[first].tolist()],
            keyed_by="image",
            label_ids=shards.labels,
            label_index=shards.rows(SPLIT).label[first],
            source=shards.root,
        )

    @classmethod
    def of_map(cls, label_map: LabelMap, path: Path) -> Keys:
        """Those of another map."""
        if label_map.keyed_by == "label":
            return cls.of_labels(label_map.labels, path)
        nothing = np.zeros(0, np.int64)
        return cls(
            ids=label_map.labels,
            keyed_by="image",
            label_ids=(),
            label_index=nothing,
            source=path,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A label map that an option named."""

    label_map: LabelMap
    path: Path
    option: str

    @classmethod
    def read(cls, path: Path, option: str) -> Given:
        """Reads the map; see `LabelMap.read`."""
        return cls(label_map=LabelMap.read(path), path=path, option=option)

    @property
    def name(self) -> str:
        """The cut in a word."""
        return self.label_map.name

    def rows_of(self, keys: Keys) -> NDArray[np.int64]:
        """Shape (len(keys.ids),): the row of the map that each key falls under.

        Raises:
            LabelsNotInMapError: the map lacks some of them.
            KeyedApartError: nothing says which of the map's keys they have.
        """
        ours, index_of = self.label_map, self.label_map.index_of
        if ours.keyed_by == keys.keyed_by:
            row = np.array([index_of.get(i, -1) for i in keys.ids], np.int64)
            missing = [keys.ids[i] for i in np.flatnonzero(row < 0).tolist()]
        elif ours.keyed_by == "image":
            raise KeyedApartError(keys.source, self.path)
        elif not len(keys.label_ids):
            raise KeyedApartError(self.path, keys.source)
        else:
            of_label = np.array([index_of.get(i, -1) for i in keys.label_ids], np.int64)
            row = of_label[keys.label_index]
            missing = [keys.label_ids[i] for i in np.unique(keys.label_index[row < 0]).tolist()]
        if missing:
            list_name = str(ours.params.get("list"))
            source = f"{self.option}: {keys.source}"
            raise LabelsNotInMapError(source, missing, int((row < 0).sum()), list_name)
        return row


@dataclass(frozen=True, kw_only=True, eq=False)
class Superclasses:
    """The classes that no class of a new map may cross; without a map, one of everything."""

    index: NDArray[np.int64]
    """Shape (number of keys,): from 0, every value up to its greatest in use; -1: no class."""
    ids: tuple[str, ...]
    names: tuple[str, ...]
    """Empty strings where there is no map."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Keys of each."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.ids)).astype(np.int64)

    @classmethod
    def of(cls, within: Given | None, keys: Keys, prefix: str) -> Superclasses:
        """The superclass of each key; `prefix` is the id of the one of everything.

        Raises:
            BadOptionError: the map gives a label several classes.
            GranctlError: as `Given.rows_of`.
        """
        if within is None:
            whole = np.zeros(len(keys.ids), np.int64)
            return cls(index=whole, ids=(prefix,), names=("",))
        ours = within.label_map
        found = _one_class_each(within, within.rows_of(keys))
        kept = found >= 0
        present, found[kept] = np.unique(found[kept], return_inverse=True)
        return cls(
            index=found,
            ids=tuple(ours.class_ids[i] for i in present),
            names=tuple(ours.class_names[i] for i in present),
        )

    def split(
        self, sub: NDArray[np.int64], num_of_each: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Classes over all superclasses and their ids, `<superclass>/<j>`.

        Args:
            sub: shape (keys with a superclass,): j inside the superclass.
            num_of_each: shape (num_superclasses,): classes of each.

        Returns:
            Shape (number of keys,), -1 where there is none; ids.
        """
        class_of = np.full(len(self.index), -1, np.int64)
        kept = self.index >= 0
        class_of[kept] = (np.cumsum(num_of_each) - num_of_each)[self.index[kept]] + sub
        ids = (f"{i}/{j}" for i, num in zip(self.ids, num_of_each, strict=True) for j in range(num))
        return class_of, tuple(ids)

    def names_with(self, names: Sequence[str], num_of_each: NDArray[np.int64]) -> tuple[str, ...]:
        """The names of the classes, each behind its superclass's."""
        before = np.repeat(np.array(self.names, object), num_of_each).tolist()
        return tuple(f"{b}: {n}" if b else n for b, n in zip(before, names, strict=True))


def _one_class_each(given: Given, row: NDArray[np.int64]) -> NDArray[np.int64]:
    ours = given.label_map
    counts = np.diff(ours.offsets)
    several = np.unique(row[counts[row] > 1])
    if len(several):
        problem = f"it gives {len(several)} labels several classes, such as "
        problem += ours.labels[several[0]]
        hint = "cut with a policy of one parent: `granctl tree cut --depth D`"
        raise BadOptionError(given.option, problem, hint)
    padded = np.append(ours.classes, np.int32(-1))
    place = np.where(counts > 0, ours.offsets[:-1], len(ours.classes))
    return padded[place].astype(np.int64)[row]


def label_names(taxonomy: Taxonomy, ids: Sequence[str]) -> list[str]:
    """What people call the labels; an id that the taxonomy lacks stands for itself."""
    return [taxonomy.name(taxonomy.index_of[i]) if i in taxonomy.index_of else i for i in ids]
