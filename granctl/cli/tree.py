"""`granctl tree`: look at a taxonomy, cut it into label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Counts, Json, Out, Quiet, Seed, Shards, WorkspaceFolder

app = typer.Typer(help="Label hierarchies: look, cut, compare.", no_args_is_help=True)
import_app = typer.Typer(help="Make a taxonomy from someone else's files.", no_args_is_help=True)
app.add_typer(import_app, name="import")
lists_app = typer.Typer(help="The embedded label lists; `diff` lays two side by side.")
app.add_typer(lists_app, name="lists")

Taxonomy = Annotated[
    Path | None,
    typer.Option(
        "--taxonomy", help="As `granctl tree import` makes.", show_default="WordNet 3.0 nouns"
    ),
]
ListName = Annotated[
    str | None,
    typer.Option(
        "--list",
        help="Label list: a name of `granctl tree lists`, or a file.",
        show_default="21843",
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="Which parents to follow: first, all, all-with-instances, shortest, longest,"
        " most-images.",
        show_default="all for --level, else first",
    ),
]
NodeName = Annotated[str, typer.Argument(help="A wnid, or a name such as dog.")]


@import_app.command("wordnet")
def import_wordnet(
    folder: Annotated[Path, typer.Argument(help="Dict folder of WordNet 3.0, with data.noun.")],
    out: Out = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a taxonomy of WordNet's nouns, with all parents in file order."""
    from granctl.cli.console import Session
    from granctl.tree.importing import import_wordnet

    session = Session(workspace, as_json=json, quiet=quiet)
    session.emit(import_wordnet(session.workspace, folder, out, session.progress))


@app.command("cut")
def cut(
    depth: Annotated[int | None, typer.Option(help="Edges below the root.")] = None,
    level: Annotated[int | None, typer.Option(help="Steps up; 0: each label a class.")] = None,
    policy: Policy = None,
    shallow: Annotated[
        str | None,
        typer.Option(help="Labels above the depth: keep, drop, remainder.", show_default="keep"),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="N classes, or with --cluster N clusters, in all.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="What makes a class of --classes large: images, labels.",
            show_default="images where known",
        ),
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="With --classes: the largest as small as can be.")
    ] = False,
    min_images: Annotated[
        int | None, typer.Option(help="As many classes as can have so many images each.")
    ] = None,
    nodes: Annotated[
        Path | None,
        typer.Option(help="File of nodes, each a class; after a tab perhaps a depth below it."),
    ] = None,
    counts: Counts = None,
    list_: ListName = None,
    random: Annotated[bool, typer.Option("--random", help="Random classes; see --like.")] = False,
    like: Annotated[
        Path | None, typer.Option(help="Label map whose class sizes --random copies.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Clusters by features: kmeans, ward, average.")
    ] = None,
    per_image: Annotated[
        bool, typer.Option("--per-image", help="Class the images of --shards, not the labels.")
    ] = False,
    part_of: Annotated[
        Path | None, typer.Option(help="Label map of which --classes or --images are taken.")
    ] = None,
    num_images: Annotated[
        int | None, typer.Option("--images", help="Images of --part-of, equally from its classes.")
    ] = None,
    within: Annotated[
        Path | None,
        typer.Option(help="Label map whose classes no cluster or random class crosses."),
    ] = None,
    shards: Shards = None,
    features: Annotated[
        Path | None, typer.Option(help="As `granctl embed` makes.", show_default="newest")
    ] = None,
    taxonomy: Taxonomy = None,
    seed: Seed = 0,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cut the tree into a label map: by depth, level, number, nodes, clusters, or at random."""
    from granctl.cli.console import Session
    from granctl.study import cuts, cutspec

    session = Session(workspace, as_json=json, quiet=quiet)
    if per_image or part_of:
        shards = session.given_or_newest(shards, "shards")
    if cluster in cutspec.CLUSTERS:
        features = session.given_or_newest(features, "features")
    way = {"depth": depth, "level": level, "classes": classes, "nodes": nodes, "like": like}
    tree = {"policy": policy, "shallow": shallow, "list": list_, "taxonomy": taxonomy, "by": by}
    images = {"within": within, "shards": shards, "features": features, "counts": counts}
    part = {"part_of": part_of, "images": num_images, "min_images": min_images, "seed": seed}
    flags = {"random": random, "balanced": balanced, "per_image": per_image}
    spec = cutspec.CutSpec.from_options(way | tree | images | part, cluster=cluster, **flags)
    session.emit(cuts.make_cut(session.workspace, spec, out, session.progress))


@app.command("show")
def show(
    root: Annotated[
        str | None, typer.Option(help="A wnid or a name.", show_default="the root")
    ] = None,
    depth: Annotated[int, typer.Option(help="Edges to go down.", min=0)] = 2,
    most: Annotated[int, typer.Option(help="Children of a node to show.", min=1)] = 12,
    list_: ListName = None,
    every_node: Annotated[
        bool, typer.Option("--all", help="Every node, not only those with labels below.")
    ] = False,
    cut: Annotated[
        Path | None, typer.Option("--labels", "--cut", help="Label map to colour and mark by.")
    ] = None,
    taxonomy: Taxonomy = None,
    json: Json = False,
) -> None:
    """Show the tree under a node, with the number of labels below each."""
    from granctl.cli.console import Session
    from granctl.cli.treeview import asked_node, drawn
    from granctl.study.treelook import LookSpec, look

    session = Session(None, as_json=json, quiet=False)
    spec = LookSpec(list=list_, every_node=every_node, cut=cut, taxonomy=taxonomy)
    found = look(spec, asked_node(session, taxonomy, root), depth, most)
    session.answer(drawn(found), found.record())


@app.command("stats")
def stats(
    cut: Annotated[
        Path | None,
        typer.Argument(help="A label map.", show_default="the taxonomy and the list"),
    ] = None,
    list_: ListName = None,
    counts: Counts = None,
    shards: Annotated[
        Path | None, typer.Option(help="Weigh labels by the images of a shard set.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="A label list: how many of its labels does the cut keep apart?"),
    ] = None,
    taxonomy: Taxonomy = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say how many classes a cut has, how large and how nested; or what the tree could give."""
    from granctl.cli.console import Session
    from granctl.cli.statsview import show_stats
    from granctl.study.treestats import StatsSpec, statistics

    session = Session(None, as_json=json, quiet=quiet)
    given = {"counts": counts, "shards": shards, "taxonomy": taxonomy}
    spec = StatsSpec(cut=cut, list=list_, target=target, **given)
    show_stats(session, statistics(spec))


@app.command("path")
def path(
    node: NodeName,
    policy: Annotated[
        str | None,
        typer.Option(help="Which parents to follow.", show_default="all-with-instances"),
    ] = None,
    taxonomy: Taxonomy = None,
    json: Json = False,
) -> None:
    """Print every path from the root to a node, one a line."""
    from granctl.cli.console import Session
    from granctl.cli.treeview import asked_node, path_lines
    from granctl.study.treelook import paths

    session = Session(None, as_json=json, quiet=False)
    found = paths(taxonomy, asked_node(session, taxonomy, node), policy)
    session.answer(path_lines(found), found)


@lists_app.callback(invoke_without_command=True)
def lists(context: typer.Context, json: Json = False) -> None:
    """Print the embedded label lists: name, number of labels, what it is."""
    from granctl.cli.console import Session
    from granctl.cli.treeview import list_lines
    from granctl.study.treelook import known_lists

    if context.invoked_subcommand is None:
        found = known_lists()
        Session(None, as_json=json, quiet=False).answer(list_lines(found), found)


@lists_app.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help="A label list: a name, or a file.")],
    b: Annotated[str, typer.Argument(help="Another.")],
    taxonomy: Taxonomy = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the labels that only one of two lists has: - for A, + for B."""
    from granctl.cli.console import Session
    from granctl.cli.statsview import show_difference
    from granctl.study.treestats import difference

    session = Session(None, as_json=json, quiet=quiet)
    show_difference(session, difference(a, b, taxonomy))
