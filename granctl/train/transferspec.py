"""What `granctl transfer` is asked: a target, a method, a run, and what differs from its recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from granctl import spec
from granctl.errors import BadOptionError, SpecError
from granctl.progress import Progress
from granctl.provenance import plain
from granctl.train.leaks import Leaks
from granctl.train.origin import Origin, check_one
from granctl.train.public import PublicModel
from granctl.train.recipe import DEFAULT_RECIPE, Recipe, load_recipe, recipe_of, settings
from granctl.train.runs import Run
from granctl.train.targets import Target, given_target, open_target
from granctl.workspace import Workspace

Method = Literal["finetune", "linear", "fewshot", "knn", "grouped", "scratch"]
Tries = tuple[tuple[str, tuple[Any, ...]], ...]
"""Keys of a method's table, and the values of each that are tried."""

TABLE_OF_METHOD: Mapping[Method, Literal["finetune", "linear", "scratch"] | None] = {
    "finetune": "finetune",
    "linear": "linear",
    "fewshot": "linear",
    "knn": "linear",
    "grouped": None,
    "scratch": "scratch",
}
"""The table of a recipe that each method reads: fewshot and knn only its resolution."""
TRAINS: frozenset[Method] = frozenset({"finetune", "linear", "scratch"})
_OF_HEADS = (
    *("resolution", "optimizer", "schedule", "steps", "batch_size", "label_smoothing"),
    *("rates", "decays", "most_epochs"),
)
"""What is read of a recipe's table `linear`: heads see no image, so there is none to augment."""
_READ_BY_METHOD: Mapping[Method, tuple[str, ...]] = {
    "finetune": ("finetune",),
    "linear": tuple(f"linear.{name}" for name in _OF_HEADS),
    "fewshot": ("linear.resolution",),
    "knn": ("linear.resolution",),
    "grouped": (),
    "scratch": ("scratch", "model", "input", "augment", "precision"),
}
"""Tables and values of a recipe that `--set` changes for each method."""
_OPTIONS_OF_METHOD: Mapping[Method, tuple[str, ...]] = {
    "finetune": ("lengths", "tries", "held_out"),
    "linear": ("held_out",),
    "fewshot": ("shots", "draws", "ridge"),
    "knn": ("k", "temperature"),
    "grouped": ("run_labels",),
    "scratch": ("lengths", "tries", "held_out"),
}
_RISING = ("shots", "lengths")
"""Options whose order means nothing: 2,1 is 1,2."""


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
    lengths: tuple[int, ...] = ()
    """finetune, scratch: steps of trainings of their own, each with its whole schedule."""
    tries: Tries = ()
    """finetune, scratch: values to choose from, on held-out training images."""
    held_out: float = 0.2
    """Share of the training images of each class on which values are chosen."""
    shots: tuple[int, ...] = (1, 5, 10, 25)
    """fewshot: images a class."""
    draws: int = 3
    """fewshot: choices of images, for each number of shots."""
    ridge: float = 1024.0
    """fewshot: penalty of the squared weights."""
    k: int = 20
    """knn: neighbours that vote."""
    temperature: float = 0.07
    """knn: a vote weighs exp(cosine / temperature)."""
    run_labels: Path | None = None
    """grouped: the run's label map, where it is not in the workspace."""
    score_on: tuple[str, ...] = ()
    """Further held-out sets that the same network is scored on, as `further.py` opens them."""
    leaks: Leaks = "checksum"
    """What happens to held-out images that the run was pretrained on."""
    home: Workspace | None = None
    """Where names of data sets, shards and maps are looked up; None: where the result goes."""

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
        if self.method != "scratch" or self.recipe is None or self.run is not None:
            check_one(self.run, self.init)
        if self.init is not None and self.method == "grouped":
            problem = "which classes the head of a public model knows is not recorded"
            raise BadOptionError("--init", problem, "take another --method")
        self._check_belongs()
        several = {"--shots": self.shots, "--lengths": self.lengths}
        counts: list[tuple[str, int | None]]
        counts = [(option, one) for option, values in several.items() for one in values]
        counts += [("--draws", self.draws), ("--k", self.k)]
        counts += [("--per-class", self.per_class), ("--steps", self.steps)]
        for option, value in counts:
            if value is not None and value < 1:
                raise BadOptionError(option, f"{value} is below 1", "give 1 or more")
        for option, amount in (("--ridge", self.ridge), ("--temperature", self.temperature)):
            if not amount > 0:
                raise BadOptionError(option, f"{amount} is not positive", "give a positive number")
        if not 0 < self.held_out < 1:
            problem = f"{self.held_out} is not between 0 and 1"
            raise BadOptionError("--held-out", problem, "such as 0.2")
        if not self.shots:
            raise BadOptionError("--shots", "there is no number", "such as 1,5,10,25")
        if self.lengths and self.steps not in (None, max(self.lengths)):
            problem = "--lengths says the steps of each training"
            raise BadOptionError("--steps", problem, "leave one of them out")

    def _check_belongs(self) -> None:
        default = {field.name: field.default for field in fields(self)}
        for name in {name for names in _OPTIONS_OF_METHOD.values() for name in names}:
            if not takes(self.method, name) and getattr(self, name) != default[name]:
                option = "--try" if name == "tries" else f"--{name.replace('_', '-')}"
                users = [m for m, names in _OPTIONS_OF_METHOD.items() if name in names]
                problem = f"--method {self.method} has no use for it"
                raise BadOptionError(option, problem, f"it is for {', '.join(users)}")
        if self.method != "linear" and not self.tries and self.held_out != default["held_out"]:
            problem = "nothing is chosen without --try"
            raise BadOptionError("--held-out", problem, "give --try, or leave it out")
        if self.steps is not None and self.method not in TRAINS:
            raise BadOptionError(
                "--steps", f"--method {self.method} trains nothing", "leave it out"
            )

    @property
    def labelled(self) -> int | None:
        """Labelled images a class that the method learns from; None: all, or of `grouped` none."""
        return None if self.method == "grouped" else self.per_class

    @property
    def options(self) -> dict[str, Any]:
        """What the method was told beside its recipe, as JSON types; `options_of` reads it."""
        names = [n for n in _OPTIONS_OF_METHOD[self.method] if n != "run_labels"]
        if self.method in ("finetune", "scratch"):
            names = [n for n in names if getattr(self, n) and (n != "held_out" or self.tries)]
        found = {name: plain(getattr(self, name)) for name in names}
        return found | {name: sorted(set(found[name])) for name in _RISING if name in found}


def takes(method: Method, name: str) -> bool:
    """Whether a method takes a field of `TransferSpec` that is not for all of them."""
    return name in _OPTIONS_OF_METHOD[method]


def options_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `TransferSpec` from a table of JSON or TOML, such as `TransferSpec.options`.

    Raises:
        SpecError: an unknown key, or a value of another type.

    Example:
        >>> options_of({"shots": [1, 5], "draws": 2})
        {'shots': (1, 5), 'draws': 2}
    """
    given = dict(table)
    tries = given.pop("tries", None)
    if not isinstance(tries, (Mapping, list, tuple, type(None))):
        raise SpecError("options of a transfer", ["tries: a table of lists was expected"])
    read = spec.parse(_Options, given, "options of a transfer")
    found = {name: getattr(read, name) for name in given}
    found |= {name: tuple(sorted(set(found[name]))) for name in _RISING if name in found}
    if tries is not None:
        pairs = list(tries.items() if isinstance(tries, Mapping) else tries)
        lists = [
            key for key, values in pairs if not isinstance(values, (list, tuple)) or not values
        ]
        if lists:
            problem = 'a list of values was expected: "optimizer.lr" = [0.01, 0.03]'
            raise SpecError("options of a transfer", [f"tries.{key}: {problem}" for key in lists])
        found["tries"] = tuple((key, tuple(values)) for key, values in pairs)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Options:
    """Those that a table may hold, with the types of `TransferSpec`."""

    lengths: tuple[int, ...] = ()
    held_out: float = 0.2
    shots: tuple[int, ...] = ()
    draws: int = 3
    ridge: float = 1024.0
    k: int = 20
    temperature: float = 0.07


def tries_of(pairs: Sequence[str], method: str) -> Tries:
    """`["optimizer.lr=0.01,0.03"]` as (("optimizer.lr", (0.01, 0.03)),).

    The name of the method's table may stand before a key.

    Raises:
        BadOptionError: it is not KEY=VALUE,VALUE.

    Example:
        >>> tries_of(["finetune.optimizer.name=sgd,adamw", "clip=1"], "finetune")
        (('optimizer.name', ('sgd', 'adamw')), ('clip', (1,)))
    """
    found = []
    for pair in pairs:
        key, equals, texts = pair.partition("=")
        key = key.strip().removeprefix(f"{method}.")
        words = [word.strip() for word in texts.split(",")]
        if not equals or not key or not all(words):
            problem = f"{pair!r} is not KEY=VALUE,VALUE"
            raise BadOptionError("--try", problem, "such as optimizer.lr=0.01,0.03")
        found.append((key, tuple(settings([f"v={word}"])["v"] for word in words)))
    return tuple(found)


def numbers_of(option: str, text: str) -> tuple[int, ...]:
    """`"1,5,10"` as (1, 5, 10), as is `"10,5,1"`.

    Raises:
        BadOptionError: they are no whole numbers.
    """
    try:
        return tuple(sorted({int(word) for word in text.split(",") if word.strip()}))
    except ValueError as error:
        problem = f"{text!r} are no whole numbers"
        raise BadOptionError(option, problem, f"such as {option} 1,5,10") from error


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


def _check_used(method: Method, keys: Iterable[str]) -> None:
    """Checks that a method reads the values of a recipe that `--set` would change.

    Raises:
        BadOptionError: it would be ignored, or would change the network of a run.
    """
    read = _READ_BY_METHOD[method]
    others = [key for key in keys if not any(key == r or key.startswith(f"{r}.") for r in read)]
    if not others:
        return
    problem = f"{others[0]} is no value of --method {method}"
    hint = "it reads no table of the recipe"
    if method in TRAINS:
        hint = f"such as {TABLE_OF_METHOD[method]}.steps=100"
    elif read:
        options = ", ".join(f"--{name}" for name in _OPTIONS_OF_METHOD[method])
        hint = f"it reads {read[0]} alone; its own values are {options}"
    raise BadOptionError("--set", problem, hint)


def recipe_of_options(
    method: Method,
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
        _check_used(method, settings(pairs))
        return init.recipe_with(TABLE_OF_METHOD[method] or "linear", pairs)
    changes = settings(pairs)
    _check_used(method, changes)
    table_name = TABLE_OF_METHOD[method]
    if recipe is not None or run is None:
        if method != "scratch" and recipe is not None:
            problem = f"--method {method} goes on with the run's network and recipe"
            hint = "leave it out"
            if table_name is not None:
                hint += f"; change single values with --set {table_name}.steps=..."
            raise BadOptionError("--recipe", problem, hint)
        if recipe is None:
            progress.note(f"using the recipe {DEFAULT_RECIPE}")
        return load_recipe(recipe or DEFAULT_RECIPE, changes)
    table: dict[str, Any] = plain(Run.open(run).recipe)
    return recipe_of(spec.override(table, changes), "the run's recipe with --set")
