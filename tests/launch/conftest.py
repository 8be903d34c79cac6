"""A Slurm cluster, started once by each process of the tests; and a build that it is to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from generated_images import write_source
from shapes import build_shapes
from slurm_cluster import Build, Cluster, NoClusterError, set_bytes
from slurm_study import SlurmSweep
from slurm_training import Training, result_of, two_local_processes

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.workspace import Workspace


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    """The cluster; skips, saying why, where there can be none."""
    try:
        cluster = Cluster.start(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))
    except NoClusterError as error:
        pytest.skip(f"no Slurm here: {error}")
    yield cluster
    cluster.down("--purge")


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, idle before and after."""
    yield running_cluster
    running_cluster.repair()


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images in 6 classes."""
    return write_source(tmp_path_factory.mktemp("source") / "shapes")


@pytest.fixture
def build(cluster: Cluster, shapes: Path, tmp_path: Path) -> Iterator[Build]:
    """A build of the shapes in a workspace of its own, and no mishaps yet."""
    mishaps = tmp_path / "mishaps"
    mishaps.mkdir()
    made = Build(shapes, tmp_path / "work space, 100%", mishaps, cluster)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard set of 48 training images."""
    return build_shapes(tmp_path_factory.mktemp("clothes"))


@pytest.fixture
def training(cluster: Cluster, clothes: Path, tmp_path: Path) -> Iterator[Training]:
    """A training in a workspace of its own; its steps are slow until the file is removed."""
    made = Training(tmp_path, clothes, cluster)
    made.slow.touch()
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def two_processes(
    clothes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict, list[dict]]:
    """Weights and metrics of the same training as two processes of this machine."""
    home = tmp_path_factory.mktemp("local")
    words = Training(home, clothes, None).words
    two_local_processes(words, home / "run")
    return result_of(home / "run")


@pytest.fixture(scope="session")
def expected(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that one process makes."""
    spec = BuildSpec(source=str(shapes), shard_images=3)
    workspace = Workspace(tmp_path_factory.mktemp("one-process"))
    return set_bytes(build_shards(workspace, spec, None, Silent()).path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`programs(sbatch="exit 1", ...)`: the only programs on PATH, and a log of their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"

    def make(**scripts: str) -> Path:
        for name, text in scripts.items():
            path = folder / name
            path.write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n{text}\n')
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
        return calls

    return make


@pytest.fixture
def sweep(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmSweep]:
    """A study of quick cells in a workspace of its own, and no mishaps yet."""
    yield from _sweep(SlurmSweep(tmp_path, cluster))


@pytest.fixture
def real_sweep(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmSweep]:
    """One of real cells; its steps are slow until the file is removed."""
    yield from _sweep(SlurmSweep(tmp_path, cluster, quick=False))


def _sweep(made: SlurmSweep) -> Iterator[SlurmSweep]:
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.communicate()
