"""How well source classes tell target classes apart: the ceiling of a read-out that knows them.

Source and target are two label maps over the same labels (or images); see `tree/crosstab.py` for
groups, pairs and weights. In the crosstab A is the source and B the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from granctl.tree.compare import conditional_bits, entropy_bits
from granctl.tree.crosstab import Crosstab, distinct_sets


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """What is known of the target class once the source class is known.

    A class stands for a group here: the whole set of classes of a multi-label map.
    """

    purity: float
    """Share of the weight that lies in the commonest target class of its source class."""
    h_target_bits: float
    """H(target): how much there is to know."""
    h_target_given_source_bits: float
    """H(target | source): what the source class leaves open; 0 where source refines target."""
    mixed_mean: float
    """Target classes in a source class: mean over the weight, so big source classes count more."""
    mixed_max: int
    """The most target classes in one source class."""
    mixed_max_group: int
    """The source group with that many (the heaviest of those)."""
    pure_frac: float
    """Share of the source classes that hold one target class only."""
    pure_weight_frac: float
    """Share of the weight that lies in those."""
    best_top1: float
    """Expected top-1 of the best read-out from the source class; equals the purity."""
    best_mean_per_class: float
    """Expected mean per-class accuracy of the read-out that is best for that measure."""
    groups_source: int
    """Source groups that occur among the compared labels."""
    groups_target: int
    groups_target_apart: int
    """Distinct sets of source groups over the target classes: two target classes stay apart when
    their sets differ."""


def align(table: Crosstab) -> Alignment:
    """How the source (A) lies in the target (B).

    The read-out names one target class for each source class, so it gets max_t w(s, t) of source
    class s right; for the mean per class it weighs each image by 1 / w(t). Both are exact for the
    weights given, not estimates for other images.

    Raises:
        ValueError: the crosstab has no cell.

    Example:
        >>> from granctl.tree.crosstab import cross, pair_labels
        >>> from granctl.tree.labelmap import LabelMap
        >>> fields = {"class_ids": ("x", "y", "z"), "class_names": ("x", "y", "z")}
        >>> target, source = (
        ...     LabelMap.from_single(["a", "b", "c"], np.array(c), method="depth", **fields)
        ...     for c in ([0, 1, 2], [0, 0, 1])
        ... )
        >>> found = align(cross(source, target, pair_labels(source, target)))
        >>> round(found.purity, 3), found.mixed_max, found.groups_target_apart
        (0.667, 2, 2)
    """
    if not len(table.a):
        raise ValueError("nothing was compared")
    starts, total = table.starts_a, table.weight.sum()
    mixed = np.diff(starts, append=len(table.a))
    weight_of_source = np.add.reduceat(table.weight, starts)
    target, target_index = np.unique(table.b, return_inverse=True)
    weight_of_target = np.bincount(target_index, weights=table.weight)
    share_of_target = table.weight / weight_of_target[target_index]
    purity = float(np.maximum.reduceat(table.weight, starts).sum() / total)
    most = int(np.lexsort((-weight_of_source, -mixed))[0])
    return Alignment(
        purity=purity,
        h_target_bits=entropy_bits(weight_of_target),
        h_target_given_source_bits=conditional_bits(table),
        mixed_mean=float((mixed * weight_of_source).sum() / total),
        mixed_max=int(mixed[most]),
        mixed_max_group=int(table.a[starts[most]]),
        pure_frac=float((mixed == 1).mean()),
        pure_weight_frac=float(weight_of_source[mixed == 1].sum() / total),
        best_top1=purity,
        best_mean_per_class=float(np.maximum.reduceat(share_of_target, starts).sum() / len(target)),
        groups_source=len(starts),
        groups_target=len(target),
        groups_target_apart=_num_apart(table),
    )


def _num_apart(table: Crosstab) -> int:
    turned = table.turned()
    offsets = np.append(turned.starts_a, len(turned.a))
    return len(distinct_sets(offsets, turned.b))
