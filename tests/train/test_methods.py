"""All methods of a transfer: what each records, chooses, refuses, and that it comes out again."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from shapes import LABELS, NUM_TRAIN, label_map, write_shapes
from told import Told

from granctl.errors import BadOptionError, NoCheckpointError, SpecError, TooFewImagesError
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.train.labelling import label_images
from granctl.train.predictions import read_predictions
from granctl.train.shots import few_of_each_class
from granctl.train.targets import Target
from granctl.train.transfer import METHODS, transfer
from granctl.train.transferspec import (
    Method,
    TransferSpec,
    numbers_of,
    options_of,
    recipe_of_options,
    tries_of,
)
from granctl.workspace import Workspace

SMALL = {"shots": (1, 4), "draws": 2}
"""The images are twelve a class, so 25 shots cannot be."""
OPTIONS = {"fewshot": SMALL, "knn": {"k": 5}}
SEVERAL = label_map([[0, 2], [0], [1, 2], [1]], ("top", "bottom", "left"))


@pytest.fixture
def run(train, leaves, tmp_path):
    """A pretraining on the four leaves, whose label map lies in the workspace."""
    made = train()
    space = Workspace(tmp_path / "workspace")
    leaves.write(space.place("label-map", "m", leaves.digest, ".parquet"))
    return made.path


@pytest.fixture
def judge(tmp_path, shards, leaves):
    """`judge(method, run, **fields)` transfers to the four leaves."""

    def call(method, run=None, labels=leaves, on=shards, place="workspace", told=None, **fields):
        target = Target(name="shapes@leaf", shards=on, labels=labels)
        given = {"target": target, "method": method, "run": run, **OPTIONS.get(method, {})}
        spec = TransferSpec(**given | fields)
        return transfer(Workspace(tmp_path / place), spec, None, told or Silent())

    return call


@pytest.mark.parametrize("method", METHODS)
def test_every_method_records_the_same_fields_and_repeats(run, judge, method):
    """Each image once; the same command finds the result, and its options can be read back."""
    result = judge(method, run, seed=1)
    found = json.loads(result.path.read_text())
    assert found == result.record()
    assert (found["method"], found["n"], found["seed"]) == (method, 20, 1)
    assert found["top1"] == found["correct"] / 20 >= 0.5
    assert (found["steps"] > 0) == (found["train_loss"] is not None) == (found["images_seen"] > 0)
    assert not list(result.path.parent.rglob("checkpoints"))
    assert not judge(method, run, seed=1).made
    options = options_of(found["options"])
    spec = json.loads((result.path.parent / "spec.json").read_text())["spec"]
    assert spec["options"] == found["options"]
    again = judge(method, run, seed=1, **options)
    assert not again.made


@pytest.mark.parametrize("method", ["linear", "fewshot", "knn"])
def test_images_of_several_classes(run, judge, method):
    """A hit is any class of the image; all of these heads learn it."""
    fields = {"ridge": 1.0, "shots": (24,)} if method == "fewshot" else {}
    assert judge(method, run, labels=SEVERAL, **fields).details["top1"] >= 0.8


def test_a_probe_records_what_it_tried(run, judge, tiny):
    """Every pair of the grid with its held-out score; the first of the best was taken."""
    grid = {"linear.rates": [0.001, 0.1], "linear.decays": [0.0, 0.1]}
    found = judge("linear", run, recipe=tiny(**grid)).details["selection"]
    assert [(t["optimizer.lr"], t["optimizer.weight_decay"]) for t in found["tried"]] == [
        (0.001, 0.0), (0.001, 0.1), (0.1, 0.0), (0.1, 0.1)
    ]  # fmt: skip
    best = max(found["tried"], key=lambda t: (t["top1"], -t["loss"]))
    assert found["chosen"] == best
    assert found["held_out"] == {
        "share": 0.2,
        "images": 8,
        "images_trained_on": 40,
        "pretrained_on": 8,
        "classes_of_one_image": 0,
    }
    one = judge("linear", run, recipe=tiny(**{"linear.rates": [0.1], "linear.decays": [0.0]}))
    assert one.details["selection"]["tried"] == []
    single = judge("linear", run, per_class=1)
    assert single.details["selection"]["why"] == "every class has one image"


def test_the_test_images_have_no_part_in_a_choice(run, judge, shards, leaves, monkeypatch):
    """Values are chosen alike whatever the test images say."""
    values = {"tries": (("optimizer.lr", (3.0, 0.01)),), "steps": 20}
    first = judge("finetune", run, **values).details
    turned = label_images(shards, "test", leaves)
    turned = type(turned)(
        **{name: getattr(turned, name) for name in turned.__dataclass_fields__}
        | {"key": (turned.key + 1) % 4}
    )

    def other_truth(on, split, labels, ids=None):
        return turned if split == "test" else label_images(on, split, labels, ids)

    monkeypatch.setattr("granctl.train.transfer.label_images", other_truth)
    second = judge("finetune", run, place="elsewhere", **values).details
    assert second["top1"] != first["top1"]
    assert second["selection"] == first["selection"]
    assert first["selection"]["chosen"]["optimizer.lr"] == 0.01


def test_values_to_try_are_combined_and_the_choice_is_trained_on_all(run, judge, tiny):
    """The result is that of the chosen values by themselves."""
    tries = tries_of(["finetune.optimizer.lr=1e-6,0.01", "head_rate=1,3"], "finetune")
    found = judge("finetune", run, tries=tries, held_out=0.25).details
    tried = found["selection"]["tried"]
    assert [(t["optimizer.lr"], t["head_rate"]) for t in tried] == [
        (1e-6, 1), (1e-6, 3), (0.01, 1), (0.01, 3)
    ]  # fmt: skip
    assert found["selection"]["held_out"]["images"] == 12
    chosen = {k: v for k, v in found["selection"]["chosen"].items() if k in dict(tries)}
    alone = judge("finetune", run, recipe=tiny(**{f"finetune.{k}": v for k, v in chosen.items()}))
    assert alone.details["train_loss"] == found["train_loss"]
    assert alone.details["correct"] == found["correct"]
    assert found["images_seen"] == alone.details["images_seen"]


@pytest.mark.parametrize("method", ["finetune", "scratch"])
def test_each_length_is_a_training_of_its_own(run, judge, method):
    """A point of the curve is what `--steps` alone gives; the result is the longest."""
    found = judge(method, run, lengths=(12, 3)).details
    assert [point["steps"] for point in found["curve"]] == [3, 12]
    assert found["steps"] == 12
    for point in found["curve"]:
        alone = judge(method, run, steps=point["steps"]).details
        assert (point["correct"], point["n"]) == (alone["correct"], 20)
        assert point["images_seen"] == alone["images_seen"]
    assert found["correct"] == found["curve"][-1]["correct"]


def test_shots_are_drawn_anew_and_averaged(run, judge):
    """Mean and deviation over draws; what is scored in full is the first draw of the most."""
    found = judge("fewshot", run, draws=3).details
    assert [row["shots"] for row in found["shots"]] == [1, 4]
    for row in found["shots"]:
        assert row["top1_mean"] == pytest.approx(np.mean(row["draws"]))
        assert row["top1_sd"] == pytest.approx(np.std(row["draws"], ddof=1))
    assert len(set(found["shots"][0]["draws"])) > 1
    assert found["top1"] == found["shots"][-1]["draws"][0]
    assert found["shots"][1]["top1_mean"] > 0.7
    one = judge("fewshot", run, draws=1).details["shots"][0]
    assert (one["top1_sd"], one["draws"]) == (None, found["shots"][0]["draws"][:1])


def test_draws_of_a_seed_differ_and_are_nested(shards, leaves):
    """The five shots of a draw hold its two; another draw holds others."""
    labelling = label_images(shards, "train", leaves)
    two, five = (set(few_of_each_class(labelling, k, 1, draw=4).tolist()) for k in (2, 5))
    assert two < five
    assert five != set(few_of_each_class(labelling, 5, 1, draw=3).tolist())


@pytest.mark.parametrize(
    ("method", "fields", "error", "words"),
    [
        ("fewshot", {"shots": (1, 25)}, TooFewImagesError, "has 12 training images"),
        ("knn", {"k": 99}, TooFewImagesError, "the target has 48 training images"),
        ("knn", {"temperature": 0.0}, BadOptionError, "0.0 is not positive"),
        ("knn", {"shots": (5,)}, BadOptionError, "--method knn has no use for it"),
        ("grouped", {"steps": 5}, BadOptionError, "trains nothing"),
        ("finetune", {"lengths": (5,), "steps": 6}, BadOptionError, "--lengths says"),
        ("finetune", {"tries": (("optimiser.lr", (1,)),)}, SpecError, "did you mean optimizer"),
        ("finetune", {"tries": (("steps", (1,)),)}, BadOptionError, "steps cannot be tried"),
        ("linear", {"held_out": 1.0}, BadOptionError, "not between 0 and 1"),
        ("zero-shot", {}, BadOptionError, "there is no method"),
    ],
    ids=lambda value: str(value) if isinstance(value, (str, dict)) else "",
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    run, judge, tmp_path, method, fields, error, words
):
    """Each names the option and the mend."""
    with pytest.raises(error, match=words) as caught:
        judge(method, run, **fields)
    assert caught.value.hint
    assert not list((tmp_path / "workspace").glob("results/*"))


def test_options_as_they_are_typed():
    """Lists of numbers and of values; what is none is said."""
    assert numbers_of("--shots", "1,5,5,10") == (1, 5, 10)
    with pytest.raises(BadOptionError, match="no whole numbers"):
        numbers_of("--shots", "one")
    for text in ("optimizer.lr", "=1", "clip="):
        with pytest.raises(BadOptionError, match="is not KEY=VALUE,VALUE"):
            tries_of([text], "finetune")
    assert options_of({"k": 5, "tries": {"clip": [1.0]}}) == {"k": 5, "tries": (("clip", (1.0,)),)}
    with pytest.raises(SpecError, match="did you mean shots"):
        options_of({"shot": [1]})


def test_a_run_without_a_checkpoint(run, judge):
    """It names the mend."""
    for path in (run / "checkpoints").glob("*/*"):
        path.unlink()
    with pytest.raises(NoCheckpointError, match="has no whole checkpoint"):
        judge("knn", run)


def test_grey_and_cmyk_images_are_read_as_the_network_wants_them(run, judge, tmp_path, leaves):
    """Of a run on grey images: targets in colour, in CMYK and with a class without images."""
    source = write_shapes(tmp_path / "colours")
    for i, path in enumerate(sorted(source.rglob("*.png"))):
        mode = ("CMYK", "RGB", "L")[i % 3]
        with Image.open(path) as grey:
            data = io.BytesIO()
            grey.convert(mode).save(data, "JPEG", quality=95)
        path.unlink()
        path.with_suffix(".jpg").write_bytes(data.getvalue())
    built = build_shards(Workspace(tmp_path), BuildSpec(source=str(source)), None, Silent())
    on = ShardSet.open(built.path)
    plain = judge("knn", run).details
    found = judge("knn", run, on=on).details
    assert found["n"] == plain["n"]
    assert found["top1"] >= plain["top1"] - 0.15
    assert found["num_classes"] == len(LABELS)
    assert found["train_images"] == 4 * NUM_TRAIN


def test_a_class_without_training_images_is_not_scored(run, judge, tmp_path):
    """Its held-out images are left out, aloud, by every method."""
    source = write_shapes(tmp_path / "gap")
    for path in (source / "train" / LABELS[0]).iterdir():
        path.unlink()
    built = build_shards(Workspace(tmp_path), BuildSpec(source=str(source)), None, Silent())
    on = ShardSet.open(built.path)
    for method in ("knn", "linear", "fewshot"):
        found = judge(method, run, on=on).details
        assert (found["num_classes"], found["n"]) == (3, 15), method


def test_whether_classes_exclude_each_other_is_no_matter_of_the_draw(run, judge, shards):
    """Of a target with images of several classes each class has its own probability, by any seed.

    Also where the few images that are drawn have one class each.
    """
    whole = label_images(shards, "train", SEVERAL)
    drawn = (whole.only(few_of_each_class(whole, 1, seed)) for seed in range(99))
    seed = next(i for i, few in enumerate(drawn) if not few.multi_label)
    for method, options in (
        ("knn", {"k": 1}),
        ("linear", {"steps": 3}),
        ("finetune", {"steps": 1}),
    ):
        fields = {"labels": SEVERAL, "per_class": 1, "seed": seed, **options}
        result = judge(method, run, **fields)
        assert result.details["multi_label"], method
        assert read_predictions(result.path.parent / "predictions.parquet").answers.sigmoid
        spec = json.loads((result.path.parent / "spec.json").read_text())["spec"]
        assert spec["several"], "what was made by a softmax is another result"


def test_the_runs_own_head_is_the_same_whatever_the_labelled_images(run, judge):
    """It learns from none: no part of its identity, none is missing, and it is said so."""
    told = Told()
    plain = judge("grouped", run)
    again = judge("grouped", run, per_class=99, told=told)
    assert (again.digest, again.made) == (plain.digest, False)
    assert plain.details["per_class"] is None
    assert any("--per-class has no use" in note for note in told.notes)


def test_the_order_of_shots_and_lengths_means_nothing(run, judge):
    """`--shots 4,1` finds the result of `--shots 1,4`, from a study's table, too."""
    assert numbers_of("--shots", "4,1,4") == (1, 4)
    assert options_of({"shots": [4, 1, 4]}) == {"shots": (1, 4)}
    first = judge("fewshot", run)
    again = judge("fewshot", run, shots=(4, 1))
    assert (again.digest, again.made) == (first.digest, False)
    assert [row["shots"] for row in first.details["shots"]] == [1, 4]


def test_precision_is_part_of_what_a_result_is(run, judge, tiny):
    """bfloat16 gives other numbers, so it is another result; auto says nothing, as before."""
    plain = judge("knn", run, recipe=tiny())
    half = judge("knn", run, recipe=tiny(precision="bfloat16"))
    assert half.digest != plain.digest
    assert half.details["computed"] == "cpu, bfloat16"
    spec = json.loads((plain.path.parent / "spec.json").read_text())["spec"]
    assert "precision" not in spec


def test_what_happens_to_leaks_is_no_matter_of_a_training_from_scratch(judge, tiny):
    """There is no pretraining that an image could have leaked from."""
    first = judge("scratch", recipe=tiny(), steps=2)
    again = judge("scratch", recipe=tiny(), steps=2, leaks="keep")
    assert (again.digest, again.made) == (first.digest, False)


@pytest.mark.parametrize(
    ("method", "key", "mend"),
    [
        ("knn", "linear.optimizer.lr", "linear.resolution alone; its own values are --k"),
        ("fewshot", "linear.steps", "its own values are --shots, --draws, --ridge"),
        ("linear", "linear.augment.flip", "such as linear.steps=100"),
        ("scratch", "finetune.steps", "such as scratch.steps=100"),
        ("scratch", "epochs", "such as scratch.steps=100"),
        ("finetune", "linear.steps", "such as finetune.steps=100"),
    ],
)
def test_values_that_a_method_does_not_read_are_refused(run, method, key, mend):
    """They would change nothing, in silence."""
    with pytest.raises(BadOptionError, match=f"{key} is no value of --method {method}") as caught:
        recipe_of_options(method, run, None, [f"{key}=1"], Silent())
    assert mend in caught.value.hint


def test_features_of_another_resolution_are_read_by_knn(run):
    """The one value of the table `linear` that it has a use for."""
    kept = recipe_of_options("knn", run, None, ["linear.resolution=16"], Silent())
    assert kept.linear.resolution == 16


def test_few_shot_answers_say_that_they_are_scores(run, judge):
    """In the result and in the file; those of other methods are probabilities."""
    for method, are_some in (("fewshot", False), ("knn", True)):
        result = judge(method, run)
        assert result.details["predictions"]["probabilities"] is are_some
        kept = read_predictions(result.path.parent / "predictions.parquet")
        assert kept.answers.probabilities is are_some


def test_there_is_a_way_for_each_method():
    """The table and the type agree."""
    assert set(METHODS) == set(Method.__args__)


def test_a_choice_that_cannot_be_made_is_refused_before_anything_is_written(run, judge, tmp_path):
    """One image a class leaves none to choose on; a share to hold out without a choice is none."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadOptionError, match="none can be held out"):
        judge("finetune", run, per_class=1, tries=(("optimizer.lr", (0.1, 0.01)),))
    with pytest.raises(BadOptionError, match="nothing is chosen without --try"):
        judge("finetune", run, held_out=0.4)
    assert sorted(tmp_path.rglob("*")) == before
