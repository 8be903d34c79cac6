"""Faults of sources and shard sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, listing

_KINDS_HINT = (
    "name what it is with `--source-kind`: folders, tars, imagenet1k, inat, webdataset, shards,"
    " parquet or csv"
)


class NoSuchSplitError(UserError):
    """A shard set lacks the split that was asked for."""

    def __init__(self, path: Path | str, split: str, has: Sequence[str]) -> None:
        super().__init__(
            f"shard set {path} has no split {split} (has: {listing(has)})",
            "name one that it has, or build shards from a source with such a folder",
        )


class NoSuchKeyError(UserError):
    """A shard set has no image with this key."""

    def __init__(self, path: Path | str, key: str) -> None:
        super().__init__(
            f"shard set {path} has no image with the key {key!r}",
            "keys stand in the column `key` of its index.parquet",
        )


class SourceLayoutError(UserError):
    """A source of images is not laid out as any form that is read."""

    def __init__(self, path: Path, problem: str, mend: str = "") -> None:
        super().__init__(
            f"{path}: {problem}",
            mend
            or "lay the images out as CLASS/IMAGE or SPLIT/CLASS/IMAGE, where SPLIT is train, val,"
            " validation or test",
        )


class SourceKindError(UserError):
    """A source is not of the kind that was asked for, or of no kind that is read."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(f"{path} holds {found}; expected: {expected}", _KINDS_HINT)


class CompressedSourceError(UserError):
    """Images in a compressed archive can only be read from its beginning."""

    def __init__(self, path: Path, mend: str) -> None:
        super().__init__(
            f"{path} is compressed: images in it cannot be read where they lie",
            mend,
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


class ShardsMissingError(UserError):
    """A planned shard set cannot be finished: its tasks have not packed every shard."""

    def __init__(self, folder: Path, missing: Sequence[str], num: int) -> None:
        super().__init__(
            f"{len(missing)} of {num} shards of {folder} are not there yet: {listing(missing)}",
            "run the tasks that failed again, or all that is missing here:"
            f" `granctl shards build --plan {folder}`",
        )


class ShardCorruptError(DataError):
    """A shard is not the file that its index describes."""

    def __init__(self, path: Path | str, problem: str) -> None:
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
