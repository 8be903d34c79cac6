"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from granctl.errors import FaultyShardsError
from granctl.progress import Progress
from granctl.shards.verify.finding import Finding
from granctl.shards.verify.table import CHECKS, MEND_OF_CODE

How = Literal["rebuilt", "patched", "reindexed", "set aside"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """One file that a repair made whole, or moved away."""

    name: str
    how: How
    """`rebuilt` from the source, `patched` or `reindexed` without it; `set aside`: alone."""
    set_aside: str | None
    """Where the damaged file is now, relative to the set; None: it was missing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What was found, the set first, then shard by shard."""

    where: str
    digest: str | None
    """Of the set; None where it has no manifest."""
    findings: Sequence[Finding]
    shards: int
    """That were read."""
    images: int
    num_bytes: int
    mended: Sequence[Mended] = ()

    @property
    def num_errors(self) -> int:
        """Things that are wrong, also those that are not told one by one."""
        return sum(finding.num for finding in self.findings if finding.is_error)

    @property
    def num_warnings(self) -> int:
        """Things that are odd."""
        return sum(finding.num for finding in self.findings if not finding.is_error)

    def record(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        counts: Counter[str] = Counter()
        for finding in self.findings:
            counts[finding.code] += finding.num
        return {
            "kind": "verification",
            "path": self.where,
            "digest": self.digest,
            "made": bool(self.mended),
            "schema": 1,
            "errors": self.num_errors,
            "warnings": self.num_warnings,
            "checked": {"shards": self.shards, "images": self.images, "bytes": self.num_bytes},
            "codes": dict(sorted(counts.items())),
            "findings": [_record(finding) for finding in self.findings],
            "mended": [
                {"name": one.name, "how": one.how, "set_aside": one.set_aside}
                for one in self.mended
            ],
        }

    def tell(self, progress: Progress) -> None:
        """Says the warnings, line by line, and the sum."""
        for finding in self.findings:
            if not finding.is_error:
                progress.note(f"{finding.line()}; {MEND_OF_CODE[finding.code]}")
        progress.note(
            f"checked {self.shards:,} shards, {self.images:,} images,"
            f" {self.num_bytes / 1e6:,.1f} MB: {_count(self.num_errors, 'error')},"
            f" {_count(self.num_warnings, 'warning')}"
        )

    def check(self) -> None:
        """Does nothing where all is well.

        Raises:
            FaultyShardsError: there are errors.
        """
        errors = [finding for finding in self.findings if finding.is_error]
        if errors:
            mends = dict.fromkeys(MEND_OF_CODE[finding.code] for finding in errors)
            lines = [finding.line() for finding in errors]
            raise FaultyShardsError(self.where, self.num_errors, lines, list(mends))


def _count(num: int, noun: str) -> str:
    return f"{num:,} {noun}{'' if num == 1 else 's'}"


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "shard": finding.shard or None,
        "key": finding.key or None,
        "what": finding.what,
        "where": finding.where or None,
        "num": finding.num,
        "mend": MEND_OF_CODE[finding.code],
    }


def code_record() -> dict[str, Any]:
    """The table of checks, as `--list --json` prints it."""
    return {"kind": "checks", "schema": 1, "checks": [check.record() for check in CHECKS]}


def code_lines() -> str:
    """The table of checks, a line each."""
    return "\n".join(f"{check.code}  {check.about}" for check in CHECKS)
