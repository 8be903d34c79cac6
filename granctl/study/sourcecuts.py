"""The cuts of a study by name: lists, ranges and controls made single, and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.study.cutspec import CutSpec
from granctl.study.studyfile import Control, Study
from granctl.study.studytables import LISTS, CutTable
from granctl.tree.cutname import cut_name, part_name

REFERS = ("within", "like", "features", "part_of")
"""Keys of a [[cut]] that name another cut."""
_OF_THE_TREE = ("depth", "level", "classes", "balanced", "min-images", "nodes")


@dataclass(frozen=True, kw_only=True)
class SourceCut:
    """One cut of a study: a label space to pretrain on, to transfer to, or to refer to."""

    name: str
    table: CutTable
    spec: CutSpec
    """`within`, `like`, `part_of`, `features`, `shards` and `taxonomy` are filled in when the cell
    runs."""

    @property
    def per_seed(self) -> bool:
        """Whether each seed has a map of its own."""
        return self.table.draws == "each-seed"

    @property
    def is_of_the_tree(self) -> bool:
        """Whether the taxonomy alone makes it."""
        return self.spec.method in _OF_THE_TREE

    @property
    def may_nest(self) -> bool:
        """Whether its classes can lie in a target's: random ones and training images' do not."""
        return not (self.table.per_image or self.table.random)

    def cell(self, seed: int) -> str:
        """The name of the cell that makes the map for a seed."""
        return f"cut.{self.name}.s{seed}" if self.per_seed else f"cut.{self.name}"


def cuts_of(study: Study) -> Iterator[SourceCut]:
    """Every cut of a study, in the order of its file; controls last.

    Raises:
        BadOptionError: a cut that cannot be.
    """
    written = list(_written(study))
    yield from written
    for control in study.controls:
        for table in _controls(control, written):
            yield _cut(study, table, None, None)


def _written(study: Study) -> Iterator[SourceCut]:
    for table in study.cut:
        many = next((k for k in LISTS if getattr(table, k)), None)
        for value in getattr(table, many) if many else (None,):
            yield _cut(study, table, many, value)


def _controls(control: Control, cuts: list[SourceCut]) -> Iterator[CutTable]:
    """The tables that a control stands for."""
    if control == "one-an-image":
        yield CutTable(name="one-an-image", per_image=True)
        return
    for cut in cuts:
        if cut.is_of_the_tree and cut.table.pretrain:
            name = f"{control}-like-{cut.name}"
            per_image = control == "random"
            yield CutTable(
                name=name, random=True, per_image=per_image, like=cut.name, draws="each-seed"
            )


def _cut(study: Study, table: CutTable, many: str | None, value: int | None) -> SourceCut:
    spec = _spec(study, table, {many: value} if many else {})
    name = _name(table, spec)
    if table.name is not None:
        alone = many is None or len(getattr(table, many)) == 1
        name = table.name if alone else f"{table.name}-{value}"
    return SourceCut(name=name, table=table, spec=spec)


def _spec(study: Study, table: CutTable, chosen: Mapping[str, Any]) -> CutSpec:
    """The cut, with stand-ins where other cells' paths will be, so that it can be checked now."""
    stand_in = Path("made-by-the-study")
    options = {
        "policy": table.policy,
        "shallow": table.shallow,
        "by": table.by,
        "list": study.list_place(study.label_list) if study.label_list else None,
        "nodes": Path(study.beside(table.nodes)) if table.nodes else None,
        "images": table.images if table.part_of else None,
        **{key: stand_in if getattr(table, key) else None for key in REFERS},
        "shards": stand_in if reads_images(table) else None,
        **chosen,
    }
    if reads_images(table) or table.like or table.within:
        options["list"] = None  # the labels are those of the images, or of the other map
    return CutSpec.from_options(
        {k: v for k, v in options.items() if v is not None},
        random=table.random,
        cluster=table.cluster,
        balanced=table.balanced,
        per_image=table.per_image,
    )


def reads_images(table: CutTable) -> bool:
    """Whether the cut reads the shards: it classes single images, or weighs labels by them."""
    of_images = table.per_image or table.by == "images" or bool(table.min_images)
    return of_images or table.part_of is not None


def part_of(cut: SourceCut, images: int, *, per_seed: bool = True) -> SourceCut:
    """A cut with so many images, shared out equally among its classes."""
    table = CutTable(
        name=f"{cut.name}-{part_name(None, images)}",
        part_of=cut.name,
        images=images,
        draws="each-seed" if per_seed else "one",
    )
    stand_in = Path("made-by-the-study")
    spec = CutSpec(method="part", part_of=stand_in, images=images, shards=stand_in)
    return SourceCut(name=str(table.name), table=table, spec=spec)


def _name(table: CutTable, spec: CutSpec) -> str:
    if table.part_of is not None:
        return f"{table.part_of}-{part_name(spec.classes, spec.images)}"
    params: dict[str, Any] = dataclasses.asdict(spec)
    params["of"] = None if table.per_image else "labels"
    params["within"] = table.within
    if table.like is not None:
        params["like"] = table.like
    else:
        del params["like"]
    if not (table.cluster or (table.random and table.within)):
        del params["within"]
    method = "leaf" if spec.method == "level" and not spec.level else spec.method
    return cut_name(method, params)
