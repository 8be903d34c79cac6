"""The tree of commands: which group each verb belongs to."""

from __future__ import annotations

import typer

from granctl.cli import (
    advise,
    data,
    demo,
    embed,
    probe,
    report,
    reproduce,
    resumecheck,
    runs,
    shards,
    shards_relabel,
    shards_remote,
    shards_verify,
    sweep,
    theory,
    train,
    transfer,
    tree,
    tree_compare,
    tree_draw,
    tree_export,
    tree_import,
)

app = typer.Typer(
    name="granctl",
    help="At which label granularity should you pretrain for your target?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("advise")(advise.advise)
app.add_typer(data.app, name="data")
app.command("demo")(demo.demo)
app.command("embed")(embed.embed)
app.command("pretrain")(train.pretrain)
app.command("probe")(probe.probe)
app.add_typer(train.recipes, name="recipes")
app.command("report")(report.report)
app.command("reproduce")(reproduce.reproduce)
app.command("resume-check")(resumecheck.resume_check)
app.add_typer(runs.app, name="runs")
app.add_typer(shards.app, name="shards")
shards.app.add_typer(shards_relabel.app)
shards.app.add_typer(shards_remote.app)
shards.app.add_typer(shards_verify.app)
app.add_typer(sweep.app, name="sweep")
app.add_typer(theory.app, name="theory")
app.command("transfer")(transfer.transfer)
app.add_typer(tree.app, name="tree")
tree.app.add_typer(tree_compare.app)
tree.app.add_typer(tree_draw.app)
tree.app.add_typer(tree_export.app)
tree.import_app.add_typer(tree_import.app)
