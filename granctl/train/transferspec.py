"""What `granctl transfer` is asked: a target, a method, a run, and what differs from its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from granctl import spec
from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.provenance import plain
from granctl.train.origin import Origin
from granctl.train.public import PublicModel
from granctl.train.recipe import DEFAULT_RECIPE, Recipe, load_recipe, recipe_of, settings
from granctl.train.runs import Run
from granctl.train.targets import Target, given_target, open_target
from granctl.workspace import Workspace

Method = Literal["finetune", "linear", "scratch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferSpec:
    """What `granctl transfer` is asked."""

    target: Target
    method: Method = "finetune"
    run: Path | None = None
    """None for scratch and with `init`; scratch takes its architecture and recipe, no weights."""
    init: PublicModel | None = None
    """A public model in place of `run`."""
    recipe: Recipe | None = None
    """None: the run's. Of finetune and linear, only the table of that name is used."""
    per_class: int | None = None
    """Labelled images a class; None: all."""
    steps: int | None = None
    """None: the recipe's."""
    seed: int = 0
    """Which labelled images, their order and augmentation, and the weights of scratch."""

    @property
    def origin(self) -> Origin | None:
        """The run, opened, or the public model.

        Raises:
            GranctlError: the run is missing or unfinished.
        """
        return self.init if self.run is None else Run.open(self.run)

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.method not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise BadOptionError("--method", f"there is no method {self.method!r}", f"take {known}")
        if self.run is not None and self.init is not None:
            raise BadOptionError("--init", "it stands in place of --run", "give one of them")
        if (
            self.run is None
            and self.init is None
            and (self.method != "scratch" or self.recipe is None)
        ):
            raise BadOptionError(
                "--run", f"--method {self.method} needs one", "give --run or --init"
            )
        for option, value in (("--per-class", self.per_class), ("--steps", self.steps)):
            if value is not None and value < 1:
                raise BadOptionError(option, f"{value} is below 1", "give 1 or more")


def target_of_options(
    workspace: Workspace,
    name: str,
    shards: Path | None,
    labels: Path | None,
    progress: Progress,
) -> Target:
    """The target that the options of a command line mean.

    Raises:
        BadOptionError: only one of --target-shards and --target-labels was given.
        GranctlError: there is no such target, or it is damaged.
    """
    if shards is None and labels is None:
        return open_target(workspace, name, progress)
    if shards is None or labels is None:
        missing = "--target-shards" if shards is None else "--target-labels"
        raise BadOptionError(missing, "it is missing", "give both, or --target alone")
    return given_target(shards, labels)


def public_of_options(init: str | None, recipe: str | None) -> PublicModel | None:
    """The public model that `--init` and `--recipe` mean; None where no --init was given.

    Raises:
        GranctlError: as `PublicModel.of_option`.
    """
    return None if init is None else PublicModel.of_option(init, recipe)


def recipe_of_options(
    method: str,
    run: Path | None,
    recipe: str | None,
    pairs: Sequence[str],
    progress: Progress,
    init: PublicModel | None = None,
) -> Recipe:
    """The recipe that the options of a command line mean.

    That of the run, a named one for scratch, or that of the public model.

    Raises:
        BadOptionError: an option that would change the network of a run.
        SpecError: an override that is no key of a recipe.
    """
    if init is not None:
        return init.recipe_with(method, pairs)
    changes = settings(pairs)
    if recipe is not None or run is None:
        if method != "scratch" and recipe is not None:
            problem = f"--method {method} goes on with the run's network and recipe"
            hint = f"leave it out; change single values with --set {method}.steps=..."
            raise BadOptionError("--recipe", problem, hint)
        if recipe is None:
            progress.note(f"using the recipe {DEFAULT_RECIPE}")
        return load_recipe(recipe or DEFAULT_RECIPE, changes)
    others = [key for key in changes if not key.startswith(f"{method}.")]
    if others and method != "scratch":
        problem = f"{others[0]} is no value of --method {method}"
        raise BadOptionError("--set", problem, f"such as {method}.steps=100")
    table: dict[str, Any] = plain(Run.open(run).recipe)
    return recipe_of(spec.override(table, changes), "the run's recipe with --set")
