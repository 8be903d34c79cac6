"""`granctl tree cut` by number, evenness, images and nodes; what `tree stats` and `lists` say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS, write_source

from granctl.tree.compare import refines
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import load_list
from granctl.tree.store import embedded_wordnet

# Distinct label sets of the 1k's classes at levels 1, 2, 4, 6, 9, counted by two other parsers.
APART = {1: 572, 2: 339, 4: 157, 6: 86, 9: 34}


def _cut(granctl, *arguments: object) -> dict:
    return granctl("tree", "cut", *arguments, "--json", "--quiet").json


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Made-up images of the 21,843 labels: 0 to 1,499, by position in the list."""
    rng = np.random.default_rng(0)
    ids = load_list("21843").ids
    lines = [f"{i}\t{n}" for i, n in zip(ids, rng.integers(0, 1500, len(ids)), strict=True)]
    path = tmp_path / "counts.txt"
    path.write_text("\n".join(lines))
    return path


def _images_of_classes(path: str, counts: Path) -> Counter[int]:
    of_label = dict(line.split("\t") for line in counts.read_text().splitlines())
    label_map = LabelMap.read(Path(path))
    found: Counter[int] = Counter()
    for label in label_map.labels:
        (only,) = label_map.classes_of(label).tolist()
        found[only] += int(of_label[label])
    return found


@pytest.mark.parametrize("num", [1, 2, 38, 519, 5995, 21843])
@pytest.mark.parametrize("how", [(), ("--balanced",)])
def test_classes_are_as_many_as_asked_and_cover_every_label_once(granctl, num: int, how):
    """Of 21,843 labels none is left out, none has two classes."""
    found = _cut(granctl, "--classes", num, *how)
    assert (found["classes"], found["labels"]) == (num, 21843)
    assert (found["dropped"], found["multi_label"]) == (0, 0)
    assert (found["policy"], found["params"]["by"]) == ("first", "labels")
    assert LabelMap.read(Path(found["path"])).num_classes == num


def test_more_classes_refine_fewer(granctl):
    """160 classes by greed refine 38; the balanced 160 have a lighter heaviest class."""
    few, many = (LabelMap.read(granctl("tree", "cut", "--classes", n).path) for n in (38, 160))
    assert refines(many, few)
    even = _cut(granctl, "--classes", 160, "--balanced")
    assert even["largest"]["labels"] < np.bincount(many.classes).max()


def test_images_decide_the_size_of_a_class(granctl, counts: Path):
    """With counts the greed is by images, unless --by labels says otherwise; both are recorded."""
    by_labels = _cut(granctl, "--classes", 519)
    by_images = _cut(granctl, "--classes", 519, "--counts", counts)
    again = _cut(granctl, "--classes", 519, "--counts", counts, "--by", "labels")
    assert by_images["params"]["by"] == "images"
    assert by_images["inputs"]["counts"] == load_list(str(counts)).digest
    assert again["digest"] == by_labels["digest"], "what does not matter is no part of the identity"
    heaviest = max(_images_of_classes(by_images["path"], counts).values())
    assert heaviest == by_images["images_per_class"]["max"]
    assert heaviest < max(_images_of_classes(by_labels["path"], counts).values())
    even = _cut(granctl, "--classes", 519, "--counts", counts, "--balanced")
    assert even["images_per_class"]["max"] < heaviest
    assert again["images_per_class"]["total"] == sum(load_list(str(counts)).counts or ())


def test_every_class_has_the_images_that_were_asked_for(granctl, counts: Path):
    """5,000 images a class; a list with counts serves as well as --counts, in any order."""
    found = _cut(granctl, "--min-images", 5000, "--list", counts)
    sizes = _images_of_classes(found["path"], counts)
    assert min(sizes.values()) >= 5000
    assert found["classes"] == len(sizes) > 1000
    assert found["images_per_class"]["min"] == min(sizes.values())
    assert found["images"]["from"] == "list"


def test_most_images_is_a_policy(granctl, tmp_path: Path):
    """Dog goes to domestic animal if it has the images, and to canine otherwise."""
    for heavy, parent in (("n01317541", "n01317541"), ("n02083346", "n02083346")):
        path = tmp_path / f"{heavy}.txt"
        path.write_text(
            f"n02084071\t1\nn01317541\t0\nn02083346\t0\n{heavy}\t9\n".replace(f"{heavy}\t0\n", "")
        )
        arguments = ("--level", 1, "--policy", "most-images", "--list", path)
        found = LabelMap.read(granctl("tree", "cut", *arguments).path)
        assert found.class_ids[found.classes_of("n02084071")[0]] == parent
        assert found.params["policy"] == "most-images"


def test_nodes_are_classes_and_depths_mix(granctl, tmp_path: Path):
    """Depth 5 everywhere, but animals at 7 and dogs each its own: the deepest line decides."""
    path = tmp_path / "mixed.txt"
    path.write_text("entity\t5\nn00015388\t7\nn02084071\t19\nn02121620\n")
    found = _cut(granctl, "--nodes", path)
    assert (found["method"], found["params"]["nodes"]) == ("nodes", "mixed")
    cut = LabelMap.read(Path(found["path"]))
    names = {
        label: cut.class_names[cut.classes_of(label)[0]]
        for label in ("n02113799", "n02123394", "n02129165", "n13104059")
    }
    wordnet = embedded_wordnet()
    assert names["n02113799"] == wordnet.name(wordnet.index_of["n02113799"]), "a dog's breed"
    assert names["n02123394"] == "cat", "Persian cat under the bare node"
    assert names["n02129165"] == "chordate", "lion under animal, at depth 7"
    at_five = LabelMap.read(granctl("tree", "cut", "--depth", 5).path)
    assert names["n13104059"] == at_five.class_names[at_five.classes_of("n13104059")[0]]
    alone = tmp_path / "five.txt"
    alone.write_text("entity\t5")
    five = LabelMap.read(granctl("tree", "cut", "--nodes", alone).path)
    assert (five.class_ids, five.classes.tolist()) == (at_five.class_ids, at_five.classes.tolist())


def test_labels_under_no_node_are_named_or_said_what_becomes_of_them(granctl, tmp_path: Path):
    """An error names the first; keep, drop and remainder make the cut."""
    path = tmp_path / "animals.txt"
    path.write_text("n00015388\n")
    bad = granctl("tree", "cut", "--nodes", path)
    assert (bad.code, bad.out) == (2, "")
    assert "leaves 18021 labels of list '21843' under none of its nodes: n00004475, " in bad.err
    assert "--shallow keep, drop or remainder" in bad.err
    keep, drop, rest = (
        _cut(granctl, "--nodes", path, "--shallow", s) for s in ("keep", "drop", "remainder")
    )
    assert (keep["classes"], drop["classes"], rest["classes"]) == (18022, 1, 2)
    assert (keep["dropped"], drop["dropped"], rest["dropped"]) == (0, 18021, 0)
    assert rest["largest"] == {"id": "remainder", "name": "remainder", "labels": 18021}


def test_shards_say_how_many_images_a_label_has(granctl, tmp_path: Path):
    """The train split of a shard set weighs the labels of a list; one of other labels does not."""
    edges = tmp_path / "edges.tsv"
    edges.write_text("".join(f"top\t{label}\n" for label in LABELS))
    taxonomy = granctl("tree", "import", "edges", edges, "--quiet").path
    shards = granctl("shards", "build", "--source", write_source(tmp_path / "source")).path
    found = _cut(granctl, "--classes", 2, "--taxonomy", taxonomy, "--shards", shards)
    assert (found["params"]["by"], found["images"]["from"]) == ("images", "shards")
    assert found["images_per_class"]["total"] == found["images"]["images"] == 18
    more = ("--taxonomy", taxonomy, "--shards", shards, "--json")
    stats = granctl("tree", "stats", found["path"], *more).json
    assert stats["images_per_class"] == found["images_per_class"]
    other = granctl("tree", "cut", "--classes", 2, "--shards", shards)
    assert other.code == 2
    assert "knows none of the labels of list '21843'" in other.err


# --- what a cut says of itself ------------------------------------------------------------------


@pytest.mark.parametrize("level", APART)
def test_target_classes_that_stay_apart(granctl, level: int):
    """Of the 1k, at the levels of the paper."""
    path = granctl("tree", "cut", "--level", level).path
    found = granctl("tree", "stats", path, "--target", "1k", "--json", "--quiet").json["target"]
    assert found == {
        "list": "1k",
        "labels": 1000,
        "known": 999,
        "dropped": 0,
        "apart": APART[level],
    }


def test_stats_are_a_table_and_a_picture(granctl):
    """Facts on stdout, bars of class sizes on stderr; --quiet leaves the bars out."""
    path = granctl("tree", "cut", "--level", 9).path
    shown = granctl("tree", "stats", path)
    assert "classes           38" in shown.out
    assert "labels a class: classes" in shown.err
    (most,) = [line for line in shown.err.splitlines() if "8,192-16,383" in line]
    assert most.split()[-1] == "1", "entity holds 11,840 labels"
    assert granctl("tree", "stats", path, "--quiet").err == ""
    assert "level (all): classes" in granctl("tree", "stats").err


def test_spread_of_class_sizes(granctl, tmp_path: Path):
    """Level 9: by numpy's own quantiles and plain sums."""
    found = _cut(granctl, "--level", 9)
    sizes = np.bincount(LabelMap.read(Path(found["path"])).classes)
    spread = found["labels_per_class"]
    for name, q in (("min", 0), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("max", 1)):
        assert spread[name] == np.quantile(sizes, q, method="inverted_cdf")
    differences = np.abs(sizes[:, None] - sizes[None, :]).mean()
    assert spread["gini"] == pytest.approx(differences / (2 * sizes.mean()))
    share = sizes / sizes.sum()
    assert spread["effective"] == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    assert sum(b["classes"] for b in spread["bins"]) == 38
    assert found["images_per_class"] is None


def test_lists_side_by_side(granctl):
    """Google's and Microsoft's 21k: two labels and one; few keep their index."""
    shown = granctl("tree", "lists", "diff", "21843", "21842")
    assert shown.out.splitlines() == [
        "- n03931044  picture",
        "- n09859684  bleacher",
        "+ n04399382  teddy",
    ]
    assert "in both 21,841, of which 447 have the same index" in shown.err
    found = granctl("tree", "lists", "diff", "12k", "21841", "--json").json
    assert (found["relation"], found["both"]) == ("a-inside-b", 11821)
    assert granctl("tree", "lists", "diff", "1k", "1k").out.strip() == ""


BAD = {
    "many": (["cut", "--classes", 21844], "more than the 21843 labels", "--classes 1 to 21843"),
    "none": (["cut", "--classes", 0], "fewer than there are roots", "--classes 1 to 21843"),
    "all": (["cut", "--classes", 9, "--policy", "all"], "several parents", "first, shortest"),
    "by": (["cut", "--classes", 9, "--by", "image"], "no by 'image'", "did you mean images?"),
    "no images": (["cut", "--classes", 9, "--by", "images"], "nothing says how", "--counts FILE"),
    "min": (["cut", "--min-images", 9], "--min-images: nothing says how many", "--shards SET"),
    "min 0": (["cut", "--min-images", 0], "--min-images: 0 is below 1", "1 is the least"),
    "most": (["cut", "--level", 1, "--policy", "most-images"], "nothing says", "--counts FILE"),
    "balanced": (["cut", "--balanced"], "--balanced: it says how --classes N", "add --classes"),
    "balanced level": (["cut", "--level", 4, "--balanced"], "--balanced", "leave the other cut"),
    "nodes gone": (["cut", "--nodes", "gone"], "file of nodes not found: gone", "--nodes"),
    "two": (["cut", "--nodes", "x", "--min-images", 2], "--min-images and --nodes", "give one"),
    "counts gone": (["cut", "--classes", 9, "--counts", "gone"], "not found", "--counts"),
    "stats": (["stats", "--target", "1k"], "--target: it is about a label map", "stats CUT"),
    "path": (["path", "n02084071", "--policy", "most-images"], "most-images", "first"),
    "diff": (["lists", "diff", "1k", "21834"], "no label list", "did you mean 21843"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_says_what_and_the_mend(granctl, name: str):
    """Exit code 2, the fault and the mend on stderr, nothing on stdout."""
    arguments, what, mend = BAD[name]
    outcome = granctl("tree", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    error, hint = outcome.err.split("\nhint: ")
    assert what in error
    assert mend in hint


def test_faults_of_files_are_data_errors(granctl, tmp_path: Path):
    """Nodes with faults: exit code 3, each with its line. Counts of other labels: 2."""
    path = tmp_path / "bad.txt"
    path.write_text("dogg\ncrane\n")
    outcome = granctl("tree", "cut", "--nodes", path)
    assert outcome.code == 3
    assert "line 1: " in outcome.err
    assert "line 2: " in outcome.err
    path.write_text("other\t5\n")
    outcome = granctl("tree", "cut", "--classes", 5, "--counts", path)
    assert outcome.code == 2
    assert "knows none of the labels of list '21843'" in outcome.err
    assert granctl("tree", "cut", "--classes", 5, "--counts", path, "--shards", path).code == 2


def test_too_many_images_a_class(granctl, tmp_path: Path):
    """More than there are in all: how many there are."""
    path = tmp_path / "few.txt"
    path.write_text("n02084071\t3\nn02121620\t4\n")
    outcome = granctl("tree", "cut", "--min-images", 8, "--list", path)
    assert outcome.code == 2
    assert "--min-images 8: there are 7 images under the root n00001740" in outcome.err
    assert granctl("tree", "cut", "--min-images", 7, "--list", path, "--json").json["classes"] == 1


def test_numbers_do_not_depend_on_the_hash_seed(tmp_path: Path, counts: Path):
    """Three values of PYTHONHASHSEED: the same labels, classes and ids."""
    code = "import sys; from granctl.cli.main import main; main()"
    arguments = ["--classes", "160", "--balanced", "--policy", "most-images"]
    arguments += ["--counts", str(counts)]
    contents = set()
    for seed in "012":
        out = tmp_path / f"{seed}.parquet"
        subprocess.run(
            [sys.executable, "-c", code, "tree", "cut", *arguments, "--out", str(out)],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        contents.add(LabelMap.read(out).content_digest)
    assert len(contents) == 1
