"""Label spaces: what each puts together, sizes, and those that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from granctl.theory.labels import LabelSpace, assign, composition, label_space
from granctl.theory.sample import balanced
from granctl.theory.setting import Setting

SETTING = Setting(width=2000, samples=12)
SUBCLASS = balanced(SETTING, SETTING.num_samples)


def labelled(word: str) -> tuple[LabelSpace, np.ndarray]:
    space = label_space(word, SETTING)
    assert isinstance(space, LabelSpace)
    return space, assign(space, SETTING, SUBCLASS, np.random.default_rng(3))


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("coarse", 2),
        ("merged:4", 4),
        ("fine", 16),
        ("split:48", 48),
        ("random:6", 6),
        ("random-inside:8", 8),
        ("misaligned:4", 4),
        ("sample", 192),
        ("classes:8", 8),
    ],
)
def test_classes_are_of_equal_size(word: str, classes: int) -> None:
    """Every label space has as many classes as it says, of equally many samples."""
    space, found = labelled(word)
    assert space.classes == classes
    assert np.bincount(found).tolist() == [192 // classes] * classes


@pytest.mark.parametrize("word", ["coarse", "merged:4", "fine", "split:48", "sample"])
def test_these_nest_in_the_superclasses(word: str) -> None:
    """A class lies inside one superclass; from `fine` on inside one subclass."""
    space, found = labelled(word)
    shares = composition(found, SUBCLASS // 8, space.classes, 2)
    assert set(shares.ravel().tolist()) == {0.0, 1.0}
    of_subclass = composition(found, SUBCLASS, space.classes, 16)
    assert (of_subclass.max() == 1.0) == (space.classes >= 16)


def test_merged_classes_are_neighbours() -> None:
    """Four subclasses a class: the nodes that a level between would have."""
    _, found = labelled("merged:4")
    assert found[:16].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_random_classes_tell_nothing_of_superclasses() -> None:
    """But those dealt inside a superclass do."""
    space, found = labelled("random:6")
    shares = composition(found, SUBCLASS // 8, space.classes, 2)
    assert 0.2 < shares.min() < shares.max() < 0.8
    space, found = labelled("random-inside:8")
    shares = composition(found, SUBCLASS // 8, space.classes, 2)
    assert set(shares.ravel().tolist()) == {0.0, 1.0}
    assert composition(found, SUBCLASS, space.classes, 16).max() < 1


def test_misaligned_classes_have_both_superclasses_equally() -> None:
    """Two subclasses of each."""
    space, found = labelled("misaligned:4")
    assert (composition(found, SUBCLASS // 8, space.classes, 2) == 0.5).all()
    assert (composition(found, SUBCLASS, space.classes, 16) > 0).sum(axis=1).tolist() == [4] * 4


def test_dealing_follows_from_the_stream() -> None:
    """The same one deals alike, another one otherwise."""
    space, found = labelled("split:48")
    again = assign(space, SETTING, SUBCLASS, np.random.default_rng(3))
    other = assign(space, SETTING, SUBCLASS, np.random.default_rng(4))
    assert (found == again).all()
    assert (found != other).any()


@pytest.mark.parametrize(
    ("classes", "way"), [(2, "merged"), (16, "fine"), (32, "split"), (192, "sample")]
)
def test_a_number_of_classes_chooses_the_way(classes: int, way: str) -> None:
    """From merging to one class a sample."""
    assert labelled(f"classes:{classes}")[0].way == way


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("merged:3", "do not divide among 2 superclasses"),
        ("merged:6", "do not divide into 3 equal classes"),
        ("split:24", "24 classes do not divide among 16 subclasses"),
        ("split:80", "12 samples of a subclass do not divide into 5"),
        ("random:5", "192 samples do not divide into 5"),
        ("random:1", "fewer than 2"),
        ("random:193", "there are 192 samples"),
        ("misaligned:3", "do not divide among 3 classes"),
        ("classes:3", "do not divide"),
        ("coarse:2", "no label space (known: coarse, fine"),
        ("merged", "no label space"),
        ("Fine!", "no label space"),
    ],
)
def test_what_cannot_be_is_said(word: str, why: str) -> None:
    """With the numbers that contradict."""
    told = label_space(word, SETTING)
    assert isinstance(told, str)
    assert why in told


def test_every_class_needs_a_neuron() -> None:
    """128 neurons do not suffice for one class a sample."""
    told = label_space("sample", Setting())
    assert told == "sample: width = 128 neurons do not suffice for 1600 classes"
