"""Faults of many things taken together: features, comparisons, results, workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, RunError, UserError, did_you_mean, listing, near


class MixedResultsError(UserError):
    """Results that would share a mean do not measure the same thing."""

    def __init__(self, problem: str, first: str | None = None) -> None:
        hint = "name the results that belong together: `granctl report RESULT ...`"
        super().__init__(problem, hint if first is None else f"{first}; or {hint}")


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


class WorkerDiedError(RunError):
    """A worker process is gone in the middle of its work."""

    def __init__(self, names: Sequence[str], option: str) -> None:
        super().__init__(
            f"a worker process was killed while these were made: {listing(names)}",
            f"the machine may lack memory: use fewer {option}; the same command goes on",
        )


class NotAResultError(DataError):
    """A JSON file that is no result of `granctl transfer`; all faults are listed."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(
            f"{path} is not a result: {'; '.join(faults)}",
            "name a result.json that `granctl transfer` made",
        )


class FeaturesMismatchError(DataError):
    """Features of other images than those of the shard set."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}",
            "make them again: `granctl embed --shards` with the shard set that you cluster",
        )


class FeaturesNotFiniteError(DataError):
    """Features with numbers that nothing can be computed with."""

    def __init__(self, path: Path, num: int, images: Sequence[str]) -> None:
        super().__init__(
            f"{path}: NaN or infinity in the features of at least {num} image"
            f"{'' if num == 1 else 's'}: {listing(images)}",
            "make them again with a run whose loss stayed finite: `granctl embed`",
        )


class NoFeaturesError(UserError):
    """Labels that are to be clustered, and no image of theirs has features."""

    def __init__(self, path: Path, labels: Sequence[str], of: int) -> None:
        super().__init__(
            f"{path} has no image of {len(labels)} of the {of} labels: {listing(labels)}",
            "embed a shard set that has them, or leave them out with another --list",
        )


class UnknownStudyError(UserError):
    """A study that does not come with granctl, and no such file."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no study is named {name!r}, and there is no such file",
            did_you_mean(near(name, known), f"known: {', '.join(known)}; or a TOML file"),
        )


class CellsFailedError(RunError):
    """Cells of a study failed; the others are whole."""

    def __init__(self, faults: Sequence[str], left: int) -> None:
        waiting = f", and {left} that need them were not begun" if left else ""
        super().__init__(
            f"{len(faults)} cells of the study failed{waiting}: {listing(faults)}",
            "mend the cause; the same command goes on with what is missing",
        )


class StudyFileChangedError(UserError):
    """A file that a study names says something else than when the study was begun."""

    def __init__(self, file: str, folder: Path) -> None:
        super().__init__(
            f"{file} was changed since {folder} was begun: its cells would not belong together",
            "give the study another name (its own, or that of its file), or the changed file; or"
            " put the file back as it was",
        )


class LostInputError(UserError):
    """What a result came from is not in the workspace any more."""

    def __init__(self, what: str, which: str, maker: str) -> None:
        super().__init__(
            f"the {what} that the result came from is gone: {which}",
            f"make it again with `{maker}`, or name the workspace that has it with --workspace",
        )


class NotReproducedError(RunError):
    """A result was made again, and other numbers came out."""

    def __init__(self, fields: Sequence[str], computed: Sequence[object]) -> None:
        then, now = computed
        super().__init__(
            f"other numbers came out in {listing(fields)}",
            f"it was computed on {then}, now on {now}; allow rounding with --tolerance, or look for"
            " another version of torch or of granctl",
        )


class NoHierarchyError(UserError):
    """A source whose labels the taxonomy does not know: there is nothing to cut."""

    def __init__(self, shards: str, missing: Sequence[str], of: int, taxonomy: str) -> None:
        super().__init__(
            f"{taxonomy} lacks {len(missing)} of the {of} labels of {shards}: {listing(missing)}",
            "import their hierarchy with `granctl tree import` and name it with --taxonomy, or name"
            " label maps with --cut",
        )


class NothingToRankError(UserError):
    """Fewer than two label maps to choose from."""

    def __init__(self, where: str, names: Sequence[str]) -> None:
        known = f"only {names[0]} gives" if names else "no cut gives"
        super().__init__(
            f"there is nothing to choose from: {known} the images of {where} two classes or more",
            "name two or more label maps with --cut, such as clusters of `granctl tree cut`",
        )


class CoversNothingError(UserError):
    """Cuts none of whose classes covers a class of the target."""

    def __init__(self, target: str, names: Sequence[str]) -> None:
        super().__init__(
            f"no class of {target} lies at, above or below a class of {listing(names)}",
            "give --features and --target-features, or --short, which need no common labels",
        )


class FeaturesOfOthersError(DataError):
    """Features that lack images which a probe is asked about."""

    def __init__(self, path: Path, shards: str, lacking: int, of: int, option: str) -> None:
        super().__init__(
            f"{path} lacks {lacking} of the {of} training images of {shards}",
            f"embed that set: `granctl embed --shards {shards}`, and name the file with {option}",
        )


class NothingToReadOutError(UserError):
    """A target of which no image can teach a read-out and another of its class be scored."""

    def __init__(self, num: int) -> None:
        super().__init__(
            f"of the {num} training images of the target that do not pretrain, no two are of one"
            " class: there is nothing to teach a read-out with",
            "take a target with more images a class; without --features and --short labels alone"
            " are counted",
        )


class NothingToJudgeError(UserError):
    """Results from which no advice can be judged."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            f"there is no grid to judge by: {listing(reasons)}",
            "name a study with two cuts or more, and the workspace that has its label maps"
            " with --workspace",
        )
