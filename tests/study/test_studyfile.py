"""Study files: ranges, faults all at once, and plans that are the same for the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from granctl.errors import BadOptionError, SpecError, UnknownStudyError
from granctl.study.named import said_by_files
from granctl.study.studyfile import load_study, study_names
from granctl.study.studyplan import plan_study

HEAD = """
recipe = "embedded-resnet"
seeds = 2
targets = ["source@leaf"]
"""
LEAF = "[[cut]]\nlevel = 0\n"


def study_file(folder: Path, text: str, head: str = HEAD) -> str:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "map.tsv").touch()
    path = folder / "mine.toml"
    path.write_text(head + text)
    return str(path)


def names(folder: Path, text: str, stage: str = "cut") -> list[str]:
    plan = plan_study(load_study(study_file(folder, text)))
    return [cell.name for cell in plan.of_stage(stage)]


def test_lists_and_ranges_make_a_cut_each(tmp_path: Path) -> None:
    """Single values, lists, inclusive ranges and geometric ranges."""
    text = (
        LEAF + '[[cut]]\ndepth = "5..7"\n[[cut]]\nclasses = "10..80*2"\n[[cut]]\nlevel = [2, 4]\n'
    )
    assert set(names(tmp_path, text)) == {
        "cut.leaf",
        *(f"cut.depth-{d}" for d in (5, 6, 7)),
        *(f"cut.classes-{n}" for n in (10, 20, 40, 80)),
        "cut.level-2",
        "cut.level-4",
    }


def test_the_same_file_gives_the_same_plan(tmp_path: Path) -> None:
    """Names and order follow from the text alone; the sentence about it is no part of it."""
    first = load_study(study_file(tmp_path, LEAF))
    again = load_study(study_file(tmp_path, LEAF, head=f'about = "words"\n{HEAD}'))
    assert first.digest == again.digest
    assert [c.name for c in plan_study(first).cells] == [c.name for c in plan_study(again).cells]
    assert first.digest != load_study(study_file(tmp_path, LEAF + "[[cut]]\nlevel = 1\n")).digest


def test_seeds_are_paired(tmp_path: Path) -> None:
    """Every source, and training alone, has every seed once."""
    runs = names(tmp_path, LEAF + "[[cut]]\ndepth = 5\n", "pretrain")
    assert runs == ["run.leaf.s0", "run.depth-5.s0", "run.leaf.s1", "run.depth-5.s1"]
    transfers = names(tmp_path, LEAF, "transfer")
    assert [t.split(".")[:2] for t in transfers] == [
        ["leaf", "s0"],
        ["scratch", "s0"],
        ["leaf", "s1"],
        ["scratch", "s1"],
    ]


def test_clusters_come_after_the_run_that_they_need(tmp_path: Path) -> None:
    """Cut -> run of a seed of its own -> features -> clusters -> runs on them."""
    text = LEAF + '[[cut]]\ncluster = "kmeans"\nper_image = true\nclasses = 20\nfeatures = "leaf"\n'
    plan = plan_study(load_study(study_file(tmp_path, text)))
    by_name = {cell.name: cell for cell in plan.cells}
    clusters = by_name["cut.kmeans-20-free"]
    assert clusters.needs == {"features": "features.leaf", "shards": "shards"}
    assert by_name["features.leaf"].needs["run"] == "run.leaf.s1000"
    place = {cell.name: i for i, cell in enumerate(plan.cells)}
    assert all(place[need] < place[c.name] for c in plan.cells for need in c.needs.values())


def test_maps_drawn_for_each_seed_have_a_cell_each(tmp_path: Path) -> None:
    """`draws = "each-seed"`: another random map a seed, made with that seed."""
    text = LEAF + '[[cut]]\nrandom = true\nlike = "leaf"\ndraws = "each-seed"\n'
    plan = plan_study(load_study(study_file(tmp_path, text)))
    maps = {
        c.name: c.params["spec"].seed for c in plan.cells if "random" in c.name and c.stage == "cut"
    }
    assert maps == {"cut.random-like-leaf.s0": 0, "cut.random-like-leaf.s1": 1}


def test_equal_steps_have_the_epochs_that_come_nearest(tmp_path: Path) -> None:
    """Sources of fewer and of more images, a part among them, see about 80,000 images each."""
    head = HEAD + 'equal = "steps"\nimages = 8000\n[set]\nepochs = 10\n'
    text = LEAF + "".join(
        f"[[cut]]\ndepth = {depth}\nimages = {images}\n"
        for depth, images in ((5, 2000), (6, 5400), (7, 12_000))
    )
    text += '[[cut]]\npart_of = "leaf"\nclasses = 5\nimages = 3000\n'
    plan = plan_study(load_study(study_file(tmp_path, text, head)))
    params = {c.name: c.params for c in plan.of_stage("pretrain") if c.name.endswith("s0")}
    assert [p["recipe"].epochs for p in params.values()] == [10, 40, 15, 7, 27]
    assert params["run.depth-5.s0"]["images"] == 2000


@pytest.mark.parametrize(
    ("head", "steps"),
    [
        # 2 x 6,400 images, and 200 steps of 64: 25,600 images in batches of 128
        (
            'scratch = "same-images"\nimages = 6400\n[set]\nepochs = 2\nscratch.batch_size = 128\n',
            200,
        ),
        ('scratch = "same-images"\nimages = 6400\n[set]\nepochs = 2\n', 400),
        ('scratch = "same-images"\nimages = 64\n[options]\nlengths = [5, 9]\n', 3 + 9),
        ("[set]\nscratch.steps = 900\n", 200),
        ("steps = 7\n[set]\nscratch.steps = 900\n", 7),
        ("", None),
        ('scratch = "recipe"\nsteps = 7\n[set]\nscratch.steps = 900\n', None),
    ],
)
def test_scratch_is_as_long_as_is_said(tmp_path: Path, head: str, steps: int | None) -> None:
    """As many images as pretraining and transfer, a transfer's steps, or (None) the recipe's."""
    plan = plan_study(load_study(study_file(tmp_path, LEAF, HEAD + head)))
    (found,) = {c.params["steps"] for c in plan.of_stage("transfer") if "scratch" in c.name}
    assert found == steps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[cut]]\ndepth = 5\nlevel = 2\n", "contradict each other"),
        ("[[cut]]\nname = 'x'\n", "says no way to cut"),
        ("[[cut]]\ndpth = 5\n", "did you mean depth"),
        ("[[cut]]\ndepth = [5, 6]\nclasses = [2, 3]\n", "only one of them can be a list"),
        ("[[cut]]\ncluster = 'kmeans'\nclasses = 5\n", "features: missing"),
        (LEAF + LEAF, "cut leaf: twice"),
        (LEAF + "[options]\nshot = [1]\n", "did you mean shots"),
        (LEAF + "[[cut]]\nrandom = true\nlike = 'leav'\n", "did you mean leaf"),
        (LEAF + "[[cut]]\nname='r'\nrandom = true\nlike = 'r'\n", "made from itself"),
        ("[[cut]]\ndepth = 5\n", "known: depth-5"),
        (LEAF + "[[cut]]\nname = 'a/b'\ndepth = 5\n", "'a/b' cannot be a part .* such as 'a-b'"),
        (LEAF + "[[cut]]\nname = ''\ndepth = 5\n", "'' cannot be a part of a file's name"),
        (LEAF + "[[cut]]\nname = '..'\ndepth = 5\n", "'..' cannot be a part of a file's name"),
        (LEAF + "[[cut]]\nrandom = true\nlike = 'in/map.tsv'\n", "name = 'random-like-in-map.tsv'"),
        (LEAF + "[[cut]]\nclasses = 0\n", "classes: 0 is below 1"),
    ],
)
def test_faults_of_a_study_are_named(tmp_path: Path, text: str, words: str) -> None:
    """What contradicts itself, is misspelt, or refers to nothing."""
    with pytest.raises(SpecError, match=words):
        plan_study(load_study(study_file(tmp_path, text)))


def test_cells_that_differ_have_names_that_differ(tmp_path: Path) -> None:
    """Two targets of nearly the same place are refused, not taken for one."""
    head = HEAD.replace('"source@leaf"', '"/data/a@leaf", "data/a@leaf"')
    with pytest.raises(SpecError, match=r"finetune\.data-a@leaf: two cells that differ"):
        plan_study(load_study(study_file(tmp_path, LEAF, head)))


def test_names_that_come_with_granctl_go_before_files(tmp_path: Path) -> None:
    """Folders and files of the same names beside the study's file are not meant."""
    for name in ("embedded", "embedded-resnet", "1k"):
        (tmp_path / name).mkdir()
    head = HEAD + 'label_list = "1k"\n'
    plan = plan_study(load_study(study_file(tmp_path, LEAF, head)))
    assert plan.of_stage("shards")[0].params["source"] == "embedded"
    assert plan.cuts[0].spec.list == "1k"
    assert said_by_files(plan.study) == {}


def test_a_cut_may_be_called_labels(tmp_path: Path) -> None:
    """Over folders, for whose shards a map of all labels is made too."""
    tree = '[taxonomy]\nform = "folders"\npath = "in"\n'
    text = tree + '[[cut]]\nname = "labels"\ndepth = 1\n[[cut]]\nlevel = 0\n'
    cells = {c.name: c for c in plan_study(load_study(study_file(tmp_path, text))).cells}
    assert cells["cut.labels"].params["spec"].depth == 1
    assert cells["shards"].needs == {"labels": "cut.(labels)"}
    assert cells["cut.(labels)"].params["spec"].level == 0


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("seeds = [-1]\n", "seeds: -1 is below 0"),
        ('name = "/"\n', "name: '/' has no letter"),
        ("per_class = -5\n", "per_class: -5 is below 0"),
        ('methods = "knn"\n[options]\nk = 0\n', "options: --k: 0 is below 1"),
        ('methods = "fewshot"\n[options]\nshots = [0]\n', "options: --shots: 0 is below 1"),
        ('[options]\ntries = { "optimizer.lr" = 0.01 }\n', "tries.optimizer.lr: a list"),
        ('[options]\ntries = { "optimizer.lr" = [] }\n', "tries.optimizer.lr: a list"),
        ("[options]\ntries = 3\n", "tries: a table of lists"),
        ('[options]\ntries = { "optimizer.rate" = [0.01] }\n', "optimizer.rate: unknown key"),
        ('[options]\ntries = { "clip" = ["x"] }\n', "clip: .*was expected"),
        ("[build]\nper_class = 0\n", "build: --per-class: 0 is below 1"),
        ("[build]\nperclass = 3\n", "did you mean per_class"),
    ],
)
def test_numbers_that_cannot_be_are_told_by_the_plan(tmp_path: Path, head: str, words: str) -> None:
    """Not by a cell, after hours, nor as a bug."""
    given = HEAD.replace("seeds = 2\n", "") if head.startswith("seeds") else HEAD
    with pytest.raises(SpecError, match=words):
        plan_study(load_study(study_file(tmp_path, LEAF, given + head)))


@pytest.mark.parametrize(
    ("methods", "words"), [("zeroshot", "is none of finetune"), ("scratch", "a key of its own")]
)
def test_methods_of_a_study_are_those_of_transfer(tmp_path: Path, methods: str, words: str) -> None:
    """An unknown one, and scratch, which `scratch = ...` asks for."""
    head = HEAD + f'methods = ["{methods}"]\n'
    with pytest.raises(SpecError, match=words):
        load_study(study_file(tmp_path, LEAF, head))


def test_each_method_is_given_the_options_that_it_takes(tmp_path: Path) -> None:
    """Shots to fewshot alone; steps only to what trains, and only where lengths do not say them."""
    head = HEAD + 'methods = ["finetune", "linear", "fewshot", "knn"]\nsteps = 7\n'
    head += "[options]\nshots = [1, 2]\nk = 3\nlengths = [5, 9]\n"
    plan = plan_study(load_study(study_file(tmp_path, LEAF, head)))
    asked = {c.params["method"]: c.params for c in plan.of_stage("transfer") if "leaf.s0" in c.name}
    assert asked["fewshot"]["options"] == {"shots": (1, 2)}
    assert asked["knn"]["options"] == {"k": 3}
    assert asked["finetune"]["options"] == {"lengths": (5, 9)}
    assert {m: p["steps"] for m, p in asked.items()} == {
        "finetune": None,
        "linear": 7,
        "fewshot": None,
        "knn": None,
    }


def test_grouped_heads_are_of_cuts_that_may_nest(tmp_path: Path) -> None:
    """Random classes and those of single images are pretrained on, and left out of `grouped`."""
    head = HEAD + 'methods = ["finetune", "grouped"]\n'
    text = LEAF + '[[cut]]\ndepth = 5\n[[cut]]\nrandom = true\nlike = "depth-5"\n'
    plan = plan_study(load_study(study_file(tmp_path, text, head)))
    methods = {(c.name.split(".")[0], c.params["method"]) for c in plan.of_stage("transfer")}
    assert ("depth-5", "grouped") in methods
    assert {m for name, m in methods if name.startswith("random")} == {"finetune"}
    own = text.replace("depth = 5", 'depth = 5\nmethods = "knn"', 1)
    plan = plan_study(load_study(study_file(tmp_path, own, head)))
    assert {c.params["method"] for c in plan.of_stage("transfer") if c.name.startswith("dep")} == {
        "knn"
    }


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Two misspelt keys and a wrong type are told together."""
    head = HEAD.replace("recipe", "recepe").replace("seeds = 2", 'seeds = "two"')
    with pytest.raises(SpecError) as caught:
        load_study(study_file(tmp_path, LEAF, head))
    assert all(word in str(caught.value) for word in ("recepe", "recipe: missing", "seeds"))


def test_a_cut_that_cannot_be_is_told_before_anything_runs(tmp_path: Path) -> None:
    """The checks of `granctl tree cut` hold for the study's cuts."""
    with pytest.raises(BadOptionError, match="policy"):
        plan_study(
            load_study(study_file(tmp_path, LEAF + "[[cut]]\ndepth = 5\npolicy = 'firts'\n"))
        )


def test_unknown_study_names_the_nearest() -> None:
    """A misspelt name of a study that comes with granctl."""
    with pytest.raises(UnknownStudyError, match="embeded") as caught:
        load_study("embeded")
    assert caught.value.hint == "did you mean embedded?"


@pytest.mark.parametrize("name", study_names())
def test_studies_that_come_with_granctl_can_be_planned(name: str) -> None:
    """Each says what it asks, and its cells hang together."""
    study = load_study(name)
    assert study.about
    assert plan_study(study).of_stage("transfer")
