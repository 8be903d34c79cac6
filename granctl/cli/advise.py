"""`granctl advise`: which cut to pretrain on, without the grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Json, Out, Quiet, Seed, WorkspaceFolder
from granctl.cli.trainoptions import Settings
from granctl.errors import BadOptionError

if TYPE_CHECKING:
    from granctl.cli.console import Session
    from granctl.study.advisescore import AdviseSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class AdviseOptions:
    """What the cuts are ranked by."""

    short: int | None
    seeds: int
    recipe: str | None
    set_: list[str]
    fields: dict[str, Any]
    """Further ones of `AdviseSpec`."""

    def spec(self) -> AdviseSpec:
        """What is asked.

        Raises:
            UserError: options that contradict each other, or no such recipe.
        """
        from granctl.study.advisescore import AdviseSpec
        from granctl.study.adviseshort import ShortSpec

        short = ShortSpec.of_options(self.short, self.seeds, self.recipe, self.set_)
        return AdviseSpec(short=short, **self.fields)


def advise_options(
    cut: Annotated[
        list[Path] | None,
        typer.Option(
            help="A label map to choose from; may be repeated.",
            show_default="every depth and level of the source's hierarchy",
        ),
    ] = None,
    taxonomy: Annotated[
        Path | None,
        typer.Option(help="The source's hierarchy.", show_default="the embedded WordNet 3.0"),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="The source's training images as `granctl embed` has them: a probe."),
    ] = None,
    target_features: Annotated[
        Path | None,
        typer.Option(help="The target's, by the same network, where they are other images."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(help="Labelled target images a class that teach a read-out, at most.")
    ] = 20,
    draws: Annotated[int, typer.Option(help="Times that the probe divides the images.")] = 20,
    short: Annotated[
        int | None, typer.Option(help="Pretrain on every cut for so many epochs.", metavar="EPOCHS")
    ] = None,
    seeds: Annotated[int, typer.Option(help="With --short: runs of every cut.")] = 3,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="With --short: a name of `granctl recipes list`, or a TOML file.",
            show_default="embedded-resnet",
        ),
    ] = None,
    set_: Settings = None,
    processes: Annotated[int, typer.Option(help="With --short: runs at a time.")] = 1,
    seed: Seed = 0,
) -> AdviseOptions:
    """Gathers them."""
    fields: dict[str, Any] = {"cuts": tuple(cut or ()), "taxonomy": taxonomy, "seed": seed}
    fields |= {"features": features, "target_features": target_features}
    fields |= {"per_class": per_class, "draws": draws, "processes": processes}
    return AdviseOptions(short=short, seeds=seeds, recipe=recipe, set_=set_ or [], fields=fields)


@takes(advise_options)
def advise(
    how: AdviseOptions,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A shard set, a name of `granctl data list`, or a folder of images.",
            show_default="the newest shard set",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="NAME or NAME@CUT, as `granctl transfer --target`.",
            show_default="embedded",
        ),
    ] = None,
    target_shards: Annotated[Path | None, typer.Option(help="In place of TARGET.")] = None,
    target_labels: Annotated[Path | None, typer.Option(help="With --target-shards.")] = None,
    judge: Annotated[
        list[Path] | None,
        typer.Option(
            help="Results, or a study's folder, that the advice is judged by; may be repeated.",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Rank the cuts of a source for a target, and say how sure that is; prints the best one."""
    from granctl.cli.console import Session

    session = Session(workspace, as_json=json, quiet=quiet)
    if judge:
        _check_alone(source, target, target_shards, target_labels)
        return _judge(session, judge, how.spec(), out)
    goal = target or "embedded", target_shards, target_labels
    return _advise(session, source, goal, how.spec(), out)


def _check_alone(*places: object) -> None:
    """Refuses a source or a target beside --judge.

    Raises:
        BadOptionError: one was given.
    """
    if any(place is not None for place in places):
        problem = "source and target are those of the results"
        raise BadOptionError("--judge", problem, "leave SOURCE and TARGET out")


def _advise(
    session: Session,
    source: str | None,
    target: tuple[str, Path | None, Path | None],
    spec: AdviseSpec,
    out: Path | None,
) -> None:
    from granctl.study.advise import advise, open_source
    from granctl.study.adviseview import advice_table
    from granctl.train.transferspec import target_of_options

    space, progress = session.workspace, session.progress
    goal = target_of_options(space, *target, progress)
    found = advise(space, open_source(space, source, progress), goal, spec, out, progress)
    session.table(*advice_table(found.details))
    progress.note(found.details["sure"]["words"])
    space.mark_newest(found)
    session.answer(found.details["best"]["path"], found.record())


def _judge(session: Session, paths: list[Path], spec: AdviseSpec, out: Path | None) -> None:
    from granctl.study.advisejudge import judge
    from granctl.study.adviseview import judgement_table

    found = judge(session.workspace, paths, spec, out, session.progress)
    session.table(*judgement_table(found.details), texts=True)
    session.emit(found)
