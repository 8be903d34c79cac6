"""Faults of sources and shard sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, each_of, listing

_KINDS_HINT = (
    "name what it is with `--source-kind`: folders, tars, imagenet1k, imagenetv2, inat, webdataset,"
    " shards, parquet or csv"
)


_MOST_LINES = 40


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


class NothingKeptError(UserError):
    """A label map drops every label of a shard set."""

    def __init__(self, where: str, labels: int) -> None:
        super().__init__(
            f"the label map drops all {labels} labels of {where}",
            "cut otherwise: `granctl tree cut` says which labels a cut drops",
        )


class DropsInPlaceError(UserError):
    """A relabel inside the shards of a set cannot leave images out of them."""

    def __init__(self, where: str, labels: Sequence[str], images: int) -> None:
        super().__init__(
            f"the label map drops {len(labels)} labels ({images} images) of {where}, and images"
            f" cannot leave shards in place: {listing(labels)}",
            "write new shards with --materialise, or make a view: leave --in-place out",
        )


class DoesNotFitError(UserError):
    """Classes take more room than shards have reserved for them."""

    def __init__(self, where: str, images: int, first: Sequence[str]) -> None:
        super().__init__(
            f"the classes of {images} images do not fit into the .json members of {where}"
            f" (keys {listing(first)}); nothing was written",
            "write new shards with --materialise",
        )


class NoTarsError(UserError):
    """A view has no shards of its own, and something was asked that needs them."""

    def __init__(self, what: str, view: str, base: str) -> None:
        super().__init__(
            f"{what}: {view} is a view of {base} and has no shards of its own",
            f"write them: `granctl shards relabel --materialise --shards {view} --labels MAP`",
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
            "`granctl shards verify` says what is damaged, and with --repair mends it",
        )


class SourceChangedError(DataError):
    """A source was changed while shards were built from it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} changed while it was read: {problem}",
            "run the same command again when nothing writes there",
        )


class BaseGoneError(UserError):
    """The shard set that a view reads is not there."""

    def __init__(self, view: str, base: str) -> None:
        super().__init__(
            f"{view} is a view of {base}, and there is no shard set any more",
            "put it back, or make the view of it where it lies now: `granctl shards relabel`",
        )


class BaseChangedError(DataError):
    """The shard set that a view reads holds other images than when the view was made."""

    def __init__(self, view: str, base: str) -> None:
        super().__init__(
            f"{view} is a view of {base}, which holds other images now",
            "put back what was there, or make the view anew: `granctl shards relabel`",
        )


class RelabelUnfinishedError(DataError):
    """Shards are relabelled in place, and that was stopped."""

    def __init__(self, folder: Path, command: str) -> None:
        super().__init__(
            f"{folder} is relabelled in place and not finished",
            f"run the same command again, it goes on: `{command}`",
        )


class FaultyShardsError(DataError):
    """A shard set is not what its manifest says; each fault that was found is a line."""

    def __init__(self, where: str, num: int, lines: Sequence[str], mends: Sequence[str]) -> None:
        noun = "error" if num == 1 else "errors"
        shown = [f"  {line}" for line in lines[:_MOST_LINES]]
        if len(lines) > _MOST_LINES:
            shown.append(f"  {len(lines) - _MOST_LINES} more lines: --json has them all")
        super().__init__(
            "\n".join([f"shard set {where}: {num:,} {noun}", *shown]),
            "; ".join(mends),
        )


class SourceDiffersError(DataError):
    """A source is not what a shard set was built from, so that a shard cannot be built again."""

    def __init__(self, source: Path, shard: str, what: str, num: int) -> None:
        more = f"; {num:,} images in all" if num > 1 else ""
        super().__init__(
            f"{source} is not what {shard} was built from: {what}{more}",
            "name the source as it was with --source; the damaged shard stays as it is until then",
        )


class RealLabelsError(DataError):
    """A file of ImageNet-ReaL is not what it should be, or does not fit the images."""

    def __init__(self, path: Path | str, problem: str, mend: str) -> None:
        super().__init__(f"{path}: {problem}", mend)


class DataNotWholeError(DataError):
    """What is registered under a known name is not, or not all of, that data set."""

    def __init__(
        self, name: str, path: Path | str, what: str, faults: Sequence[str], broken: Sequence[str]
    ) -> None:
        problem = f"is not the whole of {what}" if faults else f"holds broken images of {what}"
        lines = [*faults, *(f"broken: {one}" for one in broken)]
        hint = (
            f"fetch what is missing; a part of it goes under another name: `granctl data add"
            f" {name}-part FOLDER`"
        )
        super().__init__(
            f"{path} {problem}: {each_of(lines)}",
            hint if faults else "fetch these images again",
        )
