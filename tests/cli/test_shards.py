"""`granctl shards` from the command line: results, refusals, exit codes."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS, write_source

from granctl.tree.labelmap import LabelMap

BUILD = ("shards", "build", "--quiet")


@pytest.fixture
def source(tmp_path) -> Path:
    """24 images in 6 classes, 18 to train and 6 to test on."""
    return write_source(tmp_path / "shapes")


def label_map(path: Path, labels=LABELS, keyed_by="label") -> Path:
    """A map of labels in turn to two classes."""
    LabelMap.from_single(
        labels,
        np.arange(len(labels)) % 2,
        class_ids=("even", "odd"),
        class_names=("even", "odd"),
        method="toy",
        params={"list": "toy-list"},
        keyed_by=keyed_by,
    ).write(path)
    return path


def test_build_prints_one_path_and_the_same_again(granctl, source):
    """The path of the shard set alone on stdout; the second run makes nothing and says so."""
    first = granctl("shards", "build", "--source", source)
    assert (first.path / "manifest.json").is_file()
    assert "building shards: 24/24 images" in first.err
    again = granctl("shards", "build", "--source", source)
    assert again.path == first.path
    assert "there already, whole" in again.err


def test_build_as_json(granctl, source):
    """Counts a script needs, and whether anything was made."""
    found = granctl(*BUILD, "--source", source, "--json").json
    expected = {
        "kind": "shards",
        "made": True,
        "schema": 1,
        "images": 24,
        "splits": {"train": 18, "test": 6},
        "labels": 6,
        "classes": 6,
        "shards": 2,
        "bad_images": 0,
        "remarks": {},
        "seed": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert {"path", "digest", "content_digest", "bytes"} == set(found) - set(expected)
    assert not granctl(*BUILD, "--source", source, "--json").json["made"]


def test_build_under_a_label_map_writes_its_classes(granctl, source, tmp_path):
    """--labels takes the file of `tree cut`; show finds the classes of an image."""
    labels = label_map(tmp_path / "map.parquet")
    assert granctl(*BUILD, "--source", source, "--labels", labels, "--json").json["classes"] == 2
    image = granctl("shards", "show", "000000000", "--json").json
    assert image["classes"] == [LABELS.index(image["label"]) % 2]
    assert image["source"] == "test/n00000001/d.png"


def test_show_counts_images_by_label_and_split(granctl, source):
    """The newest shard set, said; the table on stderr, the path on stdout."""
    built = granctl(*BUILD, "--source", source).path
    shown = granctl("shards", "show")
    assert shown.path == built
    assert f"using the newest shards: {built}" in shown.err
    assert "n00000006" in shown.err
    record = granctl("shards", "show", "--shards", built, "--json").json
    assert record["splits"]["train"]["label_counts"] == dict.fromkeys(LABELS, 3)


def test_show_of_an_unknown_key(granctl, source):
    """Says where keys stand."""
    granctl(*BUILD, "--source", source)
    refused = granctl("shards", "show", "nine")
    assert refused.code == 2
    assert "no image with the key 'nine'" in refused.err


def test_embedded_images_are_built_without_any_option(granctl):
    """`granctl shards build` alone gives the ten clothes."""
    found = granctl(*BUILD, "--json").json
    assert found["splits"] == {"train": 12000, "test": 2000}
    assert found["labels"] == 10
    assert Path(found["path"]).name.startswith("embedded-")


def test_label_that_the_map_lacks(granctl, source, tmp_path, workspace_folder):
    """Exit 2 with labels, list and mend, before anything is written."""
    labels = label_map(tmp_path / "map.parquet", LABELS[1:])
    refused = granctl(*BUILD, "--source", source, "--labels", labels)
    assert refused.code == 2
    assert "1 label of" in refused.err
    assert "(4 images) not in the label map, which is over the list toy-list: n0000000" in (
        refused.err
    )
    assert "`granctl tree cut --list NAME_OR_FILE`" in refused.err
    assert not (workspace_folder / "shards").exists()


def test_map_of_images_gives_labels_no_class(granctl, source, tmp_path):
    """Clusters inside classes have no class of a label to write."""
    labels = label_map(tmp_path / "map.parquet", keyed_by="image")
    refused = granctl(*BUILD, "--source", source, "--labels", labels)
    assert refused.code == 2
    assert "gives classes to single images" in refused.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "nosuchname"], "no data set is named 'nosuchname'"),
        (["--source", "./nosuchfolder"], "source not found"),
        (["--labels", "nosuchmap.parquet"], "label map not found"),
        (["--shard-images", "0"], "--shard-images: 0 is below 1"),
        (["--shard-bytes", "0"], "--shard-bytes: 0 is below 1"),
        (["--holdout-frac", "1"], "--holdout-frac: 1.0 is no fraction"),
        (["--on-bad-image", "ignore"], "'ignore' is not one of 'fail', 'skip'"),
    ],
)
def test_input_that_cannot_be_used(granctl, arguments, words):
    """Exit 2, one error and one hint."""
    refused = granctl(*BUILD, *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert "hint: " in refused.err
    assert refused.out == ""


def test_folder_with_no_images(granctl, tmp_path):
    """Exit 2, with the count of what is there."""
    (tmp_path / "empty/a").mkdir(parents=True)
    (tmp_path / "empty/a/notes.txt").write_text("no image")
    refused = granctl(*BUILD, "--source", tmp_path / "empty")
    assert refused.code == 2
    assert "no images in" in refused.err
    assert "(1 other file)" in refused.err


def test_image_that_does_not_decode(granctl, source):
    """Exit 2 naming it; with --on-bad-image skip the same build goes on and counts it."""
    (source / "train/n00000001/a.png").write_bytes(b"text")
    refused = granctl("shards", "build", "--source", source, "--shard-images", 6)
    assert refused.code == 2
    assert "1 bad image, all named in" in refused.err
    assert "train/n00000001/a.png (not a JPEG, PNG or WebP image)" in refused.err
    options = ("--shard-images", 6, "--on-bad-image", "skip", "--json")
    mended = granctl("shards", "build", "--source", source, *options)
    assert mended.json["bad_images"] == 1
    assert mended.json["images"] == 23
    assert "going on: 4 of 4 shards are whole" in mended.err


def test_output_that_exists_in_its_three_forms(granctl, source, tmp_path):
    """Whole: its path, exit 0. Unfinished: gone on with. Something else: exit 2, untouched."""
    out = tmp_path / "out"
    command = (*BUILD, "--source", source, "--out", out, "--json")
    assert granctl(*command).json["made"]
    assert not granctl(*command).json["made"]
    (out / "manifest.json").unlink()
    assert granctl(*command).json["made"]
    other = granctl(*command, "--seed", 1)
    assert other.code == 2
    assert "exists and holds another artefact" in other.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear")
    foreign = granctl(*BUILD, "--source", source, "--out", tmp_path / "mine")
    assert foreign.code == 2
    assert "something that granctl did not make" in foreign.err
    assert os.listdir(tmp_path / "mine") == ["diary.txt"]


def test_unfinished_shard_set_is_not_shown(granctl, source):
    """Exit 3: without its manifest it is no shard set yet."""
    built = granctl(*BUILD, "--source", source).path
    (built / "manifest.json").unlink()
    refused = granctl("shards", "show", "--shards", built)
    assert refused.code == 3
    assert "run the same `granctl shards build` again" in refused.err


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left on the device"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_output_that_cannot_be_written(granctl, source, monkeypatch, number, words):
    """Exit 2 with the reason; once the cause is gone the same command goes on."""
    real = os.fsync

    def refuse(handle):
        if os.readlink(f"/proc/self/fd/{handle}").find("/.train-000000.tar.") >= 0:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    refused = granctl(*BUILD, "--source", source)
    assert refused.code == 2
    assert words in refused.err
    assert "the same command again: it goes on" in refused.err
    monkeypatch.setattr(os, "fsync", real)
    assert granctl(*BUILD, "--source", source, "--json").json["made"]


def test_output_below_a_file_cannot_be_written(granctl, source, tmp_path):
    """A file stands where a folder is needed."""
    (tmp_path / "file").write_text("")
    refused = granctl(*BUILD, "--source", source, "--out", tmp_path / "file/out")
    assert refused.code == 2
    assert "cannot write" in refused.err


def test_ctrl_c_leaves_whole_shards_and_the_same_command_goes_on(granctl, source, monkeypatch):
    """Exit 130; no temporary file stays; the second run takes up the whole shards."""
    from granctl.shards.build import pack

    real, seen = pack.audit, []

    def interrupt(content, *others):
        seen.append(content)
        if len(seen) == 10:
            raise KeyboardInterrupt
        return real(content, *others)

    command = ("shards", "build", "--source", source, "--shard-images", 6, "--workers", 1)
    monkeypatch.setattr(pack, "audit", interrupt)
    stopped = granctl(*command)
    assert stopped.code == 130
    assert "run the same command again" in stopped.err
    monkeypatch.setattr(pack, "audit", real)
    done = granctl(*command)
    assert "going on: 1 of 4 shards are whole" in done.err
    stems = ("test-000000", *(f"train-00000{i}" for i in range(3)))
    assert {path.name for path in done.path.iterdir()} == {
        *("index.parquet", "manifest.json", "spec.json"),
        *("_info.json", "sizes.json", "wids-test.json", "wids-train.json"),
        *(f"{stem}.{kind}" for stem in stems for kind in ("tar", "idx")),
    }
    assert json.loads((done.path / "manifest.json").read_text())["bad_images"] == 0


def test_embedded_images_have_nothing_bad_or_odd(granctl):
    """Their names say no format: none is misnamed, and there is no bad.csv."""
    built = granctl("shards", "build", "--json").json
    assert (built["bad_images"], built["remarks"]) == (0, {})
    assert not (Path(built["path"]) / "bad.csv").exists()
