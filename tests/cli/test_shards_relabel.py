"""`granctl shards relabel` and `diff` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated_images import LABELS, write_source
from label_maps import write_map

RELABEL = ("shards", "relabel", "--quiet")


@pytest.fixture
def source(tmp_path) -> Path:
    """24 images in 6 classes, 18 to train and 6 to test on."""
    return write_source(tmp_path / "shapes")


@pytest.fixture
def shards(granctl, source) -> Path:
    """Their shard set, each label a class."""
    return granctl("shards", "build", "--quiet", "--source", source, "--shard-images", 5).path


@pytest.fixture
def labels(tmp_path) -> Path:
    """Two classes in turn."""
    return write_map(tmp_path / "map.parquet", [0, 1, 0, 1, 0, 1])


def test_relabel_is_a_view_that_commands_take_like_a_set(granctl, shards, labels):
    """One path on stdout, which is the newest set from now on; show says its classes."""
    view = granctl("shards", "relabel", "--shards", shards, "--labels", labels).path
    assert view != shards
    assert not list(view.glob("*.tar"))
    shown = granctl("shards", "show")
    assert shown.path == view
    assert f"using the newest shards: {view}" in shown.err
    image = granctl("shards", "show", "000000003", "--json").json
    assert image["classes"] == [LABELS.index(image["label"]) % 2]
    assert image["path"].startswith(str(shards))


def test_relabel_without_options_takes_the_newest_set_and_map(granctl, shards, tmp_path):
    """Both are said."""
    cut = granctl("tree", "cut", "--nodes", write_nodes(tmp_path), "--list", write_list(tmp_path))
    if cut.code:
        pytest.fail(cut.err)
    refused = granctl("shards", "relabel")
    assert f"using the newest shards: {shards}" in refused.err
    assert f"using the newest label-map: {cut.path}" in refused.err
    assert refused.code == 2
    assert "6 labels of shard set" in refused.err


def write_nodes(folder: Path) -> Path:
    """One node of WordNet."""
    path = folder / "nodes.txt"
    path.write_text("n02084071\n")
    return path


def write_list(folder: Path) -> Path:
    """One label below it."""
    path = folder / "list.txt"
    path.write_text("n02085620\n")
    return path


def test_relabel_as_json(granctl, shards, labels, tmp_path):
    """Counts a script needs, the way, and what was left out."""
    drops = write_map(tmp_path / "drops.parquet", [0, [], 0, 1, [], 1])
    also = ("--also", f"two={labels}", "--also", f"less={drops}")
    found = granctl(*RELABEL, "--shards", shards, "--labels", drops, *also, "--json").json
    expected = {
        "kind": "shards",
        "made": True,
        "schema": 1,
        "how": "view",
        "content_digest": None,
        "images": 16,
        "splits": {"train": 12, "test": 4},
        "labels": 4,
        "classes": 2,
        "also": {"less": 2, "two": 2},
        "shards": 6,
        "dropped_labels": 2,
        "dropped_images": 8,
    }
    assert {name: found[name] for name in expected} == expected
    assert {"path", "digest", "bytes"} == set(found) - set(expected)
    made = granctl(
        *RELABEL, "--shards", shards, "--labels", drops, *also, "--json", "--materialise"
    ).json
    assert (made["how"], made["images"]) == ("materialise", 16)
    assert made["content_digest"] == granctl("shards", "show", "--json").json["content_digest"]
    again = granctl(
        *RELABEL, "--shards", found["path"], "--labels", drops, *also, "--json", "--materialise"
    ).json
    assert (again["made"], again["path"]) == (False, made["path"])


def test_images_left_out_are_said(granctl, shards, tmp_path):
    """How many images of how many labels, on stderr."""
    drops = write_map(tmp_path / "drops.parquet", [0, [], 0, 1, [], 1])
    said = granctl("shards", "relabel", "--shards", shards, "--labels", drops)
    assert "left out: 8 images of 2 labels that the cut drops" in said.err


def test_relabel_in_place_prints_the_set(granctl, shards, labels):
    """The same folder, other classes; the progress says so."""
    done = granctl("shards", "relabel", "--in-place", "--shards", shards, "--labels", labels)
    assert done.path == shards
    assert "relabelling in place: 24/24 images" in done.err
    image = granctl("shards", "show", "000000003", "--shards", shards, "--json").json
    assert image["classes"] == [LABELS.index(image["label"]) % 2]
    again = granctl("shards", "relabel", "--in-place", "--shards", shards, "--labels", labels)
    assert "there already, whole" in again.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--materialise", "--in-place"], "--materialise: shards are either written anew or"),
        (["--in-place", "--out", "x"], "--out: in place nothing is written elsewhere"),
        (["--also", "x"], "--also: 'x' is not NAME=MAP"),
        (["--also", "a b=MAP"], "--also: 'a b' cannot be a part of a field's name"),
        (["--also", "a=MAP", "--also", "a=MAP"], "--also: 'a' is given twice"),
        (["--also", "a=nosuch.parquet"], "label map not found: nosuch.parquet"),
        (["--labels", "nosuch.parquet"], "label map not found: nosuch.parquet"),
        (["--shards", "nosuch"], "shard set not found: nosuch"),
        (["--shards", "nosuch", "--in-place"], "shard set not found: nosuch"),
        (["--out", "s3://bucket/x"], "--out is a folder of this machine"),
        (["--workers", "0"], "'--workers'"),
    ],
)
def test_input_that_cannot_be_used(granctl, shards, labels, options, words):
    """Exit 2, one error and one hint, and nothing is made."""
    before = sorted(shards.parent.iterdir())
    given = [str(one).replace("MAP", str(labels)) for one in options]
    rest = [] if "--labels" in given else ["--labels", labels]
    rest += [] if "--shards" in given else ["--shards", shards]
    refused = granctl(*RELABEL, *given, *rest)
    assert refused.code == 2, refused.err
    assert words in refused.err
    assert "hint: " in refused.err
    assert refused.out == ""
    assert sorted(shards.parent.iterdir()) == before


def test_map_of_images_gives_labels_no_class(granctl, shards, tmp_path):
    """Clusters inside classes have no class of a label to write."""
    from granctl.tree.labelmap import LabelMap

    read = LabelMap.read(write_map(tmp_path / "m.parquet", [0, 1, 0, 1, 0, 1]))
    fields = {name: getattr(read, name) for name in ("labels", "offsets", "classes", "class_ids")}
    LabelMap(
        **fields, class_names=read.class_names, method="toy", params={}, keyed_by="image"
    ).write(tmp_path / "images.parquet")
    refused = granctl(*RELABEL, "--shards", shards, "--labels", tmp_path / "images.parquet")
    assert refused.code == 2
    assert "gives classes to single images" in refused.err


def test_diff_of_a_view_and_its_base(granctl, shards, labels):
    """A word on stdout, a table on stderr with the first differences, exit 0."""
    view = granctl(*RELABEL, "--shards", shards, "--labels", labels).path
    found = granctl("shards", "diff", shards, view)
    assert (found.code, found.out) == (0, "different\n")
    assert "classes changed" in found.err
    assert "classes of n00000003, 4 images" in found.err
    assert "the same files" in found.err
    record = granctl("shards", "diff", shards, view, "--json", "--names", 1).json
    assert (record["kind"], record["same"]) == ("shards-diff", False)
    assert len(record["examples"]["classes"]) == 1


def test_diff_says_by_its_exit_code_where_that_is_asked(granctl, shards, labels):
    """1 where they differ, 0 where they do not."""
    view = granctl(*RELABEL, "--shards", shards, "--labels", labels).path
    assert granctl("shards", "diff", shards, view, "--exit-code").code == 1
    same = granctl("shards", "diff", shards, shards, "--exit-code", "--bytes")
    assert (same.code, same.out) == (0, "same\n")


def test_diff_with_a_folder_that_is_no_set(granctl, shards, tmp_path):
    """Exit 2 where it is missing, 3 where it is something else."""
    assert granctl("shards", "diff", shards, tmp_path / "none").code == 2
    other = granctl("shards", "diff", tmp_path, shards)
    assert other.code == 3
    assert "not a whole shard set" in other.err
