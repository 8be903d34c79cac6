"""`granctl advise`: what is printed where, short runs and their judgement, faults."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS, encoded
from made_features import write_features, write_features_of

from granctl.progress import Silent
from granctl.shards.index import ShardSet
from granctl.study.cells import Cell
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Artefact, Workspace

TABLE = "kind\tkin\tspecies\n" + "".join(
    f"{'animal' if i < 3 else 'thing'}\tkin{i // 2}\t{label}\n" for i, label in enumerate(LABELS)
)
TINY = ["--set", "model.width=4", "--set", "model.stages=[1.0]", "--set", "input.resolution=8"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A workspace with 36 images of six labels in shards, their hierarchy, features."""
    from granctl.cli.main import run

    root = tmp_path_factory.mktemp("advice")
    for i, label in enumerate(LABELS):
        for j in range(7):
            path = root / "images" / ("train" if j < 6 else "test") / label / f"{j}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(10 * i + j))
    (root / "kinds.tsv").write_text(TABLE)
    space = ["--workspace", str(root / "ws"), "--quiet"]
    assert not run(["shards", "build", "--source", str(root / "images"), *space])
    columns = ["--columns", "kind,kin,species", "--id", "species", "--root", "all"]
    assert not run(["tree", "import", "table", str(root / "kinds.tsv"), *columns, *space])
    (shards,) = (root / "ws" / "shards").glob("*")
    (tree,) = (root / "ws" / "taxonomies").glob("*.npz")
    features = write_features_of(root / "f.parquet", ShardSet.open(shards))
    return {"ws": root / "ws", "shards": shards, "tree": tree, "features": features}


@pytest.fixture
def advise(granctl: Callable, made: dict[str, Path]) -> Callable:
    """`granctl advise` in that workspace, for the species."""

    def call(*arguments: object) -> object:
        place = ["--workspace", made["ws"], "--taxonomy", made["tree"]]
        return granctl("advise", *arguments, *place)

    return call


def test_the_best_label_map_is_printed(advise: Callable, made: dict[str, Path]) -> None:
    """One line, a path that can be pretrained on; the table and the words on stderr."""
    done = advise(made["shards"], made["shards"])
    assert LabelMap.read(done.path).name == "depth-3"
    assert "depth-3 *" in done.err
    assert "how sure that is cannot be said" in done.err
    again = advise(made["shards"], made["shards"], "--json").json
    assert (again["kind"], again["made"], again["schema"]) == ("advice", False, 1)
    assert Path(again["path"], "manifest.json").is_file()
    assert again["best"]["path"] == str(done.path)
    assert [row["cut"] for row in again["ranking"]] == ["depth-3", "depth-2", "depth-1"]
    assert [row["classes"] for row in again["ranking"]] == [6, 4, 2]
    assert again["ranking"][0]["also"] == ["leaf"]
    assert again["ranking"][0]["relation"] == "equal"
    assert again["sure"]["probability"] is None


def test_advice_read_again_has_the_paths_of_today(
    advise: Callable, made: dict[str, Path], tmp_path: Path
) -> None:
    """Label maps that were moved since it was made are found where they are."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    for depth in (1, 2):
        path = next((made["ws"] / "label-maps").glob(f"depth-{depth}-*"))
        shutil.copy(path, before / f"{depth}{path.suffix}")
    shards = made["shards"], made["shards"], "--json"

    def asked(folder: Path) -> dict:
        cuts = [word for path in sorted(folder.iterdir()) for word in ("--cut", path)]
        return advise(*shards, *cuts).json

    first = asked(before)
    os.rename(before, after)
    again = asked(after)
    assert (first["made"], again["made"]) == (True, False)
    assert Path(again["best"]["path"]).parent == after
    assert {Path(row["path"]).parent for row in again["ranking"]} == {after}


def test_a_probe_says_how_sure_it_is(advise: Callable, made: dict[str, Path]) -> None:
    """Probabilities add up, the first is tied with itself, and features of noise tell nothing."""
    where = made["shards"], made["shards"], "--features", made["features"]
    found = advise(*where, "--draws", 5, "--json").json
    assert found["rule"] == "probe"
    assert sum(row["probability_best"] for row in found["ranking"]) == pytest.approx(1)
    assert found["sure"]["tied"][0] == found["best"]["cut"]
    assert 0 <= found["features_alone"] <= 1
    assert advise(*where, "--draws", 6, "--json").json["digest"] != found["digest"]
    assert "by the probe" in found["sure"]["words"]


def run_seed(run: Path) -> int:
    return int(json.loads((run / "spec.json").read_text())["spec"]["seed"])


def one_by_one(workspace: Workspace, cells: Sequence[Cell], *_: object) -> dict[str, Artefact]:
    """The cells in this process, which has torch loaded already."""
    done: dict[str, Artefact] = {}
    for cell in cells:
        paths = {k: done[name].path for k, name in cell.needs.items()}
        done[cell.name] = cell.work(workspace, progress=Silent(), **cell.params, **paths)
    return done


def test_short_runs_rank_and_are_judged(
    granctl: Callable,
    advise: Callable,
    made: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs of one epoch on 27 of the 36 images, found again by the next call; and a grid of them.

    No held-out image is looked at by the advice. Of two targets one shares no label with the cuts.
    """
    monkeypatch.setattr("granctl.study.adviseshort.run_cells", one_by_one)
    maps = [next((made["ws"] / "label-maps").glob(f"depth-{d}-*")) for d in (1, 3)]
    cuts = [word for path in maps for word in ("--cut", path)]
    asked = [made["shards"], made["shards"], *cuts, "--short", 1, "--seeds", 2, *TINY, "--json"]
    found = advise(*asked).json
    assert found["rule"] == "short"
    assert all(row["short"]["n"] == 2 for row in found["ranking"])
    runs = sorted((made["ws"] / "runs").glob("*"))
    assert len(runs) == 4
    assert [json.loads((run / "spec.json").read_text())["spec"]["images"] for run in runs] == [
        27
    ] * 4
    assert not (made["ws"] / "results").exists()
    before = [(run / "manifest.json").stat().st_mtime_ns for run in runs]
    assert advise(*asked, "--processes", 2).json["made"] is False
    advice = Path(found["path"])
    os.rename(advice, advice.with_name("elsewhere"))
    assert advise(*asked).json["ranking"] == found["ranking"]
    assert [(run / "manifest.json").stat().st_mtime_ns for run in runs] == before

    for run in runs:
        asked = ["--target", made["shards"], "--method", "knn", "--seed", run_seed(run)]
        assert granctl("transfer", "--run", run, *asked, "--workspace", made["ws"]).code == 0
    results = "--judge", made["ws"] / "results"
    judged = advise(*results, "--features", made["features"], "--json").json
    assert judged["kind"] == "judgement"
    (panel,) = judged["panels"]
    assert {cut["cut"] for cut in panel["cuts"]} == {"depth-1", "depth-3"}
    tops = {cut["cut"]: cut["top1"] for cut in panel["cuts"]}
    assert panel["rules"]["told"]["cut"] == panel["naive"]["own"]["cut"] == "depth-3"
    assert panel["rules"]["told"]["regret"] == pytest.approx(max(tops.values()) - tops["depth-3"])
    assert set(judged["regret"]) == {"told", "probe", "leaf", "own", "any"}
    assert json.loads(Path(judged["path"], "judgement.json").read_text())["panels"] == [panel]

    digests = {LabelMap.read(path).digest for path in maps}
    assert {d for (d,) in judged["asked"]["grids"][0]["label_maps"]} == digests
    space = "--features", made["features"], "--workspace", made["ws"], "--json"
    other = granctl("advise", *results, *space).json  # under WordNet
    assert other["digest"] != judged["digest"]

    every = sorted((made["ws"] / "results").glob("*/result.json"))
    one = [path for path in every if json.loads(path.read_text())["source"]["cut"] == "depth-1"]
    alone = advise(*[word for path in one for word in ("--judge", path)])
    assert alone.code == 2
    assert "there is no grid to judge by" in alone.err
    assert "has 1 of 1 cuts" in alone.err

    for i, label in enumerate(("n09999998", "n09999999")):
        for name in ("train/0", "train/1", "test/0"):
            path = tmp_path / "images" / name.split("/")[0] / label / f"{name[-1]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(2000 + 10 * i + int(name[-1]) + 5 * (name[1] == "e")))
    build = "shards", "build", "--source", tmp_path / "images", "--workspace", made["ws"]
    others = granctl(*build, "--quiet").path
    for run in runs:
        asked = ["--target", others, "--method", "knn", "--k", 2, "--seed", run_seed(run)]
        assert granctl("transfer", "--run", run, *asked, "--workspace", made["ws"]).code == 0
    both = advise(*results, "--json")
    assert both.code == 0, both.err
    assert [p["target"] for p in both.json["panels"]] == [panel["target"]]
    (reason,) = both.json["left_out"]
    assert "lies at, above or below a class" in reason
    assert f"not judged by: {reason}"[:40] in both.err


def test_a_target_of_other_images(
    granctl: Callable, advise: Callable, made: dict[str, Path], tmp_path: Path
) -> None:
    """Labels meet by the hierarchy, features by the network; four of its five labels are known."""
    for i, label in enumerate((*LABELS[:4], "n09999999")):
        for j in range(8):
            path = tmp_path / "images" / ("train" if j < 7 else "test") / label / f"{j}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(1000 + 10 * i + j))
    shards = granctl("shards", "build", "--source", tmp_path / "images", "--quiet").path
    theirs = write_features_of(tmp_path / "f.parquet", ShardSet.open(shards))
    asked = [made["shards"], shards, "--features", made["features"], "--target-features", theirs]
    found = advise(*asked, "--draws", 3, "--json").json
    assert found["target"]["same_images"] is False
    assert found["rule"] == "probe"
    species = next(row for row in found["ranking"] if row["cut"] == "depth-3")
    assert species["covered"] == pytest.approx(4 / 5)
    assert species["purity"] == 1
    assert species["probe"]["n"] == 3
    labels = advise(made["shards"], shards, "--json").json
    assert labels["rule"] == "told"
    assert labels["best"]["cut"] == "depth-3"


@pytest.mark.slow
def test_short_runs_in_two_processes(advise: Callable, made: dict[str, Path]) -> None:
    """Each is a cell of its own, as those of a study are."""
    maps = [next((made["ws"] / "label-maps").glob(f"depth-{d}-*")) for d in (1, 2)]
    cuts = [word for path in maps for word in ("--cut", path)]
    asked = [made["shards"], made["shards"], *cuts, "--short", 1, "--seeds", 1, *TINY]
    found = advise(*asked, "--processes", 2, "--set", "batch_size=8", "--json").json
    assert [row["short"]["n"] for row in found["ranking"]] == [1, 1]
    assert "give --seeds 2" in found["sure"]["words"]


def test_faults_of_the_user_end_with_2(advise: Callable, made: dict[str, Path]) -> None:
    """What cannot be done is said with its mend, before anything is made."""
    shards, features = made["shards"], made["features"]
    cut = next((made["ws"] / "label-maps").glob("depth-1-*"))
    for arguments, words in (
        ([shards, "nowhere@leaf"], "nowhere"),
        ([shards, shards, "--draws", 1], "--draws"),
        ([shards, shards, "--recipe", "embedded-resnet"], "add --short EPOCHS"),
        ([shards, shards, "--target-features", features], "add --features"),
        ([shards, shards, "--features", features, "--target-features", features], "leave it out"),
        ([shards, shards, "--cut", cut], "there is nothing to choose from: only depth-1"),
        ([shards, shards, "--judge", shards], "leave SOURCE and TARGET out"),
        (["--judge", made["ws"] / "label-maps"], "result not found"),
        ([shards, "embedded", "--features", features], "--target-features"),
        ([shards, "embedded"], "lies at, above or below a class"),
    ):
        done = advise(*arguments)
        assert done.code == 2, done.err
        assert words in done.err


def test_features_of_other_images_end_with_3(
    advise: Callable, made: dict[str, Path], tmp_path: Path
) -> None:
    """How many images they lack, and the command that makes them."""
    short = write_features_of(tmp_path / "f.parquet", ShardSet.open(made["shards"]), leave_out=4)
    done = advise(made["shards"], made["shards"], "--features", short)
    assert done.code == 3
    assert "lacks 4 of the 36 training images" in done.err
    assert "granctl embed" in done.err
    with_nan = np.ones((36, 4))
    with_nan[3, 2] = np.nan
    checksums = ShardSet.open(made["shards"]).checksums("train").tolist()
    broken = write_features(tmp_path / "nan.parquet", ["x"] * 36, with_nan, checksums)
    done = advise(made["shards"], made["shards"], "--features", broken)
    assert done.code == 3
    assert "NaN or infinity in the features of at least 1 image" in done.err
