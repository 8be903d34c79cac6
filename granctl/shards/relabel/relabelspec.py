"""What `granctl shards relabel` is asked, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from granctl.errors import BadOptionError
from granctl.shards.classes import ClassLookup

How = Literal["view", "materialise", "in-place"]

_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RelabelSpec:
    """What `granctl shards relabel` is asked."""

    shards: Path
    """The shard set: a folder, or a URL."""
    classes: ClassLookup
    """What `.cls` and the field `classes` say; images whose label it drops are left out."""
    also: Mapping[str, ClassLookup] = field(default_factory=dict)
    """Name -> a further label set, the field `classes_NAME`; nothing is left out for it."""
    how: How = "view"
    """A folder without tars over those that are there; new tars; or the tars that are there."""
    out: Path | None = None
    """The folder of what is made; None: in the workspace, by digest."""

    again: str = ""
    """The command that goes on with this one in place, as people type it; empty: that of now."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        for name in self.also:
            if not _NAME.fullmatch(name):
                problem = f"{name!r} cannot be a part of a field's name"
                raise BadOptionError("--also", problem, "give letters, digits, _: in1k=MAP")
        if self.how == "in-place" and self.out is not None:
            problem = "in place nothing is written elsewhere"
            raise BadOptionError("--out", problem, "leave out --out or --in-place")
