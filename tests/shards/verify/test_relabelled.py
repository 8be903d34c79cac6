"""Sets that were relabelled are verified and mended like built ones; views by way of their base."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from broken import edit_json, flip, put, samples_of
from generated_images import LABELS, write_source
from label_maps import write_map
from told import all_bytes

CLASSES = [[0, 4], [1], [2, 3], [0], [1], [2]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images in 6 classes."""
    return write_source(tmp_path / "shapes")


@pytest.fixture
def base(granctl, source) -> Path:
    """Their shard set in 4 shards."""
    return granctl("shards", "build", "-q", "--source", source, "--shard-images", 6).path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A map with several classes of a label."""
    return write_map(tmp_path / "map.parquet", CLASSES)


@pytest.fixture
def dropping(tmp_path: Path) -> Path:
    """A map that drops a label."""
    return write_map(tmp_path / "dropping.parquet", [[], 0, 1, 0, 1, 0])


def relabelled(granctl, base: Path, labels: Path, *options: object) -> Path:
    command = ("shards", "relabel", "-q", "--shards", base, "--labels", labels)
    return granctl(*command, *options).path


def codes(granctl, folder: Path) -> dict[str, int]:
    found = granctl("shards", "verify", "-q", "--shards", folder, "--json")
    import json

    return json.loads(found.out)["codes"]


@pytest.mark.parametrize("way", ["--materialise", "--in-place"])
def test_relabelled_set_is_whole(granctl, base, labels, tmp_path, way):
    """Classes are those of its own manifest; with a further label set too."""
    also = write_map(tmp_path / "also.parquet", [0, 0, 0, 1, 1, 1])
    folder = relabelled(granctl, base, labels, way, "--also", f"halves={also}")
    assert codes(granctl, folder) == {}
    tar = folder / "train-000001.tar"
    sample = samples_of(tar)[2]
    assert b'"classes_halves":' in sample.contents[2]
    at = sample.places[2] + sample.contents[2].index(b'"classes_halves":[') + 18
    put(tar, at, b"7")
    assert codes(granctl, folder) == {"E306": 1}


def test_set_without_dropped_labels_is_whole(granctl, base, dropping):
    """Materialised under a map that drops, it has fewer images, and all of them are right."""
    folder = relabelled(granctl, base, dropping, "--materialise")
    found = granctl("shards", "verify", "-q", "--shards", folder, "--json").json
    assert found["checked"]["images"] == 20
    assert found["findings"] == []


@pytest.mark.parametrize("way", ["--materialise", "--in-place"])
@pytest.mark.parametrize("damage", ["label", "image"])
def test_relabelled_set_is_mended(granctl, base, source, labels, tmp_path, way, damage):
    """Label members from the index, images from the source, under the classes that it has now."""
    also = write_map(tmp_path / "also.parquet", [0, 0, 0, 1, 1, 1])
    folder = relabelled(granctl, base, labels, way, "--also", f"halves={also}")
    before = all_bytes(folder)
    tar = folder / "train-000001.tar"
    if damage == "label":
        put(tar, samples_of(tar)[2].places[1], b"9")
    else:
        flip(tar, samples_of(tar)[2].places[0] + 60)
    command = ("shards", "verify", "-q", "--repair", "--shards", folder, "--source", source)
    mended = granctl(*command, "--json").json["mended"]
    assert [one["how"] for one in mended] == ["patched" if damage == "label" else "rebuilt"]
    after = {k: v for k, v in all_bytes(folder).items() if not k.startswith("damaged/")}
    assert after == before


def test_view_is_verified_by_way_of_its_base(granctl, base, labels, dropping):
    """Whole with it; what is wrong with the base is said of the view, with the place."""
    for path in (labels, dropping):
        view = relabelled(granctl, base, path)
        found = granctl("shards", "verify", "--shards", view)
        assert found.path == view
        assert "checked 4 shards, 24 images" in found.err
    os.truncate(base / "train-000001.tar", 700)
    refused = granctl("shards", "verify", "-q", "--shards", view)
    assert refused.code == 3
    assert f"E203 train-000001.tar: its base {base}: it has 700 of" in refused.err


def test_view_whose_base_is_gone_or_changed(granctl, base, labels, tmp_path):
    """An error of the view, with the way out."""
    view = relabelled(granctl, base, labels)
    edit_json(base / "manifest.json", lambda m: m.update(content_digest="0" * 64))
    assert codes(granctl, view) == {"E111": 1}
    base.rename(tmp_path / "elsewhere")
    refused = granctl("shards", "verify", "-q", "--shards", view)
    assert refused.code == 3
    assert "E111" in refused.err
    assert "granctl shards relabel" in refused.err


def test_view_that_counts_otherwise(granctl, base, dropping):
    """Its counts are those of the labels that it keeps."""
    view = relabelled(granctl, base, dropping)

    def change(manifest: dict) -> None:
        train = manifest["splits"]["train"]
        train["label_counts"][0] += 1
        train["images"] += 1

    edit_json(view / "manifest.json", change)
    assert codes(granctl, view) == {"E111": 1}


def test_view_is_not_repaired(granctl, base, labels):
    """Its base is."""
    view = relabelled(granctl, base, labels)
    refused = granctl("shards", "verify", "-q", "--repair", "--shards", view)
    assert refused.code == 2
    assert f"is a view of {base}" in refused.err


def test_relabel_in_place_that_was_stopped_is_told_as_that(granctl, base, labels):
    """No word of a build: the mend is the same relabel again."""
    (base / ".relabel").mkdir()
    journal = {"digest": "d", "command": "granctl shards relabel --in-place", "manifest": {}}
    (base / "manifest.json").unlink()
    import json

    (base / ".relabel/journal.json").write_text(json.dumps(journal))
    refused = granctl("shards", "verify", "-q", "--shards", base)
    assert refused.code == 3
    assert "relabelled in place and not finished" in refused.err


def test_statistics_of_a_view_leave_dropped_labels_out(granctl, base, dropping, tmp_path):
    """Counts, classes and the sheet are those of the view."""
    view = relabelled(granctl, base, dropping)
    sheet = tmp_path / "sheet.html"
    found = granctl("shards", "stats", "-q", "--shards", view, "--sheet", sheet, "--json").json
    assert (found["images"], found["labels"], found["classes"]) == (20, 5, 2)
    assert found["path"] == str(view)
    assert LABELS[0] not in sheet.read_text()
    assert found["splits"]["train"]["images_per_class"]["total"] == 15
