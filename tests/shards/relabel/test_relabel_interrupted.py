"""Relabels that are killed at any moment, and the same command again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from generated_images import write_source
from killed import Killer, check_kills
from label_maps import write_map

from granctl.errors import RelabelUnfinishedError
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.study.classlookup import class_lookup
from granctl.workspace import Workspace

OPTIONS = ("shards", "relabel", "--workers", 1, "--quiet")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    """One process for all commands of this file."""
    with Killer() as one:
        yield one


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images in 4 shards, each label a class of its own."""
    root = tmp_path_factory.mktemp("base")
    source = write_source(root / "shapes", splits=False)
    spec = BuildSpec(source=str(source), shard_images=7)
    return build_shards(Workspace(root / "workspace"), spec, None, Silent()).path


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes of which one needs more blocks in .json, so that its images move what follows."""
    return write_map(tmp_path_factory.mktemp("maps") / "wide.parquet", [5, 4, range(200), 2, 1, 0])


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes of other numbers of digits."""
    return write_map(tmp_path_factory.mktemp("maps") / "narrow.parquet", [5, 400, 30, 2, 1, 0])


@pytest.fixture(scope="module")
def dropping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of six labels have no class."""
    return write_map(tmp_path_factory.mktemp("maps") / "drop.parquet", [5, [], 3, 2, [], 0])


def copied(base: Path, folder: Path) -> None:
    """The set stands in the folder, to be changed in place."""
    shutil.copytree(base, folder / "set")


def looked_at(base: Path, labels: Path, folder: Path) -> None:
    """What a kill in place left is the old set, the new one, or refused with what to run again."""
    if not (folder / "set/manifest.json").exists():
        with pytest.raises(RelabelUnfinishedError, match="relabelled in place") as caught:
            ShardSet.open(folder / "set")
        again = f"shards relabel --in-place --shards {folder / 'set'} --labels {labels}"
        assert again in caught.value.hint
        return
    before = json.loads((base / "manifest.json").read_text())
    wanted = (before["classes"]["labels_digest"], class_lookup(labels).digest)
    assert ShardSet.open(folder / "set").manifest["classes"]["labels_digest"] in wanted


def check(
    killer: Killer, base: Path, labels: Path, tmp_path: Path, seed: int, num: int, how: str
) -> None:
    """Kills `num` relabels of one way."""
    if how == "--materialise":
        arguments = (*OPTIONS, how, "--shards", base, "--labels", labels)
        found = check_kills(killer, arguments, tmp_path, seed, num)
    else:
        arguments = (*OPTIONS, how, "--shards", "set", "--labels", labels)
        begin, look = partial(copied, base), partial(looked_at, base, labels)
        found = check_kills(killer, arguments, tmp_path, seed, num, begin, look)
    assert len([name for name in found if name.endswith(".tar")]) == 4
    assert not [name for name in found if ".relabel" in name or ".parts" in name]


@pytest.mark.parametrize(("how", "labels"), [("--materialise", "wide"), ("--in-place", "narrow")])
def test_relabel_that_was_killed_goes_on_to_the_same_bytes(
    killer, base, tmp_path, request, how, labels
):
    """Three random points: every file equals that of an undisturbed relabel."""
    check(killer, base, request.getfixturevalue(labels), tmp_path, 0, 3, how)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "labels", "num"),
    [
        ("--materialise", "wide", 50),
        ("--materialise", "narrow", 50),
        ("--materialise", "dropping", 50),
        ("--in-place", "narrow", 50),
    ],
)
def test_relabel_that_was_killed_anywhere_goes_on_to_the_same_bytes(
    killer, base, tmp_path, request, how, labels, num
):
    """Fifty random points, with and without shards whose images move."""
    check(killer, base, request.getfixturevalue(labels), tmp_path, 1, num, how)


def stopped(killer: Killer, base: Path, labels: Path, folder: Path) -> Path:
    """A set whose relabel in place was stopped between two shards."""
    folder.mkdir()
    copied(base, folder)
    arguments = (*OPTIONS, "--in-place", "--shards", "set", "--labels", labels)
    kill_at = 1
    while not list((folder / "set/.relabel").glob("*.done")):
        shutil.rmtree(folder / "set")
        copied(base, folder)
        kill_at += 10
        assert killer.run(arguments, folder, kill_at).code < 0
    return folder / "set"


def test_half_relabelled_set_is_refused_by_every_command(
    killer, base, narrow, wide, tmp_path, granctl
):
    """Show, diff, view, another relabel: exit 3 with the command to run again; a build too."""
    folder = stopped(killer, base, narrow, tmp_path / "stopped")
    again = f"granctl shards relabel --in-place --shards {folder} --labels {narrow}"
    for command in (
        ("show", "--shards", folder),
        ("diff", folder, base),
        ("relabel", "--shards", folder, "--labels", narrow),
        ("relabel", "--in-place", "--shards", folder, "--labels", base_map(tmp_path)),
        ("export", "--shards", folder),
    ):
        refused = granctl("shards", *command)
        assert refused.code == 3, refused.err
        assert f"{folder} is relabelled in place and not finished" in refused.err
        assert again in refused.err
    source = base.parents[2] / "shapes"
    for options in (
        ("--source", source, "--shard-images", 7, "--out", folder),
        ("--source", folder),
        ("--source", folder, "--source-kind", "webdataset"),
    ):
        refused = granctl("shards", "build", *options)
        assert refused.code == 3, refused.err
        assert again in refused.err
    words = again.removeprefix("granctl ").split()
    assert granctl(*words).code == 0
    assert ShardSet.open(folder).manifest["classes"]["num_classes"] == 401


def base_map(tmp_path: Path) -> Path:
    """A map other than the one that was being written."""
    return write_map(tmp_path / "other.parquet", [0, 0, 0, 1, 1, 1])
