"""`granctl data`: names for folders of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    """A name stands for its folder; check counts images a split without decoding."""
    assert granctl("data", "add", "in1k", folder).path == folder
    assert granctl("data", "list").out == f"in1k\t{folder}\n"
    assert granctl("data", "list", "--json").json["names"] == {"in1k": str(folder)}
    found = granctl("data", "check", "in1k", "--json").json
    assert found["splits"] == {"train": 3, "val": 1}
    assert found["labels"] == 2


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
