"""The Parquet file of features."""

import dataclasses
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_features import rewrite_features

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.shards.feature_file import Keys, pieces_of, write_features
from granctl.shards.feature_stream import FeatureStream
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
    """Other numbers, or other labels, under the old content digest are refused."""
    path = tmp_path / "f.parquet"
    features.write(path)
    numbers = pa.FixedSizeListArray.from_arrays(pa.array([9.0] * 6, pa.float32()), 2)
    for changes in ({"features": numbers}, {"label": pa.array(["x", "x", "x"])}):
        changed = rewrite_features(path, tmp_path / "changed.parquet", **changes)
        with pytest.raises(ManifestMismatchError, match="not what was written"):
            Features.read(changed)
    assert Features.read(rewrite_features(path, tmp_path / "same.parquet")).digest == "d" * 64


def test_content_digest_is_the_same_however_the_rows_are_parted(features, tmp_path):
    """Against sha256 over the whole arrays, as it stood before files were streamed."""
    whole = hashlib.sha256(str(features.matrix.shape).encode())
    whole.update(features.checksums.tobytes())
    whole.update("\0".join(features.labels.tolist()).encode())
    whole.update(features.matrix.astype("<f4").tobytes())
    assert features.content_digest == whole.hexdigest()
    keys = Keys(
        checksums=features.checksums,
        label=np.array([0, 1, 0]),
        label_ids=("x", "y"),
        splits={"train": 2, "test": 1},
    )
    head = {"digest": "d", "run_digest": "r", "shards_digest": "s", "split": "train+test"}
    head["provenance"] = {}
    for dtype in ("float32", "float16"):
        path = tmp_path / f"{dtype}.parquet"
        pieces = (part.astype(dtype) for part in pieces_of(features.matrix, 1))
        write_features(path, pieces, keys=keys, dim=2, dtype=dtype, head=head)
        stream = FeatureStream.open(path)
        assert stream.head["content_digest"] == whole.hexdigest()
        assert all(matrix.dtype == np.float32 for _, matrix in stream.checked_pieces())
        assert (Features.read(path).matrix == features.matrix).all()
        table = pq.read_table(path)
        assert table["split"].to_pylist() == ["train", "train", "test"]
        assert pq.ParquetFile(path).num_row_groups == 3
    short = pieces_of(features.matrix[:2], 2)
    with pytest.raises(ValueError, match="2 rows for 3 images"):
        write_features(tmp_path / "s", short, keys=keys, dim=2, dtype="float32", head=head)
    assert not (tmp_path / "s").exists()


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
