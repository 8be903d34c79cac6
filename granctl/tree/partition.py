"""Cuts of a tree into classes that hang together: N by greed, N most even, or M images each.

A class is what is left of the tree around one node when edges are cut: that node with the labels
that no chosen node below it takes. So every number of classes up to that of the labels can be had.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ClusterCountError, MinImagesError
from granctl.tree.cuts import leaf_cut
from granctl.tree.labeltree import Ints, LabelTree, Siblings, siblings
from granctl.tree.parents import Rows

NEVER = np.iinfo(np.int64).max
"""Stands for the number of classes at which a node becomes a class that it never becomes."""
MOST_WEIGHT = 2**62
"""Sums of weights stay exact below."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """The greedy order in which a tree falls into classes: its first N - 1 splits make N classes.

    The heaviest class is split, and its heaviest branch becomes a class of its own; what is left
    keeps the node, or, when only one branch is left and the node is no label, goes by that branch.
    Ties: of equally heavy classes, or branches, the one with more labels; then the one whose node
    stands first in the taxonomy. So each cut refines all before it.
    """

    tree: LabelTree
    parent: Ints
    """Shape (num_places,): the tree's, with -1 where an edge was cut before the first split."""
    fewest: int
    """Classes before the first split."""
    classes_at: Ints
    """Shape (num_places,): with so many classes, or more, the place heads a class; NEVER."""

    @property
    def most(self) -> int:
        """One class a label."""
        return len(self.tree.place_of_label)

    def parents_at(self, num_classes: int) -> Ints:
        """Shape (num_places,): parents with -1 where an edge is cut for so many classes.

        Raises:
            ClusterCountError: fewer than roots, or more than labels.
        """
        asked = num_classes
        if asked < self.fewest:
            problem = "fewer than there are roots above the labels"
            raise ClusterCountError(asked, problem, self.fewest, self.most)
        if asked > self.most:
            problem = f"more than the {self.most} labels"
            raise ClusterCountError(asked, problem, self.fewest, self.most)
        return np.where(self.classes_at <= asked, -1, self.parent)

    def cut(self, num_classes: int) -> Rows:
        """The cut into so many classes: a row a label with one node.

        Raises:
            ClusterCountError: fewer than roots, or more than labels.
        """
        return leaf_cut(self.tree.classes_under(self.parents_at(num_classes)))

    def sweep(self) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.int32]]]:
        """Every number of classes in turn: (N, class of each label, node of each class).

        A split gives the branch it takes out the next free number, so class numbers differ from
        those of `label_map_of`. Both arrays are views that the next step changes: copy to keep.
        """
        tree, parent = self.tree, self.parent
        row_at, start, size = _label_slices(tree, parent)
        lowest = tree.lowest(parent)
        steps = np.flatnonzero(self.classes_at != NEVER)
        steps = steps[np.argsort(self.classes_at[steps])]
        class_of = np.empty(self.most, np.int32)
        node_of = np.empty(self.most, np.int32)
        roots = np.flatnonzero((parent < 0) & (size > 0))
        for index, root in enumerate(roots.tolist()):
            class_of[row_at[start[root] : start[root] + size[root]]] = index
            node_of[index] = tree.nodes[lowest[root]]
        shown_class, shown_node = class_of.view(), node_of.view()
        shown_class.setflags(write=False)
        shown_node.setflags(write=False)
        yield self.fewest, shown_class, shown_node[: self.fewest]
        left = self._names_left(steps, lowest)
        firsts, lasts = start[steps].tolist(), (start[steps] + size[steps]).tolist()
        new = tree.nodes[lowest[steps]].tolist()
        for step, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            index = self.fewest + step
            node_of[class_of[row_at[first]]] = left[step]
            class_of[row_at[first:last]] = index
            node_of[index] = new[step]
            yield index + 1, shown_class, shown_node[: index + 1]

    def _names_left(self, steps: Ints, lowest: Ints) -> list[int]:
        """The node of what is left of the class that each step splits."""
        tree, parent = self.tree, self.parent
        up = parent[steps]
        num_children = np.bincount(parent[parent >= 0], minlength=len(tree))
        # The last but one branch of a node that is no label leaves the last one to itself.
        branch = np.full(len(tree), -1)
        never = np.flatnonzero((self.classes_at == NEVER) & (parent >= 0))
        branch[parent[never]] = never
        rank = np.empty(len(steps), np.int64)
        order = np.argsort(up, kind="stable")
        firsts = np.flatnonzero(np.diff(up[order], prepend=-2))
        rank[order] = np.arange(len(steps)) - np.repeat(firsts, np.diff(firsts, append=len(steps)))
        one_left = ~tree.is_label[up] & (rank == num_children[up] - 2)
        left: list[int] = tree.nodes[np.where(one_left, lowest[branch[up]], up)].tolist()
        return left


def greedy_splits(tree: LabelTree, weight: Ints | None = None) -> Splits:
    """The whole greedy order, from one class a root to one class a label.

    Args:
        tree: the labels and what lies above them.
        weight: shape (num_labels,), not negative, such as images; None: labels.

    Example:
        >>> from granctl.tree.labeltree import label_tree
        >>> from granctl.tree.store import embedded_wordnet
        >>> wordnet = embedded_wordnet()
        >>> ids = ("n02084071", "n02121620", "n00017222")  # dog, cat, plant
        >>> tree = label_tree(wordnet, np.array([wordnet.index_of[i] for i in ids], np.int32))
        >>> [wordnet.name(node) for node in greedy_splits(tree).cut(2).values]
        ['carnivore', 'carnivore', 'plant']
    """
    return _splits_below(tree, tree.parent, _with_ties(tree, weight))


def balanced_cut(tree: LabelTree, num_classes: int, weight: Ints | None = None) -> Rows:
    """The cut into so many classes whose heaviest class is as light as any cut of the tree allows.

    The lightest bound under which so many classes suffice is searched; one bound is tried by
    Kundu and Misra ("A linear tree partitioning algorithm", SIAM J. Comput. 6, 1977): from below,
    each node sheds its heaviest branches until what is left is within the bound, which takes the
    fewest classes. If fewer suffice than were asked for, the heaviest are split on, by greed.

    Args:
        tree: the labels and what lies above them.
        num_classes: from one a root to one a label.
        weight: shape (num_labels,), not negative; None: labels.

    Raises:
        ClusterCountError: fewer than roots, or more than labels.
    """
    combined = _with_ties(tree, weight)
    greedy = _splits_below(tree, tree.parent, combined)
    by_greed = greedy.parents_at(num_classes)  # raises where the number cannot be had
    own = tree.at_labels(np.ones(greedy.most, np.int64) if weight is None else weight)
    heaviest = int(tree.sums(own, by_greed).max())
    low = max(-(-int(own.sum()) // num_classes), int(own.max()))
    trial = _Trial.above(tree, own, low)
    best = trial.shed(heaviest)
    part = 8  # greed comes close: first a bound near its heaviest class
    while low < best.heaviest:
        tried = trial.shed(best.heaviest - max((best.heaviest - low) // part, 1))
        if tried.num_classes <= num_classes:
            best = tried
        else:
            low = tried.next_bound
            if part > 2:
                trial = _Trial.above(tree, own, low)
        part = 2
    if best.num_classes == num_classes:
        return leaf_cut(tree.classes_under(best.parent))
    return _splits_below(tree, best.parent, combined).cut(num_classes)


def min_images_cut(tree: LabelTree, images: Ints, fewest: int, id_of_node: tuple[str, ...]) -> Rows:
    """The most classes that have `fewest` images each, merged upward from one class a label.

    From below, a class that lacks images joins what its parent heads. What is too small at the
    root takes in the smallest class that hangs on it.

    Args:
        tree: the labels and what lies above them.
        images: shape (num_labels,), not negative.
        fewest: images a class, at least 1.
        id_of_node: what an error calls a root.

    Raises:
        MinImagesError: under a root there are fewer images.
    """
    parent, found = tree.parent.copy(), tree.at_labels(images)
    labels = tree.is_label.astype(np.int64)
    for places in reversed(tree.levels[1:]):
        is_whole = found[places] >= fewest
        parent[places[is_whole]] = -1
        joins = places[~is_whole]
        np.add.at(found, parent[joins], found[joins])
        np.add.at(labels, parent[joins], labels[joins])
    for root in tree.levels[0].tolist():
        if labels[root] and found[root] < fewest:
            cut_off = np.flatnonzero((parent < 0) & (tree.parent >= 0))
            hanging = cut_off[tree.tops(parent)[tree.parent[cut_off]] == root]
            if not len(hanging):
                raise MinImagesError(fewest, id_of_node[tree.nodes[root]], int(found[root]))
            taken = hanging[np.argmin(found[hanging])]
            parent[taken] = tree.parent[taken]
    return leaf_cut(tree.classes_under(parent))


# --- greed ----------------------------------------------------------------------------------------


def _with_ties(tree: LabelTree, weight: Ints | None) -> Ints:
    """Weights at the places, in which the number of labels decides between equals."""
    num = len(tree.place_of_label)
    one = np.ones(num, np.int64)
    if weight is None:
        return tree.at_labels(one)
    if (int(weight.sum()) + 1) * (len(tree) + 1) >= MOST_WEIGHT:
        raise ValueError("weights are too large to be summed exactly")
    return tree.at_labels(weight * (num + 1) + one)


def _splits_below(tree: LabelTree, parent: Ints, own: Ints) -> Splits:
    """The greedy order, where some edges are cut already; every label has own weight above 0.

    What a class weighs before each of its splits follows from the tree alone: the node and the
    branches that are not heavier than the one to be taken. A class and a branch weigh less than
    what they came from, so sorting all splits by that weight puts each behind those it needs.
    """
    total = tree.sums(own, parent)
    under = siblings(np.arange(len(tree)), parent, -total)
    before = total[under.parent] - under.before(total[under.order])
    # The last branch of a node that is no label is never taken out: it is what is left.
    taken = np.flatnonzero(~under.is_last | tree.is_label[under.parent])
    by_weight = np.argsort(-before[taken], kind="stable")  # they stand in order of the node
    fewest = int(((parent < 0) & (total > 0)).sum())
    classes_at = np.full(len(tree), NEVER)
    classes_at[under.order[taken[by_weight]]] = fewest + 1 + np.arange(len(taken))
    return Splits(tree=tree, parent=parent, fewest=fewest, classes_at=classes_at)


def _label_slices(tree: LabelTree, parent: Ints) -> tuple[Ints, Ints, Ints]:
    """Labels in preorder, and which slice of them each place has at or below it.

    Returns:
        The row of the label at each position (num_labels,); start and size (num_places,).
    """
    own = tree.is_label.astype(np.int64)
    size = tree.sums(own, parent)
    start = np.zeros(len(tree), np.int64)
    roots = np.flatnonzero(parent < 0)
    start[roots] = np.cumsum(size[roots]) - size[roots]
    under = siblings(np.arange(len(tree)), parent, np.zeros(len(tree), np.int64))
    start[under.order] = own[under.parent] + under.before(size[under.order])
    for places in tree.levels[1:]:
        linked = places[parent[places] >= 0]
        start[linked] += start[parent[linked]]
    row_at = np.empty(len(tree.place_of_label), np.int64)
    row_at[start[tree.place_of_label]] = np.arange(len(row_at))
    return row_at, start, size


# --- even classes ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shed:
    """The fewest classes within a bound."""

    parent: Ints
    num_classes: int
    heaviest: int
    """The weight of the heaviest of them."""
    next_bound: int
    """The least bound above the one tried under which anything would change."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """What the trials of all bounds share: branches within the least bound never fall apart."""

    tree: LabelTree
    weight: Ints
    """Shape (num_places,): of a place alone, but of one within the least bound with all below."""
    levels: tuple[Siblings, ...]
    """From below: at each depth the places whose parents outweigh the least bound."""
    span: int
    """More than everything weighs."""

    @classmethod
    def above(cls, tree: LabelTree, own: Ints, least: int) -> _Trial:
        """Prepares trials of bounds from `least` on; `own`: shape (num_places,)."""
        total = tree.sums(own, tree.parent)
        is_heavy = total > least
        places = [p[is_heavy[tree.parent[p]]] for p in tree.levels[:0:-1]]
        levels = tuple(siblings(p, tree.parent, total) for p in places if len(p))
        weight, span = np.where(is_heavy, own, total), int(own.sum()) + 1
        return cls(tree=tree, weight=weight, levels=levels, span=span)

    def shed(self, bound: int) -> _Shed:
        """Sheds heavy branches from below until no class weighs more than the bound."""
        parent, total = self.tree.parent.copy(), self.weight.copy()
        heaviest, next_bound = int(total.max()), MOST_WEIGHT
        for under in self.levels:
            weight = total[under.order]
            # Most branches weigh what they weighed in other trials, so this is nearly in order.
            order = np.argsort(under.parent * self.span + weight, kind="stable")
            weight, place = weight[order], under.order[order]
            upto = under.before(weight) + weight + self.weight[under.parent]
            is_kept = upto <= bound
            parent[place[~is_kept]] = -1
            next_bound = min(next_bound, int(upto[~is_kept].min(initial=MOST_WEIGHT)))
            heaviest = max(heaviest, int(upto[is_kept].max(initial=0)))
            np.add.at(total, under.parent[is_kept], weight[is_kept])
        return _Shed(
            parent=parent,
            # What is left of a node that is no label holds its lightest branch, so labels.
            num_classes=int((parent < 0).sum()),
            heaviest=heaviest,
            next_bound=next_bound,
        )
