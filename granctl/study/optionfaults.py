"""What a study's transfers and build are told, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

from granctl.errors import GranctlError
from granctl.study import work
from granctl.study.studyfile import Study
from granctl.train.recipe import Recipe
from granctl.train.taught import candidates
from granctl.train.transferspec import TRAINS, Method, TransferSpec, options_of, takes


def options_for(study: Study, method: Method) -> dict[str, Any]:
    """The study's options that a method takes.

    Raises:
        SpecError: an unknown option, or a value of another type.
    """
    given = options_of(study.options)
    if method != "linear" and not given.get("tries"):
        given.pop("held_out", None)  # nothing is chosen on them
    return {name: value for name, value in given.items() if takes(method, name)}


def faults_of_options(study: Study, recipes: tuple[Recipe, ...]) -> list[str]:
    """The faults of the tables `options` and `build`, each once."""
    found = []
    try:
        work.build_spec(study.source, study.build).check()
    except GranctlError as error:
        found.append(f"build: {error.message}")
    try:
        options_of(study.options)
    except GranctlError as error:
        return [*found, error.message]
    known = [method for method in get_args(Method) if method in _methods(study)]
    said = (
        f"options: {error.message}"
        for recipe in recipes
        for method in known
        for error in _faults(study, method, recipe)
    )
    return [*found, *dict.fromkeys(said)]


def _methods(study: Study) -> set[str]:
    of_cuts = {method for table in study.cut for method in table.methods or ()}
    alone = {"scratch"} if study.scratch != "none" else set()
    return {*study.methods, *of_cuts, *alone}


def _faults(study: Study, method: Method, recipe: Recipe) -> Iterator[GranctlError]:
    """Of one method: what `granctl transfer` would say."""
    options = options_for(study, method)
    says = method in TRAINS and not options.get("lengths")
    alone = method == "scratch"
    try:
        TransferSpec(
            target=cast(Any, None),  # which the checks of values do not look at
            method=method,
            run=None if alone else Path("made-by-the-study"),
            recipe=recipe if alone else None,
            steps=study.steps if says else None,
            **options,
        ).check()
        if method in ("finetune", "scratch"):
            candidates(recipe.scratch if alone else recipe.finetune, options.get("tries", ()))
    except GranctlError as error:
        yield error
