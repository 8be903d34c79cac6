"""`granctl data`: names for folders of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_imagenet as fake
import pytest
from PIL import Image

Granctl = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of two images in train, one of them with an image in val."""
    for name in ("train/n02084071/a", "train/n02084071/b", "train/n02121620/c", "val/n02084071/d"):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), len(name)).save(path)
    return tmp_path / "data"


def test_name_is_added_listed_and_checked(granctl: Granctl, folder: Path) -> None:
    """A name of one's own stands for its folder; it has no official counts: only counted."""
    assert granctl("data", "add", "pets", folder).path == folder
    assert granctl("data", "list").out == f"pets\t{folder}\n"
    found = granctl("data", "list", "--json").json
    assert found["names"] == {"pets": str(folder)}
    one = found["sets"]["pets"]
    assert (one["known"], one["form"], one["labels"], one["there"]) == (None, "source", 2, True)
    assert one["splits"] == {"train": 3, "val": 1}
    found = granctl("data", "check", "pets", "--json").json
    assert found["splits"] == {"train": 3, "val": 1}
    assert found["labels"] == 2
    assert (found["known"], found["whole"], found["faults"]) == (None, True, [])
    assert found["decoded"] == {"sample": 100, "seed": 0, "images": 4, "broken": []}


def test_half_a_data_set_is_refused_with_what_is_missing(granctl: Granctl, tmp_path: Path) -> None:
    """A known name means the whole of it: nothing is registered, and a part has another name."""
    root = fake.write_folders(tmp_path / "half", fake.some_wnids(20), 2, 1)
    outcome = granctl("data", "add", "ImageNet-1k", root)
    assert outcome.code == 3
    assert "is not the whole of in1k (2012)" in outcome.err
    assert "missing are 980 of 1,000 classes" in outcome.err
    assert "train has 40 images, not 1,281,167: 1,281,127 missing" in outcome.err
    assert "val has 20 images, not 50,000: 49,980 missing" in outcome.err
    assert "20 classes have fewer than 732 images in train: n01440764 (2)" in outcome.err
    assert "granctl data add in1k-part FOLDER" in outcome.err
    assert granctl("data", "list", "--json").json["names"] == {}
    assert granctl("data", "add", "in1k-part", root).code == 0


def test_a_data_set_that_lost_images_is_not_whole(
    granctl: Granctl, tmp_path: Path, workspace_folder: Path
) -> None:
    """Whole when it was added: a class and an image are gone, another class came; code 3."""
    wnids = fake.some_wnids(5)
    fake.write_facts(workspace_folder, wnids, 3, 2)
    root = fake.write_folders(tmp_path / "in1k", wnids, 3, 2)
    assert granctl("data", "add", "imagenet", root).code == 0
    assert granctl("data", "check", "imagenet", "--json").json["release"] == "small"
    (root / "train" / wnids[0]).rename(root / "train" / "n99999999")
    next((root / "val" / wnids[1]).iterdir()).unlink()
    outcome = granctl("data", "check", "in1k", "--json")
    assert outcome.code == 3
    found = json.loads(outcome.out)
    assert not found["whole"]
    assert found["faults"] == [
        "it has 1 that are none of them: n99999999",
        "val has 9 images, not 10: 1 missing",
        f"1 class has fewer than 3 images in train: {wnids[0]} (0)",
        f"2 classes have fewer than 2 images in val: {wnids[1]} (1), n99999999 (0)",
    ]
    assert "granctl data add in1k-part FOLDER" in outcome.err


def test_broken_images_are_named(granctl: Granctl, folder: Path) -> None:
    """Every image is decoded with `all`; a sample follows from the seed."""
    broken = folder / "train/n02084071/b.png"
    broken.write_bytes(broken.read_bytes()[:-20])
    granctl("data", "add", "pets", folder)
    outcome = granctl("data", "check", "pets", "--sample", "all", "--json")
    assert outcome.code == 3
    (bad,) = json.loads(outcome.out)["decoded"]["broken"]
    assert bad["name"] == "train/n02084071/b.png"
    assert "fetch these images again" in outcome.err
    codes = [
        granctl("data", "check", "pets", "--sample", 1, "--seed", i).code for i in range(8, 20)
    ]
    assert set(codes) == {0, 3}
    assert granctl("data", "check", "pets", "--sample", 0).code == 0
    outcome = granctl("data", "check", "pets", "--sample", "some")
    assert (outcome.code, "--sample" in outcome.err) == (2, True)


def test_real_json_is_added_for_what_it_is(granctl: Granctl, tmp_path: Path) -> None:
    """A list of 50,000 lists of numbers up to 999."""
    path = tmp_path / "real.json"
    for lists, word in (
        ([[0]] * 49_999, "it is about 49,999 images, not 50,000"),
        ([[1000]], "numbers from 0 to 999"),
        ({}, "no list of lists"),
    ):
        path.write_text(json.dumps(lists))
        outcome = granctl("data", "add", "in1k-real", path)
        assert (outcome.code, word in outcome.err) == (3, True), outcome.err
    path.write_text(json.dumps([[], *[[7, 999]] * 49_999]))
    assert granctl("data", "add", "in1k-real", tmp_path).path == tmp_path
    found = granctl("data", "check", "imagenet-real", "--json").json
    assert (found["form"], found["images"], found["labels"], found["others"]) == (
        "labels",
        50_000,
        2,
        1,
    )


def test_a_shard_set_is_counted_by_its_manifest(
    granctl: Granctl, tmp_path: Path, workspace_folder: Path
) -> None:
    """A whole one is in1k as well as the folders that it was built of."""
    wnids = fake.some_wnids(4)
    fake.write_facts(workspace_folder, wnids, 2, 2)
    root = fake.write_folders(tmp_path / "in1k", wnids, 2, 2)
    shards = granctl("shards", "build", "--source", root).path
    granctl("data", "add", "in1k", shards)
    found = granctl("data", "check", "in1k", "--json").json
    assert (found["form"], found["whole"], found["decoded"]["images"]) == ("shards", True, 16)


def test_name_that_is_not_there_says_the_mend(granctl: Granctl, folder: Path) -> None:
    """Nobody registered it: say where it lies."""
    outcome = granctl("data", "check", "in1k")
    assert outcome.code == 2
    assert "'in1k'" in outcome.err
    assert "granctl data add in1k FOLDER" in outcome.err


def test_folder_that_is_not_there_is_refused(granctl: Granctl, tmp_path: Path) -> None:
    """A typo is found when it is made, not a day later."""
    outcome = granctl("data", "add", "in1k", tmp_path / "nowhere")
    assert outcome.code == 2
    assert "not found" in outcome.err
    assert granctl("data", "list").out == "\n"
