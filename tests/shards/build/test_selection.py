"""What a build takes of a source: kinds, budgets and bad members go the whole way to the shards."""

import csv
import json
import tarfile

import numpy as np
import pytest
from generated_images import LABELS, encoded, write_source
from tars import special, tar_bytes

from granctl.errors import BadImagesError, BadOptionError
from granctl.shards.read import ImageReader


def image_set(shards, split="train"):
    """Label and bytes of every image of a split."""
    rows = shards.rows(split)
    with ImageReader(shards) as reader:
        return {(shards.labels[rows.label[i]], reader.image(rows, i)) for i in range(len(rows))}


def test_tar_of_tars_gives_the_shards_of_the_folder_of_tars(build, tmp_path):
    """Byte for byte, manifest and all, though one is not unpacked."""
    tars = {
        f"{label}.tar": tar_bytes(
            {f"{label}_{j}.jpg": encoded(4 * i + j, ".jpg") for j in range(4)}
        )
        for i, label in enumerate(LABELS)
    }
    (tmp_path / "folder").mkdir()
    for name, content in tars.items():
        (tmp_path / "folder" / name).write_bytes(content)
    (tmp_path / "whole.tar").write_bytes(tar_bytes(dict(reversed(tars.items()))))
    one = build(tmp_path / "folder", order="stratified", holdout_frac=0.25)
    files = {p.name: p.read_bytes() for p in sorted(one.root.glob("*.tar"))}
    again = build(tmp_path / "whole.tar", order="stratified", holdout_frac=0.25)
    assert again.digest == one.digest
    assert {p.name: p.read_bytes() for p in sorted(again.root.glob("*.tar"))} == files
    assert len(image_set(one)) == 18


def test_members_that_are_never_read_are_in_bad_csv(build, tmp_path):
    """They stop the build as bad images do, and may be left out as these."""
    link = special("evil.jpg", tarfile.SYMTYPE, "/etc/passwd")
    good = {f"{i}.jpg": encoded(i, ".jpg") for i in range(3)}
    (tmp_path / "s").mkdir()
    (tmp_path / "s/a.tar").write_bytes(tar_bytes(good | {"../x.jpg": b"x"}, 0, link))
    with pytest.raises(BadImagesError, match="2 bad images"):
        build(tmp_path / "s")
    shards = build(tmp_path / "s", on_bad_image="skip")
    with (shards.root / "bad.csv").open() as file:
        named = {row["name"] for row in csv.DictReader(file)}
    assert named == {"a.tar/../x.jpg", "a.tar/evil.jpg"}
    assert shards.manifest["bad_images"] == 2
    assert shards.num_images("train") + shards.num_images("val") == 3


def test_budget_of_images_is_met_and_nests(build, tmp_path):
    """Exactly so many to train, all to test on; less is a part of more."""
    source = write_source(tmp_path / "s")
    few, more = (build(source, images=n) for n in (7, 12))
    assert (few.num_images("train"), few.num_images("test")) == (7, 6)
    assert image_set(few) < image_set(more) < image_set(build(source))
    assert few.digest != more.digest
    with pytest.raises(BadOptionError, match="there are 18 training images"):
        build(source, images=19)
    with pytest.raises(BadOptionError, match="0 is below 1"):
        build(source, per_class=0)


def test_equal_share_gives_labels_equally_many(build, tmp_path):
    """Of 3, 3, 3 and 9 images, 12 are 3 each; in proportion they are 2, 2, 2 and 6."""
    for i, label in enumerate("aaabbbcccddddddddd"):
        path = tmp_path / f"s/train/{label}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(i))
    counts = {
        share: build(tmp_path / "s", images=12, share=share, holdout_frac=0).label_counts["train"]
        for share in ("equal", "proportional")
    }
    assert counts == {"equal": (3, 3, 3, 3), "proportional": (2, 2, 2, 6)}


def test_per_class_counts_classes_of_the_label_map(granctl, tmp_path):
    """Without a map the classes are the labels."""
    source = write_source(tmp_path / "s")
    made = granctl("shards", "build", "--source", source, "--per-class", 2, "--json").json
    assert made["splits"] == {"train": 12, "test": 6}
    manifest = json.loads((tmp_path / made["path"] / "manifest.json").read_text())
    assert manifest["splits"]["train"]["label_counts"] == [2] * 6


@pytest.mark.parametrize("order", ["blocks", "stratified", "balanced", "source"])
def test_orders_hold_the_same_images(granctl, tmp_path, order):
    """The command takes each of them."""
    source = write_source(tmp_path / "s")
    kind = ("--source-kind", "folders")
    made = granctl("shards", "build", "--source", source, "--order", order, *kind, "--json").json
    assert made["splits"] == {"train": 18, "test": 6}
    assert np.isclose(made["images"], 24)
