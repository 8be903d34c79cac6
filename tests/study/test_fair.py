"""Fair budgets and several recipes in a study file: what comes out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up_study import fake_result, write_result

from granctl.errors import SpecError
from granctl.files import write_json
from granctl.progress import Silent
from granctl.study.costs import costs_of
from granctl.study.fair import fair_epochs
from granctl.study.plantable import cost_notes, cost_table, plan_text
from granctl.study.results import load_results
from granctl.study.studyfile import load_study
from granctl.study.studyplan import StudyPlan, plan_study
from granctl.study.summary import summarise
from granctl.train.recipe import load_recipe, recipe_text
from granctl.train.runs import Run
from granctl.train.sizes import recipe_size
from granctl.workspace import Workspace

HEAD = 'seeds = 2\ntargets = ["source@leaf"]\n'
ONE = 'recipe = "embedded-resnet"\n'
LEAF = "[[cut]]\nlevel = 0\n"
PART = '[[cut]]\npart_of = "leaf"\nclasses = 5\n'


def plan_of(folder: Path, text: str) -> StudyPlan:
    path = folder / "mine.toml"
    path.write_text(HEAD + text)
    return plan_study(load_study(str(path)))


def costs(folder: Path, plan: StudyPlan, rate: float | None = None) -> dict[str, Any]:
    return costs_of(Workspace(folder / "ws"), plan, rate, Silent())


def test_equal_shares_make_a_part_of_every_source(tmp_path: Path) -> None:
    """Each source reads a part of its cut, another for each seed, and no further budget."""
    text = ONE + 'images = 600\nshare = "equal"\nequal = "images"\n' + LEAF
    plan = plan_of(tmp_path, text + "[[cut]]\ndepth = 5\n")
    by_name = {cell.name: cell for cell in plan.cells}
    run = by_name["run.depth-5.s1"]
    assert run.needs["labels"] == "cut.depth-5-600-images.s1"
    assert run.params["images"] is None
    spec = by_name["cut.depth-5-600-images.s1"].params["spec"]
    assert (spec.method, spec.images, spec.seed) == ("part", 600, 1)
    rows = costs(tmp_path, plan)["sources"]
    assert [(r["cut"], r["classes"], r["images"], r["steps"]) for r in rows] == [
        ("leaf-600-images", 10, 600, 15),
        ("depth-5-600-images", 2, 600, 15),
    ]


def test_parts_are_named_for_what_is_taken(tmp_path: Path) -> None:
    """A list of classes makes a part each; their images are said once, in the map."""
    text = '[[cut]]\npart_of = "leaf"\nclasses = [2, 5]\nimages = 90\ndraws = "each-seed"\n'
    plan = plan_of(tmp_path, ONE + LEAF + text)
    runs = {c.name: c.params["images"] for c in plan.of_stage("pretrain") if ".s0" in c.name}
    names = ["run.leaf.s0", *(f"run.leaf-{n}-classes-90-images.s0" for n in (2, 5))]
    assert list(runs) == names
    assert set(runs.values()) == {None}
    assert [r["images"] for r in costs(tmp_path, plan)["sources"]] == [12_000, 90, 90]


def test_images_a_class_are_counted_a_label(tmp_path: Path) -> None:
    """A build of at most 20 images a class has 20 of each of the ten labels."""
    found = costs(tmp_path, plan_of(tmp_path, ONE + "[build]\nper_class = 20\n" + LEAF))
    assert found["images"] == 200


def test_equal_compute_trains_costly_heads_for_fewer_epochs(tmp_path: Path) -> None:
    """One class an image: its head's operations come off its epochs; the plan says what is left."""
    text = ONE + 'equal = "compute"\ncontrols = ["one-an-image"]\n[set]\nepochs = 20\n' + LEAF
    rows = costs(tmp_path, plan_of(tmp_path, text))["sources"]
    recipe = load_recipe("embedded-resnet", {"input.channels": 1})  # those of the images
    size = recipe_size(recipe, 12_000)
    assert size is not None
    expected = fair_epochs(20, 12_000, 12_000, size)
    assert [row["epochs"] for row in rows] == [20, expected]
    assert expected < 15
    assert [row["compute"] for row in rows] == [
        pytest.approx(1, abs=1.5 / expected),
        pytest.approx(1, abs=1.5 / expected),
    ]


def test_the_run_has_the_epochs_that_the_plan_states(tmp_path: Path) -> None:
    """A run of equal compute, made: the same epochs as in the plan, with all its classes."""
    text = ONE + 'equal = "compute"\nimages = 256\ncontrols = ["one-an-image"]\n'
    text += "[build]\nimages = 320\n[set]\nepochs = 4\n" + LEAF
    plan = plan_of(tmp_path, text)
    workspace = Workspace(tmp_path / "ws")
    stated = {row["cut"]: row["epochs"] for row in costs(tmp_path, plan)["sources"]}
    made: dict[str, Path] = {}
    for name in ("shards", "cut.one-an-image", "run.one-an-image.s0"):
        (cell,) = (c for c in plan.cells if c.name == name)
        paths = {role: made[need] for role, need in cell.needs.items()}
        made[name] = cell.work(workspace, progress=Silent(), **cell.params, **paths).path
    run = Run.open(made["run.one-an-image.s0"])
    size = recipe_size(run.recipe, 320)
    (row,) = (r for r in costs(tmp_path, plan)["sources"] if r["cut"] == "one-an-image")
    assert size is not None
    assert row["flops"] == 256 * run.recipe.epochs * size.training_flops
    assert run.recipe.epochs == stated["one-an-image"]
    assert run.record["classes_present"] == 320


def test_scratch_at_equal_compute_counts_larger_images(tmp_path: Path) -> None:
    """At one size as many images as with same-images; a transfer at twice the side counts more."""
    steps = {}
    for scratch in ("same-images", "same-compute"):
        for side in (28, 56):
            text = ONE + f'scratch = "{scratch}"\nimages = 6400\n[set]\nepochs = 2\n'
            plan = plan_of(tmp_path, text + f"finetune.resolution = {side}\n" + LEAF)
            (cell,) = (c for c in plan.of_stage("transfer") if c.name.startswith("scratch.s0"))
            steps[scratch, side] = cell.params["steps"]
    assert steps["same-images", 28] == steps["same-images", 56] == 400
    assert steps["same-compute", 28] == 400
    assert 700 < steps["same-compute", 56] <= 1000


def test_another_recipe_is_another_setting_of_everything(tmp_path: Path) -> None:
    """Runs, transfers and scratch of each; names say which."""
    plan = plan_of(tmp_path, 'recipe = ["embedded-resnet", "embedded-vit"]\n' + LEAF)
    names = [c.name for c in plan.cells if ".s0" in c.name]
    assert names == [
        "run.leaf.embedded-resnet.s0",
        "leaf.embedded-resnet.s0.finetune.source@leaf",
        "scratch.embedded-resnet.s0.scratch.source@leaf",
        "run.leaf.embedded-vit.s0",
        "leaf.embedded-vit.s0.finetune.source@leaf",
        "scratch.embedded-vit.s0.scratch.source@leaf",
    ]
    found = costs(tmp_path, plan)
    assert [(r["recipe"], r["epochs"]) for r in found["sources"]] == [
        ("embedded-resnet", 3),
        ("embedded-vit", 8),
    ]
    table = cost_table(found)[2]
    assert [row[0] for row in table if row[0].endswith(":")] == [
        "embedded-resnet:",
        "embedded-vit:",
    ]


def test_controls_stand_for_cuts(tmp_path: Path) -> None:
    """One of the sizes of each cut of the tree that is a source; one class an image once."""
    text = ONE + 'controls = ["random", "shuffled", "one-an-image"]\n'
    text += "[[cut]]\ndepth = [5, 6]\n[[cut]]\nlevel = 0\npretrain = false\n"
    plan = plan_of(tmp_path, text)
    names = [cut.name for cut in plan.cuts]
    assert names == [
        "depth-5",
        "depth-6",
        "leaf",
        *(f"{kind}-like-depth-{d}" for kind in ("random", "shuffled") for d in (5, 6)),
        "one-an-image",
    ]
    dealt = {c.name: "shards" in c.needs for c in plan.of_stage("cut") if "like" in c.name}
    assert {name.split("-")[0]: of for name, of in dealt.items()} == {
        "cut.random": True,
        "cut.shuffled": False,
    }


def test_scratch_is_given_the_lengths_and_tries_of_finetuning(tmp_path: Path) -> None:
    """So that it can be compared with it; its compute leaves no room for lengths."""
    options = '[options]\nlengths = [5, 9]\ntries = { "optimizer.lr" = [0.1, 0.2] }\n'
    plan = plan_of(tmp_path, ONE + options + LEAF)
    (alone,) = {str(c.params["options"]) for c in plan.of_stage("transfer") if "scratch" in c.name}
    assert "'lengths': (5, 9)" in alone
    assert "'tries'" in alone
    found = costs(tmp_path, plan)["transfers"]
    batch = plan.recipe.scratch.batch_size
    assert {(r["method"], r["images_seen"]) for r in found} == {
        ("finetune", 2 * (14 + 2 * 9) * batch),
        ("scratch", 2 * (14 + 2 * 9) * batch),
    }


def test_the_notes_say_what_is_equal_shared_and_stored(tmp_path: Path) -> None:
    """Fairness, hours by a rate that says whose it is, what is shared, the disk."""
    plan = plan_of(tmp_path, ONE + 'images = 600\nshare = "equal"\n' + LEAF)
    text = "\n".join(cost_notes(plan, costs(tmp_path, plan)))
    assert "600 images each, in equal shares of its classes" in text
    assert "of one CPU thread (measured where" in text
    assert "3 label maps over one shard set; 2 runs for 4 transfers" in text
    assert "disk: shards 46.6 MB, checkpoints" in text
    asked = "\n".join(cost_notes(plan, costs(tmp_path, plan, 50.0)))
    assert "at 50 images/s of one device (--rate)" in asked


def test_plans_are_stable(tmp_path: Path) -> None:
    """The very names, in order, and the digest that a study's folder is called by."""
    text = ONE + 'controls = ["random"]\n[[cut]]\ndepth = 5\n' + LEAF + "pretrain = false\n"
    plan = plan_of(tmp_path, text)
    assert plan_text(plan).splitlines()[:7] == [
        "shards\tshards\t",
        "cut\tcut.depth-5\t",
        "pretrain\trun.depth-5.s0\tshards,cut.depth-5",
        "cut\tcut.leaf\t",
        "transfer\tdepth-5.s0.finetune.source@leaf\trun.depth-5.s0,shards,cut.leaf",
        "cut\tcut.random-like-depth-5.s0\tcut.depth-5,shards",
        "pretrain\trun.random-like-depth-5.s0\tshards,cut.random-like-depth-5.s0",
    ]
    assert load_study("demo").digest.startswith("3cb040a1ab57")
    assert load_study("embedded").digest.startswith("ab302f57fb01")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE + 'equal = "images"\n[[cut]]\ndepth = 5\nimages = 9\n', "leave one out"),
        (ONE + 'equal = "steps"\n' + LEAF + PART, "equal: steps want images"),
        (ONE + 'equal = "images"\nimages = 9\n' + LEAF + PART, "part_of has another number"),
        (ONE + 'share = "equal"\n' + LEAF, "share: equal shares want images"),
        (ONE + 'share = "equal"\nimages = 9\n[[cut]]\ndepth = 5\nimages = 5\n', "part_of = CUT"),
        (ONE + 'scratch = "same-compute"\n' + LEAF, "scratch: same-compute wants images"),
        (ONE + 'scratch = "same-images"\n' + LEAF, "scratch: same-images wants images"),
        (ONE + "images = 0\n" + LEAF, "images: 0 is below 1"),
        (ONE + 'equal = "flops"\n' + LEAF, "none of epochs, images, steps, compute"),
        (ONE + 'controls = ["shuffle"]\n' + LEAF, "none of random, shuffled, one-an-image"),
        (ONE + LEAF + '[[cut]]\npart_of = "leaf"\n', "say which part"),
        (ONE + LEAF + '[[cut]]\npart_of = "laef"\nimages = 9\n', "did you mean leaf"),
        (ONE + LEAF + '[[cut]]\npart_of = "leaf"\ndepth = 5\nimages = 9\n', "contradict"),
        (ONE + LEAF + "[[cut]]\ndepth = []\n", "depth: give one number at least"),
        ('recipe = ["embedded-resnet", "embedded-resnet"]\n' + LEAF, "recipe: .* twice"),
        ("recipe = []\n" + LEAF, "recipe: at least one"),
        (
            ONE
            + LEAF
            + '[[cut]]\nname = "r"\nrandom = true\nclasses = 3\ndraws = "each-seed"\n'
            + '[[cut]]\nrandom = true\nlike = "r"\n',
            'write draws = "each-seed"',
        ),
        (ONE + LEAF + '[stated]\nimages = 0\norigin = "x"\n', "images: 0 is below 1"),
        (
            ONE + LEAF + '[stated]\nimages = 9\norigin = "x"\nclasses = { laef = 3 }\n',
            "did you mean leaf",
        ),
    ],
)
def test_budgets_that_contradict_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """Each with what to write instead."""
    with pytest.raises(SpecError, match=words):
        plan_of(tmp_path, text)


def test_compute_of_what_only_timm_knows_is_refused(tmp_path: Path) -> None:
    """A recipe of one of timm's networks, and budgets in operations."""
    model = '[model]\nname = "small-resnet"\nwidth = 8\nstages = [2.0, 4.0]\n'
    text = recipe_text("embedded-resnet").replace(model, '[model]\nname = "timm/resnet10t"\n')
    (tmp_path / "theirs.toml").write_text(text)
    asked = 'recipe = "theirs.toml"\nimages = 90\nequal = "compute"\nscratch = "same-compute"\n'
    with pytest.raises(SpecError) as caught:
        plan_of(tmp_path, asked + LEAF)
    assert str(caught.value).count("not known of timm/resnet10t; take another value") == 2
    plan = plan_of(tmp_path, 'recipe = "theirs.toml"\n' + LEAF)
    found = costs(tmp_path, plan, 10.0)
    assert (found["flops"], found["disk"]["checkpoints"]) == (None, None)
    assert found["hours"] > 0


@pytest.mark.parametrize(("equal", "curves"), [("compute", 1), ("steps", 1), ("epochs", 2)])
def test_a_study_of_equal_compute_has_one_curve(tmp_path: Path, equal: str, curves: int) -> None:
    """Given the study's folder, sources that see different numbers of images are compared."""
    folder = tmp_path / "studies" / "mine-0"
    write_json(folder / "spec.json", {"digest": "0", "spec": {"equal": equal, "images": 400}})
    for i, (cut, seen) in enumerate({"leaf": 1200, "one-an-image": 700}.items()):
        record = fake_result(cut=cut, method=cut)
        record["source"]["images_seen"] = seen
        path = write_result(tmp_path / "results", record)
        write_json(folder / "cells" / f"{i}.json", {"kind": "result", "path": str(path)})
    if equal != "epochs":  # another number of images shares no curve with this one
        other = tmp_path / "studies" / "other-0"
        asked = {"equal": equal, "images": None, "set": {"epochs": 2}}
        write_json(other / "spec.json", {"digest": "1", "spec": asked})
        write_json(other / "cells" / "0.json", {"kind": "result", "path": str(path)})
        (said,) = {r["budget"] for r in load_results([other])}
        assert said == f"equal {equal}, all images x 2 epochs"
    panels = summarise(load_results([folder]))
    assert len(panels) == curves
    shared = {p.setting["images_seen"] for p in panels}
    assert shared == ({f"equal {equal}, 400 images"} if curves == 1 else {1200, 700})
    assert len(summarise(load_results([tmp_path / "results"]))) == 2, (
        "nothing says that they belong together"
    )
