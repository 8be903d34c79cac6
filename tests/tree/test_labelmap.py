"""The label map: a frozen CSR matrix with an identity and a file that knows when it was changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.tree.labelmap import LabelMap


@pytest.fixture
def label_map() -> LabelMap:
    """Three labels: cat -> mammal, bat -> mammal and flyer, rock -> nothing."""
    return LabelMap(
        labels=("cat", "bat", "rock"),
        offsets=np.array([0, 1, 3, 3]),
        classes=np.array([0, 0, 1], np.int32),
        class_ids=("n1", "n2"),
        class_names=("mammal", "flyer"),
        method="depth",
        params={"depth": 2, "policy": "first"},
        inputs={"list": "ab"},
    )


def test_file_gives_back_the_map(label_map: LabelMap, tmp_path: Path) -> None:
    """What was written is read, with its identity."""
    label_map.write(tmp_path / "map.parquet")
    again = LabelMap.read(tmp_path / "map.parquet")
    assert again.digest == label_map.digest
    assert again.content_digest == label_map.content_digest
    assert again.labels == label_map.labels
    assert again.class_names == label_map.class_names
    assert again.classes_of("bat").tolist() == [0, 1]
    assert again.classes_of("rock").tolist() == []
    assert again.multi_label


def test_same_map_gives_the_same_bytes(label_map: LabelMap, tmp_path: Path) -> None:
    """Nothing of the clock is in the file."""
    label_map.write(tmp_path / "a")
    label_map.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_identity_follows_from_how_it_was_made(label_map: LabelMap) -> None:
    """Another parameter or input is another map; provenance is not."""
    same = LabelMap.spec_digest("depth", {"policy": "first", "depth": 2}, {"list": "ab"}, "label")
    assert same == label_map.digest
    assert same != LabelMap.spec_digest("depth", {"depth": 2}, {"list": "ab"}, "label")
    assert same != LabelMap.spec_digest(
        "depth", {"depth": 2, "policy": "first"}, {"list": "ac"}, "label"
    )


def test_single_label_map_drops_what_has_no_class() -> None:
    """-1 means no class."""
    fields = {"class_ids": ("x", "y"), "class_names": ("x", "y"), "method": "random"}
    label_map = LabelMap.from_single(["a", "b", "c"], np.array([1, -1, 0]), **fields)
    assert [label_map.classes_of(k).tolist() for k in "abc"] == [[1], [], [0]]
    assert not label_map.multi_label


@pytest.mark.parametrize(
    ("offsets", "classes"),
    [([0, 1], [0]), ([0, 2, 1, 1], [0]), ([0, 1, 1, 2], [0]), ([0, 1, 1, 1], [5])],
)
def test_arrays_that_are_no_csr_matrix_are_refused(
    label_map: LabelMap, offsets: list[int], classes: list[int]
) -> None:
    """The invariant is checked once, in the constructor."""
    with pytest.raises(ValueError, match=r"offsets|class index"):
        LabelMap(
            labels=label_map.labels,
            offsets=np.array(offsets),
            classes=np.array(classes, np.int32),
            class_ids=("x",),
            class_names=("x",),
            method="depth",
        )


def test_arrays_cannot_be_changed(label_map: LabelMap) -> None:
    """A map is a value."""
    with pytest.raises(ValueError, match="read-only"):
        label_map.classes[0] = 1


def test_other_files_are_refused(label_map: LabelMap, tmp_path: Path) -> None:
    """Missing, no Parquet, no label map, changed: each is said."""
    path = tmp_path / "map.parquet"
    with pytest.raises(MissingInputError):
        LabelMap.read(path)
    path.write_text("no parquet")
    with pytest.raises(ManifestMismatchError, match="not a label map"):
        LabelMap.read(path)
    label_map.write(path)
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "label", pa.array(["cat", "bat", "stone"])), path)
    with pytest.raises(ManifestMismatchError, match="not what was written"):
        LabelMap.read(path)
