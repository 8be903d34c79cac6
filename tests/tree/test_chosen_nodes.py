"""Cuts at chosen nodes, the file that names them, and the policy that looks at images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuts import _chain, _rows, labelled

from granctl.errors import BadNodesFileError, BadOptionError, MissingInputError
from granctl.tree.cuts import REMAINDER, depth_cut, level_cut, nodes_cut
from granctl.tree.nodesfile import read_nodes
from granctl.tree.parents import (
    MOST_IMAGES,
    SINGLE_POLICIES,
    height_of,
    images_below,
    parent_of,
    parent_rows,
)
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import below


@settings(max_examples=80, deadline=None)
@given(labelled(), st.sampled_from(SINGLE_POLICIES), st.data())
def test_the_deepest_chosen_node_above_a_label_decides(case, policy, data):
    """Node or depth below it, by a plain walk; keep, drop and remainder differ where none does."""
    taxonomy, labels = case
    chain_of = {n: _chain(taxonomy, n, policy) for n in range(len(taxonomy))}
    nodes = data.draw(st.lists(st.integers(0, len(taxonomy) - 1), unique=True))
    own = {n: len(chain_of[n]) - 1 for n in nodes}
    goal = {n: data.draw(st.none() | st.integers(own[n], own[n] + 3)) for n in nodes}
    for shallow, otherwise in (("drop", []), ("remainder", [REMAINDER]), ("keep", None)):
        expected, is_bare = [], []
        for label in labels.tolist():
            chain = chain_of[label]
            decides = next((n for n in reversed(chain) if n in goal), None)
            is_bare.append(decides is None)
            depth = len(chain) if decides is None else goal[decides]
            depth = own[decides] if depth is None else depth
            if depth >= len(chain):
                expected.append([label] if otherwise is None else otherwise)
            else:
                expected.append([chain[depth]])
        rows, bare = nodes_cut(taxonomy, labels, list(goal.items()), policy, shallow)
        assert _rows(rows) == expected
        assert bare.tolist() == is_bare


@settings(max_examples=40, deadline=None)
@given(labelled(), st.sampled_from(SINGLE_POLICIES))
def test_roots_with_a_depth_are_a_cut_at_that_depth(case, policy):
    """`entity<tab>D` and `--depth D` are the same cut."""
    taxonomy, labels = case
    roots = [int(r) for r in taxonomy.roots]
    deepest = max(len(_chain(taxonomy, n, policy)) - 1 for n in labels.tolist())
    for depth in range(deepest + 1):
        rows, _ = nodes_cut(taxonomy, labels, [(r, depth) for r in roots], policy)
        assert _rows(rows) == _rows(depth_cut(taxonomy, labels, depth, policy))


@settings(max_examples=80, deadline=None)
@given(labelled(), st.data())
def test_images_below_count_once_however_many_paths(case, data):
    """The images at and below each node, by the sets of nodes that lie there."""
    taxonomy, _ = case
    num = len(taxonomy)
    images = np.array(data.draw(st.lists(st.integers(0, 9), min_size=num, max_size=num)), np.int64)
    expected = [int(images[below(taxonomy, node)].sum()) for node in range(num)]
    assert images_below(taxonomy, images).tolist() == expected
    chosen = parent_of(taxonomy, MOST_IMAGES, images)
    for node in range(num):
        parents = taxonomy.parents_of(node).tolist()
        assert chosen[node] == max(parents, key=lambda p: expected[p], default=-1)


@settings(max_examples=40, deadline=None)
@given(labelled(), st.integers(0, 3), st.integers(0, 3), st.sampled_from(("all", "first")))
def test_levels_compose(case, low: int, high: int, policy):
    """Going up a steps, and from there b steps, is going up a + b."""
    taxonomy, labels = case
    rows = parent_rows(taxonomy, policy)

    def up(nodes: list[int], steps: int) -> list[int]:
        for _ in range(steps):
            nodes = [p for n in nodes for p in _parents(rows, n)]
        return list(dict.fromkeys(nodes))

    highest = int(height_of(taxonomy, rows)[labels].max())
    low = min(low, highest)
    high = min(high, highest - low)
    at_once = _rows(level_cut(taxonomy, labels, low + high, policy))
    first = _rows(level_cut(taxonomy, labels, low, policy))
    assert [up(nodes, high) for nodes in first] == at_once


def _parents(rows, node: int) -> list[int]:
    found = rows.values[rows.offsets[node] : rows.offsets[node + 1]].tolist()
    return found or [node]


def test_most_images_wants_images():
    """Without them it is an error of the caller, not another policy."""
    with pytest.raises(ValueError, match="wants the images"):
        parent_of(embedded_wordnet(), MOST_IMAGES)


def test_a_depth_above_its_node_is_refused():
    """Dog lies at depth 13 under `first`: nothing below it lies at depth 5."""
    wordnet = embedded_wordnet()
    dog = wordnet.index_of["n02084071"]
    with pytest.raises(BadOptionError, match=r"no depth 5 below n02084071 \(dog\), which lies at"):
        nodes_cut(wordnet, np.array([dog], np.int32), [(dog, 5)])


# --- the file -------------------------------------------------------------------------------------


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_ids_names_depths_comments(tmp_path: Path):
    """An id, a name, either with a depth after a tab, an id with one after blanks."""
    text = "# mine\nn02121620\n\nGerman shepherd\ndomestic dog\t15\nn00004475  7\n"
    found = read_nodes(_file(tmp_path / "mine.txt", text), embedded_wordnet())
    assert found.ids == ("n02121620", "n02106662", "n02084071", "n00004475")
    assert [line.depth for line in found.lines] == [None, None, 15, 7]
    assert found.name == "mine"


def test_the_identity_is_that_of_the_nodes(tmp_path: Path):
    """Order and spelling do not matter, a depth does."""
    texts = (
        "n02084071\nn02121620\n",
        "true cat\ndomestic dog\n",
        "true cat\n",
        "n02121620\nn02084071\t14\n",
    )
    one, same, fewer, deeper = (
        read_nodes(_file(tmp_path / f"{i}.txt", text), embedded_wordnet()).digest
        for i, text in enumerate(texts)
    )
    assert one == same
    assert len({one, fewer, deeper}) == 3


def test_all_faults_of_the_file_are_told_with_their_lines(tmp_path: Path):
    """Unknown, ambiguous, twice, no depth."""
    text = "dogg\ncrane\nn02084071\n\nn02084071\t14\nanimal\tdeep\n"
    with pytest.raises(BadNodesFileError) as caught:
        read_nodes(_file(tmp_path / "bad.txt", text), embedded_wordnet())
    message = str(caught.value)
    for expected in (
        "4 faults",
        "line 1: WordNet 3.0 nouns has no node 'dogg'; did you mean",
        "line 2: 5 nodes are named 'crane' (",
        "line 5: n02084071 stood in line 3 already",
        "line 6: 'deep' is no depth",
    ):
        assert expected in message


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe\x00"])
def test_a_file_without_nodes_is_refused(tmp_path: Path, content: bytes):
    """Empty, comments only, no text; and no file at all."""
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(BadNodesFileError):
        read_nodes(path, embedded_wordnet())
    with pytest.raises(MissingInputError):
        read_nodes(tmp_path / "gone.txt", embedded_wordnet())
