"""Cuts into classes that hang together, against plain greed and against every cut there is."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuts import labelled

from granctl.errors import BadOptionError, ClusterCountError, MinImagesError
from granctl.tree.build import build_taxonomy
from granctl.tree.compare import refines
from granctl.tree.cuts import label_map_of, leaf_cut
from granctl.tree.labeltree import LabelTree, label_tree
from granctl.tree.parents import SINGLE_POLICIES, parent_of
from granctl.tree.partition import balanced_cut, greedy_splits, min_images_cut
from granctl.tree.taxonomy import HYPERNYM, Node, Taxonomy


@st.composite
def weighed(draw: st.DrawFn) -> tuple[Taxonomy, np.ndarray, LabelTree, np.ndarray | None]:
    """A taxonomy, labels, their tree under a policy, and images of each label or none."""
    taxonomy, labels = draw(labelled())
    tree = label_tree(taxonomy, labels, draw(st.sampled_from(SINGLE_POLICIES)))
    images = st.lists(st.integers(0, 4), min_size=len(labels), max_size=len(labels))
    return taxonomy, labels, tree, draw(st.none() | images.map(np.array))


def _classes(nodes: np.ndarray) -> frozenset[frozenset[int]]:
    """Classes as sets of label rows."""
    members: dict[int, list[int]] = defaultdict(list)
    for row, node in enumerate(nodes.tolist()):
        members[node].append(row)
    return frozenset(map(frozenset, members.values()))


def _paths(tree: LabelTree) -> list[list[int]]:
    """The places from each label up to its root."""
    found = []
    for place in tree.place_of_label.tolist():
        path = [place]
        while tree.parent[path[-1]] >= 0:
            path.append(int(tree.parent[path[-1]]))
        found.append(path)
    return found


def _every_cut(tree: LabelTree) -> set[frozenset[frozenset[int]]]:
    """Each way to choose nodes, roots among them: a label goes to the deepest chosen above it."""
    paths = _paths(tree)
    inner = [p for p in range(len(tree)) if tree.parent[p] >= 0]
    found = set()
    for size in range(len(inner) + 1):
        for chosen in itertools.combinations(inner, size):
            tops = [next((p for p in path if p in chosen), path[-1]) for path in paths]
            found.add(_classes(np.array(tops)))
    return found


def _plain_greed(tree: LabelTree, weight: np.ndarray | None) -> list[frozenset[frozenset[int]]]:
    """The cuts of the words: split the heaviest class, take its heaviest branch out."""
    paths = _paths(tree)
    images = [1] * len(paths) if weight is None else weight.tolist()

    def load(rows: frozenset[int]) -> tuple[int, int]:
        return sum(images[r] for r in rows), len(rows)

    def lowest(rows: frozenset[int]) -> int:
        shared = set.intersection(*(set(paths[r]) for r in rows))
        return max(shared, key=lambda p: len(_up(tree, p)))

    roots: dict[int, set[int]] = defaultdict(set)
    for row, path in enumerate(paths):
        roots[path[-1]].add(row)
    classes = [frozenset(rows) for rows in roots.values()]
    found = [frozenset(classes)]
    while len(classes) < len(paths):
        several = [c for c in classes if len(c) > 1]
        split = min(several, key=lambda c: (*(-n for n in load(c)), lowest(c)))
        branches: dict[int, set[int]] = defaultdict(set)
        for row in split:
            below = paths[row].index(lowest(split))
            if below:
                branches[paths[row][below - 1]].add(row)
        taken = min(branches, key=lambda b: (*(-n for n in load(frozenset(branches[b]))), b))
        part = frozenset(branches[taken])
        classes = [c for c in classes if c != split] + [part, split - part]
        found.append(frozenset(classes))
    return found


def _up(tree: LabelTree, place: int) -> list[int]:
    path = [place]
    while tree.parent[path[-1]] >= 0:
        path.append(int(tree.parent[path[-1]]))
    return path


@settings(max_examples=80, deadline=None)
@given(weighed())
def test_every_number_of_classes_is_reached_as_plain_greed_reaches_it(case):
    """From one class a root to one a label; each label once; the same parts as the plain walk."""
    _, labels, tree, images = case
    splits = greedy_splits(tree, images)
    expected = _plain_greed(tree, images)
    assert splits.fewest == len(expected[0])
    assert splits.most == len(labels)
    for num, parts in enumerate(expected, splits.fewest):
        cut = splits.cut(num)
        assert cut.counts.tolist() == [1] * len(labels)
        assert _classes(cut.values) == parts
        assert len(parts) == num


@settings(max_examples=60, deadline=None)
@given(weighed())
def test_the_sweep_says_what_each_cut_says(case):
    """For every N the same class node of each label; numbers 0 .. N - 1 all in use."""
    _, _, tree, images = case
    splits = greedy_splits(tree, images)
    met = []
    for num, class_of, node_of in splits.sweep():
        met.append(num)
        assert (node_of[class_of] == splits.cut(num).values).all()
        assert np.bincount(class_of, minlength=num).all()
        assert len(node_of) == num
    assert met == list(range(splits.fewest, splits.most + 1))


@settings(max_examples=60, deadline=None)
@given(weighed())
def test_a_class_goes_by_the_lowest_node_above_its_labels(case):
    """The node of a class lies at or above all its labels, and no node below it does."""
    _, labels, tree, images = case
    paths = [[int(tree.nodes[p]) for p in path] for path in _paths(tree)]
    for num in range(greedy_splits(tree, images).fewest, len(labels) + 1):
        nodes = greedy_splits(tree, images).cut(num).values
        for node in set(nodes.tolist()):
            rows = np.flatnonzero(nodes == node)
            shared = set.intersection(*(set(paths[r]) for r in rows))
            assert node in shared
            assert all(paths[rows[0]].index(node) <= paths[rows[0]].index(s) for s in shared)


@settings(max_examples=40, deadline=None)
@given(weighed())
def test_greedy_cuts_refine_one_another(case):
    """Along the sequence each cut refines all before it, by the measure of `tree compare`."""
    taxonomy, labels, tree, images = case
    ids = [taxonomy.ids[n] for n in labels]
    splits = greedy_splits(tree, images)
    cuts = [splits.cut(n) for n in range(splits.fewest, splits.most + 1)]
    maps = [label_map_of(taxonomy, ids, cut, method="classes") for cut in cuts]
    for coarse, fine in itertools.pairwise(maps):
        assert refines(fine, coarse)
        assert not refines(coarse, fine)


@settings(max_examples=40, deadline=None)
@given(weighed(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_changes_no_class(case, shuffle):
    """Cutting a shuffled list is shuffling the cut: so does relabelling commute with coarsening."""
    taxonomy, labels, tree, images = case
    order = list(range(len(labels)))
    shuffle.shuffle(order)
    policy = next(p for p in SINGLE_POLICIES if _is_tree_of(taxonomy, tree, p))
    other = label_tree(taxonomy, labels[order], policy)
    moved = None if images is None else images[order]
    for num in range(greedy_splits(tree).fewest, len(labels) + 1):
        there, here = greedy_splits(other, moved).cut(num), greedy_splits(tree, images).cut(num)
        assert (there.values == here.values[order]).all()
        assert (
            balanced_cut(other, num, moved).values == balanced_cut(tree, num, images).values[order]
        ).all()


def _is_tree_of(taxonomy: Taxonomy, tree: LabelTree, policy) -> bool:
    up = parent_of(taxonomy, policy)[tree.nodes]
    return (np.where(tree.parent >= 0, tree.nodes[tree.parent], -1) == up).all()


@settings(max_examples=60, deadline=None)
@given(weighed())
def test_no_cut_has_a_lighter_heaviest_class_than_the_balanced_one(case):
    """Against every cut of the tree into as many classes."""
    _, labels, tree, images = case
    weight = np.ones(len(labels), np.int64) if images is None else images
    lightest: dict[int, int] = {}
    for parts in _every_cut(tree):
        heaviest = max(int(sum(weight[r] for r in rows)) for rows in parts)
        lightest[len(parts)] = min(lightest.get(len(parts), heaviest), heaviest)
    for num in range(greedy_splits(tree).fewest, len(labels) + 1):
        parts = _classes(balanced_cut(tree, num, images).values)
        assert len(parts) == num
        assert max(sum(weight[r] for r in rows) for rows in parts) == lightest[num]


@settings(max_examples=60, deadline=None)
@given(weighed(), st.integers(1, 6))
def test_no_cut_has_more_classes_of_so_many_images(case, fewest: int):
    """Every class has the images; no other cut has more such classes; or there are too few."""
    taxonomy, labels, tree, images = case
    weight = np.ones(len(labels), np.int64) if images is None else images
    fits = [
        len(parts)
        for parts in _every_cut(tree)
        if all(sum(weight[r] for r in rows) >= fewest for rows in parts)
    ]
    if not fits:
        with pytest.raises(MinImagesError, match=f"--min-images {fewest}: there are "):
            min_images_cut(tree, weight, fewest, taxonomy.ids)
        return
    parts = _classes(min_images_cut(tree, weight, fewest, taxonomy.ids).values)
    assert all(sum(weight[r] for r in rows) >= fewest for rows in parts)
    assert len(parts) == max(fits)


def _chain() -> tuple[Taxonomy, np.ndarray]:
    """A chain: entity > animal > dog > poodle, all of them labels."""
    names = ["entity", "animal", "dog", "poodle"]
    nodes = [Node("entity", (), ("entity",))]
    nodes += [Node(b, ((a, HYPERNYM),), (b,)) for a, b in itertools.pairwise(names)]
    return build_taxonomy(nodes, "chain"), np.arange(4, dtype=np.int32)


def test_an_inner_label_keeps_what_no_class_below_it_takes():
    """In a chain of labels every number of classes can be had, though none is a leaf of another."""
    taxonomy, labels = _chain()
    splits = greedy_splits(label_tree(taxonomy, labels))
    assert [splits.cut(n).values.tolist() for n in (1, 2, 3, 4)] == [
        [0, 0, 0, 0],
        [0, 1, 1, 1],
        [0, 1, 2, 2],
        [0, 1, 2, 3],
    ]


def test_images_move_the_edges_that_are_cut():
    """Two even classes of 3 + 0 + 0 + 3 images part anywhere; of 3 + 1 + 1 + 1 below entity."""
    taxonomy, labels = _chain()
    tree = label_tree(taxonomy, labels)
    assert balanced_cut(tree, 2).values.tolist() == [0, 0, 2, 2]
    assert balanced_cut(tree, 2, np.array([3, 1, 1, 1])).values.tolist() == [0, 1, 1, 1]
    assert min_images_cut(tree, np.ones(4, int), 2, taxonomy.ids).values.tolist() == [0, 0, 2, 2]
    # What is too small at the root takes in what hangs on it.
    assert min_images_cut(tree, np.ones(4, int), 3, taxonomy.ids).values.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("num", [0, -1, 5])
def test_numbers_that_cannot_be_had_are_refused(num: int):
    """Below one class a root, above one a label: the range is said."""
    taxonomy, labels = _chain()
    tree = label_tree(taxonomy, labels)
    for make in (greedy_splits(tree).cut, lambda n: balanced_cut(tree, n)):
        with pytest.raises(ClusterCountError) as caught:
            make(num)
        assert "--classes 1 to 4" in caught.value.hint


def test_a_tree_wants_one_parent_and_weights_that_can_be_summed():
    """`all` makes no tree; sums beyond 2**62 are refused, not rounded."""
    taxonomy, labels = _chain()
    with pytest.raises(BadOptionError, match="several parents"):
        label_tree(taxonomy, labels, "all")
    with pytest.raises(ValueError, match="too large"):
        greedy_splits(label_tree(taxonomy, labels), np.full(4, 2**60))


def test_leaf_cut_and_all_classes_say_the_same():
    """As many classes as labels: each label its own node."""
    taxonomy, labels = _chain()
    splits = greedy_splits(label_tree(taxonomy, labels))
    assert splits.cut(4).values.tolist() == leaf_cut(labels).values.tolist()
