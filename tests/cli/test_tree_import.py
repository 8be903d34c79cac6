"""`granctl tree import`: taxonomies and label lists in the workspace, which the cuts take."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from granctl.tree.store import load_taxonomy

MANUAL = Path(__file__).parents[2] / "docs" / "commands" / "tree-import.md"
INAT = Path(__file__).parents[3] / "shared/data/inat/inat2021_categories.tsv"
EDGES = "child,parent\ndog,animal\ncat,animal\npoodle,dog\nanimal,\n"


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A file: animal > dog, cat; dog > poodle."""
    path = tmp_path / "pets.csv"
    path.write_text(EDGES)
    return path


def test_record_of_an_import(granctl: Callable, edges: Path, workspace_folder: Path) -> None:
    """The object of --json: what was made, how large it is, and the list beside it."""
    record = granctl("tree", "import", "edges", edges, "--json").json
    assert {key: record[key] for key in ("kind", "made", "schema", "source")} == {
        "kind": "taxonomy",
        "made": True,
        "schema": 1,
        "source": "pets.csv",
    }
    sizes = ("nodes", "edges", "roots", "leaves", "depth", "many_parents", "labels")
    assert [record[key] for key in sizes] == [4, 3, 1, 2, 2, 0, 2]
    path = Path(record["path"])
    assert path.parent == workspace_folder / "taxonomies"
    assert path.name == f"pets-{record['digest'][:12]}.npz"
    assert Path(record["list"]).read_text() == "cat\npoodle\n"
    assert load_taxonomy(path).digest == record["taxonomy_digest"]


def test_the_same_again_is_there_already(granctl: Callable, edges: Path) -> None:
    """Nothing is made twice; a list that was lost or changed is made again."""
    first = granctl("tree", "import", "edges", edges, "--json").json
    again = granctl("tree", "import", "edges", edges, "--json").json
    assert again == {**first, "made": False}
    beside = Path(first["list"])
    for damage in (beside.unlink, lambda: beside.write_text("rat\n")):
        damage()
        assert granctl("tree", "import", "edges", edges, "--json").json["made"]
        assert beside.read_text() == "cat\npoodle\n"


def test_out_that_holds_something_else(granctl: Callable, edges: Path, tmp_path: Path) -> None:
    """Another taxonomy, another list or another file is never overwritten."""
    out = tmp_path / "out.npz"
    assert granctl("tree", "import", "edges", edges, "--out", out).path == out
    assert (tmp_path / "out.labels.txt").read_text() == "cat\npoodle\n"
    assert not granctl("tree", "import", "edges", edges, "--out", out, "--json").json["made"]
    edges.write_text(EDGES + "rat,animal\n")
    outcome = granctl("tree", "import", "edges", edges, "--out", out)
    assert outcome.code == 2
    assert "holds another taxonomy" in outcome.err
    out.write_text("mine")
    assert "no whole taxonomy" in granctl("tree", "import", "edges", edges, "--out", out).err
    out.unlink()
    assert "another list of labels" in granctl("tree", "import", "edges", edges, "--out", out).err


def test_faults_are_reported_at_once(granctl: Callable, edges: Path) -> None:
    """Exit code 3, each fault with its line, nothing is written."""
    edges.write_text("child,parent\ndog,animal\ndog,animal\na,b\nb,a\ncar,vehicle\n")
    outcome = granctl("tree", "import", "edges", edges)
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.err == (
        "error: pets.csv is no taxonomy: 3 faults\n"
        "  - line 2: 2 roots, where one is taken: animal (line 2), vehicle (line 6);"
        " join them with --root NAME\n"
        "  - line 3: dog under animal stood in line 2 already\n"
        "  - line 5: b under a closes a cycle: a > b > a\n"
        "hint: mend the nodes named above and import it again\n"
    )


@pytest.mark.parametrize("reader", ["edges", "table", "json", "folders"])
def test_missing_file(granctl: Callable, reader: str, tmp_path: Path) -> None:
    """Exit code 2, the path is named."""
    outcome = granctl("tree", "import", reader, tmp_path / "none")
    assert outcome.code == 2
    assert "not found" in outcome.err


def test_made_up_root_is_told(granctl: Callable, edges: Path) -> None:
    """--root joins several roots; --quiet says nothing."""
    edges.write_text("child,parent\ndog,animal\ncar,vehicle\n")
    outcome = granctl("tree", "import", "edges", edges, "--root", "thing")
    assert outcome.path.is_file()
    assert "2 roots are joined under a made-up one, thing: animal, vehicle" in outcome.err
    assert granctl("tree", "import", "edges", edges, "--root", "thing", "-q").err == ""


def test_folders_and_json(granctl: Callable, tmp_path: Path) -> None:
    """The same tree as nested folders and as JSON has the same labels."""
    for name in ("animal/cat", "animal/dog", "car"):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        (tmp_path / "zoo" / name / "1.jpg").touch()
    tree = '{"id": "root", "children": [{"id": "animal", "children": [{"id": "animal/cat", "name":'
    tree += ' "cat"}, {"id": "animal/dog", "name": "dog"}]}, {"id": "car"}]}'
    (tmp_path / "zoo.json").write_text(tree)
    folders = granctl("tree", "import", "folders", tmp_path / "zoo", "--json").json
    tree_record = granctl("tree", "import", "json", tmp_path / "zoo.json", "--json").json
    assert folders["taxonomy_digest"] == tree_record["taxonomy_digest"]
    assert folders["list_digest"] == tree_record["list_digest"]


def test_cuts_take_the_labels_of_the_taxonomy(granctl: Callable, edges: Path) -> None:
    """Without --list the labels are those beside the taxonomy, else its leaves."""
    taxonomy = granctl("tree", "import", "edges", edges).path
    record = granctl("tree", "cut", "--taxonomy", taxonomy, "--depth", 1, "--json").json
    assert (record["labels"], record["classes"]) == (2, 2)
    stats = granctl("tree", "stats", "--taxonomy", taxonomy, "--json").json
    assert stats["labels"] == 2
    outcome = granctl("tree", "show", "--taxonomy", taxonomy)
    assert outcome.code == 0, outcome.err
    assert "poodle" in outcome.out
    taxonomy.with_name(f"{taxonomy.stem}.labels.txt").write_text("dog\n")
    record = granctl("tree", "cut", "--taxonomy", taxonomy, "--level", 0, "--json").json
    assert record["labels"] == 1
    taxonomy.with_name(f"{taxonomy.stem}.labels.txt").unlink()
    record = granctl("tree", "cut", "--taxonomy", taxonomy, "--level", 0, "--json").json
    assert record["labels"] == 2


@pytest.mark.skipif(not INAT.is_file(), reason="the iNaturalist table is not on this machine")
def test_inaturalist_through_the_command_line(granctl: Callable) -> None:
    """Import and cut at every rank from kingdom to species."""
    taxonomy = granctl("tree", "import", "table", INAT).path
    cut = ("tree", "cut", "--taxonomy", taxonomy, "--json", "--depth")
    classes = [granctl(*cut, depth).json["classes"] for depth in range(1, 8)]
    assert classes == [3, 13, 51, 273, 1103, 4900, 10000]


def test_import_is_the_same_under_any_hash_seed(tmp_path: Path, edges: Path) -> None:
    """Three fresh processes with three values of PYTHONHASHSEED write the same bytes."""
    edges.write_text(EDGES + "poodle,cat\npoodle,animal\nb,animal\nc,b\n")
    program = "import sys; from granctl.cli.main import run; sys.exit(run(sys.argv[1:]))"
    found = set()
    for seed in ("0", "1", "2"):
        out = tmp_path / seed / "t.npz"
        found.add(_digest(program, edges, out, seed))
    assert len(found) == 1


def _digest(program: str, edges: Path, out: Path, seed: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", program, "tree", "import", "edges", str(edges), "--out", str(out)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return load_taxonomy(out).digest


def test_readers_load_nothing_heavy(tmp_path: Path, edges: Path) -> None:
    """Only `import nltk` loads nltk; pandas, torch and pyarrow are never needed."""
    program = (
        "import sys; from granctl.cli.main import run; code = run(sys.argv[1:]); heavy ="
        " {'nltk', 'pandas', 'torch', 'pyarrow', 'sklearn', 'scipy'} & set(sys.modules);"
        " print('LOADED', sorted(heavy), file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "tree", "import", "edges", str(edges)],
        env={"PATH": "", "GRANCTL_WORKSPACE": str(tmp_path / "w")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stderr


def test_the_manual_runs_as_it_stands(
    granctl: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of docs/commands/tree-import.md, on the files that it shows."""
    monkeypatch.chdir(tmp_path)
    text = MANUAL.read_text()
    for name, content in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        Path(name).write_text(content)
    commands = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in commands for line in block.splitlines()]
    (shown,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for line in lines:
        program, *arguments = shlex.split(line)
        if program != "granctl":
            subprocess.run([program, *arguments], check=True)
        elif "broken.csv" in line:
            assert granctl(*arguments).err == shown
        else:
            outcome = granctl(*arguments)
            assert outcome.code == 0, (line, outcome.err)
    assert len(lines) >= 10
