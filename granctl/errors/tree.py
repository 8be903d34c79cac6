"""Faults of taxonomies, label lists and cuts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, did_you_mean, each_of, listing, near


class UnknownNodeError(UserError):
    """A wnid or name that the taxonomy does not have."""

    def __init__(self, name: str, candidates: Sequence[str], where: str) -> None:
        super().__init__(
            f"{where} has no node {name!r}",
            did_you_mean(
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
            did_you_mean(
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
    """A number of classes that the labels, or the images, cannot be split into."""

    def __init__(self, asked: int, problem: str, fewest: int, most: int) -> None:
        super().__init__(f"--classes {asked}: {problem}", f"take --classes {fewest} to {most}")


class MinImagesError(UserError):
    """More images asked for a class than there are."""

    def __init__(self, asked: int, root: str, there: int) -> None:
        super().__init__(
            f"--min-images {asked}: there are {there} images under the root {root}",
            f"take --min-images 1 to {there}" if there else "give counts of these labels",
        )


class NotCoveredError(UserError):
    """Labels that lie under none of the nodes of a cut."""

    def __init__(self, path: Path, missing: Sequence[str], list_name: str) -> None:
        noun = "label" if len(missing) == 1 else "labels"
        super().__init__(
            f"{path} leaves {len(missing)} {noun} of list {list_name!r} under none of its nodes:"
            f" {listing(missing, 10)}",
            "add nodes above them, or say what becomes of them: --shallow keep, drop or remainder",
        )


class BadNodesFileError(DataError):
    """A file of nodes with faults; all of them are listed, each with its line."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(
            f"{path}: {each_of(faults)}",
            "one id or name a line, and after a tab perhaps the depth to cut at below it",
        )


class TaxonomyFaultsError(DataError):
    """Nodes and edges that are no taxonomy; all faults at once, each with its node."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        super().__init__(
            f"{source} is no taxonomy: {each_of(faults)}",
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
        super().__init__(
            f"label list {path}: {each_of(faults)}",
            "one id a line, and after a tab the number of its images, if it is known",
        )


class LabelsNotInTaxonomyError(DataError):
    """Labels of a list that the taxonomy does not know."""

    def __init__(self, list_name: str, missing: Sequence[str], taxonomy: str) -> None:
        super().__init__(
            f"{taxonomy} lacks {len(missing)} labels of list {list_name!r}: {listing(missing)}",
            "remove them from the list, or give the taxonomy they come from with --taxonomy",
        )
