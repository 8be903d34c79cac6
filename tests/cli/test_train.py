"""`granctl pretrain`, `embed`, `transfer`, `recipes` from the command line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from shapes import LABELS, TINY_RECIPE, build_shapes, label_map

from granctl.files import read_json


@pytest.fixture(scope="module")
def shapes_folder(tmp_path_factory) -> Path:
    """12 training and 5 test images of each of four labels."""
    return build_shapes(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def given(tmp_path, shapes_folder) -> tuple:
    """Options of a pretraining that takes a moment."""
    label_map([[0], [0], [1], [1]], ("top", "bottom")).write(tmp_path / "map.parquet")
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    labels, recipe = tmp_path / "map.parquet", tmp_path / "tiny.toml"
    return ("--shards", shapes_folder, "--labels", labels, "--recipe", recipe, "--epochs", 1)


def test_one_command_feeds_the_next(granctl, given, shapes_folder):
    """Pretrain, embed and transfer: each prints one path, the last one object."""
    run = granctl("pretrain", *given)
    assert "2 of the label map's 2 classes are present in 48 images (4 labels)" in run.err
    assert (run.path / "manifest.json").is_file()
    features = granctl("embed", "--run", run.path, "--shards", shapes_folder, "--split", "test")
    assert features.path.suffix == ".parquet"
    found = granctl("transfer", "--run", run.path, "--target", shapes_folder, "--json").json
    expected = {"kind": "result", "n": 20, "seed": 0, "method": "finetune", "run": str(run.path)}
    assert {k: found[k] for k in expected} == expected
    assert 0 <= found["top1"] <= 1
    assert json.loads(Path(found["path"]).read_text()) == found


def test_options_of_the_methods_reach_the_result(granctl, given, shapes_folder):
    """Shots, neighbours, lengths, values to try; a label map that lies outside the workspace."""
    run = granctl("pretrain", *given).path

    def told(*options):
        return granctl("transfer", "--run", run, "--target", shapes_folder, *options, "--json").json

    few = told("--method", "fewshot", "--shots", "2,4", "--draws", 2, "--ridge", 10)
    assert [(row["shots"], len(row["draws"])) for row in few["shots"]] == [(2, 2), (4, 2)]
    near = told("--method", "knn", "--k", 3, "--temperature", 0.1)
    assert near["options"] == {"k": 3, "temperature": 0.1}
    tuned = told("--lengths", "2,4", "--try", "optimizer.lr=0.1,0.01", "--held-out", 0.3)
    assert [point["steps"] for point in tuned["curve"]] == [2, 4]
    assert tuned["selection"]["held_out"]["share"] == 0.3
    assert len(tuned["selection"]["tried"]) == 2
    own = ("transfer", "--run", run, "--target", shapes_folder, "--method", "grouped")
    done = granctl(*own)
    assert done.code == 2  # its two classes are pairs of the target's four
    assert "answer for 0 of the 4 classes" in done.err
    moved = given[3].rename(given[3].with_name("moved.parquet"))
    _refused(granctl(*own), 2, "is not in the workspace", "--run-labels")
    assert "answer for 0 of the 4" in granctl(*own, "--run-labels", moved).err


def test_the_newest_are_used_and_said(granctl, given, shapes_folder):
    """Without --run, the run that was just made."""
    run = granctl("pretrain", *given).path
    done = granctl("transfer", "--target", shapes_folder, "--method", "linear")
    assert done.code == 0
    assert f"using the newest run: {run}" in done.err


def test_pretrain_as_json_and_again(granctl, given):
    """What a script needs; the second time nothing is made."""
    first = granctl("pretrain", *given, "--json", "--quiet")
    assert first.err == ""
    fields = {"recipe": "tiny", "epochs": 1, "steps": 5, "images": 48, "seed": 0, "made": True}
    assert {k: first.json[k] for k in fields} == fields
    assert first.json["cut"]["method"] == "toy"
    again = granctl("pretrain", *given, "--json")
    assert again.json == {**first.json, "made": False}
    assert "there already, whole" in again.err


def test_recipes_are_listed_and_shown(granctl):
    """A line each; a recipe's sources; every value as it is used."""
    assert "embedded-resnet\t" in granctl("recipes", "list").out
    assert "# Source:" in granctl("recipes", "show", "vit-b16-in21k").out
    shown = granctl("recipes", "show", "embedded-resnet", "--set", "epochs=2", "--json").json
    assert shown["recipe"]["epochs"] == 2


def _refused(outcome, code, *words):
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    for word in words:
        assert word in outcome.err


def test_shards_of_another_label_list_than_the_map(granctl, given, tmp_path):
    """Names the labels and the mend."""
    other = label_map([[0]], ("a",), labels=("n00000042",), params={"list": "other-list"})
    other.write(tmp_path / "other.parquet")
    done = granctl("pretrain", *given, "--labels", tmp_path / "other.parquet")
    _refused(done, 2, "4 labels of shard set", LABELS[0], "other-list", "hint: cut over a list")


def test_a_map_keyed_by_images_of_other_shards(granctl, given, tmp_path):
    """Says how many images it does not know."""
    sums = tuple(f"{i:032x}" for i in range(9))
    classes = [[0]] * 9
    label_map(classes, ("a",), labels=sums, keyed_by="image").write(tmp_path / "other.parquet")
    done = granctl("pretrain", *given, "--labels", tmp_path / "other.parquet")
    _refused(done, 2, "48 of 48 images", "another shard set", "hint: cluster these images")


def test_a_loss_that_is_not_finite(granctl, given):
    """Exit code 4, what was skipped and the mend."""
    done = granctl("pretrain", *given, "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30")
    _refused(done, 4, "not finite in three steps in a row", "hint: lower the rate")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", "tpu", "meta"])
def test_a_device_that_is_not_there(granctl, given, device):
    """Said before anything is made."""
    done = granctl("pretrain", *given, "--device", device, "--out", "never")
    _refused(done, 2, f"--device {device}:", "hint: leave --device out")
    assert not Path("never").exists()


def test_an_unknown_target_names_its_mend(granctl, given):
    """`granctl data add`."""
    run = granctl("pretrain", *given).path
    done = granctl("transfer", "--run", run, "--target", "in1k")
    _refused(done, 2, "'in1k'", "granctl data add in1k FOLDER")


def test_a_checkpoint_of_another_spec(granctl, given, shapes_folder):
    """Copied between runs: refused, not used."""
    run, other = (granctl("pretrain", *given, "--seed", seed).path for seed in (0, 1))
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(other / "checkpoints", run / "checkpoints")
    done = granctl("transfer", "--run", run, "--target", shapes_folder)
    digest = read_json(other / "manifest.json")["digest"]
    _refused(done, 4, f"is of another spec (digest {digest[:12]}", "hint: remove that folder")


def test_a_run_that_is_not_finished(granctl, given, shapes_folder):
    """Names the command that goes on."""
    run = granctl("pretrain", *given).path
    (run / "manifest.json").unlink()
    done = granctl("transfer", "--run", run, "--target", shapes_folder)
    _refused(done, 4, "is not finished", "hint: go on with it by its command")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--recipe", "embedded-resnt"), ("no recipe is named", "did you mean embedded-resnet")),
        (("--set", "optimiser.lr=1"), ("optimiser: unknown key", "did you mean optimizer")),
        (("--set", "optimizer.lr"), ("is not KEY=VALUE",)),
        (("--epochs", 0), ("epochs: 0 is not positive",)),
        (("--images", 49), ("--images 49: 48 images have a class", "take --images 48 or fewer")),
        (("--shards", "nowhere"), ("shard set not found", "granctl shards build")),
    ],
    ids=lambda value: str(value[0]),
)
def test_options_of_pretrain_that_cannot_be(granctl, given, options, words):
    """Each names the option or key, and the mend."""
    _refused(granctl("pretrain", *given, *options), 2, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--per-class", 13), ("--per-class 13", "has 12 training images", "12 or fewer")),
        (("--per-class", 0), ("--per-class: 0 is below 1",)),
        (("--set", "optimizer.lr=1"), ("no value of --method finetune",)),
        (("--recipe", "embedded-vit"), ("goes on with the run's network",)),
        (("--target-shards", "x"), ("--target-labels: it is missing",)),
        (("--method", "fewshot"), ("--shots 25", "has 12 training images", "12 or fewer")),
        (("--method", "knn", "--set", "knn.k=1"), ("no value of --method knn", "linear.")),
        (("--method", "grouped", "--set", "linear.steps=1"), ("reads no table",)),
        (("--try", "clip"), ("--try: 'clip' is not KEY=VALUE,VALUE",)),
        (("--shots", "1,x"), ("--shots: '1,x' are no whole numbers",)),
        (("--lengths", "2", "--method", "knn"), ("--lengths: --method knn has no use",)),
        (("--run", "nowhere"), ("run not found", "granctl pretrain")),
    ],
    ids=lambda value: str(value[0]),
)
def test_options_of_transfer_that_cannot_be(granctl, given, shapes_folder, options, words):
    """Each names the option, and the mend."""
    run = granctl("pretrain", *given).path
    done = granctl("transfer", "--run", run, "--target", shapes_folder, *options)
    _refused(done, 2, *words)
