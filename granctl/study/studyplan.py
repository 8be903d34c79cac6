r"""A study as cells: what is to be made, from what, in which order; the same for the same file.

taxonomy -> cut -> pretrain -> transfer
shards ------^------^     \-> embed -> cut (clusters) -> pretrain ...
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from granctl.errors import SpecError, near
from granctl.spec import flat
from granctl.study import work
from granctl.study.cells import Cell
from granctl.study.cutspec import CutSpec
from granctl.study.fair import alone_steps
from granctl.study.optionfaults import faults_of_options, options_for
from granctl.study.sourcecuts import REFERS, SourceCut, cuts_of, part_of, reads_images
from granctl.study.studyfile import SEED_OF_FEATURES, Study
from granctl.study.studytables import slug
from granctl.train.recipe import Recipe, load_recipe
from granctl.train.transferspec import TRAINS

STAGES = ("taxonomy", "shards", "cut", "pretrain", "embed", "transfer")
_SOURCE = "source"
_LABELS = "cut.(labels)"
"""No cut of a study can be called so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What a cell that trains is of."""

    cut: str
    """Of a pretraining, what the report calls it; empty for training on a target alone."""
    of: str = ""
    """The cut of the study; with equal shares of images `cut` is a part of it."""
    recipe: Recipe
    images: int | None = None
    """Of a pretraining; None: all that have a class."""
    of_part: bool = False
    """Whether these are not all of the source's, and only the data will tell how many."""
    reference: int | None = None
    """Of a pretraining of equal compute: images of the study; None: all."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """The cells of a study, those that are needed first."""

    study: Study
    recipes: tuple[Recipe, ...]
    cuts: tuple[SourceCut, ...]
    cells: tuple[Cell, ...]
    trainings: Mapping[str, Training]
    """By the name of the cell, of pretrainings and transfers."""

    @property
    def recipe(self) -> Recipe:
        """The first; it makes the features that are clustered."""
        return self.recipes[0]

    def of_stage(self, stage: str) -> list[Cell]:
        """The cells of one stage."""
        return [cell for cell in self.cells if cell.stage == stage]


def plan_study(study: Study) -> StudyPlan:
    """Turns a study into cells, whose names follow from the file alone.

    Raises:
        SpecError: cuts of one name, or names that are no cut of the study; all faults. Cells that
            differ would have one name.
        UnknownRecipeError: there is no such recipe.
        BadOptionError: a cut that cannot be.
    """
    recipes = tuple(load_recipe(study.recipe_place(r), flat(study.set)) for r in study.recipe)
    cuts = tuple(cuts_of(study))
    maker = _Maker(study, recipes, cuts)
    if faults := maker.faults():
        raise SpecError(f"study {study.name}", faults)
    for seed in study.seeds:
        for recipe in recipes:
            for cut in cuts:
                if cut.table.pretrain:
                    maker.transfers(cut, recipe, seed)
            maker.scratch(recipe, seed)
    if maker.collisions:
        mend = "write a name = ... for a cut, or name a target by `granctl data add`"
        raise SpecError(f"study {study.name}", [*maker.collisions.values(), mend])
    return StudyPlan(
        study=study,
        recipes=recipes,
        cuts=cuts,
        cells=tuple(maker.cells.values()),
        trainings=maker.trainings,
    )


class _Maker:
    """Adds each cell once, after those that it needs."""

    def __init__(
        self, study: Study, recipes: tuple[Recipe, ...], cuts: tuple[SourceCut, ...]
    ) -> None:
        self.study, self.recipes = study, recipes
        self.names = [cut.name for cut in cuts]
        self.cuts = {cut.name: cut for cut in cuts}
        self.cells: dict[str, Cell] = {}
        self.trainings: dict[str, Training] = {}
        self.collisions: dict[str, str] = {}
        """What is wrong with names of cells, by the name."""

    def faults(self) -> list[str]:
        """Names that are twice there, or mean nothing."""
        names = self.names
        found = [
            f"cut {name}: twice; give one of them another name = ..."
            for name in dict.fromkeys(n for n in names if names.count(n) > 1)
        ]
        found += [
            f"cut {name}: it is no name of a file; give it another: name = {slug(name)!r}"
            for name in self.cuts
            if name != slug(name)
        ]
        known = list(self.cuts)
        for cut in self.cuts.values():
            for key in REFERS:
                text = getattr(cut.table, key)
                if text and text not in known and not Path(self.study.beside(text)).is_file():
                    found.append(f"cut {cut.name}: {key} = {text!r} {_no_cut(text, known)}")
                one = text in known and self.cuts[text].per_seed and not cut.per_seed
                if one and key != "features":
                    found.append(
                        f"cut {cut.name}: {text} is another for each seed, so this one must be;"
                        ' write draws = "each-seed"'
                    )
        for target in self.study.targets:
            name, _, cut_name_ = target.partition("@")
            if name == _SOURCE and cut_name_ and cut_name_ not in known:
                found.append(f"targets: {target!r} {_no_cut(cut_name_, known)}")
            if name == _SOURCE and not cut_name_:
                found.append(f"targets: {target!r} names no cut; such as source@{known[0]}")
        recipes = [recipe.name for recipe in self.recipes]
        found += [
            f"recipe: two are called {name}; rename a file"
            for name in dict.fromkeys(n for n in recipes if recipes.count(n) > 1)
        ]
        found += self._unsized()
        stated = self.study.stated.classes if self.study.stated else {}
        found += [f"stated.classes: {n!r} {_no_cut(n, known)}" for n in stated if n not in known]
        found += faults_of_options(self.study, self.recipes)
        return found + self._circles()

    def _unsized(self) -> list[str]:
        """Budgets in operations of networks whose operations only timm knows."""
        keys = {"equal": self.study.equal, "scratch": self.study.scratch}
        return [
            f"{key}: {value}, but what an image costs is not known of {recipe.model.name}; take"
            " another value"
            for recipe in self.recipes
            for key, value in keys.items()
            if value in ("compute", "same-compute") and recipe.model.is_timm
        ]

    def _circles(self) -> list[str]:
        found = []
        for cut in self.cuts.values():
            seen, name = [], cut.name
            while name in self.cuts and name not in seen:
                seen.append(name)
                table = self.cuts[name].table
                name = next((t for k in REFERS if (t := getattr(table, k)) in self.cuts), "")
            if name in seen:
                found.append(f"cut {cut.name}: it is made from itself, by {' and '.join(seen)}")
        return found

    def transfers(self, cut: SourceCut, recipe: Recipe, seed: int) -> None:
        """A pretraining, and its transfer to every target by every method and budget."""
        run = self.pretraining(cut, recipe, seed)
        of = self.trainings[run]
        for target in self.study.targets:
            for method in cut.table.methods or self.study.methods:
                if method == "grouped" and not cut.may_nest:
                    continue
                for per_class in self.study.per_class:
                    options = options_for(self.study, method)
                    says = method in TRAINS and not options.get("lengths")
                    params: dict[str, Any] = {"method": method, "recipe": None, "options": options}
                    params["steps"] = self.study.steps if says else None
                    name = f"{self._place(cut.name, recipe, seed)}"
                    name += f".{_goal(target, method, per_class)}"
                    self._measure(name, target, per_class, seed, params, {"run": run}, of)

    def scratch(self, recipe: Recipe, seed: int) -> None:
        """Training on every target alone."""
        if self.study.scratch == "none":
            return
        options = options_for(self.study, "scratch")
        if self.study.scratch != "same-steps":
            options.pop("lengths", None)
        steps = None if options.get("lengths") else alone_steps(self.study, recipe)
        for target in self.study.targets:
            for per_class in self.study.per_class:
                params = {"method": "scratch", "recipe": recipe, "steps": steps}
                params |= {"options": options} if options else {}
                name = f"{self._place('scratch', recipe, seed)}"
                name += f".{_goal(target, 'scratch', per_class)}"
                of = Training(cut="", recipe=recipe)
                self._measure(name, target, per_class, seed, params, {}, of)

    def _place(self, cut: str, recipe: Recipe, seed: int) -> str:
        """What is trained, in names of cells; the recipe is told where there are several."""
        told = f".{slug(recipe.name)}" if len(self.recipes) > 1 else ""
        return f"{cut}{told}.s{seed}"

    def _measure(
        self,
        name: str,
        target: str,
        per_class: int,
        seed: int,
        params: dict[str, Any],
        needs: dict[str, str],
        of: Training,
    ) -> None:
        place, _, cut = target.partition("@")
        goal = target
        if place == _SOURCE:
            needs = {**needs, "shards": self.shards(), "labels": self.cut(self.cuts[cut], seed)}
            goal = f"{slug(Path(self.study.source).name)}@{cut}"
        params = {**params, "target": goal, "per_class": per_class or None, "seed": seed}
        self.trainings[name] = of
        self._add(
            Cell(name=name, stage="transfer", work=work.transfer_to, params=params, needs=needs)
        )

    def pretraining(self, cut: SourceCut, recipe: Recipe, seed: int) -> str:
        """The cell of one pretraining."""
        study, images = self.study, cut.table.images or self.study.images
        if study.equal == "steps" and images and study.images:
            epochs = max(round(recipe.epochs * study.images / images), 1)
            recipe = dataclasses.replace(recipe, epochs=epochs)
        name = f"run.{self._place(cut.name, recipe, seed)}"
        source, taken = cut, images
        if cut.table.part_of and cut.table.images:
            taken = None  # the map has no others
        elif study.share == "equal" and images:
            source, taken = part_of(cut, images), None
        needs = {"shards": self.shards(), "labels": self.cut(source, seed)}
        params = {"recipe": recipe, "seed": seed, "images": taken}
        if study.equal == "compute":
            params["equal_compute"] = {"images": study.images}
        self.trainings[name] = Training(
            cut=source.name,
            of=cut.name,
            recipe=recipe,
            images=images,
            of_part=cut.table.part_of is not None and images is None,
            reference=study.images,
        )
        return self._add(
            Cell(name=name, stage="pretrain", work=work.pretrain_on, params=params, needs=needs)
        )

    def cut(self, cut: SourceCut, seed: int) -> str:
        """The cell of a cut, after all that it is made from."""
        needs: dict[str, str] = {}
        spec = cut.spec
        for key in REFERS:
            text = getattr(cut.table, key)
            if text in self.cuts:
                other = self.cuts[text]
                needs[key] = self.features(other) if key == "features" else self.cut(other, seed)
            elif text:
                spec = dataclasses.replace(
                    spec, **cast(Any, {key: Path(self.study.beside(text)).absolute()})
                )
        if reads_images(cut.table):
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
        run = self.pretraining(cut, self.recipes[0], SEED_OF_FEATURES)
        needs = {"run": run, "shards": self.shards()}
        return self._add(
            Cell(name=f"features.{cut.name}", stage="embed", work=work.embed_with, needs=needs)
        )

    def shards(self) -> str:
        """The cell of the shard set."""
        params = {"source": self.study.source_place, "options": self.study.build}
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
        return self._add(Cell(name=_LABELS, stage="cut", work=work.cut, params=params, needs=needs))

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
        there = self.cells.setdefault(cell.name, cell)
        if (there.params, there.needs) != (cell.params, cell.needs):
            self.collisions[cell.name] = f"{cell.name}: two cells that differ would be called so"
        return cell.name


def _goal(target: str, method: str, per_class: int) -> str:
    budget = f".{per_class}-a-class" if per_class else ""
    return f"{method}.{slug(target)}{budget}"


def _no_cut(name: str, known: list[str]) -> str:
    like = near(name, known)
    meant = f"did you mean {' or '.join(like)}?" if like else f"known: {', '.join(known)}"
    return f"is no cut of the study; {meant}"
