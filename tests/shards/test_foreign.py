"""Indexes for other readers, each judged by the reader itself or by its published format."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from granctl.errors import ShardCorruptError
from granctl.progress import Silent
from granctl.shards.foreign import export_indexes
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader

INDEXES = ("*.idx", "_info.json", "sizes.json", "wids-*.json")


def indexes_of(folder: Path) -> dict[str, bytes]:
    """Name -> content of the indexes of other readers in a folder."""
    return {p.name: p.read_bytes() for pattern in INDEXES for p in folder.glob(pattern)}


@pytest.fixture(scope="module")
def indexed(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    """A copy of the shard set of 24 images in 4 shards, with every index."""
    folder = tmp_path_factory.mktemp("indexed") / "set"
    shutil.copytree(shards_folder, folder)
    shards = ShardSet.open(folder)
    export_indexes(shards, ["all"], Silent(), md5=True)
    return shards


def test_indexes_come_with_the_shards(shards_folder: Path, tmp_path: Path) -> None:
    """A build writes those that an export would write."""
    shutil.copytree(shards_folder, tmp_path / "set")
    built = indexes_of(tmp_path / "set")
    for name in built:
        (tmp_path / "set" / name).unlink()
    shards = ShardSet.open(tmp_path / "set")
    files = export_indexes(shards, ["all"], Silent())["files"]
    assert sorted(files) == sorted(built)
    assert len(built) == len(shards.shard_names) + len(shards.splits) + 2
    assert indexes_of(tmp_path / "set") == built


def test_dali_index_names_every_member_with_its_place(indexed: ShardSet) -> None:
    """`v1.2 N`, then a line a sample: extension, offset, size, name of its members (by tarfile)."""
    for name in indexed.shard_names:
        samples: dict[str, list[str]] = {}
        with tarfile.open(indexed.root / name) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                place = f"{extension} {member.offset_data} {member.size} {member.name}"
                samples.setdefault(key, []).append(place)
        lines = [" ".join(places) for places in samples.values()]
        path = indexed.root / f"{Path(name).stem}.idx"
        assert path.read_text() == "\n".join([f"v1.2 {len(lines)}", *lines]) + "\n"


def test_wids_reads_every_sample_by_its_number(indexed: ShardSet) -> None:
    """Wids itself opens its index, checks the MD5 sums and gives the bytes of each image."""
    wids = pytest.importorskip("wids", reason="wids is not installed")
    for split in indexed.splits:
        with open(indexed.root / f"wids-{split}.json") as stream:
            dataset = wids.ShardListDataset(
                stream,
                base=f"{indexed.root}/",
                transformations=[],
                keep=True,
                localname=lambda url: url,
            )
        rows = indexed.rows(split)
        assert len(dataset) == len(rows)
        with ImageReader(indexed) as reader:
            for i in range(len(rows)):
                sample = dataset[i]
                (image,) = (sample[k] for k in (".jpg", ".png", ".webp") if k in sample)
                assert image.read() == reader.image(rows, i)


def test_wids_index_has_no_md5_unless_asked(indexed: ShardSet) -> None:
    """The MD5 costs a read of every byte, so it is there on request only."""
    path = indexed.root / "wids-train.json"
    assert all(len(shard["md5sum"]) == 32 for shard in json.loads(path.read_text())["shardlist"])
    export_indexes(indexed, ["wids"], Silent())
    assert not any("md5sum" in shard for shard in json.loads(path.read_text())["shardlist"])


def test_open_clip_sizes_count_the_samples_of_each_shard(indexed: ShardSet) -> None:
    """Name of each tar -> samples in it, as tarfile counts them."""
    sizes = json.loads((indexed.root / "sizes.json").read_text())
    assert set(sizes) == set(indexed.shard_names)
    for name, num in sizes.items():
        with tarfile.open(indexed.root / name) as tar:
            assert num == sum(member.name.endswith(".cls") for member in tar)


def test_timm_info_has_the_fields_that_its_reader_asks_for(indexed: ShardSet) -> None:
    """Split -> name, num_samples, filenames, shard_lengths."""
    info = json.loads((indexed.root / "_info.json").read_text())["splits"]
    assert set(info) == set(indexed.splits)
    for split, record in info.items():
        assert record["num_samples"] == indexed.num_images(split) == sum(record["shard_lengths"])
        assert all((indexed.root / name).is_file() for name in record["filenames"])


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_timm_reads_the_set(indexed: ShardSet) -> None:
    """Timm's own reader gives every image of a split with its class."""
    pytest.importorskip("timm", reason="timm is not installed")
    from timm.data.readers import create_reader

    for split in indexed.splits:
        reader = create_reader("wds/", root=str(indexed.root), split=split, is_training=False)
        classes = sorted(target for _, target in reader)
        assert len(classes) == len(reader) == indexed.num_images(split)
        counts = indexed.label_counts[split]
        assert classes == [c for c, num in enumerate(counts) for _ in range(num)]


def test_a_damaged_shard_gets_no_index(indexed: ShardSet, tmp_path: Path) -> None:
    """A header that is not where the index says is named, and no .idx is written for it."""
    shutil.copytree(indexed.root, tmp_path / "set")
    shards = ShardSet.open(tmp_path / "set")
    path = shards.root / shards.shard_names[0]
    (shards.root / f"{path.stem}.idx").unlink()
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(ShardCorruptError, match="byte 0"):
        export_indexes(shards, ["dali"], Silent())
    assert not (shards.root / f"{path.stem}.idx").exists()
