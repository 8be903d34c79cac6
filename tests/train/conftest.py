"""The shapes as a shard set, once a session; a tiny recipe; pretrainings that take a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapes

from granctl.progress import Silent
from granctl.shards.index import ShardSet
from granctl.train.asked import PretrainSpec
from granctl.train.pretrain import pretrain
from granctl.train.recipe import Recipe, load_recipe
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Artefact, Workspace


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 5 test images of each of four labels."""
    return shapes.build_shapes(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="session")
def leaves_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the map `leaves`."""
    path = tmp_path_factory.mktemp("maps") / "leaves.parquet"
    leaf_map().write(path)
    return path


def leaf_map() -> LabelMap:
    """Each label its own class; a fifth class has no images."""
    return shapes.label_map([[0], [1], [2], [3]], (*shapes.LABELS, "n99999999"))


@pytest.fixture
def shards(shapes_folder: Path) -> ShardSet:
    """The shard set, opened."""
    return ShardSet.open(shapes_folder)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Recipe]:
    """`tiny(**{"optimizer.lr": 1.0})` is the tiny recipe with values changed."""
    path = tmp_path / "tiny.toml"
    path.write_text(shapes.TINY_RECIPE)
    return lambda **changes: load_recipe(str(path), changes)


@pytest.fixture
def leaves() -> LabelMap:
    """Each label its own class; a fifth class has no images."""
    return leaf_map()


@pytest.fixture
def train(
    tmp_path: Path, shapes_folder: Path, tiny: Callable[..., Recipe], leaves: LabelMap
) -> Callable[..., Artefact]:
    """`train(out, labels=..., recipe=..., progress=...)` pretrains in this test's workspace."""

    def call(
        out: str | None = None,
        labels: LabelMap | None = None,
        progress: Any = None,
        **fields: Any,
    ) -> Artefact:
        used = labels or leaves
        path = tmp_path / f"{used.digest[:8]}.parquet"
        used.write(path)
        given = {"recipe": tiny(), "shards": shapes_folder, "labels": path, **fields}
        place = tmp_path / out if out else None
        space = Workspace(tmp_path / "workspace")
        return pretrain(space, PretrainSpec(**given), place, progress or Silent())

    return call
