"""Repairs that are killed by SIGKILL at any step, and the same command again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from broken import flip, put, samples_of
from killed import Killer, check_kills

COMMAND = ("shards", "verify", "--repair", "--shards", "set", "--source", "source")
OPTIONS = ("--workers", 1, "--quiet")


def broken_set(folder: Path, shards_folder: Path, source_folder: Path) -> None:
    """One shard to patch, one that is cut, one with a flipped image, no index, a stray."""
    made = shutil.copytree(shards_folder, folder / "set")
    shutil.copytree(source_folder, folder / "source")
    put(made / "train-000000.tar", 3, b"x")
    os.truncate(made / "train-000001.tar", 3000)
    tar = made / "train-000002.tar"
    flip(tar, samples_of(tar)[1].places[0] + 60)
    (made / ".parts").mkdir()


def without_index(folder: Path, shards_folder: Path, source_folder: Path) -> None:
    """The index is damaged, and a tar lies there that nobody knows."""
    made = shutil.copytree(shards_folder, folder / "set")
    shutil.copytree(source_folder, folder / "source")
    flip(made / "index.parquet", 700)
    shutil.copy(made / "train-000000.tar", made / "train-000777.tar")


def check(tmp_path: Path, shards_folder: Path, source_folder: Path, seed: int, num: int) -> None:
    with Killer() as killer:
        for number, breaking in enumerate((broken_set, without_index)):
            place = tmp_path / str(number)
            place.mkdir()
            files = check_kills(
                killer,
                (*COMMAND, *OPTIONS),
                place,
                seed,
                num,
                begin=lambda folder, b=breaking: b(folder, shards_folder, source_folder),
            )
            for path in shards_folder.iterdir():
                assert files[f"set/{path.name}"] == path.read_bytes()


def test_repair_that_was_killed_goes_on(tmp_path, shards_folder, source_folder):
    """Two random points each: the bytes of the undamaged set, and what was set aside is kept."""
    check(tmp_path, shards_folder, source_folder, seed=0, num=2)


@pytest.mark.slow
def test_repair_that_was_killed_anywhere_goes_on(tmp_path, shards_folder, source_folder):
    """As many points as there are, up to 25 each."""
    check(tmp_path, shards_folder, source_folder, seed=1, num=25)
