"""Faults of every room: options, specs, inputs, outputs, manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, each_of, listing


class BadOptionError(UserError):
    """An option has a value that cannot be used; says which option and the mend."""

    def __init__(self, option: str, problem: str, hint: str) -> None:
        super().__init__(f"{option}: {problem}", hint)


class SpecError(UserError):
    """A spec (TOML or options) has faults; all of them are listed, each with its place.

    `keys` says which page lists what there is.
    """

    def __init__(
        self, where: str, faults: Sequence[str], keys: str = "docs/commands.md lists the keys"
    ) -> None:
        super().__init__(f"{where}: {each_of(faults)}", f"mend the lines named above; {keys}")
        self.faults = tuple(faults)


class MissingInputError(UserError):
    """A path that was given does not exist."""

    def __init__(self, what: str, path: Path | str, hint: str) -> None:
        super().__init__(f"{what} not found: {path}", hint)


class NothingToUseError(UserError):
    """No artefact of this kind was given and none is taken: there is none, or jobs take none."""

    def __init__(self, kind: str, workspace: Path, command: str, *, in_job: bool = False) -> None:
        why, hint = f"workspace {workspace} has none", f"make one with `{command}` or name one"
        if in_job:
            why, hint = "a job of a cluster takes no newest one", "name the one that is meant"
        super().__init__(f"no {kind} was given, and {why}", hint)


class OutputExistsError(UserError):
    """The output path holds something else already."""

    def __init__(self, path: Path, holds: str, option: str = "--out") -> None:
        super().__init__(
            f"{path} exists and holds {holds}; nothing was written",
            f"name another place with {option}, or move what is there",
        )


class OutputNotWritableError(UserError):
    """The output cannot be written: no space, read-only, no permission."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"cannot write {path}: {reason}; nothing half-written was taken for whole",
            "make space or name a writable place with --out or --workspace,"
            " then run the same command again: it goes on",
        )


class UnknownDataError(UserError):
    """A named data set or target that nobody registered."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no data set is named {name!r} here (known: {listing(sorted(known), 8)})",
            f"say where it lies: `granctl data add {name} FOLDER`",
        )


class ManifestMismatchError(DataError):
    """A file's content does not match the digest or count that its manifest records."""

    def __init__(self, path: Path | str, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}", hint)
