"""What is known of a cut before anything is trained: classes, images, how the target lies in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.shards.index import ShardSet
from granctl.train.labelling import Labelling, keys_of
from granctl.train.targets import Target
from granctl.tree.align import align
from granctl.tree.compare import Relation, compare
from granctl.tree.crosstab import Crosstab, Pairing, cross, pair_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.sourcemap import covered
from granctl.tree.taxonomy import Taxonomy

TRAIN = "train"
FEW = 20
"""Images of a class below which it counts as one of few images, in the evidence alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A cut of the source beside the target's labels."""

    classes: int
    """That have images of the source."""
    images_median: float
    """Images a class."""
    few_images_share: float
    """Share of the classes with fewer than 20 images."""
    covered: float
    """Share of the target's training images whose class the cut knows; 1: all."""
    purity: float | None
    """Best top-1 of a read-out that knows the source class, over the covered images; this and all
    below None where nothing is covered."""
    h_target_bits: float | None
    h_target_given_source_bits: float | None
    nmi: float | None
    told_bits: float | None
    """What the source class tells of the target class, bits an image, to one who learns from the
    images themselves; see `told_bits`."""
    relation: Relation | None
    """`equal`: the target's own classes; a is the cut, b the target."""


def evidence(
    source: ShardSet,
    target: Target,
    labels: LabelMap,
    labelling: Labelling,
    taxonomy: Taxonomy,
) -> Evidence:
    """Counts a cut, and lays it beside the target's labels.

    Where source and target are the same images, by those. Else by the hierarchy: each target label
    has the source's classes of the same label, or of the nearest node above or below.

    Args:
        source: its training images.
        target: its training images.
        labels: the cut.
        labelling: the cut on the source's training images.
        taxonomy: the hierarchy of the labels, for other images; labels that it lacks are covered by
            themselves alone.
    """
    images = labelling.images_of_class()
    total, table = _beside(source, target, labels, taxonomy)
    counts = {
        "classes": labelling.num_classes,
        "images_median": float(np.median(images)),
        "few_images_share": float((images < FEW).mean()),
    }
    if table is None or not len(table.a):
        nothing = dict.fromkeys(("purity", "h_target_bits", "h_target_given_source_bits"))
        nothing |= dict.fromkeys(("nmi", "told_bits", "relation"))
        return Evidence(**counts, covered=0.0, **nothing)  # type: ignore[arg-type]
    alignment, agreement = align(table), compare(table)
    share = float(table.weight.sum()) / total
    return Evidence(
        **counts,  # type: ignore[arg-type]
        covered=share,
        purity=alignment.purity,
        h_target_bits=alignment.h_target_bits,
        h_target_given_source_bits=alignment.h_target_given_source_bits,
        nmi=agreement.nmi,
        told_bits=share * told_bits(table),
        relation=agreement.relation,
    )


def told_bits(table: Crosstab) -> float:
    """What group A of an image tells of its group B: bits an image, learnt image by image.

    The images come one after another, and each B is foretold from the earlier images of the same A,
    with one image's worth of trust in the shares q of B over all:

        p(b | a) = (n_ab + q_b) / (n_a + 1)

    The sum of log2(p / q) over the images (a ratio of gamma functions, so that no order changes
    it), over their number, is what is told. It is at most I(A; B): a new group tells nothing
    yet: so many groups of few images tell little even where each lies in one B. An A that leaves B
    open tells little as well. Nothing in it is fitted.

    Example:
        >>> from granctl.tree.labelmap import LabelMap
        >>> names = {"class_ids": ("x", "y", "z", "u"), "class_names": ("x", "y", "z", "u")}
        >>> own, fine = (
        ...     LabelMap.from_single(list("abcd"), np.array(c), method="depth", **names)
        ...     for c in ([0, 0, 1, 1], [0, 1, 2, 3])
        ... )
        >>> few, many = dict.fromkeys("abcd", 1), dict.fromkeys("abcd", 100)
        >>> told = lambda a, n: round(told_bits(cross(a, own, pair_labels(a, own, n))), 2) + 0.0
        >>> told(own, few), told(fine, few), told(own, many), told(fine, many)
        (0.29, 0.0, 0.98, 0.96)
    """
    groups = np.unique(table.b, return_inverse=True)[1]
    share = np.bincount(groups, weights=table.weight)[groups] / table.weight.sum()
    weight = table.weight.astype(np.float64)
    cells = _lgamma(weight + share) - _lgamma(share) - weight * np.log(share)
    sizes = np.add.reduceat(weight, table.starts_a)
    nats = float(cells.sum() - _lgamma(sizes + 1.0).sum())
    return nats / math.log(2) / float(weight.sum())


def _lgamma(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.fromiter(map(math.lgamma, values.tolist()), np.float64, len(values))


def _beside(
    source: ShardSet, target: Target, labels: LabelMap, taxonomy: Taxonomy
) -> tuple[int, Crosstab | None]:
    """Training images of the target that have a class, and the cut (A) against the target (B)."""
    goal = target.labels
    images = dict(zip(target.shards.labels, target.shards.label_counts[TRAIN], strict=True))
    own = keys_of(target.shards, TRAIN, goal)
    total = int((np.diff(goal.offsets)[own] > 0).sum())
    if source.digest == target.shards.digest:
        return total, cross(labels, goal, _by_image(keys_of(source, TRAIN, labels), own))
    if "image" in (labels.keyed_by, goal.keyed_by):
        return total, None  # single images have no place in a hierarchy
    seen = _seen_by(labels, goal, taxonomy)
    return total, cross(seen, goal, pair_labels(seen, goal, images))


def _by_image(row_a: NDArray[np.int64], row_b: NDArray[np.int64]) -> Pairing:
    width = int(row_b.max(initial=0)) + 1
    code, weight = np.unique(row_a * width + row_b, return_counts=True)
    return Pairing(row_a=code // width, row_b=code % width, weight=weight, unit="image")


def _seen_by(source: LabelMap, target: LabelMap, taxonomy: Taxonomy) -> LabelMap:
    """The target's labels under the source's classes that cover them."""
    found: dict[str, Sequence[int]] = dict.fromkeys(target.labels, ())
    ways = (way for some in covered(taxonomy, source, target).ways for way in some)
    found |= {way.label: way.classes for way in ways}
    sizes = [len(classes) for classes in found.values()]
    return LabelMap(
        labels=target.labels,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        classes=np.array([c for classes in found.values() for c in classes], dtype=np.int32),
        class_ids=source.class_ids,
        class_names=source.class_names,
        method="covered",
    )
