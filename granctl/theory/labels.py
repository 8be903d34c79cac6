"""Label spaces over the subclasses: which class each training sample has."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.theory.sample import Ints
from granctl.theory.setting import Setting

WITH_COUNT = {
    "classes": "merged, fine, split or sample, whichever has so many classes",
    "merged": "neighbouring subclasses of a superclass as one class",
    "split": "every subclass dealt at random into equal parts",
    "random": "classes dealt at random to all samples",
    "random-inside": "classes dealt at random to the samples of each superclass",
    "misaligned": "each class has subclasses of every superclass",
}
ALONE = {
    "coarse": "the superclasses",
    "fine": "the subclasses",
    "sample": "one class a sample",
}
_WORD = re.compile(r"([a-z-]+)(?::([0-9]{1,9}))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSpace:
    """A way to label the training samples."""

    word: str
    """As it was given: `coarse`, `merged:4`."""
    way: str
    """One of coarse, merged, fine, split, random, random-inside, misaligned, sample."""
    classes: int
    """C."""


def label_space(word: str, setting: Setting) -> LabelSpace | str:
    """The label space that a word means in a setting, or why there is none.

    Example:
        >>> label_space("classes:4", Setting()).way
        'merged'
        >>> label_space("merged:6", Setting())
        'merged:6: each superclass has 8 subclasses, which do not divide into 3 equal classes'
    """
    match = _WORD.fullmatch(word)
    way, count = match.groups() if match else (word, None)
    if way in ALONE and count is None:
        sizes = {"coarse": setting.superclasses, "fine": setting.num_subclasses}
        return _owned(word, way, sizes.get(way, setting.num_samples), setting)
    if way not in WITH_COUNT or count is None:
        known = ", ".join([*ALONE, *(f"{way}:C" for way in WITH_COUNT)])
        return f"{word!r} is no label space (known: {known})"
    classes = int(count)
    if way == "classes":
        way = _way_of(classes, setting)
    fault = _fault(way, classes, setting)
    return f"{word}: {fault}" if fault else _owned(word, way, classes, setting)


def _owned(word: str, way: str, classes: int, setting: Setting) -> LabelSpace | str:
    """The label space, unless a class of it would own no neuron."""
    if setting.width < classes:
        return f"{word}: width = {setting.width} neurons do not suffice for {classes} classes"
    return LabelSpace(word=word, way=way, classes=classes)


def _way_of(classes: int, setting: Setting) -> str:
    if classes == setting.num_samples:
        return "sample"
    if classes == setting.num_subclasses:
        return "fine"
    return "merged" if classes < setting.num_subclasses else "split"


def _fault(way: str, classes: int, setting: Setting) -> str | None:
    if way == "sample" or way == "fine":
        return None
    if classes < 2:
        return "fewer than 2 classes"
    if classes > setting.num_samples:
        return f"there are {setting.num_samples} samples, fewer than classes"
    if way in ("merged", "random-inside") and classes % setting.superclasses:
        return f"{classes} classes do not divide among {setting.superclasses} superclasses"
    inside = classes // setting.superclasses
    if way == "merged" and setting.k % inside:
        return (
            f"each superclass has {setting.k} subclasses, which do not divide into {inside}"
            " equal classes"
        )
    if way == "misaligned" and setting.k % classes:
        return f"the {setting.k} subclasses of a superclass do not divide among {classes} classes"
    if way == "split":
        if classes % setting.num_subclasses:
            return f"{classes} classes do not divide among {setting.num_subclasses} subclasses"
        if setting.samples % (classes // setting.num_subclasses):
            return (
                f"the {setting.samples} samples of a subclass do not divide into"
                f" {classes // setting.num_subclasses} equal classes"
            )
    if way.startswith("random") and setting.num_samples % classes:
        return f"{setting.num_samples} samples do not divide into {classes} equal classes"
    return None


def assign(
    space: LabelSpace, setting: Setting, subclass: Ints, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(n,): the class of each training sample, 0 .. C - 1; every class has equally many.

    Args:
        space: as `label_space` gives it.
        setting: the hierarchy.
        subclass: (n,), equally many of each.
        rng: for the ways that deal at random.
    """
    superclass, inside = subclass // setting.k, subclass % setting.k
    if space.way == "coarse":
        return superclass
    if space.way == "fine":
        return subclass
    if space.way == "sample":
        return np.arange(len(subclass), dtype=np.int64)
    if space.way == "merged":
        return subclass // (setting.num_subclasses // space.classes)
    if space.way == "misaligned":
        return inside // (setting.k // space.classes)
    if space.way == "random":
        return _dealt(np.zeros_like(subclass), space.classes, rng)
    groups = superclass if space.way == "random-inside" else subclass
    return _dealt(groups, space.classes // int(groups.max() + 1), rng)


def _dealt(groups: Ints, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Each group's members dealt at random into equal parts, which are numbered group by group."""
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    ranked = groups[order]
    place = np.arange(len(groups)) - np.searchsorted(ranked, ranked)
    dealt = np.empty(len(groups), dtype=np.int64)
    dealt[order] = ranked * parts + place % parts
    return dealt


def composition(
    classes: Ints, groups: Ints, num_classes: int, num_groups: int
) -> NDArray[np.float64]:
    """(C, groups): which share of each class's samples belongs to each group; rows add up to 1."""
    counts = np.zeros((num_classes, num_groups))
    np.add.at(counts, (classes, groups), 1)
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares
