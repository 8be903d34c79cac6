"""What labels tell of a target, and which cuts of a hierarchy are ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_images import LABELS, write_source

from granctl.errors import NoHierarchyError
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.study.advisecandidates import cuts_of_hierarchy, given_cuts
from granctl.study.adviseevidence import evidence, told_bits
from granctl.train.labelling import label_images
from granctl.train.targets import Target
from granctl.tree.crosstab import cross, pair_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet
from granctl.workspace import Workspace

NODES = ["n02084071", "n02121620", "n12102133", "n11669921"]
"""dog, cat; grass, flower."""


def a_map(labels: Any, classes: list[int], ids: list[str] | None = None, **fields: Any) -> LabelMap:
    ids = ids or [f"c{i}" for i in range(max(classes) + 1)]
    names = {"class_ids": tuple(ids), "class_names": tuple(ids)}
    return LabelMap.from_single(labels, np.array(classes), method="nodes", **names, **fields)


def told(cut: list[int], target: list[int], images: int) -> float:
    labels = [f"l{i}" for i in range(len(cut))]
    a, b = a_map(labels, cut), a_map(labels, target)
    return told_bits(cross(a, b, pair_labels(a, b, dict.fromkeys(labels, images))))


def test_told_bits_are_those_of_foretelling_image_by_image() -> None:
    """Against the sum over images in some order, of the same rule."""
    cut, target = [0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, 2]
    share = np.bincount(target) / 6
    seen: dict[int, list[int]] = {}
    sum_bits = 0.0
    for a, b in zip(cut, target, strict=True):
        before = seen.setdefault(a, [])
        likely = (before.count(b) + share[b]) / (len(before) + 1)
        sum_bits += np.log2(likely / share[b])
        before.append(b)
    assert told(cut, target, 1) == pytest.approx(sum_bits / 6)


def test_own_classes_tell_most_and_single_images_nothing() -> None:
    """Coarser and finer cuts tell less; more images a class mend what finer ones lack."""
    target = [0, 0, 1, 1, 2, 2]
    own, coarse, fine = target, [0, 0, 0, 0, 1, 1], list(range(6))
    few = {name: told(cut, target, 5) for name, cut in (("own", own), ("fine", fine))}
    assert told(coarse, target, 5) < few["fine"] < few["own"]
    assert told(fine, target, 1) == pytest.approx(0)
    many = told(own, target, 1000) - told(fine, target, 1000)
    assert 0 < many < few["own"] - few["fine"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShardSet, ShardSet]:
    """Two sets of 18 training images of six labels each, of other seeds."""
    root = tmp_path_factory.mktemp("advise")
    made = []
    for name in ("one", "two"):
        source = write_source(root / name)
        if name == "two":
            next(source.glob("train/n00000001/*")).unlink()
        spec = BuildSpec(source=str(source))
        made.append(ShardSet.open(build_shards(Workspace(root), spec, None, Silent()).path))
    return made[0], made[1]


def test_evidence_of_the_same_images_and_of_others(images: tuple[ShardSet, ShardSet]) -> None:
    """By images where they are the same; else by the hierarchy, labels that it lacks by equality.

    What is not covered is told nothing of.
    """
    one, two = images
    cut = a_map(LABELS, [0, 0, 1, 1, 2, 2])
    own = label_images(one, "train", cut)
    wordnet = embedded_wordnet()
    goal = a_map(LABELS, [0, 0, 0, 1, 1, 1])
    same = evidence(one, Target(name="t", shards=one, labels=goal), cut, own, wordnet)
    assert (same.classes, same.images_median, same.few_images_share) == (3, 6.0, 1.0)
    assert same.purity == pytest.approx(5 / 6)
    assert (same.covered, same.relation) == (1.0, "neither")
    others = evidence(one, Target(name="t", shards=two, labels=goal), cut, own, wordnet)
    assert others.purity == pytest.approx(5 / 6, abs=0.02)
    assert others.covered == 1.0
    half = a_map(LABELS[:3], [0, 0, 1])
    partly = evidence(one, Target(name="t", shards=two, labels=goal), half, own, wordnet)
    assert partly.covered == pytest.approx(8 / 17)
    assert partly.told_bits is not None
    nothing = evidence(
        one, Target(name="t", shards=two, labels=goal), a_map("z", [0]), own, wordnet
    )
    assert (nothing.covered, nothing.purity, nothing.told_bits) == (0.0, None, None)


def test_a_source_without_a_hierarchy(images: tuple[ShardSet, ShardSet], tmp_path: Path) -> None:
    """The labels are named, and the mend."""
    with pytest.raises(NoHierarchyError, match="n00000001") as caught:
        cuts_of_hierarchy(Workspace(tmp_path), images[0], None, Silent())
    assert "--taxonomy" in caught.value.hint


def test_maps_that_are_given_twice_count_once(
    images: tuple[ShardSet, ShardSet], tmp_path: Path
) -> None:
    """By their digest; those of one class are left out."""
    places = []
    for name, classes in (("a", [0, 0, 1, 1, 2, 2]), ("b", [0, 0, 0, 1, 1, 1]), ("c", [0] * 6)):
        places.append(tmp_path / f"{name}.parquet")
        a_map(LABELS, classes, params={"nodes": name}).write(places[-1])
    found = given_cuts([places[0], places[1], places[0], places[2]], images[0], Silent())
    assert [c.path for c in found] == places[:2]
    assert [c.classes.num for c in found] == [3, 2]
