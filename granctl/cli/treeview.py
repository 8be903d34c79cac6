"""How a taxonomy looks in a terminal, and asking back when a name has several nodes."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from granctl.cli.console import Session
from granctl.study.cuts import open_taxonomy
from granctl.study.treelook import Look
from granctl.tree.drawing import PALETTE
from granctl.tree.names import find, in_words, resolve
from granctl.tree.view import Branch


def asked_node(session: Session, taxonomy_path: Path | None, text: str | None) -> int | None:
    """The node that a name means; at a terminal an ambiguous name is asked back.

    Raises:
        UnknownNodeError: there is none.
        AmbiguousNameError: there are several, and nobody to ask.
    """
    if text is None:
        return None
    taxonomy = open_taxonomy(taxonomy_path)
    found = find(taxonomy, text)
    if len(found) < 2 or not (sys.stdin.isatty() and session.stderr.is_terminal):
        return resolve(taxonomy, text)
    for number, node in enumerate(found, 1):
        line = f"{number:3}  {taxonomy.ids[node]}  {in_words(taxonomy, node)}"
        session.stderr.print(line, markup=False)
    picked = 0
    while not 1 <= picked <= len(found):
        picked = typer.prompt(f"Which {text}? 1 to {len(found)}", type=int, err=True)
    return found[picked - 1]


def drawn(found: Look) -> str:
    """An outline as a tree: a colour a class of the cut, the class itself marked, labels bold."""
    colour_of: dict[int, str] = {}
    tree = Tree(_line(found.root, colour_of))
    _grow(tree, found.root, colour_of)
    return _as_text(tree)


def _grow(tree: Tree, branch: Branch, colour_of: dict[int, str]) -> None:
    for child in branch.children:
        _grow(tree.add(_line(child, colour_of)), child, colour_of)
    if branch.hidden and branch.children:
        tree.add(f"[dim]{branch.hidden} more[/dim]")


def _line(branch: Branch, colour_of: dict[int, str]) -> str:
    """One node; a class gets the next colour when its first node is met, so neighbours differ."""
    colour = "default"
    if branch.class_index >= 0:
        next_one = PALETTE[len(colour_of) % len(PALETTE)]
        colour = colour_of.setdefault(branch.class_index, next_one)
    style = f"bold {colour}" if branch.is_label else colour
    mark = f" [reverse {colour}] class [/reverse {colour}]" if branch.is_class else ""
    deeper = "" if branch.children or not branch.hidden else f", {branch.hidden} below"
    noun = "label" if branch.labels == 1 else "labels"
    count = f"[dim]{branch.id}  {branch.labels} {noun}{deeper}[/dim]"
    return f"[{style}]{escape(branch.name)}[/{style}]{mark}  {count}"


def path_lines(record: dict[str, Any]) -> str:
    """One path a line, from the top."""
    return "\n".join(
        " > ".join(f"{step['name']} ({step['id']})" for step in path) for path in record["paths"]
    )


def list_lines(record: dict[str, Any]) -> str:
    """One list a line: name, labels, what it is."""
    return "\n".join(f"{i['name']:15} {i['labels']:6}  {i['about']}" for i in record["lists"])


def _as_text(tree: Tree) -> str:
    """Rendered as stdout would show it: coloured at a terminal, plain in a pipe."""
    out = Console(highlight=False)
    to = Console(
        file=StringIO(),
        width=out.width if out.is_terminal else 200,
        force_terminal=out.is_terminal,
        color_system="auto" if out.is_terminal else None,
        highlight=False,
    )
    with to.capture() as capture:
        to.print(tree, soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
