"""Two label maps side by side: groups of labels, which row belongs to which, a sparse crosstab.

A label's *group* is the set of its classes: with one class a label, groups are the classes that
occur. Maps with several classes a label are compared by their groups, so that "the same" means
all classes the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.tree.labelmap import LabelMap

Ints = NDArray[np.int64]
Unit = Literal["label", "image"]


# --- groups: the distinct sets of classes of one map ----------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """The distinct sets of classes in one map, by size and then by class index."""

    of_label: Ints
    """Shape (labels,): the group of each label; -1 where the cut dropped it."""
    offsets: Ints
    """Shape (groups + 1,)."""
    classes: Ints
    """The class indices of group g, ascending: `classes[offsets[g]:offsets[g + 1]]`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def joined(self, words: Sequence[str], between: str = "+") -> list[str]:
        """One text a group: the words (ids, names) of its classes, `n2+n7`."""
        if len(self.classes) == len(self):
            return [words[c] for c in self.classes.tolist()]
        bounds, classes = self.offsets.tolist(), self.classes.tolist()
        slices = pairwise(bounds)
        return [between.join(words[c] for c in classes[start:end]) for start, end in slices]


def group_labels(label_map: LabelMap) -> Groups:
    """The group of every label of a map.

    Example:
        >>> fields = {"class_ids": ("x", "y"), "class_names": ("x", "y"), "method": "depth"}
        >>> label_map = LabelMap.from_single(["a", "b", "c"], np.array([1, 0, 1]), **fields)
        >>> group_labels(label_map).of_label.tolist()
        [1, 0, 1]
    """
    return distinct_sets(label_map.offsets, label_map.classes.astype(np.int64))


def distinct_sets(offsets: Ints, members: Ints) -> Groups:
    """Numbers the rows of a CSR matrix by the set of their members; exact.

    Args:
        offsets: shape (rows + 1,).
        members: non-negative; repeats inside a row and its order do not count.
    """
    row, member = _sorted_rows(offsets, members)
    sizes = np.bincount(row, minlength=len(offsets) - 1)
    starts = np.cumsum(sizes) - sizes
    of_row = np.full(len(sizes), -1, np.int64)
    found: list[Ints] = []
    set_sizes: list[int] = []
    for size in np.flatnonzero(np.bincount(sizes[sizes > 0])).tolist():
        rows = np.flatnonzero(sizes == size)
        number, sets = _number_rows(member[starts[rows][:, None] + np.arange(size)])
        of_row[rows] = len(set_sizes) + number
        found.append(sets.ravel())
        set_sizes += [size] * len(sets)
    return Groups(
        of_label=of_row,
        offsets=np.concatenate([[0], np.cumsum(set_sizes)]).astype(np.int64),
        classes=np.concatenate(found) if found else np.zeros(0, np.int64),
    )


def _sorted_rows(offsets: Ints, members: Ints) -> tuple[Ints, Ints]:
    """(row, member) of each entry, ascending in each row, repeats left out."""
    sizes = np.diff(offsets)
    row = np.repeat(np.arange(len(sizes)), sizes)
    if sizes.max(initial=0) <= 1:
        return row, members
    width = int(members.max()) + 1
    # Not np.unique: without counts numpy 2.4 hashes, at 30 times the time of this sort.
    entry = np.sort(row * width + members)
    entry = entry[np.diff(entry, prepend=-1) > 0]
    return entry // width, entry % width


def _number_rows(table: Ints) -> tuple[Ints, Ints]:
    """The number of each row among the distinct rows, and those, in lexicographic order."""
    if table.shape[1] == 1:
        present = np.flatnonzero(np.bincount(table[:, 0]))
        number = np.zeros(present[-1] + 1, np.int64)
        number[present] = np.arange(len(present))
        return number[table[:, 0]], present[:, None]
    # As bytes, big end first, rows compare as their numbers do, and a dict tells them apart.
    content, step = table.astype(">i8").tobytes(), 8 * table.shape[1]
    keys = [content[i : i + step] for i in range(0, len(content), step)]
    distinct = sorted(set(keys))
    number_of = {key: i for i, key in enumerate(distinct)}
    sets = np.frombuffer(b"".join(distinct), ">i8").astype(np.int64)
    return np.array([number_of[key] for key in keys], np.int64), sets.reshape(-1, table.shape[1])


# --- pairing: which row of A belongs to which row of B --------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """The labels (or images) that both maps know: N of them."""

    row_a: Ints
    """Shape (N,): the label's row in map A."""
    row_b: Ints
    """Shape (N,): its row in map B."""
    weight: Ints
    """Shape (N,): how many images it stands for, or one; not negative."""
    unit: Unit
    """What a pair is: a label, or a single image."""
    only_in_a: int = 0
    """Labels (images) that map A knows and B does not."""
    only_in_b: int = 0


def pair_labels(a: LabelMap, b: LabelMap, images: Mapping[str, int] | None = None) -> Pairing:
    """Pairs two maps by their labels, in the order of `a`.

    Args:
        a: one map.
        b: the other, keyed by the same kind of thing.
        images: label -> weight; a label that is not in it weighs nothing. None: one each.

    Raises:
        ValueError: one map is keyed by labels and the other by images.
    """
    if a.keyed_by != b.keyed_by:
        raise ValueError("one map is keyed by labels, the other by images")
    row_b = rows_of(a.labels, b)
    row_a = np.flatnonzero(row_b >= 0)
    weight = np.ones(len(row_a), np.int64)
    if images is not None:
        weight = np.array([images.get(a.labels[i], 0) for i in row_a.tolist()], np.int64)
    return Pairing(
        row_a=row_a,
        row_b=row_b[row_a],
        weight=weight,
        unit=a.keyed_by,
        only_in_a=len(a.labels) - len(row_a),
        only_in_b=len(b.labels) - len(row_a),
    )


def rows_of(keys: Sequence[str], label_map: LabelMap) -> Ints:
    """The row of each key in a map, -1 where it has none; shape (len(keys),)."""
    if tuple(keys) == label_map.labels:
        return np.arange(len(keys))
    found = map(label_map.index_of.get, keys, repeat(-1))
    return np.fromiter(found, np.int64, len(keys))


# --- the crosstab ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Crosstab:
    """How many labels lie in each pair of groups; only the C cells that are not empty.

    Compared are the labels that both maps know and give a class, and that weigh something.
    """

    a: Ints
    """Shape (C,): group of map A. Cells are sorted by (a, b)."""
    b: Ints
    """Shape (C,): group of map B."""
    num: Ints
    """Shape (C,): labels (or images) in the cell."""
    weight: Ints
    """Shape (C,): their weight."""
    groups_a: Groups
    groups_b: Groups
    no_class_a: int
    """Pairs that map A gives no class; they are not compared."""
    no_class_b: int
    weightless: int
    """Pairs of weight 0, which have no image; they are not compared."""

    @property
    def starts_a(self) -> Ints:
        """The first cell of each group of A that occurs."""
        return np.flatnonzero(np.diff(self.a, prepend=-1))

    def turned(self) -> Crosstab:
        """The same with A and B exchanged."""
        order = np.argsort(self.b, kind="stable")  # by a within b: cells are sorted by a already
        return Crosstab(
            a=self.b[order],
            b=self.a[order],
            num=self.num[order],
            weight=self.weight[order],
            groups_a=self.groups_b,
            groups_b=self.groups_a,
            no_class_a=self.no_class_b,
            no_class_b=self.no_class_a,
            weightless=self.weightless,
        )


def cross(a: LabelMap, b: LabelMap, pairing: Pairing) -> Crosstab:
    """Counts the groups of two maps against each other, sparse: time N log N, memory N."""
    groups_a, groups_b = group_labels(a), group_labels(b)
    group_a, group_b = groups_a.of_label[pairing.row_a], groups_b.of_label[pairing.row_b]
    kept = (group_a >= 0) & (group_b >= 0) & (pairing.weight > 0)
    width = max(len(groups_b), 1)
    code, cell = np.unique(group_a[kept] * width + group_b[kept], return_inverse=True)
    # Sums of integers below 2**53 are exact in bincount's float64.
    weight = np.bincount(cell, weights=pairing.weight[kept], minlength=len(code))
    return Crosstab(
        a=code // width,
        b=code % width,
        num=np.bincount(cell, minlength=len(code)),
        weight=weight.astype(np.int64),
        groups_a=groups_a,
        groups_b=groups_b,
        no_class_a=int((group_a < 0).sum()),
        no_class_b=int((group_b < 0).sum()),
        weightless=int((pairing.weight == 0).sum()),
    )
