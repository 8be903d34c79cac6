"""Which results are compared with one another: what those of one panel have in common."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

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
    """As JSON."""
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
        options=json.dumps(result.get("options") or {}, sort_keys=True),
        scope=scope_of(result),
        leaks=None if leaks == "checksum" else leaks,
        recipe=source.get("recipe"),
        # Sources of a study that share steps or compute may see different numbers of images.
        images_seen=result.get("budget", source.get("images_seen")),
        steps=result.get("steps"),
    )


def scope_of(result: Result) -> str:
    """Which of the target's classes a run's own head answers for; "" for other methods.

    A head that answers for one class would leave no other images to all the others of a panel.
    """
    if result["method"] != _OWN_HEAD:
        return ""
    return str((result.get("grouping") or {}).get("reached_digest", result["n"]))
