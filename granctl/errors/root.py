"""The root of all faults, its three branches, and what their sentences are made with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class GranctlError(Exception):
    """The root: `message` says what and where, `hint` says the mend."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as what it says: an error of a worker process reaches the parent whole."""
        return _unpickled, (type(self), self.__dict__)


def _unpickled(cls: type[GranctlError], fields: dict[str, object]) -> GranctlError:
    error = cls.__new__(cls, fields["message"])
    error.__dict__.update(fields)
    return error


class UserError(GranctlError):
    """What the user asked for cannot be done as asked."""

    exit_code = 2


class DataError(GranctlError):
    """A file does not hold what it says it holds."""

    exit_code = 3


class RunError(GranctlError):
    """A training run cannot go on."""

    exit_code = 4


def near(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known words most like `word`, best first; ignores case."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[m] for m in difflib.get_close_matches(word.lower(), by_lower, most)]


def listing(items: Sequence[object], most: int = 3) -> str:
    """The first items and how many more there are: `a, b, c; 4 more`."""
    head = ", ".join(str(i) for i in items[:most])
    return head if len(items) <= most else f"{head}; {len(items) - most} more"


def each_of(faults: Sequence[object], most: int = 20) -> str:
    """How many faults there are, and the first of them, a line each."""
    noun = "fault" if len(faults) == 1 else "faults"
    lines = [f"  - {fault}" for fault in faults[:most]]
    lines += [f"  and {len(faults) - most} more"] if len(faults) > most else []
    return "\n".join([f"{len(faults)} {noun}", *lines])


def did_you_mean(candidates: Sequence[str], otherwise: str) -> str:
    """The end of a mend: a question that names the candidates, or what to do without any."""
    return f"did you mean {' or '.join(candidates)}?" if candidates else otherwise
