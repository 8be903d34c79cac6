"""Common ancestors and distances, against their definitions worked out pair by pair."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.tree import gates
from granctl.tree.ancestry import ancestry_of, closure_of
from granctl.tree.build import build_taxonomy
from granctl.tree.distance import (
    NONE,
    lowest_common_hypernym,
    lowest_common_hypernyms,
    meet,
    path_similarity,
    tree_distance,
    wu_palmer,
)
from granctl.tree.parents import POLICIES, parent_rows
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy

BY = ("longest", "shortest")


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """A random DAG: each node takes up to three of the earlier ones as parents, or is a root."""
    num = draw(st.integers(1, 24))
    most = draw(st.integers(1, 3))
    nodes = [Node("n0", (), ("n0",))]
    for i in range(1, num):
        earlier = st.integers(max(0, i - draw(st.sampled_from([1, 3, i]))), i - 1)
        found = draw(st.lists(earlier, min_size=0 if i % 5 == 0 else 1, max_size=most, unique=True))
        relations = [draw(st.sampled_from([HYPERNYM, HYPERNYM, INSTANCE])) for _ in found]
        parents = tuple((f"n{p}", r) for p, r in zip(found, relations, strict=True))
        nodes.append(Node(f"n{i}", parents, (f"n{i}",)))
    return build_taxonomy(draw(st.permutations(nodes)), "random")


def _graph(taxonomy: Taxonomy, policy) -> nx.DiGraph:
    """Edges from child to parent."""
    rows = parent_rows(taxonomy, policy)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(taxonomy)))
    graph.add_edges_from(zip(rows.row_of_value.tolist(), rows.values.tolist(), strict=True))
    return graph


class Oracle:
    """The definitions of `granctl/tree/distance.py`, word by word, over networkx."""

    def __init__(self, taxonomy: Taxonomy, policy) -> None:
        self.graph = _graph(taxonomy, policy)
        self.up = {n: nx.single_source_shortest_path_length(self.graph, n) for n in self.graph}
        self.depth = {by: {n: self._depth(n, by) for n in self.graph} for by in BY}

    def _depth(self, node: int, by: str) -> int:
        roots = [n for n in self.up[node] if not self.graph.out_degree(n)]
        paths = [p for root in roots for p in self._paths(node, root)]
        return (max if by == "longest" else min)(len(p) - 1 for p in paths)

    def _paths(self, node: int, root: int) -> list[list[int]]:
        return [[node]] if node == root else list(nx.all_simple_paths(self.graph, node, root))

    def common(self, a: int, b: int) -> set[int]:
        return ({a} | nx.descendants(self.graph, a)) & ({b} | nx.descendants(self.graph, b))

    def deepest(self, a: int, b: int, by: str) -> list[int]:
        common = self.common(a, b)
        top = max((self.depth[by][c] for c in common), default=0)
        return sorted(c for c in common if self.depth[by][c] == top)

    def distance(self, a: int, b: int) -> int:
        return min((self.up[a][c] + self.up[b][c] for c in self.common(a, b)), default=NONE)


def _all_pairs(taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    num = len(taxonomy)
    return np.repeat(np.arange(num), num), np.tile(np.arange(num), num)


@settings(max_examples=120, deadline=None)
@given(taxonomy=taxonomies(), policy=st.sampled_from(POLICIES), by=st.sampled_from(BY))
def test_every_pair_of_random_dags_agrees_with_the_definitions(taxonomy, policy, by) -> None:
    """All pairs: hypernym, its ties, distance, both similarities."""
    oracle, found = Oracle(taxonomy, policy), ancestry_of(taxonomy, policy)
    a, b = _all_pairs(taxonomy)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    deepest = [oracle.deepest(x, y, by) for x, y in pairs]
    distances = [oracle.distance(x, y) for x, y in pairs]
    lowest = [d[0] if d else NONE for d in deepest]
    assert lowest_common_hypernym(found, a, b, by).tolist() == lowest
    ties = lowest_common_hypernyms(found, a, b, by)
    assert [
        ties.values[s:e].tolist() for s, e in zip(ties.offsets[:-1], ties.offsets[1:], strict=True)
    ] == deepest
    assert tree_distance(found, a, b).tolist() == distances
    edges = [
        0 if c == NONE else oracle.up[x][c] + oracle.up[y][c]
        for (x, y), c in zip(pairs, lowest, strict=True)
    ]
    assert meet(found, a, b, by).edges.tolist() == edges
    palmer = [
        0 if c == NONE else 2 * (oracle.depth[by][c] + 1) / (e + 2 * (oracle.depth[by][c] + 1))
        for c, e in zip(lowest, edges, strict=True)
    ]
    np.testing.assert_allclose(wu_palmer(found, a, b, by), palmer, rtol=1e-12)
    similar = [0 if d == NONE else 1 / (1 + d) for d in distances]
    np.testing.assert_allclose(path_similarity(found, a, b), similar, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(taxonomy=taxonomies())
def test_no_common_ancestor_lies_under_the_lowest_by_the_longest_path(taxonomy) -> None:
    """It is one of the lowest common ancestors in networkx's sense."""
    graph, found = _graph(taxonomy, "all-with-instances"), ancestry_of(taxonomy)
    a, b = _all_pairs(taxonomy)
    oracle = Oracle(taxonomy, "all-with-instances")
    for x, y, c in zip(a, b, lowest_common_hypernym(found, a, b).tolist(), strict=True):
        common = oracle.common(x, y)
        assert (c in common) if common else c == NONE
        assert not common & nx.ancestors(graph, c) if common else True


@settings(max_examples=40, deadline=None)
@given(taxonomy=taxonomies(), by=st.sampled_from(BY), pays=st.sampled_from([0, 1 << 20]))
def test_walks_and_tables_and_small_steps_give_the_same(taxonomy, by, pays) -> None:
    """Which way is taken depends on the number of pairs and of gates, the answers do not."""
    a, b = _all_pairs(taxonomy)
    found = ancestry_of(taxonomy)
    wanted = (lowest_common_hypernym(found, a, b, by), tree_distance(found, a, b))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates, "_PAYS_PER_PAIR", pays)
        patch.setattr(gates, "_PAIRS_AT_ONCE", 3)
        got = (lowest_common_hypernym(found, a, b, by), tree_distance(found, a, b))
    for one, other in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_pairs_of_wordnet_are_the_same_by_walk_and_by_table() -> None:
    """300,000 pairs at once take the table, 1,000 at once the walk."""
    wordnet, rng = embedded_wordnet(), np.random.default_rng(6)
    nodes = rng.choice(len(wordnet), 3000, replace=False)
    a, b = rng.choice(nodes, (2, 300_000))
    found = ancestry_of(wordnet)
    for measure in (lowest_common_hypernym, tree_distance):
        at_once = measure(found, a, b)
        few = np.concatenate([measure(found, a[i : i + 1000], b[i : i + 1000]) for i in (0, 7000)])
        np.testing.assert_array_equal(at_once[np.r_[0:1000, 7000:8000]], few)


def test_two_parents_make_the_nearest_way_and_the_deepest_ancestor_differ() -> None:
    """The deepest common ancestor is far away; the shortest way goes by the root."""
    chain = [Node(f"c{i}", ((f"c{i - 1}" if i else "root", HYPERNYM),), ("c",)) for i in range(5)]
    ends = [
        Node("x", (("x1", HYPERNYM), ("root", HYPERNYM)), ("x",)),
        Node("x1", (("c4", HYPERNYM),), ("x1",)),
        Node("y", (("y1", HYPERNYM), ("root", HYPERNYM)), ("y",)),
        Node("y1", (("c4", HYPERNYM),), ("y1",)),
    ]
    taxonomy = build_taxonomy([Node("root", (), ("root",)), *chain, *ends], "by hand")
    x, y, deep = (taxonomy.index_of[i] for i in ("x", "y", "c4"))
    found = ancestry_of(taxonomy)
    assert lowest_common_hypernym(found, x, y).tolist() == [deep]
    assert meet(found, x, y).edges.tolist() == [4]
    assert tree_distance(found, x, y).tolist() == [2]
    assert lowest_common_hypernym(found, x, x).tolist() == [x]
    assert lowest_common_hypernym(found, x, x, "shortest").tolist() == [taxonomy.index_of["x1"]]


def test_wordnet_agrees_with_a_walk_over_the_parents_one_pair_at_a_time() -> None:
    """A sample of pairs by nltk's definitions, over ancestors found with plain dictionaries."""
    wordnet, rng = embedded_wordnet(), np.random.default_rng(5)
    near = rng.integers(0, len(wordnet) - 40, 400)
    a = np.concatenate([rng.integers(0, len(wordnet), 800), near])
    b = np.concatenate([rng.integers(0, len(wordnet), 800), near + rng.integers(0, 40, 400)])
    found = ancestry_of(wordnet)
    depth = wordnet.rank_of

    def ups(node: int) -> dict[int, int]:
        steps, front, far = {node: 0}, [node], 0
        while front:
            far += 1
            above = {int(p) for n in front for p in wordnet.parents_of(n)} - set(steps)
            steps |= dict.fromkeys(above, far)
            front = list(above)
        return steps

    lowest, distances = [], []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        up_x, up_y = ups(x), ups(y)
        common = set(up_x) & set(up_y)
        lowest.append(min(common, key=lambda c: (-depth[c], c)))
        distances.append(min(up_x[c] + up_y[c] for c in common))
    assert lowest_common_hypernym(found, a, b).tolist() == lowest
    assert tree_distance(found, a, b).tolist() == distances


def test_known_nodes_of_wordnet() -> None:
    """The values of nltk's WordNet how-to for dog.n.01 and cat.n.01."""
    wordnet = embedded_wordnet()
    dog, cat = wordnet.index_of["n02084071"], wordnet.index_of["n02121620"]
    found = ancestry_of(wordnet)
    assert [wordnet.name(n) for n in lowest_common_hypernym(found, dog, cat)] == ["carnivore"]
    assert path_similarity(found, dog, cat).tolist() == [0.2]
    assert wu_palmer(found, dog, cat)[0] == pytest.approx(6 / 7)


def test_one_index_is_compared_with_many_and_no_pair_gives_nothing() -> None:
    """Shapes: a single index spreads; empty stays empty."""
    found = ancestry_of(embedded_wordnet())
    assert tree_distance(found, 5, [5, 6, 7]).shape == (3,)
    assert len(lowest_common_hypernym(found, [], [])) == 0
    assert len(lowest_common_hypernyms(found, [], []).values) == 0


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [([-1], [0], "not in 0.."), ([82115], [0], "not in 0.."), ([0.5], [0], "integers")],
)
def test_indices_that_are_none_are_refused(a, b, words) -> None:
    """A negative index would otherwise count from the end without a word."""
    with pytest.raises(ValueError, match=words):
        lowest_common_hypernym(ancestry_of(embedded_wordnet()), a, b)


def test_inputs_and_prepared_arrays_are_not_changed() -> None:
    """The arrays of an ancestry are read-only, and so may be those of the caller."""
    found = ancestry_of(embedded_wordnet())
    a = np.arange(50, dtype=np.int32)
    a.setflags(write=False)
    lowest_common_hypernym(found, a, a[::-1])
    assert not found.table.flags.writeable
    assert not found.head.flags.writeable


def test_a_closure_holds_each_ancestor_once_deepest_first() -> None:
    """Of one node of WordNet: itself first, the root last, then the end mark."""
    wordnet = embedded_wordnet()
    dog = wordnet.index_of["n02084071"]
    closure = closure_of(ancestry_of(wordnet), np.array([dog], np.int32))
    assert closure.keys[-1] == closure.end
    nodes = closure.order[closure.keys[:-1]]
    assert nodes[0] == dog
    assert wordnet.name(nodes[-1]) == "entity"
    assert (np.diff(wordnet.rank_of[nodes]) <= 0).all()
    assert len(set(nodes.tolist())) == len(nodes)
