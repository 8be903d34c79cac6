"""Every fault that granctl reports, one class each; the class writes its own sentence and mend.

    GranctlError
    ├── UserError  (exit 2: what was asked cannot be)
    ├── DataError  (exit 3: what was read is not what it says it is)
    └── RunError   (exit 4: a run cannot go on)

An error has three parts: what is wrong and where (the message), and the mend (`hint`).
Any other exception is a bug of ours: its traceback is shown and the exit code is 70.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
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


def _did_you_mean(candidates: Sequence[str], otherwise: str) -> str:
    return f"did you mean {' or '.join(candidates)}?" if candidates else otherwise


# --- what the user asked ---------------------------------------------------------------------


class BadOptionError(UserError):
    """An option has a value that cannot be used; says which option and the mend."""

    def __init__(self, option: str, problem: str, hint: str) -> None:
        super().__init__(f"{option}: {problem}", hint)


class SpecError(UserError):
    """A spec (TOML or options) has faults; all of them are listed, each with its place."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        noun = "fault" if len(faults) == 1 else "faults"
        super().__init__(
            f"{where}: {len(faults)} {noun}\n" + "\n".join(f"  - {f}" for f in faults),
            "mend the lines named above; docs/commands.md lists the keys",
        )
        self.faults = tuple(faults)


class MissingInputError(UserError):
    """A path that was given does not exist."""

    def __init__(self, what: str, path: Path, hint: str) -> None:
        super().__init__(f"{what} not found: {path}", hint)


class NothingToUseError(UserError):
    """No artefact of this kind was given and the workspace has none yet."""

    def __init__(self, kind: str, workspace: Path, command: str) -> None:
        super().__init__(
            f"no {kind} was given and workspace {workspace} has none",
            f"make one with `{command}` or name one",
        )


class OutputExistsError(UserError):
    """The output path holds something else already."""

    def __init__(self, path: Path, holds: str) -> None:
        super().__init__(
            f"{path} exists and holds {holds}; nothing was written",
            "name another place with --out, or move what is there",
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


class MixedResultsError(UserError):
    """Results that would share a mean do not measure the same thing."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            problem, "name the results that belong together: `granctl report RESULT ...`"
        )


class NoSuchSplitError(UserError):
    """A shard set lacks the split that was asked for."""

    def __init__(self, path: Path, split: str, has: Sequence[str]) -> None:
        super().__init__(
            f"shard set {path} has no split {split} (has: {listing(has)})",
            "name one that it has, or build shards from a source with such a folder",
        )


class SourceLayoutError(UserError):
    """A folder of images is not laid out as any form that is read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}",
            "lay the images out as CLASS/IMAGE or SPLIT/CLASS/IMAGE, where SPLIT is train, val,"
            " validation or test",
        )


class NoImagesError(UserError):
    """A source has no image at all."""

    def __init__(self, path: Path, others: int) -> None:
        super().__init__(
            f"no images in {path} ({others} other file{'' if others == 1 else 's'})",
            "name a folder with .jpg, .png or .webp files as CLASS/IMAGE or SPLIT/CLASS/IMAGE",
        )


class UnsafeLinkError(UserError):
    """A symbolic link inside a source leads out of it, or around in a circle."""

    def __init__(self, path: Path, target: str, problem: str) -> None:
        super().__init__(
            f"link {path} -> {target} {problem}",
            "replace it by what it points to, or remove it",
        )


class LabelsNotInMapError(UserError):
    """Images have labels that the label map does not know."""

    def __init__(self, source: str, labels: Sequence[str], images: int, list_name: str) -> None:
        num = len(labels)
        super().__init__(
            f"{num} label{'' if num == 1 else 's'} of {source} ({images} images) not in the label"
            f" map, which is over the list {list_name}: {listing(labels)}",
            "cut over a list that has them: `granctl tree cut --list NAME_OR_FILE`,"
            " or leave --labels out",
        )


class BadImagesError(UserError):
    """Images of a source do not decode, and the user did not ask to leave such images out."""

    def __init__(self, num: int, first: Sequence[str], listed: Path) -> None:
        super().__init__(
            f"{num} bad image{'' if num == 1 else 's'}, all named in {listed}: {listing(first)}",
            "mend them, or leave them out: the same command with `--on-bad-image skip` goes on",
        )


# --- what was read ---------------------------------------------------------------------------


class ManifestMismatchError(DataError):
    """A file's content does not match the digest or count that its manifest records."""

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        super().__init__(f"{path}: {problem}", hint)


class ShardCorruptError(DataError):
    """A shard is not the file that its index describes."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"shard {path}: {problem}",
            "remove the folder of the shard set and run its `granctl shards build` again",
        )


class SourceChangedError(DataError):
    """A source was changed while shards were built from it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} changed while it was read: {problem}",
            "run the same command again when nothing writes there",
        )


# --- runs ------------------------------------------------------------------------------------


class WorkerDiedError(RunError):
    """A process that worked on a cell of a study is gone."""

    def __init__(self, cells: Sequence[str]) -> None:
        super().__init__(
            f"a worker process was killed while these were made: {listing(cells)}",
            "the machine may lack memory: use fewer --processes; the same command goes on",
        )


class NotAResultError(DataError):
    """A JSON file that is no result of `granctl transfer`; all faults are listed."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(
            f"{path} is not a result: {'; '.join(faults)}",
            "name a result.json that `granctl transfer` made",
        )
