"""The paper's question in small: the whole road on the embedded images, in minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.study.report import report_of
from granctl.study.studyfile import load_study
from granctl.study.studyplan import plan_study
from granctl.study.summary import Panel
from granctl.study.sweep import run_study
from granctl.workspace import Artefact, Workspace

STUDY = "demo"


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSpec:
    """What `granctl demo` is asked."""

    recipe: str
    """A recipe's name or TOML file."""
    seeds: int = 3
    """Runs of every source, seeds 0, 1 ..."""
    processes: int = 2
    """Each with one thread."""
    per_class: int = 20
    """Labelled images of each target class."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        for option in ("seeds", "processes", "per_class"):
            if getattr(self, option) < 1:
                name = f"--{option.replace('_', '-')}"
                raise BadOptionError(name, f"{getattr(self, option)} is below 1", "give 1 or more")


def demo(
    workspace: Workspace, spec: DemoSpec, out: Path | None, progress: Progress
) -> tuple[Artefact, tuple[Panel, ...]]:
    """Cuts, builds, pretrains, transfers and reports; goes on where the same demo was stopped.

    Raises:
        BadOptionError: a value cannot be used.
        GranctlError: a stage failed; what is whole stays.
    """
    spec.check()
    changes = {"recipe": spec.recipe, "seeds": spec.seeds, "per_class": spec.per_class}
    study = load_study(STUDY, changes)
    plan = plan_study(study)
    progress.note("the tree: WordNet 3.0, cut at several depths over the 21,843 labels")
    progress.note("the shards: a slice of Fashion-MNIST, ten labels, written once")
    progress.note(
        f"{len(plan.of_stage('pretrain'))} pretrainings of {plan.recipe.name}, each transferred to"
        f" {' and '.join(study.targets)} with {spec.per_class} labelled images a class;"
        f" {spec.processes} processes of one thread"
    )
    done = run_study(workspace, study, spec.processes, progress)
    progress.note("the report")
    return report_of(workspace, [Path(p) for p in done.details["results"]], out, progress)[:2]
