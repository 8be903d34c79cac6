"""`granctl tree export` from the command line: files, defaults, errors."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from granctl.tree.labelmap import LabelMap


@pytest.fixture
def depth_map(granctl) -> Path:
    """The 1k labels cut at depth 5."""
    return granctl("tree", "cut", "--depth", 5, "--list", "1k").path


def test_a_taxonomy_is_exported_by_default(granctl, tmp_path: Path) -> None:
    """The embedded WordNet as CSV: a row an edge, a row the root, a header."""
    out = tmp_path / "edges.csv"
    result = granctl("tree", "export", "--out", out, "--json")
    assert result.json["of"] == "taxonomy"
    assert result.json["nodes"] == 82115
    assert result.json["made"] is True
    lines = out.read_text().splitlines()
    assert lines[:2] == ["child,parent,relation,name", "n00001740,,,entity"]
    assert len(lines) == 1 + 1 + 84427


@pytest.mark.parametrize("form", ["csv", "json", "dot", "graphml"])
def test_a_part_is_exported_in_every_form(granctl, tmp_path: Path, form: str) -> None:
    """Three nodes under corgi; stdout is the path."""
    out = tmp_path / f"corgi.{form}"
    assert granctl("tree", "export", "--format", form, "--root", "corgi", "--out", out).path == out
    assert set(re.findall(r"n\d{8}", out.read_text())) == {"n02112826", "n02113023", "n02113186"}


def test_a_lookup_table_agrees_with_the_label_map(granctl, tmp_path: Path, depth_map: Path) -> None:
    """Table, JSON and pickle say the same of every label."""
    label_map = LabelMap.read(depth_map)
    wanted = {label: int(label_map.classes_of(label)[0]) for label in label_map.labels}
    files = {f: tmp_path / f"map{s}" for f, s in [("lut", ".npy"), ("json", ".json")]}
    files["timm"] = tmp_path / "map.pkl"
    for form, out in files.items():
        command = ("tree", "export", "--labels", depth_map, "--format", form, "--out", out)
        assert granctl(*command).code == 0
    table = np.load(files["lut"], allow_pickle=False)
    assert dict(zip(label_map.labels, table.tolist(), strict=True)) == wanted
    assert json.loads(files["json"].read_text()) == wanted
    assert pickle.loads(files["timm"].read_bytes()) == wanted


def test_the_newest_label_map_is_used_for_forms_of_label_maps(granctl, tmp_path: Path) -> None:
    """It is named on stderr, and so is what the form leaves out."""
    newest = granctl("tree", "cut", "--level", 4, "--list", "1k").path
    result = granctl("tree", "export", "--format", "lut", "--out", tmp_path / "t.npy", "--json")
    assert result.json["labels"] == 1000
    assert result.json["multi_label"] > 0
    assert str(newest) in result.err
    assert "several classes; this form holds the first of each" in result.err


def test_the_same_export_twice_is_made_once(granctl, tmp_path: Path, depth_map: Path) -> None:
    """The second finds the file; another form at its place is refused and changes nothing."""
    command = ("tree", "export", "--labels", depth_map, "--out", tmp_path / "x", "--json")
    assert granctl(*command, "--format", "csv").json["made"] is True
    before = (tmp_path / "x").read_bytes()
    assert granctl(*command, "--format", "csv").json["made"] is False
    refused = granctl(*command, "--format", "json")
    assert refused.code == 2
    assert "exists and holds something else" in refused.err
    assert (tmp_path / "x").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "graphviz"], "there is no form 'graphviz'"),
        (["--format", "jsn"], "did you mean json?"),
        (["--format", "lut"], "no label-map was given, and workspace"),
        (["--root", "n99999999"], "has no node 'n99999999'"),
        (["--labels", "absent.parquet"], "label map not found: absent.parquet"),
        (["--taxonomy", "absent.npz"], "taxonomy not found: absent.npz"),
        (["--labels", "a", "--format", "dot"], "dot is a form of taxonomies"),
        (["--labels", "a", "--root", "dog"], "--root: it has no meaning where a label map"),
        (["--labels", "a", "--taxonomy", "b"], "--taxonomy: it has no meaning where a label"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(granctl, tmp_path, options, words) -> None:
    """Exit code 2, what is wrong, and no file."""
    result = granctl("tree", "export", *options, "--out", tmp_path / "out")
    assert result.code == 2
    assert words in result.err
    assert result.out == ""
    assert not (tmp_path / "out").exists()


def test_without_a_place_to_write_nothing_is_done(granctl) -> None:
    """--out has no default: what others read, its reader places."""
    result = granctl("tree", "export")
    assert result.code == 2
    assert "--out" in result.err


def test_timm_text_of_a_coarse_cut_is_refused(granctl, tmp_path: Path, depth_map: Path) -> None:
    """The error names the form that works, and that one is then written."""
    command = ("tree", "export", "--labels", depth_map, "--format", "timm", "--out")
    refused = granctl(*command, tmp_path / "map.txt")
    assert refused.code == 2
    assert "name a file that ends in .pkl" in refused.err
    assert granctl(*command, tmp_path / "map.pkl").code == 0


def test_a_folder_in_the_way_is_said(granctl, tmp_path: Path) -> None:
    """Not a traceback."""
    result = granctl("tree", "export", "--root", "corgi", "--out", tmp_path)
    assert result.code == 2
    assert "exists and holds something else" in result.err
