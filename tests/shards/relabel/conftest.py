"""Shard sets and label maps that relabels are tried on, and the relabel itself as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from generated_images import write_source
from label_maps import Classes, write_map

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.shards.relabel.relabel import relabel_shards
from granctl.shards.relabel.relabelspec import RelabelSpec
from granctl.study.classlookup import class_lookup
from granctl.workspace import Artefact, Workspace

Build = Callable[..., ShardSet]
Relabel = Callable[..., Artefact]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images in 6 classes, 3 to train and 1 to test on in each."""
    return write_source(tmp_path_factory.mktemp("relabel") / "shapes")


@pytest.fixture
def built(images: Path, tmp_path: Path) -> Build:
    """`built(classes, **fields of BuildSpec)` builds them under a map; None: under none."""

    def call(classes: Classes | None = None, **fields: Any) -> ShardSet:
        lookup = None
        if classes is not None:
            lookup = class_lookup(write_map(tmp_path / "built.parquet", classes))
        spec = BuildSpec(source=str(images), classes=lookup, **{"shard_images": 5, **fields})
        return ShardSet.open(build_shards(Workspace(tmp_path / "own"), spec, None, Silent()).path)

    return call


@pytest.fixture
def relabelled(tmp_path: Path) -> Relabel:
    """`relabelled(shards, classes, how, name=classes of a further set)` relabels a set."""

    def call(
        shards: ShardSet | Path | str,
        classes: Classes,
        how: Any = "view",
        *,
        out: Path | None = None,
        progress: Silent | None = None,
        workers: int = 1,
        also: Mapping[str, Classes] | None = None,
    ) -> Artefact:
        further = {
            name: class_lookup(write_map(tmp_path / f"{name}.parquet", theirs))
            for name, theirs in (also or {}).items()
        }
        spec = RelabelSpec(
            shards=Path(shards.where) if isinstance(shards, ShardSet) else Path(shards),
            classes=class_lookup(write_map(tmp_path / "map.parquet", classes)),
            also=further,
            how=how,
            out=out,
        )
        return relabel_shards(Workspace(tmp_path / "own"), spec, progress or Silent(), workers)

    return call
