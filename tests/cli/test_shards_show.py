"""`granctl shards show KEY`: everything about one image, the picture, and the image as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xxhash
from generated_images import encoded, write_source
from label_maps import write_map
from PIL import Image

from granctl.cli.terminal import picture_of
from granctl.shards.thumbnails import pixels_of


@pytest.fixture
def built(granctl, tmp_path) -> Path:
    """24 images of 6 classes, one of them of a WordNet synset, misnamed and progressive."""
    source = write_source(tmp_path / "shapes")
    (source / "train/n00000001").rename(source / "train/n02084071")
    (source / "test/n00000001").rename(source / "test/n02084071")
    path = source / "train/n02084071/b.png"
    (source / "train/n02084071/b.jpg").unlink()
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path, "JPEG", progressive=True)
    return granctl("shards", "build", "-q", "--source", source).path


def key_of(granctl, built: Path, source: str) -> str:
    """The key of the image that came from a file."""
    for i in range(24):
        record = granctl("shards", "show", f"{i:09d}", "-q", "--json").json
        if record["source"] == source:
            return record["key"]
    raise AssertionError(source)


def test_image_is_described_in_full(granctl, built):
    """Where it lies, what it is, under which names; its bytes are those of the index."""
    key = key_of(granctl, built, "train/n02084071/b.png")
    shown = granctl("shards", "show", key, "--json")
    record = shown.json
    assert record["path"] == str(built / "train-000000.tar")
    assert (record["format"], record["width"], record["height"]) == ("jpg", 9, 8)
    assert record["remarks"] == ["progressive", "misnamed"]
    assert (record["label"], record["label_name"]) == ("n02084071", "dog")
    assert (record["class_names"], record["problems"]) == (None, [])
    content = (built / "train-000000.tar").read_bytes()
    image = content[record["offset"] : record["offset"] + record["size"]]
    assert xxhash.xxh3_128_hexdigest(image) == record["checksum"]
    for word in (key, "dog", "progressive, misnamed", "train/n02084071/b.png"):
        assert word in shown.err


def test_classes_have_the_names_of_the_label_map(granctl, tmp_path):
    """Where the map is in the workspace."""
    source = write_source(tmp_path / "s")
    path = write_map(tmp_path / "workspace/label-maps/toy.parquet", [[0, 1], 1, 0, 1, 0, 1])
    from granctl.tree.labelmap import LabelMap

    path.rename(path.with_name(f"toy-{LabelMap.read(path).digest[:12]}.parquet"))
    labels = next(path.parent.glob("*.parquet"))
    granctl("shards", "build", "-q", "--source", source, "--labels", labels)
    names = {
        tuple(granctl("shards", "show", f"{i:09d}", "-q", "--json").json["class_names"])
        for i in range(24)
    }
    assert names == {("class 0", "class 1"), ("class 1",), ("class 0",)}


def test_damage_is_told_and_no_error(granctl, built):
    """One looks at an image because it was named by verify."""
    key = "000000003"
    record = granctl("shards", "show", key, "-q", "--json").json
    tar = Path(record["path"])
    content = bytearray(tar.read_bytes())
    content[record["offset"] + 50] ^= 1
    at = content.index(b'{"classes"', record["offset"])
    content[at] = ord("[")
    tar.write_bytes(content)
    shown = granctl("shards", "show", key)
    assert shown.code == 0
    assert "another checksum" in shown.err
    assert ".json is damaged" in shown.err
    assert granctl("shards", "show", key, "-q", "--json").json["source"] is None


def test_shard_that_is_gone_is_an_error_with_a_mend(granctl, built):
    """Exit 3; verify and repair are named."""
    (built / "train-000000.tar").unlink()
    record = granctl("shards", "show", "000000010")
    assert record.code == 3
    assert "`granctl shards verify`" in record.err


def test_image_is_saved_byte_for_byte(granctl, built, tmp_path):
    """To a file, or into a folder under its key; stdout is its path; again is no fault."""
    key = key_of(granctl, built, "train/n00000003/c.webp")
    content = encoded(4 * 2 + 2, ".webp")
    for place, path in ((tmp_path, tmp_path / f"{key}.webp"), (tmp_path / "x", tmp_path / "x")):
        for _ in range(2):
            saved = granctl("shards", "show", key, "-q", "--save", place)
            assert saved.path == path
            assert path.read_bytes() == content
    (tmp_path / "mine").write_text("mine")
    refused = granctl("shards", "show", key, "-q", "--save", tmp_path / "mine")
    assert refused.code == 2
    assert (tmp_path / "mine").read_text() == "mine"
    alone = granctl("shards", "show", "-q", "--save", tmp_path)
    assert alone.code == 2
    assert "--save: it is for one image" in alone.err


def test_picture_is_drawn_of_half_blocks():
    """Two pixels a character, each in its colour; no character more than the pixels."""
    pixels = np.zeros((4, 3, 3), dtype=np.uint8)
    pixels[0], pixels[1] = (255, 0, 0), (0, 0, 255)
    text = picture_of(pixels)
    assert text.plain == "▀▀▀\n▀▀▀"
    assert str(text.spans[0].style) == "rgb(255,0,0) on rgb(0,0,255)"
    assert len({str(span.style) for span in text.spans}) == 2


def test_picture_fits_and_stands_upright(tmp_path):
    """Within columns and rows, an even number of rows; None for what does not decode."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "x.jpg"
    Image.fromarray(np.zeros((40, 90, 3), np.uint8)).save(path, exif=exif.tobytes())
    pixels = pixels_of(path.read_bytes(), (60, 30))
    assert pixels is not None
    assert pixels.shape[0] == 30
    assert pixels.shape[1] < 20
    odd = pixels_of(encoded(1, ".png", 7), (60, 40))
    assert odd is not None
    assert odd.shape == (8, 11, 3)
    assert pixels_of(b"no image", (10, 10)) is None
