r"""A study as cells: what is to be made, from what, in which order; the same for the same file.

taxonomy -> cut -> pretrain -> transfer
shards ------^------^     \-> embed -> cut (clusters) -> pretrain ...
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from granctl.errors import SpecError, near
from granctl.study import work
from granctl.study.cells import Cell
from granctl.study.cutspec import CutSpec
from granctl.study.studyfile import SEED_OF_FEATURES, CutTable, Study, flat
from granctl.train.recipe import Recipe, load_recipe
from granctl.train.transferspec import TRAINS, Method, options_of, takes
from granctl.tree.cutname import cut_name

STAGES = ("taxonomy", "shards", "cut", "pretrain", "embed", "transfer")
_SOURCE = "source"
_LISTS = ("depth", "level", "classes", "min_images")
_REFERS = ("within", "like", "features")


@dataclass(frozen=True, kw_only=True)
class SourceCut:
    """One cut of a study: a label space to pretrain on, to transfer to, or to refer to."""

    name: str
    table: CutTable
    spec: CutSpec
    """`within`, `like`, `features`, `shards` and `taxonomy` are filled in when the cell runs."""

    @property
    def per_seed(self) -> bool:
        """Whether each seed has a map of its own."""
        return self.table.draws == "each-seed"

    def cell(self, seed: int) -> str:
        """The name of the cell that makes the map for a seed."""
        return f"cut.{self.name}.s{seed}" if self.per_seed else f"cut.{self.name}"


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """The cells of a study, those that are needed first."""

    study: Study
    recipe: Recipe
    cuts: tuple[SourceCut, ...]
    cells: tuple[Cell, ...]

    def of_stage(self, stage: str) -> list[Cell]:
        """The cells of one stage."""
        return [cell for cell in self.cells if cell.stage == stage]


def plan_study(study: Study) -> StudyPlan:
    """Turns a study into cells, whose names follow from the file alone.

    Raises:
        SpecError: cuts of one name, or names that are no cut of the study; all faults.
        UnknownRecipeError: there is no such recipe.
        BadOptionError: a cut that cannot be.
    """
    recipe = load_recipe(study.beside(study.recipe), flat(study.set))
    cuts = tuple(_cuts(study))
    maker = _Maker(study, recipe, {cut.name: cut for cut in cuts})
    if faults := maker.faults():
        raise SpecError(f"study {study.name}", faults)
    for seed in study.seeds:
        for cut in cuts:
            if cut.table.pretrain:
                maker.transfers(cut, seed)
        maker.scratch(seed)
    return StudyPlan(study=study, recipe=recipe, cuts=cuts, cells=tuple(maker.cells.values()))


def _cuts(study: Study) -> Iterator[SourceCut]:
    for table in study.cut:
        many = next((k for k in _LISTS if getattr(table, k)), None)
        for value in getattr(table, many) if many else (None,):
            spec = _spec(study, table, {many: value} if many else {})
            name = _name(table, spec)
            if table.name is not None:
                alone = many is None or len(getattr(table, many)) == 1
                name = table.name if alone else f"{table.name}-{value}"
            yield SourceCut(name=name, table=table, spec=spec)


def _spec(study: Study, table: CutTable, chosen: Mapping[str, Any]) -> CutSpec:
    """The cut, with stand-ins where other cells' paths will be, so that it can be checked now."""
    stand_in = Path("made-by-the-study")
    options = {
        "policy": table.policy,
        "shallow": table.shallow,
        "by": table.by,
        "list": study.beside(study.label_list) if study.label_list else None,
        "nodes": Path(study.beside(table.nodes)) if table.nodes else None,
        **{key: stand_in if getattr(table, key) else None for key in _REFERS},
        "shards": stand_in if _of_images(table) else None,
        **chosen,
    }
    if _of_images(table) or table.like or table.within:
        options["list"] = None  # the labels are those of the images, or of the other map
    return CutSpec.from_options(
        {k: v for k, v in options.items() if v is not None},
        random=table.random,
        cluster=table.cluster,
        balanced=table.balanced,
        per_image=table.per_image,
    )


def _of_images(table: CutTable) -> bool:
    """Whether the cut reads the shards: it classes single images, or weighs labels by them."""
    return table.per_image or table.by == "images" or bool(table.min_images)


def _name(table: CutTable, spec: CutSpec) -> str:
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


class _Maker:
    """Adds each cell once, after those that it needs."""

    def __init__(self, study: Study, recipe: Recipe, cuts: Mapping[str, SourceCut]) -> None:
        self.study, self.recipe, self.cuts = study, recipe, cuts
        self.cells: dict[str, Cell] = {}

    def faults(self) -> list[str]:
        """Names that are twice there, or mean nothing."""
        names = [cut.name for cut in _cuts(self.study)]
        found = [
            f"cut {name}: twice; give one of them another name = ..."
            for name in dict.fromkeys(n for n in names if names.count(n) > 1)
        ]
        known = list(self.cuts)
        for cut in self.cuts.values():
            for key in _REFERS:
                text = getattr(cut.table, key)
                if text and text not in known and not Path(self.study.beside(text)).is_file():
                    found.append(f"cut {cut.name}: {key} = {text!r} {_no_cut(text, known)}")
        for target in self.study.targets:
            name, _, cut_name_ = target.partition("@")
            if name == _SOURCE and cut_name_ and cut_name_ not in known:
                found.append(f"targets: {target!r} {_no_cut(cut_name_, known)}")
            if name == _SOURCE and not cut_name_:
                found.append(f"targets: {target!r} names no cut; such as source@{known[0]}")
        own = any(cut.table.images for cut in self.cuts.values())
        try:
            options_of(self.study.options)
        except SpecError as error:
            found.append(error.message)
        if self.study.equal == "steps" and own and not self.study.images:
            found.append("equal: steps want images = N for the whole study")
        return found + self._circles()

    def _circles(self) -> list[str]:
        found = []
        for cut in self.cuts.values():
            seen, name = [], cut.name
            while name in self.cuts and name not in seen:
                seen.append(name)
                table = self.cuts[name].table
                name = next((t for k in _REFERS if (t := getattr(table, k)) in self.cuts), "")
            if name in seen:
                found.append(f"cut {cut.name}: it is made from itself, by {' and '.join(seen)}")
        return found

    def transfers(self, cut: SourceCut, seed: int) -> None:
        """A pretraining, and its transfer to every target by every method and budget."""
        run = self.pretraining(cut, seed)
        for target in self.study.targets:
            for method in self.study.methods:
                for per_class in self.study.per_class:
                    options = self._options(method)
                    says = method in TRAINS and not options.get("lengths")
                    params: dict[str, Any] = {"method": method, "recipe": None, "options": options}
                    params["steps"] = self.study.steps if says else None
                    name = f"{cut.name}.s{seed}.{_goal(target, method, per_class)}"
                    self._measure(name, target, per_class, seed, params, {"run": run})

    def scratch(self, seed: int) -> None:
        """Training on every target alone."""
        if self.study.scratch == "none":
            return
        for target in self.study.targets:
            for per_class in self.study.per_class:
                params = {"method": "scratch", "recipe": self.recipe, "steps": self._alone_steps()}
                name = f"scratch.s{seed}.{_goal(target, 'scratch', per_class)}"
                self._measure(name, target, per_class, seed, params, {})

    def _alone_steps(self) -> int | None:
        """Steps of training alone; None: the recipe's.

        Pretraining is counted in images, for its batches may have another size.
        """
        if self.study.scratch == "same-steps" or not self.study.images:
            return self.study.steps
        alone = self.recipe.scratch
        seen = self.recipe.epochs * self.study.images
        return (self.study.steps or self.recipe.finetune.steps) + -(-seen // alone.batch_size)

    def _options(self, method: Method) -> dict[str, Any]:
        """Those of the study that the method takes."""
        given = options_of(self.study.options)
        return {name: value for name, value in given.items() if takes(method, name)}

    def _measure(
        self,
        name: str,
        target: str,
        per_class: int,
        seed: int,
        params: dict[str, Any],
        needs: dict[str, str],
    ) -> None:
        place, _, cut = target.partition("@")
        goal = target
        if place == _SOURCE:
            needs = {**needs, "shards": self.shards(), "labels": self.cut(self.cuts[cut], seed)}
            goal = f"{slug(Path(self.study.source).name)}@{cut}"
        params = {**params, "target": goal, "per_class": per_class or None, "seed": seed}
        self._add(
            Cell(name=name, stage="transfer", work=work.transfer_to, params=params, needs=needs)
        )

    def pretraining(self, cut: SourceCut, seed: int) -> str:
        """The cell of one pretraining."""
        recipe, images = self.recipe, cut.table.images or self.study.images
        if self.study.equal == "steps" and images and self.study.images:
            times = max(round(self.study.images / images), 1)
            recipe = dataclasses.replace(recipe, epochs=recipe.epochs * times)
        needs = {"shards": self.shards(), "labels": self.cut(cut, seed)}
        params = {"recipe": recipe, "seed": seed, "images": images}
        name = f"run.{cut.name}.s{seed}"
        return self._add(
            Cell(name=name, stage="pretrain", work=work.pretrain_on, params=params, needs=needs)
        )

    def cut(self, cut: SourceCut, seed: int) -> str:
        """The cell of a cut, after all that it is made from."""
        needs: dict[str, str] = {}
        spec = cut.spec
        for key in _REFERS:
            text = getattr(cut.table, key)
            if text in self.cuts:
                other = self.cuts[text]
                needs[key] = self.features(other) if key == "features" else self.cut(other, seed)
            elif text:
                spec = dataclasses.replace(
                    spec, **cast(Any, {key: Path(self.study.beside(text)).absolute()})
                )
        if _of_images(cut.table):
            needs["shards"] = self.shards()
        if self.study.taxonomy is not None:
            needs["taxonomy"] = self.taxonomy()
        if cut.per_seed:
            spec = dataclasses.replace(spec, seed=seed)
        params = {"spec": spec}
        return self._add(
            Cell(name=cut.cell(seed), stage="cut", work=work.cut, params=params, needs=needs)
        )

    def features(self, cut: SourceCut) -> str:
        """The cell of the features of a run on a cut; one for all seeds."""
        run = self.pretraining(cut, SEED_OF_FEATURES)
        needs = {"run": run, "shards": self.shards()}
        return self._add(
            Cell(name=f"features.{cut.name}", stage="embed", work=work.embed_with, needs=needs)
        )

    def shards(self) -> str:
        """The cell of the shard set."""
        params = {"source": self.study.beside(self.study.source), "options": self.study.build}
        needs = {"labels": self._labels()} if self._nested_folders() else {}
        return self._add(
            Cell(name="shards", stage="shards", work=work.shards_of, params=params, needs=needs)
        )

    def _nested_folders(self) -> bool:
        """Whether an image's label is not the first folder that it lies in, but the deepest."""
        return self.study.taxonomy is not None and self.study.taxonomy.form == "folders"

    def _labels(self) -> str:
        """The cell of a map that names every label, by which a build tells folders from ranks."""
        params = {"spec": CutSpec(method="level", level=0)}
        needs = {"taxonomy": self.taxonomy()}
        return self._add(
            Cell(name="cut.labels", stage="cut", work=work.cut, params=params, needs=needs)
        )

    def taxonomy(self) -> str:
        """The cell of the study's own hierarchy."""
        table = self.study.taxonomy
        assert table is not None
        table = dataclasses.replace(table, path=self.study.beside(table.path))
        params = {"table": table}
        return self._add(
            Cell(name="taxonomy", stage="taxonomy", work=work.import_taxonomy, params=params)
        )

    def _add(self, cell: Cell) -> str:
        self.cells.setdefault(cell.name, cell)
        return cell.name


def _goal(target: str, method: str, per_class: int) -> str:
    budget = f".{per_class}-a-class" if per_class else ""
    return f"{method}.{slug(target)}{budget}"


def slug(text: str) -> str:
    """A text as it may stand in a file name."""
    return re.sub(r"[^\w@.-]+", "-", text).strip("-.")


def _no_cut(name: str, known: list[str]) -> str:
    like = near(name, known)
    meant = f"did you mean {' or '.join(like)}?" if like else f"known: {', '.join(known)}"
    return f"is no cut of the study; {meant}"
