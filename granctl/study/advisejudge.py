"""Advice judged by a full grid: what following it would have cost.

<workspace>/judgements/judgement-<digest>/
  spec.json        what was asked
  judgement.json   the record that --json prints
  manifest.json    written last
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl import __version__
from granctl.errors import (
    BadOptionError,
    CoversNothingError,
    GranctlError,
    LostInputError,
    NothingToJudgeError,
    NothingToReadOutError,
)
from granctl.progress import Progress
from granctl.provenance import digest
from granctl.shards.index import ShardSet
from granctl.study.advisecandidates import Candidate
from granctl.study.adviseevidence import TRAIN
from granctl.study.advisefeatures import Seen, seen_by_network
from granctl.study.adviserecord import SCHEMA, kept
from granctl.study.adviseregret import Table, judged, mean_regret
from granctl.study.advisescore import AdviseSpec, Scored, counted, score
from granctl.study.cutmaps import with_inputs
from granctl.study.cuts import open_taxonomy
from granctl.study.points import PUBLIC
from granctl.study.reproduce import target_of
from granctl.study.results import load_results
from granctl.study.summary import Panel, Point, summarise
from granctl.train.labelling import label_images
from granctl.train.lookup import find_map, shards_of_run
from granctl.train.runs import Run
from granctl.train.targets import Target
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Artefact, Workspace

Maps = Mapping[str, tuple[Path, LabelMap]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """A panel of results whose source, target and label maps were found."""

    panel: Panel
    points: tuple[Point, ...]
    """Two or more."""
    digests: tuple[tuple[str, ...], ...]
    """Label maps of each point: random and clustered cuts may have one a seed."""
    source: ShardSet
    target: Target

    @property
    def goal(self) -> tuple[str, ...]:
        """Panels that share it are scored at once."""
        return self.source.digest, self.target.shards.digest, self.target.labels.digest

    def record(self) -> dict[str, Any]:
        """Which label maps of the panel were found, by digest: a list a cut."""
        maps = [list(some) for some in self.digests]
        return {"target": self.panel.target, "method": self.panel.method, "label_maps": maps}


def judge(
    workspace: Workspace,
    paths: Sequence[Path],
    spec: AdviseSpec,
    out: Path | None,
    progress: Progress,
) -> Artefact:
    """Scores the cuts of a grid as `advise` would, and compares with what the grid measured.

    Args:
        workspace: where the judgement and short runs go; it has the label maps and shards that the
            results came from, where these lie in no workspace of their own.
        paths: results, folders of them, or the folder of a study.
        spec: what the advice is made from; its `cuts` are those of the grid.
        out: another folder for the judgement.
        progress: told what is done, and what cannot be judged by.

    Raises:
        BadOptionError: an option that cannot be used.
        NothingToJudgeError: no panel of results has two cuts whose label maps are there, or
            nothing can be said of any of several targets.
        CoversNothingError, NothingToReadOutError: nothing can be said of the only target.
        GranctlError: a result or another input is damaged, or a short run failed.
    """
    spec.check()
    if spec.cuts:
        problem = "the cuts are those of the results"
        raise BadOptionError("--cut", problem, "leave it out, or leave --judge out")
    results = with_inputs(workspace, load_results(paths))
    maps: dict[str, tuple[Path, LabelMap]] = {}
    grids = _grids(workspace, summarise(results), maps, progress)
    goals = {grid.goal: grid for grid in grids}
    files = spec.features, spec.target_features
    seen = {key: seen_by_network(g.source, g.target, *files) for key, g in goals.items()}
    asked: dict[str, Any] = {
        "results": sorted(str(r["digest"]) for r in results),
        "taxonomy": open_taxonomy(spec.taxonomy).digest,
        "goals": [{"goal": list(key), **spec.record(found)} for key, found in seen.items()],
        "grids": [grid.record() for grid in grids],
    }
    if names := {str(r["digest"]): r["study_cut"] for r in results if "study_cut" in r}:
        asked["names"] = names
    identity = digest({"kind": "judgement", "schema": SCHEMA, "version": __version__, **asked})
    folder = out.absolute() if out else workspace.place("judgement", "judgement", identity)

    def make() -> dict[str, Any]:
        panels: list[dict[str, Any]] = []
        left_out: list[str] = []
        for key, features in seen.items():
            same = [grid for grid in grids if grid.goal == key]
            try:
                panels += _judged(workspace, same, maps, spec, features, progress)
            except (CoversNothingError, NothingToReadOutError) as error:
                if len(seen) == 1:
                    raise
                left_out.append(f"{same[0].panel.target}: {error}")
        if not panels:
            raise NothingToJudgeError(left_out)
        without = [p["without_own"] for p in panels if p["without_own"] is not None]
        regret = {"regret": mean_regret(panels), "regret_without_own": mean_regret(without)}
        return {"panels": panels, "left_out": left_out, **regret}

    found = kept("judgement", folder, identity, asked, {}, make, progress)
    for reason in found.details["left_out"]:
        progress.note(f"not judged by: {reason}")
    return found


def _grids(
    workspace: Workspace,
    panels: Sequence[Panel],
    maps: dict[str, tuple[Path, LabelMap]],
    progress: Progress,
) -> list[Grid]:
    """The panels to judge by; `maps` gets their label maps by digest."""
    found, reasons = [], []
    for panel in panels:
        home = _home(workspace, panel)
        name = f"{panel.target}, {panel.method}"
        pretrained = [p for p in panel.points if _digests(p)]
        known = []
        for point in pretrained:
            wanted = _digests(point)
            there = {d: pair for d in wanted if (pair := find_map(home, d)) is not None}
            if len(there) == len(wanted):
                maps.update(there)
                known.append(point)
            else:
                progress.note(f"{name}: the label map of {point.cut} is gone, it is left out")
        if len(known) < 2:
            reasons.append(f"{name} has {len(known)} of {len(pretrained)} cuts")
            continue
        first = known[0].results[0]
        try:
            run = Run.open(Path(str(first["run"])))
            source = shards_of_run(run, home)
            if source is None:
                raise LostInputError("shard set", str(run.root), "granctl shards build")
            target = target_of(home, first, progress)
        except GranctlError as error:
            reasons.append(f"{name}: {error}")
            continue
        digests = tuple(_digests(point) for point in known)
        grid = Grid(panel=panel, points=tuple(known), digests=digests, source=source, target=target)
        found.append(grid)
    for reason in reasons if found else ():
        progress.note(f"not judged by: {reason}")
    if not found:
        raise NothingToJudgeError(reasons)
    return found


def _home(workspace: Workspace, panel: Panel) -> Workspace:
    """The workspace that the results lie in, where they lie in one that has label maps."""
    result = Path(panel.points[0].results[0]["path"])
    theirs = Workspace(result.parent.parent.parent)
    return theirs if theirs.folder("label-map").is_dir() else workspace


def _digests(point: Point) -> tuple[str, ...]:
    """Of the point's label maps; none for the target alone and for public weights."""
    if point.family == PUBLIC:
        return ()
    sources = [r.get("source") or {} for r in point.results]
    return tuple(dict.fromkeys(str(s["labels_digest"]) for s in sources if "labels_digest" in s))


def _judged(
    workspace: Workspace,
    grids: Sequence[Grid],
    maps: Maps,
    spec: AdviseSpec,
    features: Seen | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """The judgements of panels that share source and target: each label map is scored once."""
    source, target = grids[0].source, grids[0].target
    wanted = list(dict.fromkeys(d for grid in grids for some in grid.digests for d in some))
    candidates = [
        Candidate(path=path, labels=labels, labelling=label_images(source, TRAIN, labels))
        for path, labels in (maps[d] for d in wanted)
    ]
    known = counted(source, target, candidates, spec, progress)
    scored = score(workspace, source, target, candidates, known, spec, features, progress)
    return [_of_grid(grid, scored, wanted) for grid in grids]


def _of_grid(grid: Grid, scored: Scored, wanted: Sequence[str]) -> dict[str, Any]:
    columns = [[wanted.index(d) for d in some] for some in grid.digests]
    own = [all(scored.evidence[i].relation == "equal" for i in some) for some in columns]
    tables: dict[str, Table] = {}
    for rule, scores in scored.scores.items():
        means = np.stack([scores[:, some].mean(axis=1) for some in columns], axis=1)
        tables[rule] = Table(scores=means, ratio=scored.ratio if rule == "probe" else 0.0)
    return judged(grid.panel, grid.points, own, tables)
