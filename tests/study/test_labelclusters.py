"""Clusters of labels by the means of their images: free, inside a cut's classes, bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_features import rewrite_features, write_features

from granctl.shards.features import Features
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import load_list

METHODS = ("kmeans", "ward", "average")
BLOBS = 4


@pytest.fixture(scope="module")
def labels() -> list[str]:
    """24 labels of ImageNet-1k."""
    known = set(load_list("21841").ids)
    return [i for i in load_list("1k").ids if i in known][:240:10]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, labels: list[str]) -> Path:
    """Three images a label; label i lies at blob i % 4, its mean apart from the others'."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(len(labels)), 3)
    centres = 30 * np.eye(BLOBS, 6)
    at = centres[np.arange(len(labels)) % BLOBS] + rng.normal(size=(len(labels), 6))
    matrix = at[rows] + 0.1 * rng.normal(size=(len(rows), 6))
    order = rng.permutation(len(rows))
    path = tmp_path_factory.mktemp("features") / "f.parquet"
    return write_features(path, [labels[i] for i in rows[order]], matrix[order])


def _cut(granctl, method: str, features: Path, *more: object):
    return granctl("tree", "cut", "--cluster", method, "--features", features, *more)


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_clustered_by_their_means(granctl, method: str, features: Path, labels):
    """Exactly N classes, keyed by label; far blobs are found; named by the nearest labels."""
    found = _cut(granctl, method, features, "--classes", BLOBS, "--json").json
    assert (found["keyed_by"], found["classes"], found["labels"]) == ("label", BLOBS, 24)
    assert (found["method"], found["list"]) == (method, "of the features")
    assert set(found["inputs"]) == {"features", "taxonomy"}
    label_map = LabelMap.read(Path(found["path"]))
    assert label_map.labels == tuple(sorted(labels))
    blob_of = {label: i % BLOBS for i, label in enumerate(labels)}
    pairs = {(blob_of[i], int(label_map.classes_of(i)[0])) for i in labels}
    assert len(pairs) == BLOBS
    assert label_map.class_ids == tuple(f"{method}/{j}" for j in range(BLOBS))
    assert all(name.endswith(" +4") for name in label_map.class_names), "2 of 6 labels are named"


@pytest.mark.parametrize("method", METHODS)
def test_no_cluster_crosses_a_class_of_within(granctl, method: str, features: Path, labels):
    """Inside each class of another cut; ids and names say which; labels keep that cut's order."""
    within = granctl("tree", "cut", "--depth", 7, "--list", "1k").path
    outcome = _cut(granctl, method, features, "--classes", 15, "--within", within)
    found, outer = LabelMap.read(outcome.path), LabelMap.read(within)
    assert outcome.path.name.startswith(f"{method}-15-")
    assert (found.num_classes, found.params["within"]) == (15, "depth-7")
    assert list(found.labels) == [i for i in outer.labels if i in set(labels)]
    assert "976 labels of --within have no features and are left out: n01" in outcome.err
    for label in found.labels:
        (above,), (inner,) = outer.classes_of(label), found.classes_of(label)
        assert found.class_ids[inner].split("/")[0] == outer.class_ids[above]
        assert found.class_names[inner].startswith(f"{outer.class_names[above]}: ")
    assert set(found.classes.tolist()) == set(range(15))


def test_labels_dropped_by_within_stay_without_a_class(granctl, features: Path, labels, tmp_path):
    """A label that --within drops is in no cluster."""
    listed = tmp_path / "mine.txt"
    listed.write_text("\n".join(labels))
    within = granctl("tree", "cut", "--depth", 12, "--shallow", "drop", "--list", listed).path
    dropped = int((np.diff(LabelMap.read(within).offsets) == 0).sum())
    assert 0 < dropped < 20
    num = LabelMap.read(within).num_classes
    more = ["--classes", num, "--within", within, "--json"]
    found = _cut(granctl, "ward", features, *more).json
    assert (found["dropped"], found["labels"], found["classes"]) == (dropped, 24, num)


def test_a_list_says_which_labels_are_clustered(granctl, features: Path, labels, tmp_path):
    """--list: those labels in its order; one class each at as many classes as labels."""
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(labels[:9]))
    found = _cut(granctl, "average", features, "--list", path, "--classes", 9).path
    assert LabelMap.read(found).labels == tuple(labels[:9])
    assert LabelMap.read(found).classes.tolist() == list(range(9))
    assert LabelMap.read(found).params["list"] == "mine"


@pytest.mark.parametrize("method", METHODS)
def test_the_same_command_gives_the_same_bytes(granctl, method: str, features: Path, tmp_path):
    """Two makings are equal byte for byte; kmeans follows the seed, the others have none."""
    out = [tmp_path / "a", tmp_path / "b"]
    for path in out:
        _cut(granctl, method, features, "--classes", 7, "--seed", 3, "--out", path)
    assert out[0].read_bytes() != b""
    a, b = (LabelMap.read(p) for p in out)
    assert (a.content_digest, a.class_names, a.digest) == (
        b.content_digest,
        b.class_names,
        b.digest,
    )
    other = LabelMap.read(_cut(granctl, method, features, "--classes", 7, "--seed", 4).path)
    assert (other.digest == a.digest) == (method != "kmeans")


BAD = {
    "too many": (["--classes", 25], 2, "more than the 24 labels", "take --classes 1 to 24"),
    "none": (["--classes", 0], 2, "fewer than the 1 classes", "take --classes 1 to 24"),
    "list": (["--classes", 4, "--list", "1k"], 2, "has no image of 976 of the 1000", "--list"),
    "no classes": ([], 2, "--classes: a cut by ward needs it", "add --classes"),
    "images": (["--classes", 4, "--per-image"], 2, "no shards was given", ""),
    "shards": (["--classes", 4, "--shards", "x"], 2, "--shards: it has no meaning", "leave"),
    "depth": (["--classes", 4, "--depth", 5], 2, "--depth and --cluster: they", "give one of"),
    "gone": (["--classes", 4, "--within", "x"], 2, "label map not found", "tree cut"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_says_what_and_the_mend(granctl, features: Path, name: str):
    """The exit code, the fault, the mend; nothing is written."""
    more, code, what, mend = BAD[name]
    outcome = _cut(granctl, "ward", features, *more)
    assert (outcome.code, outcome.out) == (code, "")
    assert what in outcome.err
    assert mend in outcome.err


def test_within_must_know_the_labels_of_the_features(granctl, features: Path, tmp_path, labels):
    """A cut over another list: which labels it lacks; over none of them: so."""
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(labels[:20]))
    within = granctl("tree", "cut", "--depth", 5, "--list", path).path
    outcome = _cut(granctl, "ward", features, "--classes", 8, "--within", within)
    assert outcome.code == 2
    assert "4 labels of --within" in outcome.err
    path.write_text("n00001740\n")
    within = granctl("tree", "cut", "--depth", 0, "--list", path).path
    outcome = _cut(granctl, "ward", features, "--classes", 8, "--within", within)
    assert (outcome.code, "has no image of 1 of the 1 labels" in outcome.err) == (2, True)


def test_a_file_that_was_changed_is_found_out(granctl, features: Path, tmp_path):
    """The content digest is checked while the file streams; exit 3."""
    ids = pq.read_table(features)["checksum"].to_pylist()
    path = rewrite_features(features, tmp_path / "f.parquet", checksum=pa.array(ids[::-1]))
    outcome = _cut(granctl, "ward", path, "--classes", 8)
    assert (outcome.code, "not what was written" in outcome.err) == (3, True)
    path.write_bytes(features.read_bytes()[:2000])
    assert _cut(granctl, "ward", path, "--classes", 8).code == 3


def test_features_of_several_splits_cluster_no_labels(granctl, features: Path, tmp_path):
    """Held-out images would have a say in the classes; exit 2, and the mend."""
    path = tmp_path / "all.parquet"
    replace(Features.read(features), split="train+test").write(path)
    outcome = _cut(granctl, "kmeans", path, "--classes", 4)
    assert (outcome.code, "holds train and test" in outcome.err) == (2, True)
    assert "--split train" in outcome.err


def test_means_and_digest_do_not_depend_on_the_pieces(features: Path, monkeypatch):
    """The file read in pieces of 5 rows is the file read whole."""
    from granctl.shards import feature_stream

    monkeypatch.setattr(feature_stream, "ROWS_A_PIECE", 5)
    stream, whole = feature_stream.FeatureStream.open(features), Features.read(features)
    assert (stream.checksums == whole.checksums).all()
    assert [stream.label_ids[i] for i in stream.label_index] == whole.labels.tolist()
    means = stream.label_means()
    for label, mean in zip(stream.label_ids, means, strict=True):
        assert np.allclose(mean, whole.matrix[whole.labels == label].mean(0), atol=1e-5)
