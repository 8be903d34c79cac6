"""A small ImageNet-1k, in both layouts, through `data add`, `data check` and `transfer`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_imagenet as fake
import pytest
from shapes import TINY_RECIPE

Granctl = Callable[..., Any]
TRAIN, VAL = 3, 2
LAYOUTS = {"folders": fake.write_folders, "tars": fake.write_tars}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A tiny one."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_RECIPE)
    return path


def _scored(
    granctl: Granctl, tmp_path: Path, recipe: Path, wnids: tuple[str, ...], layout: str, steps: int
) -> dict[str, Any]:
    """Adds and checks all three sets, and transfers from scratch to the first."""
    space = tmp_path / f"workspace-{layout}"
    fake.write_facts(space, wnids, TRAIN, VAL)
    places = {
        "in1k": LAYOUTS[layout](tmp_path / layout, wnids, TRAIN, VAL),
        "in1k-v2": fake.write_v2(tmp_path / f"{layout}-v2", wnids),
        "in1k-real": fake.write_real(tmp_path / f"{layout}-real", wnids, VAL),
    }
    for name, place in places.items():
        done = granctl("data", "add", name, place, "--workspace", space)
        assert done.path == place
        found = granctl("data", "check", name, "--workspace", space, "--json").json
        assert found["whole"], found
    options = ("--method", "scratch", "--recipe", recipe, "--target", "in1k", "--steps", steps)
    further = ("--score-on", "in1k-v2", "--score-on", "in1k-real")
    found = granctl("transfer", *options, *further, "--workspace", space, "--json").json
    assert found["num_classes"] == len(wnids)
    assert found["n"] == len(wnids) * VAL
    assert found["also"]["in1k-v2"]["n"] == len(wnids) * fake.V2_PER_CLASS
    real = fake.real_lists(wnids, VAL)
    assert found["also"]["in1k-real"]["n"] == sum(map(bool, real))
    assert found["also"]["in1k-real"]["left_out"] == len(real) - sum(map(bool, real))
    return found


def _same(first: dict[str, Any], second: dict[str, Any]) -> None:
    for field in ("top1", "mean_per_class", "n", "correct", "train_loss", "num_classes", "split"):
        assert first[field] == second[field], field
    for name in ("in1k-v2", "in1k-real"):
        for field in ("top1", "n", "correct", "left_out"):
            assert first["also"][name][field] == second["also"][name][field], (name, field)


def test_both_layouts_give_equal_results(granctl: Granctl, tmp_path: Path, recipe: Path) -> None:
    """Twenty classes, by folders and by tars with the development kit."""
    wnids = fake.some_wnids(20)
    found = [_scored(granctl, tmp_path, recipe, wnids, layout, 80) for layout in LAYOUTS]
    _same(*found)
    assert found[0]["top1"] > 2 / 20  # colours are easy to learn, and chance is 1 / 20
    assert found[0]["also"]["in1k-v2"]["top1"] > 2 / 20


def test_a_target_that_lost_a_class_is_refused(
    granctl: Granctl, tmp_path: Path, recipe: Path, workspace_folder: Path
) -> None:
    """Whole when it was added: nothing is built or trained of a half; the mend for none."""
    wnids = fake.some_wnids(4)
    fake.write_facts(workspace_folder, wnids, TRAIN, VAL)
    asked = ("transfer", "--method", "scratch", "--recipe", recipe, "--target", "in1k")
    done = granctl(*asked)
    assert (done.code, "granctl data add in1k FOLDER" in done.err) == (2, True)
    root = fake.write_folders(tmp_path / "in1k", wnids, TRAIN, VAL)
    granctl("data", "add", "in1k", root)
    shutil.rmtree(root / "train" / wnids[2])
    done = granctl(*asked)
    assert done.code == 3
    assert f"1 class has fewer than {TRAIN} images in train: {wnids[2]} (0)" in done.err
    shutil.rmtree(root / "val" / wnids[2])
    done = granctl(*asked)
    assert (done.code, f"missing are 1 of 4 classes: {wnids[2]}" in done.err) == (3, True)
    assert not list(workspace_folder.glob("shards/*")) + list(workspace_folder.glob("results/*"))


@pytest.mark.slow
def test_a_thousand_classes_in_both_layouts(granctl: Granctl, tmp_path: Path, recipe: Path) -> None:
    """All labels of the official list."""
    wnids = fake.some_wnids(1000)
    found = [_scored(granctl, tmp_path, recipe, wnids, layout, 12) for layout in LAYOUTS]
    _same(*found)


def test_a_run_on_a_larger_set_is_judged_without_what_it_saw(
    granctl: Granctl, tmp_path: Path, recipe: Path, workspace_folder: Path
) -> None:
    """As 21k to 1k: other images, no teddy, and some held-out images of the target among them."""
    wnids = fake.some_wnids(12)
    fake.write_facts(workspace_folder, wnids, TRAIN, VAL)
    granctl("data", "add", "in1k", fake.write_tars(tmp_path / "in1k", wnids, TRAIN, VAL))
    granctl("data", "add", "in1k-v2", fake.write_v2(tmp_path / "v2", wnids))
    granctl("data", "add", "in1k-real", fake.write_real(tmp_path / "real", wnids, VAL))
    larger = tmp_path / "larger"
    known = (*(w for w in wnids if w != fake.TEDDY), fake.PLAYTHING)
    for i, wnid in enumerate(known):
        for j in range(3):
            fake.write(larger / "train" / wnid / f"{j}.jpg", fake.jpeg(i, j, 5))
    held_out = sorted(fake.val_images(wnids, VAL).items())
    for at in (0, 3, 4):  # entry 4 of real.json is empty
        fake.write(larger / "train" / known[at] / f"again{at}.jpg", held_out[at][1][1])
    again = fake.jpeg(2, 1, 2)  # an image of ImageNetV2
    fake.write(larger / "train" / known[1] / "v2.jpg", again)
    (tmp_path / "labels.txt").write_text("\n".join(known))
    cut = granctl("tree", "cut", "--list", tmp_path / "labels.txt", "--depth", 16).path
    shards = granctl("shards", "build", "--source", larger, "--holdout-frac", 0).path
    run = granctl("pretrain", "--shards", shards, "--labels", cut, "--recipe", recipe).path
    options = ("--run", run, "--target", "imagenet", "--method", "linear", "--json")
    further = ("--score-on", "in1k-v2", "--score-on", "in1k-real")
    done = granctl("transfer", *options, *further)
    found = done.json
    assert found["leaked"] == {"images": 3, "by": "checksum", "kept": False}
    assert found["n"] == len(wnids) * VAL - 3
    assert found["also"]["in1k-v2"]["leaked"]["images"] == 1
    assert found["also"]["in1k-v2"]["n"] == len(wnids) * fake.V2_PER_CLASS - 1
    assert found["also"]["in1k-real"]["leaked"]["images"] == 2
    assert "warning: 3 of 24 images" in done.err
    covered = found["source_map"]
    assert (covered["same"], covered["ancestor"], covered["num_not_same"]) == (11, 1, 1)
    assert covered["not_same"][0]["by"] == fake.PLAYTHING
    kept = granctl("transfer", *options, *further, "--leaks", "keep").json
    assert (kept["n"], kept["leaked"]["images"]) == (len(wnids) * VAL, 3)
    reproduced = granctl("reproduce", found["path"], "--from", "transfer", "--json")
    assert reproduced.json["same_inputs"]
