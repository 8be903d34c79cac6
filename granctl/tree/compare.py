"""Which of two label maps refines the other, and how much each tells of the other.

A map refines another when labels of one group always share a group in the other, too: the group
in the finer map determines the group in the coarser. On maps that give classes to the same labels
this is a partial order, up to the names of the classes. Groups: see `tree/crosstab.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from granctl.tree.crosstab import Crosstab, Ints, cross, pair_labels
from granctl.tree.labelmap import LabelMap

Relation = Literal["equal", "a-refines-b", "b-refines-a", "neither"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The groups of one map that the other map tears apart."""

    num: int
    """How many; 0 when the map refines the other."""
    example: int | None
    """The one that falls into most groups (the heaviest of those)."""
    into: int
    """Into how many groups of the other map that one falls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How two maps nest and agree, over the labels that were compared."""

    relation: Relation
    groups_a: int
    """Groups of A that occur among the compared labels."""
    groups_b: int
    split_a: Split
    """Groups of A that lie in several groups of B."""
    split_b: Split
    entropy_a_bits: float
    entropy_b_bits: float
    mutual_information_bits: float
    homogeneity: float
    """1 - H(B | A) / H(B): 1 exactly where A refines B; scikit-learn's, with B as the truth."""
    completeness: float
    """1 - H(A | B) / H(A): 1 exactly where B refines A."""
    v_measure: float
    """Harmonic mean of the two (Rosenberg and Hirschberg, 2007)."""
    nmi: float
    """2 I / (H(A) + H(B)), scikit-learn's default; equals the V-measure, another road to it."""


def compare(table: Crosstab) -> Comparison:
    """Order and agreement of two maps.

    Example:
        >>> fields = {"class_ids": ("x", "y", "z"), "class_names": ("x", "y", "z")}
        >>> fine, coarse = (
        ...     LabelMap.from_single(["a", "b", "c"], np.array(c), method="depth", **fields)
        ...     for c in ([0, 1, 2], [0, 0, 1])
        ... )
        >>> found = compare(cross(fine, coarse, pair_labels(fine, coarse)))
        >>> found.relation, found.homogeneity, round(found.completeness, 3)
        ('a-refines-b', 1.0, 0.579)
    """
    turned = table.turned()
    split_a, split_b = _split(table), _split(turned)
    entropy_a, entropy_b = _entropy_bits(table), _entropy_bits(turned)
    rest_of_b, rest_of_a = conditional_bits(table), conditional_bits(turned)
    information = max(entropy_b - rest_of_b, 0.0)
    homogeneity = _one_less(rest_of_b, entropy_b)
    completeness = _one_less(rest_of_a, entropy_a)
    both = homogeneity + completeness
    entropies = entropy_a + entropy_b
    return Comparison(
        relation=_relation(split_a, split_b),
        groups_a=len(table.starts_a),
        groups_b=len(turned.starts_a),
        split_a=split_a,
        split_b=split_b,
        entropy_a_bits=entropy_a,
        entropy_b_bits=entropy_b,
        mutual_information_bits=information,
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=2 * homogeneity * completeness / both if both else 0.0,
        nmi=min(2 * information / entropies, 1.0) if entropies else 1.0,
    )


def refines(a: LabelMap, b: LabelMap) -> bool:
    """Whether labels that `a` does not tell apart are not told apart by `b` either.

    Over the labels that both give a class; true also where they are equal, or share none.
    """
    return not _split(cross(a, b, pair_labels(a, b))).num


def conditional_bits(table: Crosstab) -> float:
    """H(B | A) in bits; exactly 0 where A refines B."""
    if not len(table.a):
        return 0.0
    starts = table.starts_a
    weight_a = np.add.reduceat(table.weight, starts)
    whole = np.repeat(weight_a, np.diff(starts, append=len(table.a)))
    share = table.weight / table.weight.sum()
    return float((share * np.log2(whole / table.weight)).sum())


def entropy_bits(weight: Ints) -> float:
    """Entropy in bits of positive weights; 0 for one of them, or none."""
    total = weight.sum()
    return float((weight / total * np.log2(total / weight)).sum()) if len(weight) else 0.0


def _entropy_bits(table: Crosstab) -> float:
    return entropy_bits(np.add.reduceat(table.weight, table.starts_a)) if len(table.a) else 0.0


def _one_less(rest: float, whole: float) -> float:
    return max(1.0 - rest / whole, 0.0) if whole else 1.0


def _split(table: Crosstab) -> Split:
    starts = table.starts_a
    into = np.diff(starts, append=len(table.a))
    num = int((into > 1).sum())
    if not num:
        return Split(num=0, example=None, into=int(into.max(initial=0)))
    weight = np.add.reduceat(table.weight, starts)
    worst = int(np.lexsort((-weight, -into))[0])
    return Split(num=num, example=int(table.a[starts[worst]]), into=int(into[worst]))


def _relation(split_a: Split, split_b: Split) -> Relation:
    if not split_a.num:
        return "a-refines-b" if split_b.num else "equal"
    return "neither" if split_b.num else "b-refines-a"
