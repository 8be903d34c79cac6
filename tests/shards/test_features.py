"""The Parquet file of features."""

import dataclasses

import numpy as np
import pytest

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.shards.features import Features


@pytest.fixture
def features() -> Features:
    """Three images with two numbers each."""
    return Features(
        checksums=np.array([b"a" * 32, b"b" * 32, b"c" * 32]),
        labels=np.array(["x", "y", "x"]),
        matrix=np.arange(6, dtype=np.float32).reshape(3, 2),
        run_digest="r" * 64,
        shards_digest="s" * 64,
        split="train",
        digest="d" * 64,
    )


def test_features_come_back_as_they_were_written(features, tmp_path):
    """Arrays, types and digests survive the file."""
    features.write(tmp_path / "f.parquet")
    back = Features.read(tmp_path / "f.parquet")
    assert back.checksums.tolist() == features.checksums.tolist()
    assert back.checksums.dtype == "S32"
    assert back.labels.tolist() == ["x", "y", "x"]
    assert back.matrix.dtype == np.float32
    assert (back.matrix == features.matrix).all()
    assert (back.split, back.digest) == ("train", "d" * 64)
    assert (back.run_digest, back.shards_digest) == ("r" * 64, "s" * 64)


def test_features_that_were_changed_are_found_out(features, tmp_path):
    """A matrix under the old content digest is refused."""
    path = tmp_path / "f.parquet"
    changed = dataclasses.replace(features, matrix=features.matrix + 1)
    old = features.content_digest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Features, "content_digest", old)
        changed.write(path)
    with pytest.raises(ManifestMismatchError, match="not what was written"):
        Features.read(path)


def test_file_that_holds_no_features_is_refused(tmp_path):
    """Neither a missing file nor another one is taken for features."""
    with pytest.raises(MissingInputError):
        Features.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(ManifestMismatchError, match="not features"):
        Features.read(tmp_path / "text.parquet")


def test_features_of_unequal_lengths_are_refused(features):
    """Every image has one checksum, one label and one row."""
    with pytest.raises(ValueError, match="length"):
        dataclasses.replace(features, labels=features.labels[:2])
