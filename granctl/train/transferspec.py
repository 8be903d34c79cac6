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
from granctl.train.leaks import Leaks
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
    """None for scratch only; scratch takes its architecture and recipe, and no weights."""
    recipe: Recipe | None = None
    """None: the run's. Of finetune and linear, only the table of that name is used."""
    per_class: int | None = None
    """Labelled images a class; None: all."""
    steps: int | None = None
    """None: the recipe's."""
    seed: int = 0
    """Which labelled images, their order and augmentation, and the weights of scratch."""
    score_on: tuple[str, ...] = ()
    """Further held-out sets that the same network is scored on, as `further.py` opens them."""
    leaks: Leaks = "checksum"
    """What happens to held-out images that the run was pretrained on."""
    home: Workspace | None = None
    """Where names of data sets, shards and maps are looked up; None: where the result goes."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.method not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise BadOptionError("--method", f"there is no method {self.method!r}", f"take {known}")
        if self.run is None and (self.method != "scratch" or self.recipe is None):
            raise BadOptionError("--run", f"--method {self.method} needs one", "give --run")
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


def recipe_of_options(
    method: str, run: Path | None, recipe: str | None, pairs: Sequence[str], progress: Progress
) -> Recipe:
    """The recipe that the options of a command line mean: the run's, or a named one for scratch.

    Raises:
        BadOptionError: an option that would change the network of a run.
        SpecError: an override that is no key of a recipe.
    """
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
