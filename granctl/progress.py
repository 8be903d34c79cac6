"""Progress as an argument: the library tells a `Progress`, and only `cli/console.py` shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a long piece of work tells while it goes."""

    def start(self, label: str, total: int, unit: str) -> None:
        """A stage begins: `total` is the number of `unit`s to do (images, steps, shards ...)."""

    def advance(self, num: int = 1, note: str = "") -> None:
        """`num` more units are done; `note` is shown beside the bar (a loss, a count of bad)."""

    def finish(self) -> None:
        """The stage that was started is over."""

    def note(self, text: str) -> None:
        """One sentence for the user, such as which default was taken."""


class Silent:
    """A `Progress` that shows nothing."""

    def start(self, label: str, total: int, unit: str) -> None:
        """Shows nothing."""

    def advance(self, num: int = 1, note: str = "") -> None:
        """Shows nothing."""

    def finish(self) -> None:
        """Shows nothing."""

    def note(self, text: str) -> None:
        """Shows nothing."""
