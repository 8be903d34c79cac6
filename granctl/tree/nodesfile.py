"""A file of nodes to cut at: an id or a name a line, and perhaps a depth to cut at below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from granctl.errors import BadNodesFileError, MissingInputError, listing
from granctl.provenance import digest
from granctl.tree.names import find_each, near_nodes
from granctl.tree.taxonomy import Taxonomy

_WITH_DEPTH = re.compile(r"(.+?)\s*\t\s*(\S.*)")
_ID_AND_DEPTH = re.compile(r"(\S+)\s+(\d+)")


@dataclass(frozen=True, slots=True)
class ChosenNode:
    """One line: a node, and where below it the classes lie."""

    node: int
    depth: int | None
    """Edges below the root; None: the node itself is the class."""


@dataclass(frozen=True, kw_only=True)
class ChosenNodes:
    """All lines of a file, as nodes of a taxonomy, each node once."""

    path: Path
    lines: tuple[ChosenNode, ...]
    ids: tuple[str, ...]
    """The id of each line's node."""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @cached_property
    def digest(self) -> str:
        """Identity: nodes and depths; neither their order, nor whether names or ids stood there."""
        pairs = [(i, line.depth) for i, line in zip(self.ids, self.lines, strict=True)]
        return digest({"kind": "nodes", "schema": 1, "nodes": sorted(pairs, key=lambda p: p[0])})


def read_nodes(path: Path, taxonomy: Taxonomy) -> ChosenNodes:
    """Reads a file of nodes; empty lines and lines that begin with # do not count.

    After a tab (after an id, a blank serves too) may stand a depth: labels below the node are cut
    there, counted from the root as `--depth` counts. `n02084071<tab>15`, `dog, domestic dog` is no
    name but `domestic dog` is.

    Raises:
        MissingInputError: there is no such file.
        BadNodesFileError: unknown and ambiguous names, nodes that stand there twice, depths that
            are none: all of them, each with its line.
    """
    if not path.is_file():
        raise MissingInputError("file of nodes", path, "check the path given to --nodes")
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadNodesFileError(path, [f"it is no text: {error}"]) from error
    asked = [
        (number, *_parts(line.strip(), taxonomy))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    found = find_each(taxonomy, [text for _, text, _ in asked])
    line_of: dict[int, int] = {}
    chosen: list[ChosenNode] = []
    faults: list[str] = []
    for number, text, depth in asked:
        fault = _fault(taxonomy, text, depth, found[text], line_of)
        if fault:
            faults.append(f"line {number}: {fault}")
            continue
        (node,) = found[text]
        line_of[node] = number
        chosen.append(ChosenNode(node, None if depth is None else int(depth)))
    if not asked:
        faults.append("it has no node")
    if faults:
        raise BadNodesFileError(path, faults)
    ids = tuple(taxonomy.ids[line.node] for line in chosen)
    return ChosenNodes(path=path, lines=tuple(chosen), ids=ids)


def _parts(line: str, taxonomy: Taxonomy) -> tuple[str, str | None]:
    """The node's text, and what stands where a depth may stand."""
    if split := _WITH_DEPTH.fullmatch(line):
        return split[1], split[2]
    split = _ID_AND_DEPTH.fullmatch(line)
    if split and split[1] in taxonomy.index_of:
        return split[1], split[2]
    return line, None


def _fault(
    taxonomy: Taxonomy,
    text: str,
    depth: str | None,
    found: Sequence[int],
    line_of: dict[int, int],
) -> str | None:
    if not found:
        alike = near_nodes(taxonomy, text)
        end = f"; did you mean {' or '.join(alike)}?" if alike else ""
        return f"{taxonomy.source} has no node {text!r}{end}"
    if len(found) > 1:
        ids = listing([taxonomy.ids[n] for n in found], 5)
        return f"{len(found)} nodes are named {text!r} ({ids}): give the id"
    if found[0] in line_of:
        return f"{taxonomy.ids[found[0]]} stood in line {line_of[found[0]]} already"
    if depth is not None and not (depth.isascii() and depth.isdigit()):
        return f"{depth!r} is no depth"
    return None
