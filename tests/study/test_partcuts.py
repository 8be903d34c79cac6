"""Parts of a cut: some of its classes, and budgets of images in equal shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from granctl.errors import BadOptionError
from granctl.progress import Silent
from granctl.study.cuts import make_cut
from granctl.study.cutspec import CutSpec
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


def part(root: Path, clustered: dict[str, Path], **options: int | Path) -> LabelMap:
    """A part of the cut into classes of four and two labels: 12 and 6 images."""
    spec = CutSpec(
        method="part", **{"part_of": clustered["within"], "shards": clustered["shards"], **options}
    )
    made = make_cut(Workspace(root), spec, None, Silent())
    return LabelMap.read(made.path)


def sizes(labels: LabelMap) -> list[int]:
    return np.bincount(labels.classes, minlength=labels.num_classes).tolist()


def test_images_are_shared_out_equally(clustered: dict[str, Path], tmp_path: Path) -> None:
    """N images in all, equally many a class as far as they last; the others have no class."""
    assert sizes(part(tmp_path, clustered, images=8)) == [4, 4]
    labels = part(tmp_path, clustered, images=16)
    assert sizes(labels) == [10, 6]
    assert (labels.keyed_by, len(labels.labels)) == ("image", 18)
    assert labels.name.endswith("-16-images")
    assert labels.method == LabelMap.read(clustered["within"]).method


def test_a_smaller_budget_is_a_part_of_a_larger(clustered: dict[str, Path], tmp_path: Path) -> None:
    """Of one seed; another seed chooses others."""
    small, large = (part(tmp_path, clustered, images=n) for n in (4, 10))
    has_small, has_large = np.diff(small.offsets) > 0, np.diff(large.offsets) > 0
    assert (has_large | ~has_small).all()
    other = part(tmp_path, clustered, images=4, seed=1)
    assert (np.diff(other.offsets) != np.diff(small.offsets)).any()


def test_classes_are_drawn_by_the_seed(clustered: dict[str, Path], tmp_path: Path) -> None:
    """One of two classes, with as many images as both have in the other part."""
    drawn = {part(tmp_path, clustered, classes=1, seed=s).class_ids for s in range(8)}
    assert drawn == {(c,) for c in LabelMap.read(clustered["within"]).class_ids}
    labels = part(tmp_path, clustered, classes=1, images=5)
    assert sizes(labels) == [5]
    assert labels.method == "part", "the report keeps it out of the curve of the hierarchy"
    assert labels.name == f"{LabelMap.read(clustered['within']).name}-1-classes-5-images"


def test_a_part_of_a_part_says_both(clustered: dict[str, Path], tmp_path: Path) -> None:
    """As the equal shares of some classes: other numbers of classes are other names and maps."""
    whole = LabelMap.read(clustered["within"]).name
    some = [part(tmp_path, clustered, classes=n) for n in (1, 2)]
    again = []
    for num, labels in enumerate(some, start=1):
        labels.write(path := tmp_path / f"{num}.parquet")
        again.append(part(tmp_path, {**clustered, "within": path}, images=4))
        assert again[-1].name == f"{whole}-{num}-classes-4-images"
        assert again[-1].params["part"]["part"] == labels.params["part"]
    assert again[0].digest != again[1].digest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing says which part"),
        ({"classes": 3}, "3 of the 2 classes"),
        ({"images": 19}, "19 of the 18 images"),
        ({"images": 0}, "0 is below 1"),
    ],
)
def test_what_cannot_be_taken_is_refused(
    clustered: dict[str, Path], tmp_path: Path, options: dict[str, int], words: str
) -> None:
    """More than there is, or nothing."""
    with pytest.raises(BadOptionError, match=words) as caught:
        part(tmp_path, clustered, **options)
    assert caught.value.hint
