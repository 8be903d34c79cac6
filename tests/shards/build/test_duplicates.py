"""Duplicates: every pair is found, one of each group stays, and held-out images stay first."""

import csv
import io

import numpy as np
import pytest
from generated_images import encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from granctl.errors import BadOptionError
from granctl.progress import Silent
from granctl.shards.build.duplicates import MOST_BITS, differing_bits, find_duplicates, near_pairs
from granctl.shards.build.hashing import content_hashes
from granctl.shards.build.perceptual import NO_HASH, difference_hash
from granctl.shards.source.resolve import open_source
from granctl.workspace import Workspace

WORDS = st.integers(0, 2**64 - 1)


def clustered(data) -> np.ndarray:
    """Distinct hashes, many of them few bits from another."""
    hashes = set()
    for centre in data.draw(st.lists(WORDS, min_size=1, max_size=6)):
        for _ in range(data.draw(st.integers(1, 6))):
            flips = data.draw(st.lists(st.integers(0, 63), max_size=MOST_BITS + 2))
            hashes.add(centre ^ sum(1 << bit for bit in set(flips)))
    return np.array(sorted(hashes), dtype=np.uint64)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=20))
def test_bits_are_counted(pairs):
    """Python's own count is the oracle."""
    first, second = (np.array([p[i] for p in pairs], dtype=np.uint64) for i in (0, 1))
    assert differing_bits(first, second).tolist() == [(a ^ b).bit_count() for a, b in pairs]


@given(st.data(), st.integers(0, MOST_BITS))
def test_near_pairs_are_all_that_brute_force_finds(data, most):
    """No pair is missed, none is too far, none comes twice."""
    hashes = clustered(data)
    values = hashes.tolist()
    expected = [
        [i, j]
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= most
    ]
    assert near_pairs(hashes, most).tolist() == expected


@settings(max_examples=200)
@given(st.data(), st.integers(0, MOST_BITS))
def test_what_leaves_has_one_that_stays(data, most):
    """It goes before, stays itself, and is equal or near; and those that stay are all different."""
    hashes = clustered(data)
    n = data.draw(st.integers(1, 25))
    chosen = data.draw(st.lists(st.integers(0, len(hashes) - 1), min_size=n, max_size=n))
    near = hashes[chosen]
    near[data.draw(st.integers(0, n - 1))] = NO_HASH
    sums = np.column_stack(
        [near, data.draw(st.sampled_from([near, np.arange(n, dtype=np.uint64)]))]
    )
    split_of = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)), np.int8)
    found = find_duplicates(split_of, sums, near, most)
    left = set(found.images.tolist())
    order = {i: (-split_of[i], i) for i in range(n)}
    for image, kept, bits in zip(
        found.images.tolist(), found.kept.tolist(), found.bits.tolist(), strict=True
    ):
        assert kept not in left
        assert order[kept] < order[image]
        assert min(split_of[kept], split_of[image]) >= 0
        apart = (int(near[kept]) ^ int(near[image])).bit_count()
        assert bits == -1 if (sums[kept] == sums[image]).all() else bits == apart <= most
    stay = [i for i in range(n) if split_of[i] >= 0 and i not in left]
    for a in stay:
        for b in stay:
            if a < b and near[a] and near[b]:
                assert (int(near[a]) ^ int(near[b])).bit_count() > most


def test_held_out_image_stays_and_its_copy_in_train_leaves():
    """What is measured on was not seen in training; without hashes only bytes count."""
    sums = np.array([[7, 7], [7, 7], [7, 7], [0, 0], [0, 0]], dtype=np.uint64)
    found = find_duplicates(np.array([0, 1, 2, 0, 0], np.int8), sums)
    assert found.images.tolist() == [0, 1]
    assert found.kept.tolist() == [2, 2]
    assert found.bits.tolist() == [-1, -1]


def test_millions_of_hashes_are_compared_quickly():
    """300,000 random hashes with 300 planted neighbours: those are found, and nothing else."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**63, 300_000, dtype=np.uint64)
    hashes[:300] = hashes[1000:1300] ^ np.uint64(0b1000000000000000000000000000100001)
    pairs = near_pairs(hashes, 3)
    assert pairs.tolist() == [[i, i + 1000] for i in range(300)]


def photo(seed: int) -> Image.Image:
    """A smooth picture, as photos are at small scale."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((240, 200), Image.Resampling.BICUBIC)


def stored(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    """The image as bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_hash_survives_scaling_and_recompression():
    """Other bytes of the same picture are within a few bits; other pictures are far away."""
    for seed in range(8):
        base = difference_hash(stored(photo(seed), quality=95))
        for again in (
            stored(photo(seed), quality=60),
            stored(photo(seed), "PNG"),
            stored(photo(seed).resize((120, 100)), quality=90),
            stored(photo(seed).filter(ImageFilter.GaussianBlur(1)), "WEBP", quality=80),
        ):
            assert (base ^ difference_hash(again)).bit_count() <= MOST_BITS
        other = difference_hash(stored(photo(seed + 100)))
        assert (base ^ other).bit_count() > 10


def test_hash_of_nothing_is_none():
    """What does not decode, and what is one grey, is like nothing else."""
    grey = Image.new("RGB", (50, 50), (90, 90, 90))
    for content in (b"", b"no image", stored(photo(0))[:200], stored(grey)):
        assert difference_hash(content) == NO_HASH


def place(folder, name, content):
    """Writes a file and the folders above it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_only_images_of_shared_sizes_are_read_and_once(tmp_path, monkeypatch):
    """Hashes are kept in the workspace; a copy of the source needs none again."""
    for i, size in enumerate((5, 5, 9, 5)):
        place(tmp_path / "s/a", f"{i}.png", bytes([i % 3]) * size)
    workspace = Workspace(tmp_path / "w")
    source = open_source(workspace, str(tmp_path / "s"))
    read, real = [], type(source).read
    monkeypatch.setattr(type(source), "read", lambda self, i: read.append(i) or real(self, i))
    chosen = np.ones(4, dtype=bool)
    sums, hashes = content_hashes(workspace, source, chosen, Silent(), near=False)
    assert hashes is None
    assert sorted(read) == [0, 1, 3]
    assert (sums[0] == sums[3]).all()
    assert (sums[0] != sums[1]).all()
    content_hashes(workspace, source, chosen, Silent(), near=False)
    assert len(read) == 3
    _, hashes = content_hashes(workspace, source, chosen, Silent(), near=True)
    assert hashes is not None
    assert len(read) == 7


@pytest.mark.parametrize("what", ["report", "drop"])
def test_build_tells_duplicates_and_drops_them_when_asked(granctl, tmp_path, what):
    """Copies inside train, and of test in train, exact and near; duplicates.csv names them all."""
    source = tmp_path / "s"
    for split, label, name, seed, quality in (
        ("train", "a", "1.jpg", 1, 95),
        ("train", "a", "2.jpg", 1, 95),
        ("train", "b", "3.jpg", 1, 80),
        ("train", "b", "4.jpg", 2, 95),
        ("train", "b", "5.jpg", 3, 95),
        ("test", "b", "6.jpg", 3, 95),
    ):
        place(source, f"{split}/{label}/{name}", stored(photo(seed), quality=quality))
    made = granctl(
        "shards",
        "build",
        "--source",
        source,
        "--duplicates",
        what,
        "--near-duplicates",
        3,
        "--json",
    ).json
    kept = {"train": 2, "test": 1} if what == "drop" else {"train": 5, "test": 1}
    assert made["splits"] == kept
    with open(f"{made['path']}/duplicates.csv") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: row["kept"] for name, row in rows.items()} == {
        "train/a/2.jpg": "train/a/1.jpg",
        "train/b/3.jpg": "train/a/1.jpg",
        "train/b/5.jpg": "test/b/6.jpg",
    }
    assert rows["train/a/2.jpg"]["bits"] == ""
    assert int(rows["train/b/3.jpg"]["bits"]) <= 3
    assert (rows["train/b/5.jpg"]["split"], rows["train/b/5.jpg"]["kept_split"]) == (
        "train",
        "test",
    )


def test_near_duplicates_alone_are_refused(build, tmp_path):
    """The option says how, not what is done with them."""
    place(tmp_path / "s/a", "1.png", encoded(1))
    with pytest.raises(BadOptionError, match="nothing is looked for"):
        build(tmp_path / "s", near_duplicates=2)
    with pytest.raises(BadOptionError, match="9 is not from 0 to 4"):
        build(tmp_path / "s", near_duplicates=9, duplicates="drop")
