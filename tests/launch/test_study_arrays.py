"""A study's cells as job arrays: which share one, and what each waits for."""

import pytest

from granctl.launch.studyarrays import CellArray, Step, arrays_of
from granctl.study.studyfile import load_study
from granctl.study.studyplan import plan_study


def steps_of(name: str) -> list[Step]:
    """All cells of a study that comes with granctl."""
    cells = plan_study(load_study(name)).cells
    return [Step(name=c.name, stage=c.stage, needs=tuple(c.needs.values())) for c in cells]


def waits(array: CellArray) -> list[str]:
    """What it waits for, as words."""
    return [f"{one.how} {one.array}" for one in array.after]


def task_of(arrays: list[CellArray]) -> dict[str, tuple[CellArray, int]]:
    """Cell -> its array and index."""
    return {
        cell: (array, index)
        for array in arrays
        for index, cell in zip(array.indices, array.cells, strict=True)
    }


def test_transfers_follow_their_own_run_and_all_wait_for_one_shard_set():
    """One task: afterok; several: afterany, for only some of them may have failed."""
    steps = [Step(name="shards", stage="shards")]
    steps += [Step(name=f"cut.{x}", stage="cut") for x in "ab"]
    steps += [Step(name=f"run.{x}", stage="pretrain", needs=("shards", f"cut.{x}")) for x in "ab"]
    steps += [
        Step(name=f"{x}.to.{y}", stage="transfer", needs=(f"run.{x}", "shards", f"cut.{y}"))
        for x in "ab"
        for y in "ab"
    ]
    steps += [Step(name="scratch", stage="transfer", needs=("shards", "cut.a"))]
    found = arrays_of(steps, 1001)
    assert [(a.name, a.cells, waits(a)) for a in found] == [
        ("00-shards", ("shards",), []),
        ("01-cut", ("cut.a", "cut.b"), []),
        ("02-pretrain", ("run.a", "run.b"), ["afterok 00-shards", "afterany 01-cut"]),
        ("03-transfer", ("scratch",), ["afterok 00-shards", "afterany 01-cut"]),
        *(
            (
                f"0{number}-transfer",
                (f"a.to.{cut}", f"b.to.{cut}"),
                ["afterok 00-shards", "afterany 01-cut", "aftercorr 02-pretrain"],
            )
            for number, cut in ((4, "a"), (5, "b"))
        ),
    ]


@pytest.mark.parametrize("size", [1, 3, 1001])
@pytest.mark.parametrize("name", ["demo", "embedded"])
def test_every_cell_has_a_task_that_waits_for_all_that_it_needs(name, size):
    """Whatever MaxArraySize is: indices stay below it, and `aftercorr` meets the cell's own run."""
    steps = steps_of(name)
    arrays = arrays_of(steps, size)
    tasks = task_of(arrays)
    assert sorted(cell for a in arrays for cell in a.cells) == sorted(s.name for s in steps)
    assert all(index < size for array in arrays for index in array.indices)
    assert all(list(array.indices) == sorted(set(array.indices)) for array in arrays)
    order = [array.name for array in arrays]
    for step in steps:
        array, index = tasks[step.name]
        how = {after.array: after.how for after in array.after}
        for need in step.needs:
            upstream, theirs = tasks[need]
            assert order.index(upstream.name) < order.index(array.name)
            assert upstream.name in how
            if how[upstream.name] == "aftercorr":
                assert theirs == index
            if how[upstream.name] == "afterok":
                assert upstream.cells == (need,)
        assert set(how) == {tasks[need][0].name for need in step.needs}


def test_only_what_is_missing_is_needed():
    """A round that goes on: what is whole is no step, and nobody waits for it."""
    (array,) = arrays_of([Step(name=x, stage="transfer") for x in "abc"], 1001)
    assert (array.indices, array.after) == ((0, 1, 2), ())
    assert arrays_of([], 1001) == []
