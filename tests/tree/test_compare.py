"""Comparing label maps: the partial order, and measures against scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.tree.compare import compare, refines
from granctl.tree.crosstab import cross, distinct_sets, group_labels, pair_labels
from granctl.tree.labelmap import LabelMap

UNHURRIED = settings(deadline=None, max_examples=60)
"""The first example may load scikit-learn or scipy."""
NUM_LABELS = 6
class_sets = st.lists(
    st.frozensets(st.integers(0, 3), min_size=1, max_size=3),
    min_size=NUM_LABELS,
    max_size=NUM_LABELS,
)
"""The classes of six labels, one to three each, of four classes: maps that often nest by chance."""


def map_of(sets: Sequence[Sequence[int] | frozenset[int]], labels: str = "") -> LabelMap:
    """A map that gives label `a`, `b` ... these classes."""
    ids = tuple(f"c{i}" for i in range(50))
    return LabelMap(
        labels=tuple(labels or [f"label-{i}" for i in range(len(sets))]),
        offsets=np.concatenate([[0], np.cumsum([len(s) for s in sets])]).astype(np.int64),
        classes=np.array([c for s in sets for c in s], np.int32),
        class_ids=ids,
        class_names=ids,
        method="toy",
    )


def is_function(fine: Sequence[frozenset[int]], coarse: Sequence[frozenset[int]]) -> bool:
    """The definition, word by word: the same set in the finer, the same set in the coarser."""
    return len(set(zip(fine, coarse, strict=True))) == len(set(fine))


# --- groups ---------------------------------------------------------------------------------------


@UNHURRIED
@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=12))
def test_groups_are_the_distinct_sets(rows: list[list[int]]) -> None:
    """Order and repeats inside a row do not count; an empty row has no group."""
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    groups = distinct_sets(offsets, np.array([c for r in rows for c in r], np.int64))
    bounds = groups.offsets.tolist()
    found = [tuple(groups.classes[start:end].tolist()) for start, end in pairwise(bounds)]
    assert found == sorted({tuple(sorted(set(r))) for r in rows if r}, key=lambda s: (len(s), s))
    for row, group in zip(rows, groups.of_label.tolist(), strict=True):
        assert (found[group] if group >= 0 else ()) == tuple(sorted(set(row)))


def test_a_group_is_named_by_its_classes() -> None:
    """Ids are joined by +, in the order of the classes."""
    label_map = map_of([[2, 0], [1], [0, 2]])
    assert group_labels(label_map).joined(label_map.class_ids) == ["c1", "c0+c2"]


# --- the partial order ----------------------------------------------------------------------------


@UNHURRIED
@given(class_sets, class_sets)
def test_refines_is_being_a_function_of(a: list[frozenset[int]], b: list[frozenset[int]]) -> None:
    """A refines B exactly when the classes of B follow from those of A."""
    map_a, map_b = map_of(a), map_of(b)
    assert refines(map_a, map_b) == is_function(a, b)
    word = {
        (True, True): "equal",
        (True, False): "a-refines-b",
        (False, True): "b-refines-a",
        (False, False): "neither",
    }[is_function(a, b), is_function(b, a)]
    assert compare(cross(map_a, map_b, pair_labels(map_a, map_b))).relation == word


@UNHURRIED
@given(class_sets)
def test_every_map_refines_itself(sets: list[frozenset[int]]) -> None:
    """The order is reflexive."""
    assert refines(map_of(sets), map_of(sets))


@UNHURRIED
@given(class_sets, class_sets, st.permutations(range(4)))
def test_maps_that_refine_each_other_differ_in_names_only(
    a: list[frozenset[int]], b: list[frozenset[int]], names: list[int]
) -> None:
    """The order is antisymmetric up to renaming, and a renaming is equal."""
    renamed = [frozenset(names[c] for c in s) for s in a]
    assert refines(map_of(a), map_of(renamed))
    assert refines(map_of(renamed), map_of(a))
    if refines(map_of(a), map_of(b)) and refines(map_of(b), map_of(a)):
        name_of = dict(zip(a, b, strict=True))
        assert [name_of[s] for s in a] == b
        assert len(set(name_of.values())) == len(name_of)


@UNHURRIED
@given(class_sets, class_sets, class_sets)
def test_refining_is_transitive(
    a: list[frozenset[int]], b: list[frozenset[int]], c: list[frozenset[int]]
) -> None:
    """What refines a refinement refines; also along a chain that is made to nest."""
    maps = map_of(a), map_of(b), map_of(c)
    if refines(maps[0], maps[1]) and refines(maps[1], maps[2]):
        assert refines(maps[0], maps[2])
    both, all_three = [list(zip(*x, strict=True)) for x in ((a, b), (a, b, c))]
    finest, finer = (map_of([[sets.index(s)] for s in sets]) for sets in (all_three, both))
    assert refines(finest, finer)
    assert refines(finer, map_of(a))
    assert refines(finest, map_of(a))


@UNHURRIED
@given(
    st.lists(st.sets(st.integers(0, 11), max_size=3), min_size=12, max_size=12), st.integers(0, 4)
)
def test_a_level_is_a_function_of_every_lower_level(above: list[set[int]], level: int) -> None:
    """On random DAGs: k steps up all parents refine k + 1 steps; nodes without a parent stay."""
    parents = [{p for p in nodes if p < i} or {i} for i, nodes in enumerate(above)]
    cut = [frozenset([i]) for i in range(len(parents))]
    for _ in range(level):
        cut = [frozenset().union(*(parents[n] for n in nodes)) for nodes in cut]
    higher = [frozenset().union(*(parents[n] for n in nodes)) for nodes in cut]
    assert refines(map_of(cut), map_of(higher))


# --- measures -------------------------------------------------------------------------------------


@UNHURRIED
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 5)), min_size=1).filter(
        lambda rows: any(weight for *_, weight in rows)
    )
)
def test_measures_are_those_of_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    """A label of weight w counts as w images; B is the truth, A the clusters."""
    from sklearn.metrics import (
        completeness_score,
        homogeneity_score,
        mutual_info_score,
        normalized_mutual_info_score,
        v_measure_score,
    )

    a, b, weight = (np.array(column) for column in zip(*rows, strict=True))
    map_a, map_b = map_of([[c] for c in a]), map_of([[c] for c in b])
    images = dict(zip(map_a.labels, weight.tolist(), strict=True))
    found = compare(cross(map_a, map_b, pair_labels(map_a, map_b, images)))
    truth, clusters = np.repeat(b, weight), np.repeat(a, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes many classes for a regression's target
        expected = {
            "nmi": normalized_mutual_info_score(truth, clusters),
            "homogeneity": homogeneity_score(truth, clusters),
            "completeness": completeness_score(truth, clusters),
            "v_measure": v_measure_score(truth, clusters),
            "mutual_information_bits": mutual_info_score(truth, clusters) / np.log(2),
        }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-9), name


def test_what_refines_is_homogeneous_to_the_last_bit() -> None:
    """1 and 0 are exact, not nearly so: no tolerance is needed to read them."""
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 40, 1000)
    map_a, map_b = map_of([[c] for c in fine]), map_of([[c] for c in fine // 7])
    images = dict(zip(map_a.labels, rng.integers(1, 1300, 1000).tolist(), strict=True))
    found = compare(cross(map_a, map_b, pair_labels(map_a, map_b, images)))
    assert (found.relation, found.homogeneity) == ("a-refines-b", 1.0)
    assert found.mutual_information_bits == found.entropy_b_bits
    assert 0 < found.completeness < 1


def test_split_says_what_stands_in_the_way() -> None:
    """How many groups are torn apart, and which falls into most pieces."""
    map_a = map_of([[0], [0], [1], [1], [1], [2]])
    map_b = map_of([[0], [1], [0], [1], [2], [2]])
    found = compare(cross(map_a, map_b, pair_labels(map_a, map_b)))
    assert (found.split_a.num, found.split_a.example, found.split_a.into) == (2, 1, 3)
    assert (found.split_b.num, found.split_b.example, found.split_b.into) == (3, 0, 2)
    assert found.relation == "neither"


# --- pairing --------------------------------------------------------------------------------------


def test_only_shared_labels_with_a_class_and_an_image_are_compared() -> None:
    """What is left out is counted, each reason by itself."""
    map_a = map_of([[0], [0], [], [1], [1]], labels="abcdx")
    map_b = map_of([[3], [], [2], [2], [2], [0]], labels="dcbayz")
    pairing = pair_labels(map_a, map_b, {"a": 5, "d": 0, "b": 1, "c": 1})
    table = cross(map_a, map_b, pairing)
    assert (pairing.only_in_a, pairing.only_in_b, len(pairing.row_a)) == (1, 2, 4)
    assert (table.no_class_a, table.no_class_b, table.weightless) == (1, 1, 1)
    assert (table.a.tolist(), table.b.tolist()) == ([0], [1])
    assert (table.num.tolist(), table.weight.tolist()) == ([2], [6])


def test_turning_a_crosstab_exchanges_the_maps() -> None:
    """The crosstab of (B, A) is that of (A, B), turned."""
    rng = np.random.default_rng(1)
    map_a, map_b = (map_of([[c] for c in rng.integers(0, 9, 200)]) for _ in "ab")
    turned = cross(map_a, map_b, pair_labels(map_a, map_b)).turned()
    other = cross(map_b, map_a, pair_labels(map_b, map_a))
    for name in ("a", "b", "num", "weight"):
        assert getattr(turned, name).tolist() == getattr(other, name).tolist(), name


def test_crosstab_counts_what_a_loop_counts() -> None:
    """Cells are sorted by (a, b) and hold the labels and weights of each pair of groups."""
    rng = np.random.default_rng(2)
    a, b, weight = rng.integers(0, 5, 300), rng.integers(0, 7, 300), rng.integers(1, 9, 300)
    map_a, map_b = map_of([[c] for c in a]), map_of([[c] for c in b])
    images = dict(zip(map_a.labels, weight.tolist(), strict=True))
    table = cross(map_a, map_b, pair_labels(map_a, map_b, images))
    expected: dict[tuple[int, int], list[int]] = {}
    for i, j, w in zip(a.tolist(), b.tolist(), weight.tolist(), strict=True):
        expected.setdefault((i, j), []).append(w)
    cells = zip(table.a.tolist(), table.b.tolist(), strict=True)
    counts = zip(table.num.tolist(), table.weight.tolist(), strict=True)
    found = dict(zip(cells, counts, strict=True))
    assert found == {cell: (len(w), sum(w)) for cell, w in expected.items()}
    assert list(found) == sorted(found)


def test_labels_and_images_do_not_pair() -> None:
    """A map of labels and one of images need a shard set between them."""
    label_map = map_of([[0]])
    images = LabelMap.from_single(
        ["0f"], np.array([0]), class_ids=("x",), class_names=("x",), method="y", keyed_by="image"
    )
    with pytest.raises(ValueError, match="keyed"):
        pair_labels(label_map, images)
