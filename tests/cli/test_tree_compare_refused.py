"""`granctl tree compare` and `tree align`: what they refuse, with which code and which mend."""

from __future__ import annotations

import subprocess
import sys

import pytest
from animal_maps import write_map


@pytest.mark.parametrize("command", ["compare", "align"])
def test_a_missing_map_is_named(granctl, fine, tmp_path, command):
    """Exit 2, the path and the mend."""
    found = granctl("tree", command, fine, tmp_path / "none.parquet")
    assert (found.code, found.out) == (2, "")
    assert f"error: label map not found: {tmp_path / 'none.parquet'}" in found.err
    assert "hint: make one with `granctl tree cut`" in found.err


def test_a_file_that_is_no_map_is_refused(granctl, fine, tmp_path):
    """Exit 3: the data is not what it says."""
    (tmp_path / "text.parquet").write_text("no map")
    found = granctl("tree", "compare", fine, tmp_path / "text.parquet")
    assert found.code == 3
    assert "not a label map" in found.err


def test_images_and_labels_without_shards_are_refused(granctl, fine, tmp_path):
    """Exit 2; the mend names --shards, whichever of the two is the map of images."""
    images = write_map(tmp_path / "images.parquet", [0, 1], ["0a", "0b"], "image")
    for command in ((fine, images), (images, fine)):
        found = granctl("tree", "compare", *command)
        assert found.code == 2
        assert f"{fine} is keyed by labels and {images} by images" in found.err
        assert (
            "hint: name the shard set whose images are in images.parquet with --shards" in found.err
        )


def test_maps_without_a_common_label_are_refused(granctl, fine, tmp_path):
    """Exit 2; nothing in common, no class in common, no image in common: each is said."""
    strange = write_map(tmp_path / "strange.parquet", [0, 1], ["ship", "sea"])
    found = granctl("tree", "align", fine, strange)
    assert found.code == 2
    assert f"nothing of {fine} and {strange} can be compared: no label is in both" in found.err
    assert "hint: compare maps cut over the same label list" in found.err

    dropped = write_map(tmp_path / "dropped.parquet", [-1, 0], ["cat", "sea"])
    found = granctl("tree", "compare", fine, dropped)
    assert found.code == 2
    assert "no label has a class in both maps (in both: 1)" in found.err
    assert "--shallow keep" in found.err

    (tmp_path / "zero.tsv").write_text("cat\t0\nship\t3\n")
    found = granctl("tree", "compare", fine, fine, "--counts", tmp_path / "zero.tsv")
    assert found.code == 2
    assert "none of the 6 labels in both has an image" in found.err
    assert "leave --counts and --shards out" in found.err


def test_maps_of_other_images_are_refused(granctl, fine, shards, tmp_path):
    """Exit 2: no image of the map is in the shard set."""
    images = write_map(tmp_path / "images.parquet", [0, 1], ["0a", "0b"], "image")
    found = granctl("tree", "compare", images, fine, "--shards", shards.root)
    assert found.code == 2
    assert "no image is in both" in found.err
    assert "hint: compare maps over the same shard set and split" in found.err


@pytest.mark.parametrize(
    ("content", "code", "said", "mend"),
    [
        (None, 2, "file of counts not found", "check the path given to --counts"),
        ("cat\ndog\n", 2, "has labels and no counts", "a line is a label, a tab"),
        ("cat\t9999999999999999\n", 2, "counts 9999999999999999 images", "a line is a label"),
        ("cat\t-3\ndog\tmany\ncat\t1\n", 3, "line 2: 'many' is no number", "after a tab"),
    ],
)
def test_counts_that_are_none_are_refused(granctl, fine, tmp_path, content, code, said, mend):
    """What is wrong with the file, and how a line looks."""
    path = tmp_path / "bad.tsv"
    if content is not None:
        path.write_text(content)
    found = granctl("tree", "compare", fine, fine, "--counts", path)
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert mend in found.err


def test_options_that_contradict_are_refused(granctl, fine, counts, tmp_path):
    """Exit 2 before anything is read."""
    found = granctl("tree", "compare", fine, fine, "--counts", counts, "--shards", tmp_path)
    assert found.code == 2
    assert "error: --counts: --shards counts the images, too" in found.err
    assert "hint: give one of --counts and --shards" in found.err
    found = granctl("tree", "align", fine, fine, "--split", "test")
    assert found.code == 2
    assert "error: --split: only a shard set has splits" in found.err


def test_shard_sets_that_cannot_weigh_are_refused(granctl, fine, shards, tmp_path):
    """Missing: exit 2; no such split: exit 2; not a shard set: exit 3."""
    found = granctl("tree", "compare", fine, fine, "--shards", tmp_path / "none")
    assert found.code == 2
    assert "shard set not found" in found.err
    found = granctl("tree", "compare", fine, fine, "--shards", shards.root, "--split", "val")
    assert found.code == 2
    assert "has no split val" in found.err
    (tmp_path / "empty").mkdir()
    found = granctl("tree", "compare", fine, fine, "--shards", tmp_path / "empty")
    assert found.code == 3
    assert "not a whole shard set" in found.err


def test_crosstab_in_an_unknown_form_is_refused_first(granctl, tmp_path):
    """Exit 2 before the maps are looked for."""
    none = tmp_path / "none.parquet"
    found = granctl("tree", "compare", none, none, "--crosstab", tmp_path / "table.txt")
    assert found.code == 2
    assert "error: --crosstab: 'table.txt' says neither CSV nor Parquet" in found.err
    assert "hint: let the name end in .csv or .parquet" in found.err


def test_crosstab_overwrites_nothing(granctl, fine, coarse, tmp_path):
    """Exit 2; what is there stays."""
    (tmp_path / "table.csv").write_text("mine")
    found = granctl("tree", "compare", fine, coarse, "--crosstab", tmp_path / "table.csv")
    assert (found.code, found.out) == (2, "")
    assert "exists and holds something else than this crosstab" in found.err
    assert "hint: name another place with --crosstab" in found.err
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_crosstab_that_cannot_be_written_is_refused(granctl, fine, coarse, tmp_path):
    """Exit 2: a part of the path is a file."""
    (tmp_path / "file").write_text("")
    found = granctl("tree", "compare", fine, coarse, "--crosstab", tmp_path / "file" / "t.csv")
    assert found.code == 2
    assert "cannot write" in found.err


@pytest.mark.parametrize("command", ["compare", "align"])
def test_comparing_loads_nothing_heavy(fine, coarse, tmp_path, command):
    """A fresh process ends without the heavy packages."""
    program = (
        "import sys; from granctl.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'torch', 'pandas', 'nltk', 'sklearn', 'scipy', 'matplotlib', 'webdataset'};"
        "print('LOADED', sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "tree", command, fine, coarse],
        capture_output=True,
        text=True,
        env={"PATH": "", "GRANCTL_WORKSPACE": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stderr
