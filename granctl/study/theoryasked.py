"""What is asked of the theory: a setting, its label spaces and seeds, and what is varied."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from granctl.errors import BadOptionError, SpecError, near
from granctl.provenance import plain
from granctl.spec import parse
from granctl.study.theoryjobs import METHOD, Job
from granctl.theory.conditions import unmet
from granctl.theory.labels import LabelSpace, label_space
from granctl.theory.setting import Setting, names
from granctl.train.recipe import settings

CONTRAST = ("coarse", "fine")
OF_LABELS = ("classes", "labels")
"""What else can be varied: the label space itself, by its number of classes or by its word."""
VARIED = "varied"
"""The key of the label space that is varied, in the points of a sweep."""
_KEYS = "docs/commands/theory.md lists parameters and label spaces"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One setting, and the label spaces to train under in it."""

    value: Any
    """What is varied; None in a run."""
    setting: Setting
    spaces: dict[str, LabelSpace]
    """Key in the record -> label space."""

    def unmet(self) -> list[str]:
        """The theorems' conditions that do not hold here."""
        return unmet(self.setting, list(self.spaces.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A run (one point) or a sweep (a point a value), with the same seeds everywhere."""

    vary: str | None
    points: tuple[Point, ...]
    seeds: int

    def jobs(self) -> list[Job]:
        """One a point, seed and label space, in this order: spaces of a seed share samples."""
        return [
            Job(setting=point.setting, space=space, seed=seed)
            for point in self.points
            for seed in range(self.seeds)
            for space in point.spaces.values()
        ]

    def command(self) -> str:
        """What asks for the same, on any number of processes and in any place."""
        words = ["granctl", "theory", "run" if self.vary is None else "sweep"]
        first = self.points[0]
        if self.vary is not None:
            values = ",".join(_typed(point.value) for point in self.points)
            words += ["--vary", f"{self.vary}={values}"]
        for name, value in changed(first.setting).items():
            words += [] if name == self.vary else ["--set", f"{name}={_typed(value)}"]
        if self.vary not in OF_LABELS and tuple(first.spaces) != CONTRAST:
            words += [w for space in first.spaces.values() for w in ("--labels", space.word)]
        return shlex.join([*words, "--seeds", str(self.seeds)])

    def identity(self) -> dict[str, Any]:
        """What the artefact's digest is made of."""
        points = [
            {"value": plain(p.value), "setting": plain(p.setting), "spaces": plain(p.spaces)}
            for p in self.points
        ]
        kind = "theory" if self.vary is None else "theory-sweep"
        head = {"kind": kind, "schema": 1, "method": METHOD, "vary": self.vary}
        return {**head, "seeds": self.seeds, "points": points}


def changed(setting: Setting) -> dict[str, Any]:
    """The parameters that are not at their defaults."""
    default = Setting()
    return {n: plain(v) for n in names() if (v := getattr(setting, n)) != getattr(default, n)}


def _typed(value: Any) -> str:
    """A value as one gives it to `--set` and `--vary`."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def asked_run(pairs: Sequence[str], labels: Sequence[str], seeds: int) -> Asked:
    """One setting: `--set k=4`, label spaces (none: coarse and fine), seeds 0 .. seeds - 1.

    Raises:
        SpecError: values that cannot be.
        BadOptionError: a label space that cannot be, no seed.
    """
    point = _point(settings(pairs), labels or CONTRAST, "--set")
    return Asked(vary=None, points=(point,), seeds=_checked(seeds))


def asked_sweep(pairs: Sequence[str], vary: str, labels: Sequence[str], seeds: int) -> Asked:
    """A setting a value of `--vary NAME=VALUE,VALUE`.

    Raises:
        SpecError: values that cannot be.
        BadOptionError: nothing that can be varied, a label space that cannot be, no seed; an
            option that gives what is varied already.
    """
    name, values = _varied(vary)
    table = settings(pairs)
    if name in table:
        problem = f"{name} is varied, and its one value {table[name]} would count for nothing"
        raise BadOptionError("--set", problem, f"leave it out, or vary something else than {name}")
    if name in OF_LABELS and labels:
        problem = f"--vary {name} says under which label spaces to train"
        raise BadOptionError("--labels", problem, "leave it out, or vary a parameter")
    points = []
    for value in values:
        where = f"--vary {name}={value}"
        if name in OF_LABELS:
            word = f"classes:{value}" if name == "classes" else str(value)
            point = _point(table, [word], where)
            named = {VARIED: next(iter(point.spaces.values()))}
            points.append(Point(value=value, setting=point.setting, spaces=named))
        else:
            point = _point({**table, name: value}, labels or CONTRAST, where)
            given = getattr(point.setting, name)
            points.append(Point(value=given, setting=point.setting, spaces=point.spaces))
    return Asked(vary=name, points=tuple(points), seeds=_checked(seeds))


def _varied(vary: str) -> tuple[str, list[Any]]:
    name, equals, text = vary.partition("=")
    known = [*names(), *OF_LABELS]
    example = "such as k=2,4,8 or classes=2,4,16"
    if not equals or not text.strip():
        raise BadOptionError("--vary", f"{vary!r} is not NAME=VALUE,VALUE", example)
    if name not in known:
        like = near(name, known) or known
        raise BadOptionError("--vary", f"{name!r} is no parameter", f"known: {', '.join(like)}")
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        values = [word.strip() for word in text.split(",")]
    twice = [v for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise BadOptionError("--vary", f"{twice[0]} stands twice in {text}", "give each once")
    return name, values


def _point(table: dict[str, Any], labels: Sequence[str], where: str) -> Point:
    try:
        setting = parse(Setting, table, where)
    except SpecError as error:
        raise SpecError(where, error.faults, _KEYS) from None
    found = [label_space(word, setting) for word in dict.fromkeys(labels)]
    if faults := [told for told in found if isinstance(told, str)]:
        if where.startswith("--vary"):
            raise SpecError(where, faults, _KEYS)
        raise BadOptionError("--labels", faults[0], "docs/commands/theory.md lists what there is")
    spaces = {space.word: space for space in found if isinstance(space, LabelSpace)}
    return Point(value=None, setting=setting, spaces=spaces)


def _checked(seeds: int) -> int:
    if seeds < 1:
        raise BadOptionError("--seeds", f"{seeds} is below 1", "give 1 or more")
    return seeds
