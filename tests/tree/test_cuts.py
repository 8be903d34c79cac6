"""Cuts, against plain walks over random DAGs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.errors import BadOptionError, BeyondTreeError, LabelsNotInTaxonomyError
from granctl.tree.build import build_taxonomy
from granctl.tree.controls import shuffled
from granctl.tree.cuts import (
    REMAINDER,
    depth_cut,
    label_map_of,
    leaf_cut,
    level_cut,
    nodes_of_labels,
)
from granctl.tree.parents import POLICIES, SINGLE_POLICIES, Rows, above, parent_of, parent_rows
from granctl.tree.stats import describe
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """DAGs of 1 to 14 nodes in any order, several roots, both relations."""
    num = draw(st.integers(1, 14))
    nodes = []
    for i in range(num):
        parents = draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else []
        relations = [draw(st.sampled_from([HYPERNYM, INSTANCE])) for _ in parents]
        named = tuple((f"n{p}", r) for p, r in zip(parents, relations, strict=True))
        nodes.append(Node(f"n{i}", named, (f"name {i}",)))
    return build_taxonomy(draw(st.permutations(nodes)), "random")


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Taxonomy, np.ndarray]:
    """A taxonomy and some of its nodes as labels, in any order."""
    taxonomy = draw(taxonomies())
    some = st.lists(st.integers(0, len(taxonomy) - 1), min_size=1, unique=True)
    return taxonomy, np.array(draw(some), np.int32)


def _rows(cut: Rows) -> list[list[int]]:
    return [r.tolist() for r in np.split(cut.values, cut.offsets[1:-1])]


def _parents(taxonomy: Taxonomy, node: int, policy: str) -> list[int]:
    """A policy's parents by its words."""
    start, end = taxonomy.parent_offsets[node : node + 2]
    edges = [(int(taxonomy.parents[e]), int(taxonomy.relations[e])) for e in range(start, end)]
    if policy == "all":
        return [p for p, r in edges if r == HYPERNYM]
    every = [p for p, _ in edges]
    if policy == "all-with-instances" or not every:
        return every
    if policy == "first":
        return every[:1]
    best = min if policy == "shortest" else max
    length = {p: best(map(len, _paths(taxonomy, p))) for p in every}
    return [next(p for p in every if length[p] == best(length.values()))]


def _paths(taxonomy: Taxonomy, node: int) -> list[list[int]]:
    every = taxonomy.parents_of(node).tolist()
    return [[*path, node] for p in every for path in _paths(taxonomy, p)] or [[node]]


@settings(max_examples=60, deadline=None)
@given(taxonomies(), st.sampled_from(POLICIES))
def test_policies_choose_the_parents_that_their_words_say(taxonomy: Taxonomy, policy):
    """For each node: first, all, both relations, on the shortest or longest path."""
    found = _rows(parent_rows(taxonomy, policy))
    assert found == [_parents(taxonomy, node, policy) for node in range(len(taxonomy))]


@settings(max_examples=60, deadline=None)
@given(labelled(), st.sampled_from(POLICIES), st.integers(0, 6))
def test_a_level_is_so_many_steps_up(case, policy, level: int):
    """Each label's classes are those of a plain walk, in its order, each once."""
    taxonomy, labels = case
    expected = []
    for label in labels.tolist():
        nodes = [label]
        for _ in range(level):
            nodes = [up for n in nodes for up in _parents(taxonomy, n, policy) or [n]]
        expected.append(list(dict.fromkeys(nodes)))
    try:
        assert _rows(level_cut(taxonomy, labels, level, policy)) == expected
    except BeyondTreeError:
        before = _rows(level_cut(taxonomy, labels, 0, policy))
        for k in range(level):
            try:
                before = _rows(level_cut(taxonomy, labels, k, policy))
            except BeyondTreeError:
                break
        assert before == expected, "a level beyond the tree changes nothing any more"


@settings(max_examples=60, deadline=None)
@given(labelled(), st.sampled_from(SINGLE_POLICIES), st.integers(0, 6))
def test_a_depth_cut_takes_the_ancestor_at_that_depth(case, policy, depth: int):
    """Keep, drop and remainder differ in shallow labels alone."""
    taxonomy, labels = case
    chains = []
    for label in labels.tolist():
        chain = [label]
        while up := _parents(taxonomy, chain[0], policy):
            chain.insert(0, up[0])
        chains.append(chain)
    if depth >= max(map(len, chains)):
        with pytest.raises(BeyondTreeError):
            depth_cut(taxonomy, labels, depth, policy)
        return
    for shallow, otherwise in (("drop", []), ("remainder", [REMAINDER]), ("keep", None)):
        expected = [
            [c[depth]] if depth < len(c) else (c[-1:] if otherwise is None else otherwise)
            for c in chains
        ]
        assert _rows(depth_cut(taxonomy, labels, depth, policy, shallow)) == expected


@settings(max_examples=60, deadline=None)
@given(labelled(), st.sampled_from(SINGLE_POLICIES), st.data())
def test_a_coarser_depth_is_a_function_of_a_finer(case, policy, data):
    """Labels that share a class at one depth share one at every smaller depth."""
    taxonomy, labels = case
    deepest = max(len(c) for n in labels.tolist() for c in [_chain(taxonomy, n, policy)]) - 1
    fine = data.draw(st.integers(0, deepest))
    coarse = data.draw(st.integers(0, fine))
    pairs = zip(
        depth_cut(taxonomy, labels, fine, policy).values.tolist(),
        depth_cut(taxonomy, labels, coarse, policy).values.tolist(),
        strict=True,
    )
    meant: dict[int, int] = {}
    assert all(meant.setdefault(f, c) == c for f, c in pairs)


def _chain(taxonomy: Taxonomy, node: int, policy: str) -> list[int]:
    chain = [node]
    while up := _parents(taxonomy, chain[0], policy):
        chain.insert(0, up[0])
    return chain


@settings(max_examples=40, deadline=None)
@given(labelled(), st.sampled_from(POLICIES))
def test_above_is_the_set_of_strict_ancestors(case, policy):
    """By arrays as by a plain walk."""
    taxonomy, labels = case
    marked = np.zeros(len(taxonomy), bool)
    marked[labels] = True
    waiting, met = labels.tolist(), set()
    while waiting:
        for up in _parents(taxonomy, waiting.pop(), policy):
            if up not in met:
                met.add(up)
                waiting.append(up)
    found = above(taxonomy, parent_rows(taxonomy, policy), marked)
    assert set(np.flatnonzero(found).tolist()) == met


@settings(max_examples=40, deadline=None)
@given(labelled(), st.integers(0, 2**32 - 1))
def test_random_classes_keep_every_size(case, seed: int):
    """Dealing rows out anew keeps the multiset of rows; the seed decides."""
    taxonomy, labels = case
    cut = level_cut(taxonomy, labels, 0)
    dropped = Rows(np.array([0, *np.minimum(cut.offsets[1:], 2)]), cut.values[:2])
    for rows in (cut, dropped):
        one, two = (shuffled(rows, np.random.default_rng(seed)) for _ in range(2))
        assert _rows(one) == _rows(two)
        assert sorted(_rows(one)) == sorted(_rows(rows))
        assert (one.counts == rows.counts).all(), "a label without a class stays without"


@settings(max_examples=40, deadline=None)
@given(labelled())
def test_the_map_of_a_cut_says_the_same_as_the_cut(case):
    """Class ids lead back to the nodes; a leaf cut numbers classes as the list does."""
    taxonomy, labels = case
    ids = [taxonomy.ids[n] for n in labels]
    found = label_map_of(taxonomy, ids, leaf_cut(labels), method="leaf", params={})
    assert found.class_ids == tuple(ids)
    assert found.classes.tolist() == list(range(len(ids)))
    facts = describe(found, taxonomy)
    assert facts["singletons"] == facts["classes"] == facts["labels"] == len(ids)


def test_a_depth_needs_one_parent():
    """Under `all` a label has several depths: refused, with the policies that do."""
    taxonomy = build_taxonomy([Node("a", (), ("a",))], "t")
    with pytest.raises(BadOptionError, match="several depths"):
        depth_cut(taxonomy, np.array([0], np.int32), 0, "all")
    with pytest.raises(ValueError, match="several parents"):
        parent_of(
            build_taxonomy([Node("a", (), ("a",)), Node("b", (("a", 0),), ("b",))], "t"), "all"
        )


def test_labels_that_the_taxonomy_lacks_are_counted_and_named():
    """The error says how many and the first of them."""
    taxonomy = build_taxonomy([Node("a", (), ("a",))], "t")
    with pytest.raises(LabelsNotInTaxonomyError, match="2 labels of list 'mine': x, y"):
        nodes_of_labels(taxonomy, ["a", "x", "y"], "mine")
