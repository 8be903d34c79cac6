"""`granctl shards verify` from the command line: exit codes, lists, repair."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS, write_source

from granctl.shards.verify.table import CHECKS
from granctl.tree.labelmap import LabelMap

BUILD = ("shards", "build", "--quiet", "--shard-images", 6)


@pytest.fixture
def source(tmp_path) -> Path:
    """24 images in 6 classes, 18 to train and 6 to test on."""
    return write_source(tmp_path / "shapes")


@pytest.fixture
def built(granctl, source, monkeypatch) -> Path:
    """Their shard set in 4 shards, built by the command that spec.json then keeps."""
    command = [str(word) for word in (*BUILD, "--source", source)]
    monkeypatch.setattr(sys, "argv", ["granctl", *command])
    return granctl(*command).path


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def damage(path: Path, at: int = 700) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_whole_set_is_verified(granctl, built):
    """Exit 0, the path on stdout, how much was looked at on stderr; the newest set is taken."""
    found = granctl("shards", "verify")
    assert found.path == built
    assert "checked 4 shards, 24 images" in found.err
    assert "0 errors, 0 warnings" in found.err


def test_whole_set_as_json(granctl, built):
    """Counts that a script needs, and an empty list."""
    found = granctl("shards", "verify", "--quiet", "--json").json
    assert found["kind"] == "verification"
    assert (found["errors"], found["warnings"], found["findings"]) == (0, 0, [])
    assert found["checked"]["images"] == 24
    assert found["made"] is False
    assert found["digest"] == json.loads((built / "manifest.json").read_text())["digest"]


def test_damage_is_exit_3_with_a_line_each(granctl, built):
    """What, where and the mend on stderr, also with --quiet; the same as JSON."""
    damage(built / "train-000000.tar", 600)
    (built / "train-000002.tar").unlink()
    found = granctl("shards", "verify", "--quiet")
    assert found.code == 3
    assert f"error: shard set {built}: 2 errors" in found.err
    assert "E301 train-000000.tar 0000" in found.err
    assert "E201 train-000002.tar: the shard is missing with 6 images" in found.err
    assert "hint: `granctl shards verify --repair`" in found.err
    again = granctl("shards", "verify", "--quiet", "--json")
    assert again.code == 3
    record = json.loads(again.out)
    assert record["errors"] == 2
    assert record["codes"] == {"E201": 1, "E301": 1}
    (image, shard) = record["findings"]
    assert (image["code"], image["shard"]) == ("E301", "train-000000.tar")
    assert image["where"] == "byte 512"
    assert (shard["code"], shard["key"]) == ("E201", None)
    assert "--repair" in shard["mend"]


def test_warnings_are_exit_0(granctl, built):
    """They are told with their mend."""
    (built / "damaged").mkdir()
    found = granctl("shards", "verify")
    assert found.code == 0
    assert "W102 the folder damaged/" in found.err
    assert "remove the folder damaged/" in found.err


def test_list_shows_every_code(granctl):
    """A line a check; with --json also the mends; no shard set is needed."""
    lines = granctl("shards", "verify", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == [check.code for check in CHECKS]
    record = granctl("shards", "verify", "--list", "--json").json
    assert all(check["mend"] for check in record["checks"])


def test_select_looks_for_some_codes_alone(granctl, built):
    """--select W passes by an error; E3 finds it."""
    damage(built / "train-000000.tar", 600)
    assert granctl("shards", "verify", "-q", "--select", "W,E2").code == 0
    assert granctl("shards", "verify", "-q", "--select", "E3").code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--select", "E9"], "--select: no code begins with 'E9'"),
        (["--source", "x"], "--source: it is for the repair"),
        (["--source-kind", "tars"], "--source-kind: it is for the repair"),
        (["--labels", "x.parquet"], "--labels: it is for the repair"),
        (["--repair", "--select", "E1"], "--select: a repair looks at everything"),
        (["--shards", "./nowhere"], "shard set not found"),
        (["--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_input_that_cannot_be_used(granctl, built, arguments, words):
    """Exit 2, one error and one hint."""
    refused = granctl("shards", "verify", *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert "hint: " in refused.err
    assert refused.out == ""


def test_unfinished_set_is_an_error_of_its_own(granctl, built):
    """Exit 3; the mend is the build."""
    (built / "manifest.json").unlink()
    found = granctl("shards", "verify", "--shards", built)
    assert found.code == 3
    assert "E101 it has no manifest.json" in found.err
    assert "`granctl shards build` of the set again" in found.err
    mended = granctl("shards", "verify", "--repair", "--shards", built)
    assert mended.code == 3
    assert "E101" in mended.err


def test_repair_finds_the_source_by_itself(granctl, built):
    """The command in spec.json says where it was; the bytes are those of before."""
    before = files(built)
    os.truncate(built / "train-000001.tar", 1000)
    damage(built / "train-000000.tar", 3)
    found = granctl("shards", "verify", "--repair")
    assert found.path == built
    assert "train-000000.tar: patched; what was there is damaged/train-000000.tar.1" in found.err
    assert "train-000001.tar: rebuilt" in found.err
    assert files(built) == before
    assert (built / "damaged/train-000001.tar.1").stat().st_size == 1000


def test_repair_as_json(granctl, built):
    """What was mended, how, and where the damaged file is."""
    (built / "train-000001.tar").unlink()
    found = granctl("shards", "verify", "--repair", "-q", "--json").json
    assert found["made"] is True
    assert found["errors"] == 0
    assert found["mended"] == [{"name": "train-000001.tar", "how": "rebuilt", "set_aside": None}]


def test_repair_with_a_source_that_moved(granctl, built, source, tmp_path):
    """Without --source the error says where it was; with it the set is whole."""
    before = files(built)
    source.rename(tmp_path / "moved")
    (built / "train-000001.tar").unlink()
    refused = granctl("shards", "verify", "--repair", "-q")
    assert refused.code == 2
    assert f"--source: the set was built from '{source}'" in refused.err
    assert "say where it is now with --source" in refused.err
    assert granctl("shards", "verify", "--repair", "-q", "--source", tmp_path / "moved").code == 0
    assert files(built) == before


def test_repair_with_another_source(granctl, built, source):
    """Exit 3 with the image; nothing changes."""
    (built / "train-000001.tar").unlink()
    for path in source.glob("train/*/a.png"):
        path.write_bytes(path.read_bytes() + b"more")
    before = files(built)
    refused = granctl("shards", "verify", "--repair", "-q")
    assert refused.code == 3
    assert "is not what train-000001.tar was built from" in refused.err
    assert files(built) == before


def test_repair_of_nested_folders_needs_the_labels_of_the_map(granctl, tmp_path, monkeypatch):
    """Which folder is a class the label map says: found by its digest, or given."""
    source = write_source(tmp_path / "plain", splits=False)
    nested = tmp_path / "nested"
    for i, label in enumerate(LABELS):
        folder = nested / ("even" if i % 2 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        (source / label).rename(folder / label)
    labels = tmp_path / "map.parquet"
    LabelMap.from_single(
        LABELS,
        np.arange(6) % 2,
        class_ids=("a", "b"),
        class_names=("a", "b"),
        method="toy",
        params={"list": "toy-list"},
    ).write(labels)
    command = [str(w) for w in (*BUILD, "--source", nested, "--labels", labels)]
    monkeypatch.setattr(sys, "argv", ["granctl", *command])
    built = granctl(*command).path
    before = files(built)
    for options in ((), ("--labels", labels)):
        os.truncate(built / "train-000000.tar", 700)
        assert granctl("shards", "verify", "--repair", "-q", *options).code == 0
        assert files(built) == before


def test_set_behind_a_url_is_not_repaired(granctl):
    """Exit 2, with the way to do it."""
    refused = granctl("shards", "verify", "--repair", "--shards", "https://host.invalid/set")
    assert refused.code == 2
    assert "--repair: https://host.invalid/set is no folder of this machine" in refused.err
    assert "`granctl shards upload`" in refused.err
