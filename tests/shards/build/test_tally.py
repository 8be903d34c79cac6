"""How far a planned set is, seen from outside."""

from pathlib import Path

from generated_images import write_source

from granctl.progress import Silent
from granctl.shards.build.planfile import read_plan
from granctl.shards.build.tally import Counted, Tally
from granctl.shards.build.write import (
    BuildSpec,
    Task,
    build_planned,
    finish_shards,
    plan_build,
)
from granctl.workspace import Workspace


def planned(tmp_path: Path) -> Path:
    """24 images and a bad one, in 9 shards."""
    source = write_source(tmp_path / "shapes")
    (source / "train/n00000001/bad.png").write_bytes(b"no image")
    spec = BuildSpec(source=str(source), shard_images=3, on_bad_image="skip")
    return plan_build(Workspace(tmp_path / "w"), spec, None, Silent()).path


def test_each_shard_is_counted_once_when_it_is_whole(tmp_path):
    """Images and bad images of all looks together are those of the set."""
    folder = planned(tmp_path)
    tally = Tally(folder, read_plan(folder).shards)
    assert (tally.num_shards, tally.num_images, tally.num_left) == (9, 25, 9)
    assert tally.look() == Counted(0, 0)
    counted = []
    for i in range(3):
        build_planned(folder, Task(i, 3), Silent())
        counted.append(tally.look())
        assert tally.look() == Counted(0, 0)
        assert tally.num_left == 9 - 3 * (i + 1)
    assert [sum(column) for column in zip(*counted, strict=True)] == [25, 1]


def test_shards_that_were_whole_before_are_not_awaited(tmp_path):
    """A part without its tar, or with half of it, is no whole shard."""
    folder = planned(tmp_path)
    build_planned(folder, Task(0, 3), Silent())
    tars = sorted(folder.glob("*.tar"))
    tars[0].unlink()
    tars[1].write_bytes(b"half")
    assert Tally(folder, read_plan(folder).shards).num_shards == 8


def test_rest_is_counted_when_the_set_became_whole(tmp_path):
    """Then no part is left to look at."""
    folder = planned(tmp_path)
    plan = read_plan(folder)
    tally = Tally(folder, plan.shards)
    build_planned(folder, Task(0, 1), Silent())
    finish_shards(folder, None, Silent())
    assert tally.look() == Counted(0, 0)
    assert tally.rest() == Counted(25, 0)
    assert tally.num_left == 0
