"""Aligning a cut with a target: against counting, scikit-learn's read-outs, and a case by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.tree.align import Alignment, align
from granctl.tree.crosstab import cross, pair_labels
from granctl.tree.labelmap import LabelMap

UNHURRIED = settings(deadline=None, max_examples=60)
"""The first example may load scikit-learn or scipy."""
weighted = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 6)), min_size=1, max_size=30
)
"""Labels as (source class, target class, images)."""


def aligned(rows: list[tuple[int, int, int]]) -> Alignment:
    """The alignment of labels given as (source class, target class, images)."""
    ids = tuple("abcdefgh")
    fields = {"class_ids": ids, "class_names": ids, "method": "toy"}
    labels = [f"label-{i}" for i in range(len(rows))]
    source, target = (
        LabelMap.from_single(labels, np.array([row[i] for row in rows]), **fields) for i in (0, 1)
    )
    images = {label: row[2] for label, row in zip(labels, rows, strict=True)}
    return align(cross(source, target, pair_labels(source, target, images)))


def test_by_hand() -> None:
    """Source 0 holds 3 x target 0 and 1 x target 1; source 1 holds 4 x target 1 alone."""
    found = aligned([(0, 0, 3), (0, 1, 1), (1, 1, 4)])
    assert found.purity == found.best_top1 == 7 / 8
    assert found.h_target_given_source_bits == pytest.approx(0.5 * 0.8112781244591328)
    assert found.h_target_bits == pytest.approx(0.954434002924965)
    assert (found.mixed_mean, found.mixed_max, found.mixed_max_group) == (1.5, 2, 0)
    assert (found.pure_frac, found.pure_weight_frac) == (0.5, 0.5)
    assert found.best_mean_per_class == pytest.approx((1 + 4 / 5) / 2)
    assert (found.groups_source, found.groups_target, found.groups_target_apart) == (2, 2, 2)


@UNHURRIED
@given(weighted)
def test_best_read_outs_are_those_of_a_search(rows: list[tuple[int, int, int]]) -> None:
    """No choice of a target class for each source class beats the two accuracies."""
    from sklearn.metrics import accuracy_score, recall_score

    found = aligned(rows)
    source, target, weight = (np.array(column) for column in zip(*rows, strict=True))
    of_target = Counter()
    for t, w in zip(target.tolist(), weight.tolist(), strict=True):
        of_target[t] += w
    guesses = np.zeros((2, len(rows)), int)
    for s in set(source.tolist()):
        mine = source == s
        sums = {t: weight[mine & (target == t)].sum() for t in set(target[mine].tolist())}
        guesses[0, mine] = max(sums, key=lambda t: sums[t])
        guesses[1, mine] = max(sums, key=lambda t: sums[t] / of_target[t])
    top1 = accuracy_score(target, guesses[0], sample_weight=weight)
    mean = recall_score(
        target, guesses[1], sample_weight=weight, average="macro", labels=sorted(of_target)
    )
    assert found.best_top1 == pytest.approx(top1)
    assert found.best_mean_per_class == pytest.approx(mean)


@UNHURRIED
@given(weighted)
def test_conditional_entropy_is_the_joint_less_the_source(rows: list[tuple[int, int, int]]) -> None:
    """H(target | source) = H(source, target) - H(source), each by scipy from repeated images."""
    from scipy.stats import entropy

    found = aligned(rows)
    source, target, weight = (np.array(column) for column in zip(*rows, strict=True))
    joint = Counter(zip(np.repeat(source, weight), np.repeat(target, weight), strict=True))
    alone = Counter(np.repeat(source, weight).tolist())
    expected = entropy(list(joint.values()), base=2) - entropy(list(alone.values()), base=2)
    assert found.h_target_given_source_bits == pytest.approx(expected, abs=1e-9)


@UNHURRIED
@given(weighted)
def test_mixing_and_apart_are_those_of_sets(rows: list[tuple[int, int, int]]) -> None:
    """Target classes in a source class, and the sets of source classes of each target class."""
    found = aligned(rows)
    targets_of = {s: {t for x, t, _ in rows if x == s} for s, *_ in rows}
    sources_of = {t: frozenset(s for s, x, _ in rows if x == t) for _, t, _ in rows}
    total = sum(w for *_, w in rows)
    mean = sum(w * len(targets_of[s]) for s, _, w in rows) / total
    assert found.mixed_max == max(map(len, targets_of.values()))
    assert found.mixed_mean == pytest.approx(mean)
    assert found.pure_frac == sum(len(t) == 1 for t in targets_of.values()) / len(targets_of)
    assert found.groups_target_apart == len(set(sources_of.values()))


@UNHURRIED
@given(weighted)
def test_a_source_that_refines_leaves_nothing_open(rows: list[tuple[int, int, int]]) -> None:
    """Exactly 0 bits, pure, every target class apart."""
    found = aligned([(s, s // 2, w) for s, _, w in rows])
    assert found.h_target_given_source_bits == 0.0
    assert found.purity == found.pure_frac == found.pure_weight_frac == 1.0
    assert found.mixed_max == 1
    assert found.best_mean_per_class == pytest.approx(1.0)
    assert found.groups_target_apart == found.groups_target


def test_nothing_compared_is_refused() -> None:
    """There is no purity of nothing."""
    with pytest.raises(ValueError, match="nothing"):
        aligned([(-1, 0, 1)])
