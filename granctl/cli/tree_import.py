"""`granctl tree import`: other hierarchies as a taxonomy that `granctl tree cut` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder

app = typer.Typer(
    help="Read a hierarchy (edges, rank table, folders, JSON, WordNet) as a taxonomy.",
    no_args_is_help=True,
)

Root = Annotated[
    str | None, typer.Option("--root", help="Name of a made-up root over several roots.")
]
_COLUMNS_OF_EDGES = "parent,child for a file without a header; child=a,parent=b for other words."
_COLUMNS_OF_TABLE = "Ranks from the top to the label, by comma (default: iNaturalist 2021's)."
_RANKS = "Parts of the folders' names, by comma, _ for one that is no rank; or inat21."


@app.command()
def edges(
    file: Annotated[Path, typer.Argument(help="CSV or TSV: child, parent[, relation][, name].")],
    columns: Annotated[str | None, typer.Option("--columns", help=_COLUMNS_OF_EDGES)] = None,
    root: Root = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Read a list of edges, a child and its parent a row."""
    from granctl.cli.console import Session
    from granctl.tree.import_edges import read_edges
    from granctl.tree.keep import keep_taxonomy

    session = Session(workspace, as_json=json, quiet=quiet)
    imported = read_edges(file, columns, root)
    session.emit(keep_taxonomy(session.workspace, imported, out, session.progress))


@app.command()
def table(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, or JSON with `categories`.")],
    columns: Annotated[str | None, typer.Option("--columns", help=_COLUMNS_OF_TABLE)] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of the label's id (default: the last rank).")
    ] = None,
    root: Root = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Read a table with a row a label and a column a rank, such as iNaturalist's."""
    from granctl.cli.console import Session
    from granctl.tree.import_table import read_table
    from granctl.tree.keep import keep_taxonomy

    session = Session(workspace, as_json=json, quiet=quiet)
    imported = read_table(file, columns, id_column, root)
    session.emit(keep_taxonomy(session.workspace, imported, out, session.progress))


@app.command()
def folders(
    folder: Annotated[Path, typer.Argument(help="The folder of nested class folders.")],
    ids: Annotated[
        str, typer.Option("--ids", help="A label's id: its path, or its folder's name.")
    ] = "path",
    ranks: Annotated[str | None, typer.Option("--ranks", help=_RANKS)] = None,
    root: Root = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Read nested folders of images: each a node, those that hold images the labels."""
    from granctl.cli.console import Session
    from granctl.tree.import_folders import read_folders
    from granctl.tree.keep import keep_taxonomy

    session = Session(workspace, as_json=json, quiet=quiet)
    imported = read_folders(folder, ids, ranks, root)
    session.emit(keep_taxonomy(session.workspace, imported, out, session.progress))


@app.command("json")
def json_tree(
    file: Annotated[Path, typer.Argument(help="Nested objects, such as Open Images'.")],
    root: Root = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Read a JSON tree: id or LabelName, perhaps a name, and children or Subcategory."""
    from granctl.cli.console import Session
    from granctl.tree.import_json import read_json_tree
    from granctl.tree.keep import keep_taxonomy

    session = Session(workspace, as_json=json, quiet=quiet)
    imported = read_json_tree(file, root)
    session.emit(keep_taxonomy(session.workspace, imported, out, session.progress))


@app.command()
def nltk(
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Read the WordNet 3.0 that nltk has installed, with its pointers in file order."""
    from granctl.cli.console import Session
    from granctl.tree.import_nltk import read_nltk
    from granctl.tree.keep import keep_taxonomy

    session = Session(workspace, as_json=json, quiet=quiet)
    session.emit(keep_taxonomy(session.workspace, read_nltk(), out, session.progress))
