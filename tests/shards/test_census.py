"""What the index says of the images of a set."""

from __future__ import annotations

import numpy as np
import pytest
from generated_images import LABELS, encoded, write_source

from granctl.shards.census import (
    Census,
    describe_images,
    images_of_classes,
    images_of_labels,
    read_census,
    read_rows,
    summary,
)


def census_of(widths: list[int], heights: list[int], remarks: list[int] | None = None) -> Census:
    """A made-up split."""
    n = len(widths)
    zeros = np.zeros(n, dtype=np.int32)
    return Census(
        labels=zeros,
        num_bytes=np.arange(1, n + 1, dtype=np.int32) * 1000,
        widths=np.array(widths, dtype=np.int32),
        heights=np.array(heights, dtype=np.int32),
        remarks=np.array(remarks or [0] * n, dtype=np.uint8),
        shards=zeros,
        rows=zeros,
    )


def test_census_is_that_of_the_source(shards):
    """Labels, bytes, sizes of each split, in the order of the index."""
    found = read_census(shards)
    assert list(found) == ["train", "test"]
    for split, census in found.items():
        rows = shards.rows(split)
        assert census.labels.tolist() == rows.label.tolist()
        assert census.num_bytes.tolist() == rows.size.tolist()
        assert census.shards.tolist() == rows.shard.tolist()
        assert set(zip(census.widths.tolist(), census.heights.tolist(), strict=True)) == {(16, 12)}
        counts = images_of_labels(census, len(LABELS)).tolist()
        assert counts == list(shards.label_counts[split])


def test_rows_are_read_by_their_places(shards):
    """Any rows in any order, a row group a shard."""
    census = read_census(shards)["train"]
    picked = np.array([17, 0, 9, 3, 17])
    found = read_rows(shards, census.shards[picked], census.rows[picked], ["key", "size"])
    keys = shards.keys("train")
    assert [record["key"] for record in found] == keys[picked].tolist()
    assert [record["size"] for record in found] == census.num_bytes[picked].tolist()


def test_quantiles_are_values_that_occur():
    """Of 1 .. 100 the 5 % quantile is 5, the median 50, the 99 % quantile 99."""
    found = summary(np.arange(100, 0, -1).astype(np.int32))
    assert {name: found[name] for name in ("min", "q01", "q05", "median", "q99", "max")} == {
        "min": 1,
        "q01": 1,
        "q05": 5,
        "median": 50,
        "q99": 99,
        "max": 100,
    }
    assert found["mean"] == 50.5
    assert summary(np.array([7], dtype=np.int32))["q95"] == 7


def test_short_sides_are_counted_in_bins():
    """From the first bin in use to the last; the last has no end."""
    found = describe_images(census_of([300, 20000, 256, 255], [400, 9000, 999, 999]))
    bins = {(b["from"], b["to"]): b["images"] for b in found["short_sides"]}
    assert bins[(256, 319)] == 2
    assert bins[(192, 255)] == 1
    assert bins[(4096, None)] == 1
    assert found["short_sides"][0]["from"] == 192
    assert found["pixels"] == 300 * 400 + 20000 * 9000 + 256 * 999 + 255 * 999


def test_remarks_are_counted_by_name():
    """Flags may stand together; what none has is left out."""
    found = describe_images(census_of([9] * 3, [9] * 3, [1, 3, 16]))
    assert found["remarks"] == {"progressive": 2, "cmyk": 1, "misnamed": 1}


def test_classes_count_each_of_their_images():
    """An image of a label with two classes counts in both; a dropped label in none."""
    classes = {"num_classes": 4, "of_label": [[0], [0, 2], []]}
    assert images_of_classes(np.array([5, 3, 7]), classes).tolist() == [8, 0, 3, 0]


def test_split_without_one_label(build, tmp_path):
    """A label that a split lacks has no image there."""
    source = write_source(tmp_path / "s")
    (source / "train/n00000001/z.png").write_bytes(encoded(99))
    for path in (source / "test/n00000002").iterdir():
        path.unlink()
    (source / "test/n00000002").rmdir()
    found = read_census(build(source))
    assert images_of_labels(found["test"], 6).tolist() == [1, 0, 1, 1, 1, 1]
    assert images_of_labels(found["train"], 6).tolist() == [4, 3, 3, 3, 3, 3]


def test_damaged_index_is_refused(shards_folder, tmp_path):
    """As everywhere: its checksum is that of the manifest, or it is not read."""
    import shutil

    from granctl.errors import ManifestMismatchError
    from granctl.shards.index import ShardSet

    folder = shutil.copytree(shards_folder, tmp_path / "set")
    path = folder / "index.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestMismatchError):
        read_census(ShardSet.open(folder))
