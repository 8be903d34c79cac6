"""Building a shard set: what is in it, that it is the same each time, and bad images."""

import csv
import json
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xxhash
from generated_images import LABELS, encoded, write_source
from told import Told, all_bytes

from granctl.errors import (
    BadImagesError,
    LabelsNotInMapError,
    NoImagesError,
    OutputNotWritableError,
    ShardCorruptError,
)
from granctl.progress import Silent
from granctl.shards.build.audit import audit
from granctl.shards.build.write import BuildSpec, ClassLookup, build_shards
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.workspace import Workspace

PLAIN_READER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import webdataset
for sample in webdataset.WebDataset(sorted(sys.argv[1:]), shardshuffle=False):
    members = {k: v.decode("latin-1") for k, v in sample.items() if not k.startswith("__")}
    print(json.dumps({"key": sample["__key__"], "tar": sample["__url__"], "members": members}))
assert "granctl" not in sys.modules
"""


def as_sample(key: str, members: dict[str, bytes]) -> dict:
    """One sample as a flat record; it has one image, one .cls and one .json."""
    (extension,) = set(members) - {"cls", "json"}
    record = json.loads(members["json"]) | {"key": key, "cls": int(members["cls"])}
    return record | {"extension": extension, "image": members[extension]}


def read_tars(shards: ShardSet, split: str) -> list[dict]:
    """The samples of a split, read by tarfile."""
    samples: dict[str, dict[str, bytes]] = {}
    for name in shards.shard_names:
        with tarfile.open(shards.root / name) as tar:
            for member in tar.getmembers() if name.startswith(f"{split}-") else []:
                key, _, extension = member.name.partition(".")
                samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
    return [as_sample(key, members) for key, members in samples.items()]


def bomb(side: int) -> bytes:
    """A PNG of `side` x `side` pixels in a few bytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(side))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


BAD = {
    "train/n00000001/empty.jpg": (b"", "the file is empty"),
    "train/n00000002/text.jpg": (b"hello", "not a JPEG, PNG or WebP image"),
    "train/n00000003/cut.png": (encoded(1)[:200], "it ends inside its chunk IDAT"),
    "test/n00000004/bomb.png": (bomb(30_000), "30000 x 30000 pixels, more than 100,000,000"),
    "test/n00000004/large.png": (bomb(11_000), "11000 x 11000 pixels, more than 100,000,000"),
    "test/n00000005/half.jpg": (encoded(2, ".jpg", 64)[:-900], "it has no end marker"),
}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The 24 images and six bad ones."""
    root = write_source(tmp_path / "damaged")
    for name, (content, _) in BAD.items():
        (root / name).write_bytes(content)
    return root


def test_plain_webdataset_reads_every_image_byte_for_byte(shards, source_folder):
    """A consumer that knows nothing of granctl gets the bytes of the source and one class."""
    command = [sys.executable, "-c", PLAIN_READER, *map(str, shards.root.glob("*.tar"))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    read = [json.loads(line) for line in done.stdout.splitlines()]
    for split, num in (("train", 18), ("test", 6)):
        ours = [r for r in read if Path(r["tar"]).name.startswith(f"{split}-")]
        assert [r["key"] for r in ours] == shards.keys(split).tolist()
        assert len(ours) == num
        for found in ours:
            members = {k: v.encode("latin-1") for k, v in found["members"].items()}
            sample = as_sample(found["key"], members)
            path = source_folder / sample["source"]
            assert path.is_relative_to(source_folder / split)
            assert sample["image"] == path.read_bytes()
            assert sample["label"] == path.parent.name
            assert sample["cls"] == LABELS.index(sample["label"])
            assert sample["classes"] == [sample["cls"]]
            assert f".{sample['extension']}" == path.suffix


def test_index_leads_to_every_image(shards, source_folder):
    """Offset, size, label and checksum of each row are those of one source image."""
    with ImageReader(shards) as reader:
        for split in shards.splits:
            rows, checksums = shards.rows(split), shards.checksums(split)
            found = [reader.image(rows, i) for i in range(len(rows))]
            sources = {p.read_bytes(): p.parent.name for p in source_folder.glob(f"{split}/*/*")}
            assert sorted(found) == sorted(sources)
            assert [shards.labels[i] for i in rows.label] == [sources[image] for image in found]
            assert [xxhash.xxh3_128_hexdigest(image).encode() for image in found] == (
                checksums.tolist()
            )
            assert np.bincount(rows.label).tolist() == list(shards.label_counts[split])


def test_index_holds_the_sizes_of_the_images(shards):
    """Width and height of the generated images are 16 and 12."""
    table = pq.read_table(shards.root / "index.parquet")
    assert set(table["width"].to_pylist()) == {16}
    assert set(table["height"].to_pylist()) == {12}
    assert len(set(table["key"].to_pylist())) == 24


def test_same_build_twice_gives_the_same_bytes(source_folder, shards, tmp_path):
    """Every file of the folder, in another workspace, is equal; another seed gives other shards."""
    spec = BuildSpec(source=str(source_folder), shard_images=6)
    again = build_shards(Workspace(tmp_path), spec, None, Silent())
    assert again.made
    assert all_bytes(again.path) == all_bytes(shards.root)
    assert not build_shards(Workspace(tmp_path), spec, None, Silent()).made
    other = BuildSpec(source=str(source_folder), shard_images=6, seed=1)
    differs = ShardSet.open(build_shards(Workspace(tmp_path), other, None, Silent()).path)
    assert differs.digest != shards.digest
    assert differs.keys("train").tolist() != shards.keys("train").tolist()


def test_source_with_one_split_holds_out_val(build, tmp_path):
    """A tenth of each label, at least one, is `val`, never `test`; it is said."""
    told = Told()
    shards = build(write_source(tmp_path / "s", splits=False), told)
    assert shards.splits == ("train", "val")
    assert shards.held_out == "val"
    assert shards.label_counts == {"train": (3,) * 6, "val": (1,) * 6}
    assert any("6 of 24 are held out as val (0.1 of each label, seed 0)" in n for n in told.notes)


def test_nothing_is_held_out_where_that_was_asked(build, tmp_path):
    """--holdout-frac 0 keeps one split."""
    shards = build(write_source(tmp_path / "s", splits=False), holdout_frac=0.0)
    assert shards.splits == ("train",)


def test_classes_of_a_label_map_are_written(build, source_folder):
    """.cls is the first class, .json lists all; labels that the cut drops are left out, said."""
    class_of = {label: (i, 9) for i, label in enumerate(LABELS[::-1])} | {LABELS[0]: ()}
    lookup = ClassLookup(digest="d", class_of=class_of, num_classes=10, list_name="toy")
    told = Told()
    shards = build(source_folder, told, classes=lookup)
    samples = read_tars(shards, "train")
    assert {(s["label"], s["cls"], *s["classes"]) for s in samples} == {
        (label, class_of[label][0], *class_of[label]) for label in LABELS[1:]
    }
    assert shards.labels == LABELS[1:]
    assert "left out: 4 images of 1 labels that the cut drops" in told.notes


def test_label_that_the_map_lacks_stops_before_anything_is_written(build, source_folder, tmp_path):
    """Which labels, how many images, which list."""
    known = dict.fromkeys(LABELS[2:], (0,))
    lookup = ClassLookup(digest="d", class_of=known, num_classes=1, list_name="toy")
    with pytest.raises(LabelsNotInMapError) as caught:
        build(source_folder, classes=lookup)
    assert "2 labels of" in caught.value.message
    assert "(8 images)" in caught.value.message
    assert "list toy: n00000001, n00000002" in caught.value.message
    assert not (tmp_path / "own").exists()


def test_bad_images_stop_the_build_and_all_are_named(build, damaged):
    """By default nothing is left out silently: every bad image is in bad.csv with its reason."""
    with pytest.raises(BadImagesError, match="6 bad images") as caught:
        build(damaged)
    listed = Path(caught.value.message.split("named in ")[1].split(":")[0])
    with listed.open() as file:
        problems = {row["name"]: row["problem"] for row in csv.DictReader(file)}
    assert sorted(problems) == sorted(BAD)
    for name, (_, reason) in BAD.items():
        assert reason in problems[name]
    assert not (listed.parent / "manifest.json").exists()


def test_bad_images_are_left_out_where_that_was_asked(build, damaged):
    """The same build goes on with skip; asked to fail again, it does, though it is whole."""
    with pytest.raises(BadImagesError):
        build(damaged)
    told = Told()
    shards = build(damaged, told, on_bad_image="skip")
    assert shards.manifest["bad_images"] == 6
    assert sum(shards.num_images(split) for split in shards.splits) == 24
    assert any("left out: 6 bad images" in note for note in told.notes)
    assert len(read_tars(shards, "train")) == 18
    with pytest.raises(BadImagesError, match="6 bad images"):
        build(damaged)


def test_source_of_bad_images_only_is_refused(build, tmp_path):
    """Leaving all of them out would leave nothing."""
    path = tmp_path / "s/a/1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no image")
    with pytest.raises(NoImagesError):
        build(tmp_path / "s", on_bad_image="skip")


def test_extension_follows_the_content(build, tmp_path):
    """A PNG named .JPEG, as in ImageNet, is stored as .png."""
    path = tmp_path / "s/train/a/1.JPEG"
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded(0, ".png"))
    shards = build(tmp_path / "s", holdout_frac=0.0)
    assert read_tars(shards, "train")[0]["extension"] == "png"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_audit_never_raises_on_damaged_bytes(suffix):
    """Any cut and many flipped bytes give a verdict, not an exception."""
    whole = encoded(3, suffix)
    rng = np.random.default_rng(0)
    assert audit(whole).problem == ""
    for end in range(0, len(whole), 7):
        assert isinstance(audit(whole[:end]).problem, str)
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        assert isinstance(audit(bytes(flipped)).problem, str)


def test_truncated_shard_is_noticed_at_reading(build, source_folder):
    """A shard that lost its end, or is gone, is an error of the data, not half an epoch."""
    shards = build(source_folder)
    rows = shards.rows("train")
    tar = shards.root / "train-000000.tar"
    content = tar.read_bytes()
    for damage, problem in ((content[:-512], "bytes, not"), (b"", "empty")):
        tar.write_bytes(damage)
        with ImageReader(shards) as reader, pytest.raises(ShardCorruptError, match=problem):
            reader.image(rows, 0)
    tar.unlink()
    with ImageReader(shards) as reader, pytest.raises(ShardCorruptError, match="missing"):
        reader.image(rows, 0)


def test_plan_that_does_not_fit_the_disk_is_refused_first(build, source_folder, monkeypatch):
    """How much is needed and how much is free; no shard is begun."""
    free = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(OutputNotWritableError, match="MB are needed and 0 MB are free"):
        build(source_folder)
