"""Different maps are never one point of a curve; maps of other seeds are one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_study import fake_result, write_result

from granctl.errors import NoSuchSourceError
from granctl.files import write_json
from granctl.progress import Silent
from granctl.provenance import digest
from granctl.study.cutmaps import find_cuts, with_inputs
from granctl.study.difficulty import DifficultySpec, by_difficulty
from granctl.study.losscurves import losses_part
from granctl.study.results import Result, load_results
from granctl.study.spent import costs_part
from granctl.study.summary import summarise
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

SEEDS = (0, 1, 2)


def result(
    cut: str, params: dict[str, Any], labels: str, seed: int, method: str = "kmeans", **others: Any
) -> dict[str, Any]:
    """The result of a run on a map; `params` are the map's, `labels` stands for its digest."""
    about = {key: others.pop(key) for key in ("classes_total", "made_from") if key in others}
    record = fake_result(cut=cut, method=method, seed=seed, top1=0.5 + seed / 100, **others)
    own = {"params": params, "labels_digest": digest(labels)}
    own["run_digest"] = digest([labels, seed, others])
    record["source"] |= own | about
    identity = digest([cut, params, labels, seed, others])
    return {**record, "digest": identity, "path": f"/results/{identity}/result.json"}


def points(results: list[Result]) -> dict[str, int]:
    """Name and number of results of each point of the one panel."""
    (panel,) = summarise(results)
    return {p.cut: p.top1.n for p in panel.points}


def each_seed(cut: str, params: dict[str, Any], **others: Any) -> list[Result]:
    """A map a seed."""
    made = str(params) + str(others)
    return [result(cut, {**params, "seed": s}, f"{made} {s}", s, **others) for s in SEEDS]


def test_controls_of_one_cut_are_two_points() -> None:
    """Random classes of images and shuffled labels have one name and other maps."""
    like = {"like": "depth-7", "list": None}
    images = each_seed("random-like-depth-7", {**like, "split": "train"}, method="random")
    labels = each_seed("random-like-depth-7", like, method="random")
    assert points([*images, *labels]) == {
        "random-like-depth-7 (of images)": 3,
        "random-like-depth-7 (of labels)": 3,
    }
    assert points(images) == {"random-like-depth-7": 3}


def test_clusters_inside_two_cuts_are_two_points() -> None:
    """Each of three seeds, named by what differs."""
    inside = [
        each_seed("kmeans-40", {"classes": 40, "within": w, "split": "train"})
        for w in ("depth-5", "depth-6")
    ]
    names = {"kmeans-40 (within depth-5)": 3, "kmeans-40 (within depth-6)": 3}
    assert points([*inside[0], *inside[1]]) == names


def test_policies_and_files_of_nodes_are_told_apart() -> None:
    """Maps without a seed are one for all seeds: another digest is another map."""
    cuts = []
    for policy in ("first", "all"):
        params = {"depth": 5, "policy": policy}
        cuts += [result("depth-5", params, policy, s, "depth") for s in SEEDS]
    assert points(cuts) == {"depth-5 (policy first)": 3, "depth-5 (policy all)": 3}
    nodes = [
        result("nodes-a", {"nodes": "a"}, f"file {i}", s, "nodes") for s in SEEDS for i in "xy"
    ]
    found = points(nodes)
    assert sorted(found.values()) == [3, 3]
    assert all(name.startswith("nodes-a (") for name in found)


def test_one_map_for_all_seeds_and_one_a_seed() -> None:
    """Both are one point; several maps of a seed count as its mean elsewhere."""
    params = {"classes": 40, "within": None, "split": "train"}
    one = [result("kmeans-40-free", {**params, "seed": 0}, "one", s) for s in SEEDS]
    assert points(one) == {"kmeans-40-free": 3}
    assert points(each_seed("kmeans-40-free", params)) == {"kmeans-40-free": 3}
    older = result("kmeans-40-free", {"classes": 40, "split": "train", "seed": 3}, "older", 3)
    assert points([*one, older]) == {"kmeans-40-free": 4}, "None is as if it were not said"
    linked = [result("ward-9", {"classes": 9, "within": "random-2"}, f"{s}", s) for s in SEEDS]
    assert points(linked) == {"ward-9": 3}, "each inside the random classes of its seed"


def test_clusters_by_two_networks_are_two_points(tmp_path: Path) -> None:
    """Only their maps' inputs say which belong together; without them each map is alone."""
    workspace, results = Workspace(tmp_path), list[Result]()
    workspace.folder("label-map").mkdir()
    for features in ("a", "b"):
        for seed in SEEDS:
            params = {"classes": 2, "within": None, "seed": seed}
            labels = LabelMap.from_single(
                ["x"],
                np.zeros(1, np.int32),
                class_ids=("x",),
                class_names=("x",),
                method="kmeans",
                params=params,
                inputs={"features": features},
            )
            labels.write(workspace.place("label-map", "kmeans-2", labels.digest, ".parquet"))
            one = dict(result("kmeans-2-free", params, labels.digest, seed))
            one["source"] = {**one["source"], "labels_digest": labels.digest}
            results.append(one)
    assert list(points(results).values()) == [1] * 6
    known = with_inputs(workspace, results)
    found = points(known)
    assert list(found.values()) == [3, 3]
    cuts, _ = find_cuts(workspace, known)
    assert {c.name for c in cuts} == set(found)
    assert [c.num_maps for c in cuts] == [3, 3]
    assert with_inputs(workspace, results[:3]) == results[:3], "nothing is unclear"


def test_a_part_is_one_point_however_many_classes_are_left() -> None:
    """Of classes that overlap, a draw leaves more or fewer; parts of other sizes are others."""

    def part(seed: int, classes: int) -> Result:
        cut = f"level-3-{classes}-classes"
        own = {"level": 3, "part": {"classes": classes, "images": None, "seed": seed}}
        return result(cut, own, f"{seed} {classes}", seed, "part", classes_total=classes + seed)

    assert points([part(s, n) for n in (2, 4) for s in SEEDS]) == {
        "level-3-2-classes": 3,
        "level-3-4-classes": 3,
    }


# --- the study's own names ------------------------------------------------------------------------


def write_study(root: Path, names: dict[str, list[Result]], **study: Any) -> Path:
    """A study's folder, whose ledger has the results of each name; they lie in results/."""
    folder = root / "studies" / "mine-0"
    write_json(folder / "spec.json", {"digest": "0", "spec": study})
    for name, results in names.items():
        for one in results:
            path = write_result(root / "results", dict(one))
            cell = f"{name}.s{one['seed']}.finetune.embedded@depth-7"
            record = {"cell": cell, "kind": "result", "path": str(path)}
            write_json(folder / "cells" / f"{cell}.json", record)
    return folder


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """Two points that have one name in their maps, and a third; the study calls each otherwise."""
    by = {"classes": 2, "within": "depth-2", "split": "train"}
    return write_study(
        tmp_path,
        {
            "by.ours": each_seed("kmeans-2", by, per_class=20),
            "by-theirs": each_seed("kmeans-2", by, per_class=20, steps=300),
            "coarse": [result("depth-1", {"depth": 1}, "d", s, "depth") for s in SEEDS],
        },
        equal="images",
        recipe=["embedded-resnet"],
    )


def test_a_study_says_what_its_cuts_are_called(named: Path) -> None:
    """Given its folder, and for the same results whatever way they are named as well."""
    calls = {"by.ours": 3, "by-theirs": 3, "coarse": 3}
    results = load_results([named])
    assert points(results) == calls
    assert Counter(r["study_cut"] for r in results) == calls
    everything = named.parent.parent / "results"
    assert points(load_results([everything, named])) == calls
    (panel,) = summarise(results)
    assert (panel.finest, panel.coarsest) == ("coarse", "coarse")
    without = points(load_results([everything]))
    assert sorted(without) != sorted(calls)
    assert without["depth-1"] == 3
    assert sum(without.values()) == 9


def test_results_of_no_study_are_called_as_the_study_calls_their_maps(tmp_path: Path) -> None:
    """The same map, and another seed's of maps that are drawn."""
    random = each_seed("random-2", {"classes": 2}, method="random")
    leaf = [result("leaf", {}, "l", s, "leaf") for s in SEEDS]
    folder = write_study(tmp_path, {"products": leaf[:2], "chance": random[:2]})
    others = [write_result(tmp_path / "others", dict(one)) for one in (leaf[2], random[2])]
    assert points(load_results([folder, *others])) == {"products": 3, "chance": 3}


def test_a_recipe_is_no_part_of_the_name(tmp_path: Path) -> None:
    """It stands in the names of cells where a study has several."""
    leaf = [result("leaf", {}, "l", s, "leaf") for s in SEEDS]
    recipes = ["embedded-resnet", "other"]
    folder = write_study(tmp_path, {"fine.embedded-resnet": leaf}, recipe=recipes)
    assert points(load_results([folder])) == {"fine": 3}
    alone = write_study(tmp_path / "alone", {"fine.embedded-resnet": leaf}, recipe=recipes[:1])
    assert points(load_results([alone])) == {"fine.embedded-resnet": 3}


def test_costs_and_losses_are_of_the_points(rich: Workspace) -> None:
    """A row and a line for each, though the maps have one name."""
    results = [
        {**r, "study_cut": f"ours of seed {r['seed']}"}
        for r in load_results(rich)
        if r["source"] and r["source"]["cut"] == "depth-1"
    ]
    panels = summarise(results)
    costs, losses = costs_part(panels), losses_part(panels)
    assert costs is not None
    assert losses is not None
    names = [row[0].text for row in costs.grids[0].rows]
    assert names == ["ours of seed 0", "ours of seed 1"]
    assert [line.name for line in losses.figures[0].lines] == names


def test_difficulty_takes_either_name(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The study's, or the map's own where one source has it."""
    asked = list[str]()
    monkeypatch.setattr(
        "granctl.study.difficulty._panel", lambda _, spec: asked.append(spec.cut) or spec
    )
    panels = summarise(load_results([named]))
    for cut in ("coarse", "depth-1", "by.ours"):
        by_difficulty(panels, DifficultySpec(cut=cut), Silent())
    assert asked == ["coarse", "coarse", "by.ours"]
    with pytest.raises(NoSuchSourceError, match="kmeans-2"):
        by_difficulty(panels, DifficultySpec(cut="kmeans-2"), Silent())
