"""`granctl probe` and `--init`, as people run them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from shapes import LABELS, TINY_RECIPE, build_shapes, label_map

from granctl.progress import Silent
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.train.asked import PretrainSpec
from granctl.train.pretrain import pretrain
from granctl.train.recipe import load_recipe
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


@pytest.fixture(scope="module")
def shapes_folder(tmp_path_factory) -> Path:
    """12 training and 5 test images of each of four labels."""
    return build_shapes(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A folder of this module."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def maps(kept) -> tuple[Path, Path]:
    """Every label a class; the first two and the last two together."""
    label_map([[0], [1], [2], [3]], LABELS).write(kept / "leaf.parquet")
    label_map([[0], [0], [1], [1]], ("one", "other")).write(kept / "pairs.parquet")
    return kept / "leaf.parquet", kept / "pairs.parquet"


@pytest.fixture(scope="module")
def runs(kept, shapes_folder, maps) -> tuple[Path, Path]:
    """Trained on the four classes, and on two."""
    (kept / "tiny.toml").write_text(TINY_RECIPE)
    recipe = load_recipe(str(kept / "tiny.toml"), {"epochs": 8})
    return tuple(
        pretrain(
            Workspace(kept / "workspace"),
            PretrainSpec(shards=shapes_folder, labels=labels, recipe=recipe),
            None,
            Silent(),
        ).path
        for labels in maps
    )


@pytest.fixture
def weights(tmp_path) -> str:
    """`timm:NAME=FILE` of a model of 0.4 million weights."""
    torch.manual_seed(0)
    state = timm.create_model("test_vit.r160_in1k", pretrained=False).state_dict()
    torch.save(state, tmp_path / "vit.pth")
    return f"timm:test_vit={tmp_path / 'vit.pth'}"


def test_probe_of_a_coarse_and_a_fine_run(granctl, runs, maps, shapes_folder, weights, tmp_path):
    """One object, a table, an artefact that is found again; networks on the same images."""
    leaf, pairs = maps
    asked = ("probe", "--run", runs[1], "--with", runs[0], "--with", weights, "--coarse", pairs)
    asked = (*asked, "--shards", shapes_folder)
    done = granctl(*asked, "--json")
    found = done.json
    assert (found["kind"], found["made"], found["split"], found["images"]) == (
        "probe",
        True,
        "test",
        20,
    )
    assert (found["fine_classes"], found["coarse_classes"], found["nested"]) == (4, 2, True)
    assert found["train_images"] == 48
    assert json.loads(Path(found["path"]).read_text()) == found
    assert "20 test images; fine: leaf, coarse: " in done.err
    coarse, fine, public = found["networks"]
    assert (coarse["dimensions"], fine["dimensions"], public["dimensions"]) == (8, 8, 64)
    assert (coarse["cka"], public["name"]) == (None, "timm:test_vit.r160_in1k")
    assert 0 < fine["cka"] < 1
    assert fine["separation"]["fine"] > coarse["separation"]["fine"]
    assert coarse["separation"]["coarse"] > fine["separation"]["coarse"]
    for network in found["networks"]:
        assert 1 <= network["effective_rank"] <= network["dimensions"]
        linear = network["linear"]
        assert (linear["uniform"], linear["commonest"], linear["num_inside"]) == (0.5, 0.5, 20)
        assert linear["fine"] <= linear["inside"] <= 1
    again = granctl(*asked, "--json")
    assert again.json == {**found, "made": False}
    named = granctl(*asked, "--labels", leaf, "--out", tmp_path / "named.json", "--json").json
    assert named["networks"] == found["networks"], "a map of the leaves is the default"
    alike = granctl(
        "probe", "--run", runs[1], "--with", runs[1], "--shards", shapes_folder, "--json"
    )
    assert alike.json["networks"][1]["cka"] == pytest.approx(1)
    assert alike.json["networks"][0]["linear"]["inside"] is None
    assert "coarse" not in alike.json["networks"][0]["separation"]


def test_maps_that_do_not_nest_are_said_and_scored(granctl, runs, maps, shapes_folder, tmp_path):
    """Classes of single images, across the labels: each image counts under its own pair."""
    shards = ShardSet.open(shapes_folder)
    ids = [c.decode() for split in shards.splits for c in shards.checksums(split)]
    ids = tuple(dict.fromkeys(ids))
    across = LabelMap.from_single(
        ids,
        np.arange(len(ids)) % 2,
        class_ids=("even", "odd"),
        class_names=("even", "odd"),
        method="kmeans",
        params={"classes": 2},
        keyed_by="image",
    )
    across.write(tmp_path / "across.parquet")
    asked = ("probe", "--run", runs[0], "--shards", shapes_folder, "--json")
    done = granctl(*asked, "--coarse", tmp_path / "across.parquet")
    assert done.json["nested"] is False
    assert "do not lie each in one of" in done.err
    assert done.json["networks"][0]["linear"]["uniform"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--init", "timm:test_vit", "--run", "x"), 2, "in place of --run"),
        (("--init", "resnet50"), 2, "not timm:NAME"),
        (("--with", "timm:test_vitt"), 2, "did you mean timm:test_vit"),
        (("--with", "no-such-run"), 2, "run not found: no-such-run"),
        (("--per-class", 0), 2, "--per-class: 0 is below 1"),
        (("--out", "{mine}"), 2, "holds something"),
        (("--labels", "{one}"), 2, "two or more are to be told apart"),
    ],
)
def test_what_cannot_be_probed(granctl, runs, shapes_folder, tmp_path, options, code, words):
    """One sentence and the mend; nothing is written over."""
    (tmp_path / "mine").write_text("mine")
    label_map([[0], [0], [0], [0]], ("all",)).write(tmp_path / "one.parquet")
    places = {"mine": tmp_path / "mine", "one": tmp_path / "one.parquet"}
    given = [str(o).format(**places) for o in options]
    run = () if "--init" in given else ("--run", runs[0])
    done = granctl("probe", *run, "--shards", shapes_folder, *given)
    assert done.code == code
    assert words in done.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_public_weights_from_embed_to_report(granctl, shapes_folder, runs, weights, kept):
    """Embedded, transferred, reproduced; in the report they are a line, not a point of a curve."""
    embedded = granctl(
        "embed", "--init", weights, "--shards", shapes_folder, "--split", "all", "--json"
    ).json
    assert (embedded["images"], embedded["dimensions"]) == (68, 64)
    assert 0 <= embedded["waiting"] <= 1
    assert granctl("data", "add", "shapes", shapes_folder).code == 0
    asked = ("--target", "shapes", "--method", "linear", "--steps", 30)
    recipe = ("--recipe", kept / "tiny.toml")
    public = granctl("transfer", "--init", weights, *recipe, *asked, "--json").json
    assert public["source"]["run_digest"] == embedded["run_digest"]
    for run in runs:
        assert granctl("transfer", "--run", run, *asked).code == 0
    page = granctl("report", "--json").json
    folder = Path(page["path"])
    html, rows = Path(page["page"]).read_text(), (folder / "table.csv").read_text().splitlines()
    (row,) = [row for row in rows if "timm:" in row]
    assert ",public," in row
    assert "the public weights" in html or "timm:test_vit" in html
    assert len(rows) == 4
    again = granctl("reproduce", public["path"], "--json")
    assert (again.json["same"], again.json["same_inputs"]) == (True, True)
    both = granctl("transfer", "--init", weights, "--run", runs[0], *asked)
    assert (both.code, "in place of --run" in both.err) == (2, True)
    other = granctl("transfer", "--init", weights, "--set", "model.name=resnet18", *asked)
    assert (other.code, "no value of --method linear" in other.err) == (2, True)


@pytest.mark.slow
def test_two_processes_embed_together(runs, shapes_folder, tmp_path):
    """One path on stdout, the file of one process."""
    command = [sys.executable, "-m", "granctl", "embed", "--run", runs[0], "--split", "all"]
    command = [*map(str, command), "--shards", str(shapes_folder), "--out"]
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for number, path in enumerate(files, 1):
        done = subprocess.run(
            [*command, str(path), "--processes", str(number)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{path}\n"
        assert not path.with_name(f"{path.name}.parts").exists()
    one, two = (Features.read(path) for path in files)
    assert (one.matrix == two.matrix).all()
    assert one.digest == two.digest
    assert len(LABELS) == len(set(one.labels.tolist()))
