"""`granctl tree` as a user runs it: golden numbers, traps, bad input, what it loads."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from golden import (
    DEPTH_6,
    DEPTH_AT,
    DEPTH_KEEP,
    DEPTH_NESTED,
    DEPTH_SHALLOW,
    DEPTHS,
    LEVELS,
    SEVERAL_CLASSES,
)


def _cut(granctl, *arguments: object) -> dict:
    return granctl("tree", "cut", *arguments, "--json", "--quiet").json


@pytest.mark.parametrize("policy", LEVELS)
@pytest.mark.parametrize("level", range(11))
def test_levels_give_the_known_class_counts(granctl, policy: str, level: int):
    """Every level under three policies; under `all` as many labels have several classes."""
    found = _cut(granctl, "--level", level, "--policy", policy)
    assert found["classes"] == LEVELS[policy][level]
    assert found["labels"] == 21843
    if policy == "all":
        assert found["multi_label"] == SEVERAL_CLASSES[level]


@pytest.mark.parametrize("index", range(len(DEPTHS)))
def test_depths_give_the_known_class_counts(granctl, index: int):
    """Shallow labels kept, dropped, in a remainder class; nested classes."""
    depth = DEPTHS[index]
    keep = _cut(granctl, "--depth", depth)
    drop = _cut(granctl, "--depth", depth, "--shallow", "drop")
    rest = _cut(granctl, "--depth", depth, "--shallow", "remainder")
    assert (keep["classes"], keep["nested"]) == (DEPTH_KEEP[index], DEPTH_NESTED[index])
    assert (drop["classes"], drop["dropped"]) == (DEPTH_AT[index], DEPTH_SHALLOW[index])
    assert rest["classes"] == DEPTH_AT[index] + 1
    assert keep["dropped"] == rest["dropped"] == keep["multi_label"] == 0


@pytest.mark.parametrize(("policy", "classes"), DEPTH_6.items())
def test_depth_six_depends_on_the_policy(granctl, policy: str, classes: int):
    """The shortest path gives 2,839 classes, the longest 964, the first parent 1,036."""
    assert _cut(granctl, "--depth", 6, "--policy", policy)["classes"] == classes


def test_level_four_and_nine_are_nested_and_lopsided(granctl):
    """At level 4 271 classes are nested; at level 9 24 are, 10 hold one label, entity 11,840."""
    four, nine = _cut(granctl, "--level", 4), _cut(granctl, "--level", 9)
    assert four["nested"] == 271
    assert (nine["nested"], nine["singletons"]) == (24, 10)
    assert nine["largest"] == {"id": "n00001740", "name": "entity", "labels": 11840}
    assert round(nine["at_root_frac"], 2) == 0.54


def test_the_object_has_what_pipelines_read(granctl):
    """The fields of every artefact, and those of a cut."""
    found = _cut(granctl, "--depth", 5)
    every = {"kind", "path", "digest", "made", "schema"}
    cut = {"classes", "labels", "multi_label", "policy", "nested", "singletons", "method"}
    assert every | cut | {"keyed_by", "largest", "at_root_frac", "params"} <= set(found)
    assert (found["kind"], found["made"], found["policy"]) == ("label-map", True, "first")
    assert Path(found["path"]).is_file()


def test_the_same_cut_twice_is_made_once(granctl):
    """The second run prints the same path and says that nothing was to do."""
    first = granctl("tree", "cut", "--level", 2)
    second = granctl("tree", "cut", "--level", 2)
    assert first.path == second.path
    assert "there already, whole" in second.err
    assert _cut(granctl, "--level", 2)["made"] is False


def test_a_damaged_cut_of_the_workspace_is_made_again(granctl):
    """A map at its own place that was cut short is replaced."""
    path = granctl("tree", "cut", "--level", 6).path
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    again = _cut(granctl, "--level", 6)
    assert again["made"] is True
    assert granctl("tree", "stats", path, "--json").json["classes"] == 160


@pytest.mark.parametrize("content", ["nonsense", "level-3"])
def test_out_that_holds_something_else_is_left_alone(granctl, tmp_path: Path, content: str):
    """A foreign file or another cut under --out: exit 2, nothing written."""
    out = tmp_path / "map.parquet"
    if content == "nonsense":
        out.write_text(content)
    else:
        granctl("tree", "cut", "--level", 3, "--out", out)
    before = out.read_bytes()
    outcome = granctl("tree", "cut", "--level", 2, "--out", out)
    assert (outcome.code, out.read_bytes()) == (2, before)
    assert "nothing was written" in outcome.err


def test_leaf_numbers_the_classes_as_the_list_does(granctl):
    """Level 0 under any policy is one artefact, method leaf, each label its own class."""
    from granctl.tree.labelmap import LabelMap
    from granctl.tree.lists import load_list

    path = granctl("tree", "cut", "--level", 0, "--list", "21842").path
    label_map = LabelMap.read(path)
    assert label_map.class_ids == label_map.labels == load_list("21842").ids
    assert label_map.method == "leaf"
    assert granctl("tree", "cut", "--level", 0, "--list", "21842", "--policy", "first").path == path


def test_target_classes_that_stay_apart(granctl):
    """The 999 labels of the 1k in the list: 572, 339, 157, 86, 34 distinct label sets."""
    from granctl.tree.labelmap import LabelMap
    from granctl.tree.lists import load_list

    apart = []
    for level in (1, 2, 4, 6, 9):
        found = LabelMap.read(granctl("tree", "cut", "--level", level).path)
        known = [i for i in load_list("1k").ids if i in found.index_of]
        assert len(known) == 999
        apart.append(len({tuple(sorted(found.classes_of(i).tolist())) for i in known}))
    assert apart == [572, 339, 157, 86, 34]


def test_random_classes_have_the_sizes_of_the_cut(granctl):
    """Sizes are those of --like, the meaning is gone; the seed decides."""
    import numpy as np

    from granctl.tree.labelmap import LabelMap

    like = granctl("tree", "cut", "--level", 4).path
    one, two, other = (
        granctl("tree", "cut", "--random", "--like", like, "--seed", s).path for s in (1, 1, 2)
    )
    assert one == two != other
    a, b, c = (LabelMap.read(p) for p in (like, one, other))
    assert b.params == {"like": "level-4", "seed": 1, "list": "21843"}
    for found in (b, c):
        assert sorted(np.bincount(found.classes)) == sorted(np.bincount(a.classes))
    assert (b.classes != c.classes).any()
    assert _cut(granctl, "--random", "--like", like)["nested"] == 0


# --- looking ---------------------------------------------------------------------------------


def test_show_draws_the_tree_with_counts(granctl, snapshot_tree: str):
    """The tree under dog, the largest children first, the others counted."""
    outcome = granctl("tree", "show", "--root", "n02084071", "--depth", 1, "--most", 2)
    assert outcome.out == snapshot_tree
    assert outcome.err == ""


@pytest.fixture
def snapshot_tree() -> str:
    return (
        "dog  n02084071  190 labels\n"
        "├── hunting dog  n02087122  102 labels, 6 below\n"
        "├── working dog  n02103406  46 labels, 15 below\n"
        "└── 16 more\n"
    )


def test_show_marks_the_classes_of_a_cut(granctl):
    """A class of --cut is marked in the tree and in the object."""
    cut = granctl("tree", "cut", "--depth", 5).path
    shown = granctl("tree", "show", "--root", "n00004258", "--depth", 1, "--cut", cut)
    assert "organism  class   n00004475" in shown.out
    found = granctl("tree", "show", "--root", "n00004258", "--depth", 1, "--cut", cut, "--json")
    children = {c["name"]: c["is_class"] for c in found.json["root"]["children"]}
    assert children["organism"] is True
    assert found.json["root"]["is_class"] is False


def test_show_colours_the_classes_of_a_cut_at_a_terminal(granctl):
    """Nodes inside a class have its colour, other classes others; nodes above the cut none."""
    from granctl.cli.treeview import _line
    from granctl.tree.labelmap import LabelMap
    from granctl.tree.view import Branch

    cut = granctl("tree", "cut", "--depth", 9).path
    command = ("tree", "show", "--root", "n01503061", "--depth", 1, "--json")
    root = granctl(*command, "--labels", cut).json["root"]
    assert root["class_index"] >= 0
    names = LabelMap.read(cut).class_names
    assert names[root["class_index"]] == "bird"
    assert root["class_index"] in {c["class_index"] for c in root["children"]}
    assert granctl(*command).json["root"]["class_index"] == -1
    fields = {"id": "n1", "name": "a", "labels": 1, "is_label": False, "is_class": False}
    branch = {c: Branch(**fields, class_index=c, children=(), hidden=0) for c in (-1, 4, 9)}
    seen: dict[int, str] = {}
    first, again, other, none = (_line(branch[c], seen) for c in (4, 4, 9, -1))
    assert first == again
    assert first != other
    assert none.startswith("[default]")


def test_show_can_count_every_node(granctl):
    """--all shows nodes that no label lies under; without it that is an error with the mend."""
    bare = granctl("tree", "show", "--root", "n09886220")
    assert (bare.code, "add --all" in bare.err) == (2, True)
    assert granctl("tree", "show", "--root", "n09886220", "--all").code == 0


def test_path_prints_every_way_up(granctl):
    """Dog is reached through canine and through domestic animal; `first` knows one way."""
    lines = granctl("tree", "path", "n02084071").out.splitlines()
    assert [line.split(" > ")[-2] for line in lines] == [
        "canine (n02083346)",
        "domestic animal (n01317541)",
    ]
    assert len(granctl("tree", "path", "n02084071", "--policy", "first").out.splitlines()) == 1


def test_stats_of_the_tree_say_what_it_could_give(granctl):
    """Facts of WordNet and the list, and the classes at every level and depth."""
    found = granctl("tree", "stats", "--json").json
    assert (found["nodes"], found["hypernym_edges"]) == (82115, 75850)
    assert (found["inner_labels"], found["several_parents"]) == (4589, 453)
    assert tuple(found["levels"][:11]) == LEVELS["all"]
    assert tuple(found["depths"][4:11]) == DEPTH_KEEP
    assert "inner_labels     4589" in granctl("tree", "stats").out


def test_stats_of_a_cut_are_those_it_was_made_with(granctl):
    """`tree stats CUT` and `tree cut` agree on every fact."""
    made = _cut(granctl, "--level", 4)
    found = granctl("tree", "stats", made["path"], "--json").json
    assert {k: v for k, v in found.items() if k != "made"} == {
        k: v for k, v in made.items() if k != "made"
    }


def test_lists_are_printed(granctl):
    """Name, size and what it is, a line each."""
    lines = granctl("tree", "lists").out.splitlines()
    assert len(lines) == 8
    assert lines[0].split()[:2] == ["21843", "21843"]
    assert [i["labels"] for i in granctl("tree", "lists", "--json").json["lists"]][-2:] == [
        1000,
        10,
    ]


# --- bad input -------------------------------------------------------------------------------

BAD = {
    "unknown name": (["show", "--root", "dogg"], "has no node 'dogg'", "did you mean doggy or dog"),
    "unknown wnid": (["path", "n02084072"], "no node 'n02084072'", "n02084071 (dog)"),
    "short wnid": (["path", "n0208407"], "no node 'n0208407'", "n02084071 (dog)"),
    "ambiguous": (["path", "dog"], "7 nodes are named 'dog'", "give the id"),
    "ambiguous root": (["show", "--root", "crane"], "n02012849", "give the id"),
    "deep": (["cut", "--depth", 20], "labels reach depth 19", "take --depth 0 to 19"),
    "high": (["cut", "--level", 20], "labels reach level 19", "take --level 0 to 19"),
    "below 0": (["cut", "--level", -1], "--level: -1 is below 0", "0 is the least"),
    "list": (["cut", "--level", 1, "--list", "21834"], "no label list", "did you mean 21843"),
    "two cuts": (["cut", "--depth", 5, "--level", 4], "--depth and --level: they", "give one of"),
    "no cut": (["cut"], "nothing says how to cut", "give one of --depth"),
    "policy": (["cut", "--level", 4, "--policy", "frist"], "no policy 'frist'", "mean first?"),
    "shallow": (["cut", "--depth", 4, "--shallow", "x"], "no shallow 'x'", "keep, drop, remai"),
    "multi depth": (["cut", "--depth", 4, "--policy", "all"], "several depths", "first, short"),
    "shallow level": (["cut", "--level", 4, "--shallow", "drop"], "no meaning", "leave --shallow"),
    "no like": (["cut", "--random"], "--like: a cut by random needs it", "add --like"),
    "like gone": (["cut", "--random", "--like", "gone"], "label map not found: gone", "tree cut"),
    "classes": (["cut", "--level", 4, "--classes", 5], "--classes: it has no", "leave --classes"),
    "method": (["cut", "--cluster", "dbscan"], "no cluster 'dbscan'", "kmeans, ward, average"),
    "taxonomy gone": (["show", "--taxonomy", "gone"], "taxonomy not found: gone", "tree import"),
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


def test_like_that_is_no_label_map_is_a_data_error(granctl, tmp_path: Path):
    """A file that is something else: exit code 3 and the mend."""
    path = tmp_path / "other.parquet"
    path.write_text("not parquet")
    outcome = granctl("tree", "cut", "--random", "--like", path)
    assert outcome.code == 3
    assert "not a label map" in outcome.err


def test_labels_of_another_taxonomy_are_refused(granctl, tmp_path: Path):
    """Ids that WordNet 3.0 lacks: how many and which."""
    path = tmp_path / "mine.txt"
    path.write_text("n02084071\nn99999999\n")
    outcome = granctl("tree", "cut", "--level", 1, "--list", path)
    assert outcome.code == 3
    assert "lacks 1 labels of list 'mine': n99999999" in outcome.err


def test_wordnet_of_another_version_is_refused(granctl, tmp_path: Path):
    """3.1 by its header: exit code 3, a sentence."""
    (tmp_path / "data.noun").write_text("  1 WordNet 3.1 Copyright 2011 by Princeton  \n")
    outcome = granctl("tree", "import", "wordnet", tmp_path)
    assert outcome.code == 3
    assert "is WordNet 3.1, by its header" in outcome.err


def test_import_makes_a_taxonomy_that_can_be_cut(granctl, tmp_path: Path):
    """A dict folder of three synsets: imported, found again, cut, another --out left alone."""
    line = "{} 03 n 01 {} 0 {} | gloss  \n"
    (tmp_path / "data.noun").write_text(
        "  1 WordNet 3.0 Copyright 2006 by Princeton  \n"
        + line.format("00000001", "all", "000")
        + line.format("00000002", "some", "001 @ 00000001 n 0000")
        + line.format("00000003", "one", "001 @i 00000002 n 0000")
    )
    made = granctl("tree", "import", "wordnet", tmp_path, "--json").json
    assert (made["kind"], made["nodes"], made["made"]) == ("taxonomy", 3, True)
    assert granctl("tree", "import", "wordnet", tmp_path, "--json").json["made"] is False
    labels = tmp_path / "labels.txt"
    labels.write_text("n00000003\nn00000002\n")
    cut = _cut(granctl, "--level", 1, "--taxonomy", made["path"], "--list", labels)
    assert (cut["classes"], cut["policy"]) == (2, "all"), "`@i` is not followed"
    cut = _cut(granctl, "--depth", 1, "--taxonomy", made["path"], "--list", labels)
    assert (cut["classes"], cut["policy"]) == (1, "first"), "and here it is"
    assert granctl("tree", "import", "wordnet", tmp_path, "--out", labels).code == 2


# --- the process -----------------------------------------------------------------------------


def _run(arguments: list[str], tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from granctl.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "tree", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **env},
    )


def test_cuts_do_not_depend_on_the_hash_seed(tmp_path: Path):
    """Three values of PYTHONHASHSEED give the same numbers and the same bytes."""
    files = []
    for seed in "012":
        folder = tmp_path / seed
        folder.mkdir()
        arguments = ["cut", "--depth", "6", "--json", "--out", "map.parquet"]
        found = json.loads(_run(arguments, folder, PYTHONHASHSEED=seed).stdout)
        assert found["classes"] == 1036
        files.append((folder / "map.parquet").read_bytes())
    assert files[0] == files[1] == files[2]


def test_tree_commands_load_nothing_heavy(tmp_path: Path):
    """A cut that is made and one that is found load no torch, pandas, nltk, scikit-learn."""
    code = (
        "import sys; from granctl.cli.main import run;"
        "codes = [run(a) for a in (['tree','cut','--level','4'], ['tree','cut','--level','4'],"
        " ['tree','show'], ['tree','stats'], ['tree','lists'], ['tree','path','poodle'])];"
        "print(codes, sorted({'torch','pandas','nltk','sklearn','scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0, 0] []"


def test_an_ambiguous_name_is_asked_back_at_a_terminal(tmp_path: Path):
    """With a terminal on stdin and stderr, the candidates are numbered and one is picked."""
    ours, theirs = pty.openpty()
    code = "import sys; from granctl.cli.main import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "tree", "path", "dog", "--policy", "first"],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    os.close(theirs)
    os.write(ours, b"9\n2\n")  # 9 is no candidate: it is asked again
    assert child.stdout is not None
    out = child.stdout.read()
    assert child.wait(30) == 0
    asked = os.read(ours, 100_000).decode()
    os.close(ours)
    child.stdout.close()
    assert "n02084071" in asked
    assert out.strip().endswith("(n07676602)")
