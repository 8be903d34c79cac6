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


class NoSuchKeyError(UserError):
    """A shard set has no image with this key."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(
            f"shard set {path} has no image with the key {key!r}",
            "keys stand in the column `key` of its index.parquet",
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


# --- tree: what the user asked ----------------------------------------------------------------


class UnknownNodeError(UserError):
    """A wnid or name that the taxonomy does not have."""

    def __init__(self, name: str, candidates: Sequence[str], where: str) -> None:
        super().__init__(
            f"{where} has no node {name!r}",
            _did_you_mean(
                candidates, "look for it with `granctl tree show`; names and ids are both taken"
            ),
        )


class AmbiguousNameError(UserError):
    """A name that several nodes share; lists each with its gloss."""

    def __init__(self, name: str, candidates: Sequence[tuple[str, str]]) -> None:
        lines = "".join(f"\n  {wnid}  {text}" for wnid, text in candidates)
        super().__init__(
            f"{len(candidates)} nodes are named {name!r}:{lines}",
            f"give the id instead of the name, such as {candidates[0][0]}",
        )


class NothingBelowError(UserError):
    """A node under which a label list has nothing."""

    def __init__(self, wnid: str, name: str, list_name: str) -> None:
        super().__init__(
            f"list {list_name!r} has no label at or below {wnid} ({name})",
            "add --all to see every node, or name another --list",
        )


class UnknownListError(UserError):
    """A label list that is neither embedded nor a file."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no label list is named {name!r}, and there is no such file",
            _did_you_mean(
                near(name, known), f"known: {', '.join(known)}; or a file with one id a line"
            ),
        )


class BeyondTreeError(UserError):
    """A depth or level that no label reaches."""

    def __init__(self, option: str, asked: int, deepest: int, policy: str) -> None:
        super().__init__(
            f"{option} {asked} lies beyond the tree: under policy {policy!r} the labels"
            f" reach {option.removeprefix('--')} {deepest}",
            f"take {option} 0 to {deepest}",
        )


class ClusterCountError(UserError):
    """A number of clusters that the images cannot be split into."""

    def __init__(self, asked: int, problem: str, fewest: int, most: int) -> None:
        super().__init__(
            f"--classes {asked}: {problem}", f"take --classes {fewest} to {most}"
        )


class KeyedApartError(UserError):
    """Two label maps, one keyed by labels and the other by images, and nothing joins them."""

    def __init__(self, by_label: Path, by_image: Path) -> None:
        super().__init__(
            f"{by_label} is keyed by labels and {by_image} by images: nothing says which label an"
            " image has",
            f"name the shard set whose images are in {by_image.name} with --shards",
        )


class NothingToCompareError(UserError):
    """Two label maps that have no label, or no weight, in common."""

    def __init__(self, a: Path, b: Path, reason: str, hint: str) -> None:
        super().__init__(f"nothing of {a} and {b} can be compared: {reason}", hint)


# --- training: what the user asked ------------------------------------------------------------


class UnknownRecipeError(UserError):
    """A recipe that does not come with granctl, and no such file."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no recipe is named {name!r}, and there is no such file",
            _did_you_mean(near(name, known), f"known: {', '.join(known)}; or a TOML file"),
        )


class OtherImagesError(UserError):
    """A label map keyed by images, over images that it does not know."""

    def __init__(self, shards: Path, split: str, unknown: int, num: int) -> None:
        super().__init__(
            f"{unknown} of {num} images (split {split}) of shard set {shards} are not in the"
            " label map, which is keyed by the images of another shard set or split",
            "cluster these images: `granctl tree cut --cluster kmeans --shards` with this set",
        )


class NothingToLearnError(UserError):
    """No image of a split has a class under the label map."""

    def __init__(self, shards: Path, split: str, num: int) -> None:
        super().__init__(
            f"none of the {num} images (split {split}) of {shards} has a class in the label map",
            "cut at a depth or level that keeps their labels",
        )


class TooFewImagesError(UserError):
    """Fewer images of a class, or in all, than were asked for."""

    def __init__(self, option: str, asked: int, problem: str, most: int) -> None:
        super().__init__(f"{option} {asked}: {problem}", f"take {option} {most} or fewer")


class NoDeviceError(UserError):
    """A device that this machine, or this torch, does not have."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(
            f"--device {device}: {reason}",
            "leave --device out to take what there is, or say --device cpu",
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


class NonFiniteLossError(RunError):
    """The loss became infinite or no number; nothing of these steps was saved."""

    def __init__(self, first_step: int, last_step: int) -> None:
        super().__init__(
            f"the loss is not finite at step {first_step} (seen by step {last_step});"
            " no checkpoint was written since",
            "lower the rate with `--set optimizer.lr=...` (finetune.optimizer.lr for a transfer),"
            " or clip gradients with `--set clip=1`",
        )


class UnfinishedRunError(RunError):
    """A run that was stopped before its end."""

    def __init__(self, path: Path, command: str) -> None:
        super().__init__(
            f"run {path} is not finished: it has no manifest.json",
            f"go on with it by its command: `{command}`",
        )


class CheckpointMismatchError(RunError):
    """A checkpoint that belongs to another run."""

    def __init__(self, path: Path, then: str, now: str) -> None:
        super().__init__(
            f"checkpoint {path} is of another spec (digest {then}, this run's is {now})",
            "remove that folder, or run its own command in its own place",
        )


class NoCheckpointError(RunError):
    """A run without any checkpoint that is whole."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        found = f": {'; '.join(faults)}" if faults else ""
        super().__init__(
            f"run {path} has no whole checkpoint{found}",
            "remove the run's folder and pretrain it again by its command in spec.json",
        )


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


# --- tree: what was read ---------------------------------------------------------------------


class TaxonomyFaultsError(DataError):
    """Nodes and edges that are no taxonomy; all faults at once, each with its node."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        noun = "fault" if len(faults) == 1 else "faults"
        shown = "".join(f"\n  - {fault}" for fault in faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""
        super().__init__(
            f"{source} is no taxonomy: {len(faults)} {noun}{shown}{more}",
            "mend the nodes named above and import it again",
        )
        self.faults = tuple(faults)


class WrongWordNetError(DataError):
    """A WordNet whose ids mean other things than those of WordNet 3.0."""

    def __init__(self, path: Path, version: str) -> None:
        super().__init__(
            f"{path} is WordNet {version}, by its header; ImageNet's ids are those of WordNet 3.0,"
            " and the same id means another concept in another version",
            "give the dict folder of WordNet 3.0 (Debian's package wordnet-base has it)",
        )


class BadLabelListError(DataError):
    """A label list with faults; all of them are listed, each with its line."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        shown = "".join(f"\n  - {fault}" for fault in faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""
        super().__init__(
            f"label list {path}: {len(faults)} faults{shown}{more}",
            "one id a line, and after a tab the number of its images, if it is known",
        )


class LabelsNotInTaxonomyError(DataError):
    """Labels of a list that the taxonomy does not know."""

    def __init__(self, list_name: str, missing: Sequence[str], taxonomy: str) -> None:
        super().__init__(
            f"{taxonomy} lacks {len(missing)} labels of list {list_name!r}: {listing(missing)}",
            "remove them from the list, or give the taxonomy they come from with --taxonomy",
        )


class FeaturesMismatchError(DataError):
    """Features of other images than those of the shard set."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}",
            "make them again: `granctl embed --shards` with the shard set that you cluster",
        )
