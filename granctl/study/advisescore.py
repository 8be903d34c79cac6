"""The scores of cuts for a target: what labels tell, a probe of features, short runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, CoversNothingError
from granctl.progress import Progress
from granctl.provenance import plain
from granctl.shards.index import ShardSet
from granctl.study.advisecandidates import Candidate
from granctl.study.adviseevidence import TRAIN, Evidence, evidence
from granctl.study.advisefeatures import Seen
from granctl.study.adviseprobe import METHOD, ProbeData, probe
from granctl.study.adviseshort import ShortData, ShortSpec, short_runs
from granctl.study.advisesure import Sure, sure
from granctl.study.cuts import open_taxonomy
from granctl.train.labelling import label_images
from granctl.train.targets import Target
from granctl.workspace import Workspace

Rule = Literal["short", "probe", "told"]
Matrix = NDArray[np.float64]
RULES: dict[Rule, str] = {
    "short": "top-1 on the target of a linear read-out after a short pretraining, mean over seeds",
    "probe": "top-1 on the target of a linear probe in which the cut's classes are brought to the"
    " fore, mean over draws",
    "told": "bits that the source class tells of the target class, learnt image by image",
}
"""What each score is. The first of them that was asked for ranks; `told` is always there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdviseSpec:
    """What `granctl advise` is asked, beside source and target."""

    cuts: tuple[Path, ...] = ()
    """Label maps to choose from; none: every depth and level of the source's hierarchy."""
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""
    features: Path | None = None
    """Of the source's training images: the probe is made."""
    target_features: Path | None = None
    """Of the target's, by the same network; None: they are the same images."""
    per_class: int = 20
    """Labelled target images a class that teach a read-out, at most."""
    draws: int = 20
    """Times that the probe divides the images anew."""
    short: ShortSpec | None = None
    """Short runs are made."""
    processes: int = 1
    """Of the short runs, of one thread each; no part of the advice."""
    seed: int = 0
    """Of the probe's divisions."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        least = (
            ("--per-class", self.per_class, 1),
            ("--draws", self.draws, 2),
            ("--processes", self.processes, 1),
        )
        for option, value, low in least:
            if value < low:
                raise BadOptionError(option, f"{value} is below {low}", f"give {low} or more")
        if self.target_features is not None and self.features is None:
            problem = "the probe wants the source's features as well"
            raise BadOptionError("--target-features", problem, "add --features")

    def record(self, seen: Seen | None) -> dict[str, Any]:
        """What the scores depend on beside source, target and candidates, as JSON types."""
        probing = {"method": METHOD, "per_class": self.per_class, "draws": self.draws}
        probing["seed"] = self.seed
        short = None
        if self.short is not None:
            table = {
                k: v for k, v in plain(self.short.recipe).items() if k not in ("name", "about")
            }
            short = {"recipe": table, "seeds": self.short.seeds, "per_class": self.per_class}
        return {
            "probe": None if seen is None else {**probing, "features": list(seen.digests)},
            "short": short,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """What is known of each candidate."""

    candidates: Sequence[Candidate]
    evidence: Sequence[Evidence]
    scores: dict[Rule, Matrix]
    """Shape (draws, candidates) each: those that were asked for, and `told`, of one row."""
    ratio: float
    """Of the probe; see `sure`."""
    plain: float | None
    """What the probe has with the features as they are."""

    @property
    def rule(self) -> Rule:
        """That ranks."""
        return next(rule for rule in RULES if rule in self.scores)

    def sure(self, rule: Rule) -> Sure:
        """The ranking by a rule; what it cannot tell apart, by what labels tell."""
        classes = [c.labelling.num_classes for c in self.candidates]
        told = self.scores["told"][0] if "told" in self.scores else None
        return sure(self.scores[rule], classes, self.ratio if rule == "probe" else 0.0, told)


def counted(
    source: ShardSet,
    target: Target,
    candidates: Sequence[Candidate],
    spec: AdviseSpec,
    progress: Progress,
) -> list[Evidence]:
    """What is known of each candidate by labels alone.

    Raises:
        CoversNothingError: nothing but labels was asked for, and no cut shares any with the target.
        GranctlError: the taxonomy is missing or damaged.
    """
    taxonomy = open_taxonomy(spec.taxonomy)
    found = [evidence(source, target, c.labels, c.labelling, taxonomy) for c in candidates]
    bare = [c.labels.name for c, e in zip(candidates, found, strict=True) if not e.covered]
    if len(bare) == len(found) and spec.features is None and spec.short is None:
        raise CoversNothingError(target.name, bare)
    if bare:
        progress.note(f"by its labels nothing of {target.name} is covered by {', '.join(bare)}")
    return found


def score(
    workspace: Workspace,
    source: ShardSet,
    target: Target,
    candidates: Sequence[Candidate],
    found: Sequence[Evidence],
    spec: AdviseSpec,
    seen: Seen | None,
    progress: Progress,
) -> Scored:
    """Scores the candidates by every rule that was asked for.

    Args:
        workspace: where short runs go.
        source: what would be pretrained on.
        target: what the pretraining is for.
        candidates: at least one.
        found: as `counted`.
        spec: what is asked.
        seen: as `seen_by_network`.
        progress: told what is done.

    Raises:
        NothingToReadOutError: too few of the target's images are left for a read-out.
        GranctlError: a short run failed.
    """
    scores: dict[Rule, Matrix] = {}
    if any(e.covered for e in found):
        scores["told"] = np.array([[e.told_bits or 0.0 for e in found]])
    ratio, unchanged = 0.0, None
    if seen is not None:
        data = ProbeData(
            source=seen.source,
            candidates=[c.classes for c in candidates],
            target=seen.target,
            classes=classes_of(target),
        )
        how = {"per_class": spec.per_class, "draws": spec.draws, "seed": spec.seed}
        probed = probe(data, **how, progress=progress)
        scores["probe"], ratio = probed.scores, probed.ratio
        unchanged = float(probed.plain.mean())
    if spec.short is not None:
        short = ShortData(
            source=source,
            cuts=[c.path for c in candidates],
            target=target.shards,
            classes=classes_of(target),
        )
        few = spec.short, spec.per_class, spec.processes
        scores["short"] = short_runs(workspace, short, *few, progress)
    return Scored(
        candidates=candidates, evidence=found, scores=scores, ratio=ratio, plain=unchanged
    )


def classes_of(target: Target) -> NDArray[np.int64]:
    """The class of each training image, -1 for none; of several the first."""
    found = label_images(target.shards, TRAIN, target.labels)
    classes = np.full(target.shards.num_images(TRAIN), -1, np.int64)
    classes[found.row] = found.main_class
    return classes
