"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

Facts = TypeVar("Facts")

MOST_EACH = 20
"""Findings of one code in one shard that are told one by one; the others are counted."""


class Said(NamedTuple):
    """What a check says of one thing; which check it was, the table knows."""

    what: str
    """One sentence without a full stop."""
    key: str = ""
    """Of the image; empty: it is about more than one image."""
    where: str = ""
    """`byte 512`, `row 3`."""
    shard: str = ""
    """File name; empty: the shard that was looked at, if it was one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong (an error, E...) or odd (a warning, W...)."""

    code: str
    what: str
    shard: str = ""
    """File name of the shard; empty: it is about the set."""
    key: str = ""
    where: str = ""
    num: int = 1
    """How many such things it stands for: more than 1 for those that are not told one by one."""

    @property
    def is_error(self) -> bool:
        """Whether the set must not be used as it is."""
        return self.code.startswith("E")

    def line(self) -> str:
        """For people: place, code, sentence."""
        place = " ".join(part for part in (self.shard, self.key) if part)
        where = f" ({self.where})" if self.where else ""
        return f"{self.code} {place + ': ' if place else ''}{self.what}{where}"


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """One coded check: a pure function of what was gathered."""

    code: str
    about: str
    """What it looks for, for `--list`."""
    mend: str
    find: Callable[[Facts], Iterable[Said]]

    def findings(self, facts: Facts, shard: str = "") -> Iterator[Finding]:
        """What it finds; beyond the first `MOST_EACH` only how many."""
        said = iter(self.find(facts))
        for one in islice(said, MOST_EACH):
            yield Finding(
                code=self.code,
                what=one.what,
                shard=one.shard or shard,
                key=one.key,
                where=one.where,
            )
        if rest := sum(1 for _ in said):
            yield Finding(code=self.code, what=f"{rest:,} more of these", shard=shard, num=rest)

    def record(self) -> dict[str, Any]:
        """As `--list --json` prints it."""
        return {"code": self.code, "about": self.about, "mend": self.mend}
