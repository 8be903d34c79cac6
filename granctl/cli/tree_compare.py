"""`granctl tree compare` and `tree align`: two label maps side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from granctl.cli.options import Counts, Json, Quiet, WorkspaceFolder

if TYPE_CHECKING:
    from granctl.cli.console import Session
    from granctl.study.agreement import Answer

app = typer.Typer()

ShardSet = Annotated[
    Path | None,
    typer.Option("--shards", help="Weigh labels by the images of a shard set; join image maps."),
]
Split = Annotated[
    str | None, typer.Option("--split", help="Which split of --shards (default: train).")
]


@app.command("compare")
def compare(
    a: Annotated[Path, typer.Argument(help="A label map.")],
    b: Annotated[Path, typer.Argument(help="Another label map.")],
    counts: Counts = None,
    shards: ShardSet = None,
    split: Split = None,
    crosstab: Annotated[
        Path | None,
        typer.Option("--crosstab", help="Write every cell to this file: .csv or .parquet."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say whether A refines B, B refines A, both (equal) or neither, and how far they agree."""
    from granctl.cli.console import Session
    from granctl.study.agreement import compare_maps
    from granctl.study.pairs import PairSpec

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = PairSpec(a=a, b=b, counts=counts, shards=shards, split=split)
    _show(session, compare_maps(spec, crosstab, session.progress))


@app.command("align")
def align(
    cut: Annotated[Path, typer.Argument(help="The label map to pretrain on.")],
    target: Annotated[Path, typer.Argument(help="The label map of the target's classes.")],
    counts: Counts = None,
    shards: ShardSet = None,
    split: Split = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say how well the classes of a cut tell a target's classes apart."""
    from granctl.cli.console import Session
    from granctl.study.agreement import align_maps
    from granctl.study.pairs import PairSpec

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = PairSpec(a=cut, b=target, counts=counts, shards=shards, split=split)
    _show(session, align_maps(spec, session.progress))


def _show(session: Session, answer: Answer) -> None:
    for table in answer.tables:
        session.table(*table)
    session.answer(answer.word, answer.record)
