"""Control cuts: random classes of a cut's sizes, inside a cut's classes, one class an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS

from granctl.tree.labelmap import LabelMap


def _cut(granctl, *arguments: object) -> LabelMap:
    return LabelMap.read(granctl("tree", "cut", *arguments).path)


def _sizes(label_map: LabelMap) -> list[int]:
    return sorted(np.bincount(label_map.classes, minlength=label_map.num_classes).tolist())


def test_random_classes_an_image_have_the_cuts_sizes(granctl, clustered):
    """With shards, every image is dealt a class; classes are as large as the cut's on them."""
    like = ["--random", "--like", clustered["within"], "--shards", clustered["shards"]]
    found = granctl("tree", "cut", *like, "--json").json
    assert (found["keyed_by"], found["labels"], found["classes"]) == ("image", 18, 2)
    assert _sizes(LabelMap.read(Path(found["path"]))) == [6, 12]
    again = granctl("tree", "cut", "--random", "--like", found["path"], "--json").json
    assert again["keyed_by"] == "image", "a random map of an image map is keyed by image, too"
    per_image = granctl("tree", "cut", *like, "--per-image", "--json").json
    assert (per_image["path"], per_image["made"]) == (found["path"], False)


def test_random_inside_a_class_keeps_sizes_and_superclasses(granctl):
    """--within and --like: as many classes of each size in each class; none crosses; by seed."""
    within = granctl("tree", "cut", "--depth", 3).path
    like = granctl("tree", "cut", "--depth", 5).path
    random = ["--random", "--within", within, "--like", like]
    found, outer, copied = _cut(granctl, *random), LabelMap.read(within), LabelMap.read(like)
    assert found.num_classes == copied.num_classes
    assert found.params["like"] == "depth-5"
    assert found.params["within"] == "depth-3"
    assert found.name == "random-like-depth-5-within-depth-3"
    for s in range(outer.num_classes):
        inside = outer.classes == s
        before = np.unique(copied.classes[inside], return_counts=True)[1]
        classes, after = np.unique(found.classes[inside], return_counts=True)
        assert sorted(before) == sorted(after)
        own = [f"{outer.class_ids[s]}/{j}" for j in range(len(classes))]
        assert [found.class_ids[i] for i in classes] == own
    assert (found.classes != copied.classes).any()
    assert (_cut(granctl, *random, "--seed", 1).classes != found.classes).any()


@pytest.mark.parametrize("by_image", [False, True])
def test_random_classes_of_equal_size(granctl, clustered, by_image: bool):
    """--classes N: inside each class sizes differ by one at most; N classes in all."""
    more = ["--shards", clustered["shards"]] if by_image else []
    found = _cut(granctl, "--random", "--within", clustered["within"], "--classes", 4, *more)
    assert found.keyed_by == ("image" if by_image else "label")
    assert found.class_ids == ("a/0", "a/1", "a/2", "t/0") or not by_image
    assert found.num_classes == 4
    assert sum(_sizes(found)) == (18 if by_image else 6)
    if by_image:
        assert _sizes(found) == [4, 4, 4, 6]
        assert found.class_names[0] == "animal: random 0"


def test_random_classes_of_a_list_or_of_all_images(granctl, clustered):
    """Without --within every label of the list, or every image, is dealt into N classes."""
    found = _cut(granctl, "--random", "--classes", 10, "--list", "1k", "--seed", 5)
    assert (len(found.labels), _sizes(found)) == (1000, [100] * 10)
    assert found.name == "random-10"
    images = _cut(granctl, "--random", "--classes", 4, "--shards", clustered["shards"])
    assert (images.keyed_by, _sizes(images)) == ("image", [4, 4, 5, 5])


def test_one_class_an_image(granctl, clustered):
    """--per-image alone: each image of the train split is its own class."""
    found = granctl("tree", "cut", "--per-image", "--shards", clustered["shards"], "--json").json
    assert (found["classes"], found["singletons"], found["keyed_by"]) == (18, 18, "image")
    assert (found["method"], found["multi_label"]) == ("per-image", 0)
    label_map = LabelMap.read(Path(found["path"]))
    assert label_map.class_ids == label_map.labels
    assert sorted(label_map.class_names)[:3] == [f"{LABELS[0]} {i}" for i in (1, 2, 3)]


@pytest.mark.parametrize("method", ["random", "kmeans", "per-image"])
def test_the_same_command_gives_the_same_map(granctl, clustered, tmp_path: Path, method: str):
    """Made twice at two places: equal ids, classes and names."""
    images = ["--shards", clustered["shards"]]
    arguments = {
        "random": ["--random", "--like", clustered["within"], *images, "--seed", 4],
        "kmeans": ["--cluster", "kmeans", "--classes", 7, *images, "--seed", 4],
        "per-image": ["--per-image", *images],
    }[method]
    if method == "kmeans":
        arguments += ["--features", clustered["features"]]
    a, b = (_cut(granctl, *arguments, "--out", tmp_path / name) for name in "ab")
    assert (a.content_digest, a.class_names, a.digest) == (
        b.content_digest,
        b.class_names,
        b.digest,
    )


def test_a_cut_that_crosses_within_is_no_model_for_it(granctl):
    """Classes of --like that lie in several of --within: exit 2, how many, the mend."""
    within = granctl("tree", "cut", "--depth", 5).path
    like = granctl("tree", "cut", "--depth", 3).path
    outcome = granctl("tree", "cut", "--random", "--within", within, "--like", like)
    assert outcome.code == 2
    assert "lie in several classes of --within" in outcome.err
    assert "copy a cut that is finer" in outcome.err


BAD = {
    "nothing": (["--random"], "--like: a cut by random needs it, or --classes", "--classes N"),
    "both": (["--random", "--like", "x", "--classes", 3], "--like says how many", "leave one"),
    "list": (["--random", "--like", "x", "--list", "1k"], "--list: the labels", "leave --list"),
    "many": (["--random", "--classes", 1001, "--list", "1k"], "the 1000 labels", "1 to 1000"),
    "tree": (["--depth", 5, "--per-image", "--shards", "x"], "by depth classes labels", "kmeans"),
    "both ways": (["--per-image", "--random", "--depth", 2, "--shards", "x"], "contradict", "give"),
    "seed": (["--per-image", "--shards", "gone"], "shard set not found: gone", "shards build"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_says_what_and_the_mend(granctl, name: str):
    """Exit code 2, the fault and the mend."""
    arguments, what, mend = BAD[name]
    outcome = granctl("tree", "cut", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert what in outcome.err
    assert mend in outcome.err


def test_labels_and_images_are_not_mixed_up(granctl, clustered):
    """A map of images inside a map of labels, and nothing that joins them: exit 2."""
    shards = ["--shards", clustered["shards"]]
    images = granctl("tree", "cut", "--random", "--classes", 6, *shards).path
    within = ["--random", "--within", clustered["within"], "--like", images]
    outcome = granctl("tree", "cut", *within)
    assert (outcome.code, "nothing says which label an image has" in outcome.err) == (2, True)
    outcome = granctl("tree", "cut", *within, *shards)
    assert (outcome.code, "lie in several classes of --within" in outcome.err) == (2, True)
