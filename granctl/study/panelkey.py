"""Which results are compared with one another: what those of one panel have in common."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from granctl.spec import flat
from granctl.study.results import Result

_OWN_HEAD = "grouped"
_NO_LABELS = 0
"""The budget of a run's own head, which learns nothing from the target."""


class PanelKey(NamedTuple):
    """What the results of one panel share."""

    target: str
    per_class: int | None
    method: str
    options: str
    """As JSON; with the values of the recipe in which trainings by one recipe differ."""
    scope: str
    """Of a run's own head: which classes of the target it answers for."""
    leaks: str | None = None
    """None: the default, or nothing is known of a pretraining."""
    recipe: str | None = None
    images_seen: int | str | None = None
    """Of pretraining; or in words what is equal in its place."""
    steps: int | None = None

    @property
    def measured(self) -> tuple[Any, ...]:
        """What public weights share with it."""
        return self[:5]

    @property
    def budget(self) -> tuple[str, int | None]:
        """Target, and how many labelled images a class it learns from; None: all.

        Training on the target alone is compared with what learns from as many.
        """
        if self.method == _OWN_HEAD:
            return self.target, _NO_LABELS
        shots = json.loads(self.options).get("shots")
        return self.target, max(shots) if shots else self.per_class


def key_of(result: Result) -> PanelKey:
    """The panel of a result."""
    source, method = result.get("source") or {}, result["method"]
    known = result.get("leaked") is not None
    leaks = result.get("leaks", "checksum") if known else "checksum"
    return PanelKey(
        target=result["target"],
        per_class=None if method == _OWN_HEAD else result.get("per_class"),
        method=method,
        options=json.dumps({**(result.get("options") or {}), **values_of(result)}, sort_keys=True),
        scope=scope_of(result),
        leaks=None if leaks == "checksum" else leaks,
        recipe=source.get("recipe"),
        # Sources of a study that share steps or compute may see different numbers of images.
        images_seen=result.get("budget", source.get("images_seen")),
        steps=result.get("steps"),
    )


def told_apart(results: Sequence[Result]) -> list[Result]:
    """The results; those whose transfers by one recipe differ, as by `--set`, have `values`.

    `values` holds what differs alone: `{"optimizer.lr": 0.01}`.
    """
    alike: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in results:
        alike[tuple(map(result.get, ("target", "method", "recipe", "steps")))].append(result)
    differ = {unit: _differing([_training(r) for r in several]) for unit, several in alike.items()}
    found = []
    for result in results:
        names = differ[tuple(map(result.get, ("target", "method", "recipe", "steps")))]
        training = _training(result)
        values = {name: training[name] for name in names if name in training}
        found.append({**result, "values": values} if values else result)
    return found


def values_of(result: Result) -> dict[str, Any]:
    """What `told_apart` found."""
    values: dict[str, Any] = result.get("values") or {}
    return values


def _training(result: Result) -> dict[str, Any]:
    """How a transfer and its pretraining train; steps and epochs are told elsewhere."""
    spec = (result.get("provenance") or {}).get("spec") or {}
    table = flat(spec.get("training") or {})
    table |= {f"pretrained.{name}": v for name, v in (result.get("pretraining") or {}).items()}
    return {name: value for name, value in table.items() if name != "steps"}


def _differing(trainings: Sequence[dict[str, Any]]) -> list[str]:
    """Names whose values are not all the same, where there are any."""
    said: dict[str, set[str]] = defaultdict(set)
    for training in trainings:
        for name, value in training.items():
            said[name].add(json.dumps(value))
    return sorted(name for name, values in said.items() if len(values) > 1)


def scope_of(result: Result) -> str:
    """Which of the target's classes a run's own head answers for; "" for other methods.

    A head that answers for one class would leave no other images to all the others of a panel.
    """
    if result["method"] != _OWN_HEAD:
        return ""
    return str((result.get("grouping") or {}).get("reached_digest", result["n"]))
