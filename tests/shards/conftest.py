"""A source of 24 generated images in 6 classes and its shard set, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated_images import write_source

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.workspace import Workspace


@pytest.fixture(scope="session")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images in 6 classes: SPLIT/CLASS/IMAGE, 3 to train and 1 to test on in each class."""
    return write_source(tmp_path_factory.mktemp("images") / "shapes")


@pytest.fixture(scope="session")
def shards_folder(source_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its shard set in 4 shards: 3 of 6 training images, 1 of 6 test images."""
    workspace = Workspace(tmp_path_factory.mktemp("shards"))
    spec = BuildSpec(source=str(source_folder), shard_images=6)
    return build_shards(workspace, spec, None, Silent()).path


@pytest.fixture
def shards(shards_folder: Path) -> ShardSet:
    """The shard set, opened."""
    return ShardSet.open(shards_folder)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., ShardSet]:
    """`build(source, **fields of BuildSpec)` builds in a workspace of this test."""

    def call(source: Path, progress: Silent | None = None, **fields: Any) -> ShardSet:
        spec = BuildSpec(source=str(source), **fields)
        made = build_shards(Workspace(tmp_path / "own"), spec, None, progress or Silent())
        return ShardSet.open(made.path)

    return call
