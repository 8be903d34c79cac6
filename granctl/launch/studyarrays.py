"""A study's cells as job arrays: which cells share one, and what each array waits for. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

How = Literal["afterok", "aftercorr", "afterany"]

LONG = "pretrain"
"""The stage whose tasks others follow one by one: no transfer waits for the slowest training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A cell that is to be made."""

    name: str
    stage: str
    needs: tuple[str, ...] = ()
    """Names of cells that are to be made before it; those that are whole are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class After:
    """What an array waits for."""

    how: How
    """afterok: its only task ended well; aftercorr: the task of the same index did; afterany: all
    tasks ended, in whatever way, and each of ours looks whether what it needs is there."""
    array: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CellArray:
    """One job array: a task makes a cell."""

    name: str
    """Number in order of submission, and stage: `03-transfer`."""
    stage: str
    indices: tuple[int, ...]
    cells: tuple[str, ...]
    """One for each index."""
    after: tuple[After, ...] = ()


def arrays_of(steps: Sequence[Step], size: int) -> list[CellArray]:
    """Arrays in an order in which they can be submitted.

    Cells of one stage that are as deep in the order of need, and that need cells of the same
    arrays, share an array. Those that need a pretraining have the index of its task, and an array
    for each cell that one pretraining is needed for: so each starts as soon as its own run is
    whole, and one run that fails takes only its own.

    Args:
        steps: those that are needed stand before those that need them.
        size: how many tasks an array may have; indices are below it.

    Example:
        >>> steps = [Step(name="run.a", stage="pretrain"), Step(name="run.b", stage="pretrain")]
        >>> steps += [Step(name=x, stage="transfer", needs=(f"run.{x}",)) for x in "ab"]
        >>> for array in arrays_of(steps, 1001):
        ...     print(array.name, array.indices, [f"{a.how} {a.array}" for a in array.after])
        00-pretrain (0, 1) []
        01-transfer (0, 1) ['aftercorr 00-pretrain']
    """
    place: dict[str, tuple[str, int]] = {}
    stage_of = {step.name: step.stage for step in steps}
    arrays: list[CellArray] = []
    for stage, group in _groups(steps):
        for upstream, pair, members in _together(group, stage_of, place):
            for part in _parts(members, size, renumber=pair is None):
                made = CellArray(
                    name=f"{len(arrays):02}-{stage}",
                    stage=stage,
                    indices=tuple(index for index, _ in part),
                    cells=tuple(cell for _, cell in part),
                    after=tuple(_after(a, pair) for a in arrays if a.name in upstream),
                )
                arrays.append(made)
                place |= {cell: (made.name, index) for index, cell in part}
    return arrays


_Members = list[tuple[int, str]]


def _groups(steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """Stage and cells, of one depth in the order of need at a time."""
    depth: dict[str, int] = {}
    groups: dict[tuple[int, str], list[Step]] = defaultdict(list)
    for step in steps:
        depth[step.name] = 1 + max((depth[name] for name in step.needs), default=-1)
        groups[depth[step.name], step.stage].append(step)
    for _, stage in sorted(groups, key=lambda key: key[0]):  # stages keep their order in a depth
        yield stage, groups.pop((_, stage))


def _together(
    group: Sequence[Step], stage_of: dict[str, str], place: dict[str, tuple[str, int]]
) -> Iterator[tuple[frozenset[str], str | None, _Members]]:
    """Arrays that are needed, the one that is followed task by task, and indices with cells."""
    found: dict[tuple[frozenset[str], str | None, int], _Members] = defaultdict(list)
    times: Counter[str] = Counter()
    for step in group:
        upstream = frozenset(place[name][0] for name in step.needs)
        pair = next((name for name in step.needs if stage_of[name] == LONG), None)
        if pair is None:
            members = found[upstream, None, 0]
            members.append((len(members), step.name))
        else:
            array, index = place[pair]
            found[upstream, array, times[pair]].append((index, step.name))
            times[pair] += 1
    for (upstream, array_of_pair, _), members in found.items():
        yield upstream, array_of_pair, sorted(members)


def _parts(members: _Members, size: int, *, renumber: bool) -> Iterator[_Members]:
    """Pieces that Slurm takes; indices that follow others are below its limit already."""
    if not renumber:
        yield members
        return
    for start in range(0, len(members), size):
        part = members[start : start + size]
        yield [(index, cell) for index, (_, cell) in enumerate(part)]


def _after(array: CellArray, pair: str | None) -> After:
    if array.name == pair:
        return After(how="aftercorr", array=array.name)
    return After(how="afterok" if len(array.cells) == 1 else "afterany", array=array.name)
