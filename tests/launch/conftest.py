"""A Slurm cluster, started once by each process of the tests; and a build that it is to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated_images import write_source
from slurm_cluster import Build, Cluster, NoClusterError, set_bytes


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


@pytest.fixture
def build(cluster: Cluster, tmp_path: Path) -> Iterator[Build]:
    """A source, a workspace and no mishaps yet."""
    mishaps = tmp_path / "mishaps"
    mishaps.mkdir()
    source = write_source(tmp_path / "shapes")
    made = Build(source, tmp_path / "work space, 100%", mishaps, cluster)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def expected(build: Build, tmp_path: Path) -> dict[str, bytes]:
    """The files that one process makes."""
    code, out, err = build.run(workspace=tmp_path / "one-process")
    assert code == 0, err
    return set_bytes(Path(out.strip()))
