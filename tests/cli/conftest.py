"""What tests of several commands are given: two maps of six labels, counts, a shard set."""

from __future__ import annotations

from pathlib import Path

import pytest
from animal_maps import write_map
from generated_images import write_source

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.workspace import Workspace


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    """Cats, dog, trees, rock: four classes."""
    return write_map(tmp_path / "fine.parquet", [0, 0, 1, 2, 2, 3])


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """Animals, the rest: two classes."""
    return write_map(tmp_path / "coarse.parquet", [0, 0, 0, 1, 1, 1])


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Images of four of the six labels, and of one that no map knows."""
    path = tmp_path / "counts.tsv"
    path.write_text("cat\t30\ndog\t10\noak\t40\nelm\t0\nrock\t20\nship\t7\n")
    return path


@pytest.fixture
def shards(tmp_path: Path) -> ShardSet:
    """24 images in 6 classes: 18 to train and 6 to test on."""
    source = write_source(tmp_path / "shapes")
    built = build_shards(Workspace(tmp_path / "own"), BuildSpec(source=str(source)), None, Silent())
    return ShardSet.open(built.path)
