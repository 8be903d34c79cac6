"""Which cut of a source to pretrain on for a target: a ranking, how sure it is, and its record.

<workspace>/advice/<source>-for-<target>-<digest>/
  spec.json       what was asked
  advice.json     the record that --json prints
  manifest.json   written last
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from granctl import __version__
from granctl.progress import Progress
from granctl.provenance import digest
from granctl.shards.index import ShardSet
from granctl.study.advisecandidates import cuts_of_hierarchy, given_cuts
from granctl.study.adviseevidence import TRAIN
from granctl.study.advisefeatures import seen_by_network
from granctl.study.adviserecord import SCHEMA, kept
from granctl.study.advisescore import RULES, AdviseSpec, Rule, Scored, counted, score
from granctl.study.advisesure import Sure
from granctl.study.cuts import open_taxonomy
from granctl.train.targets import Target, shards_named
from granctl.workspace import Artefact, Workspace, slug


def open_source(workspace: Workspace, name: str | None, progress: Progress) -> ShardSet:
    """The source that a name, a folder or a shard set means; None: the newest shard set.

    Raises:
        NothingToUseError: none was given, and there is no shard set.
        GranctlError: it is no data set, or damaged.
    """
    if name is None:
        newest = workspace.newest("shards")
        progress.note(f"using the newest shards: {newest}")
        return ShardSet.open(newest)
    return shards_named(workspace, name, progress)


def advise(
    workspace: Workspace,
    source: ShardSet,
    target: Target,
    spec: AdviseSpec,
    out: Path | None,
    progress: Progress,
) -> Artefact:
    """Ranks the cuts of a source for a target.

    Raises:
        BadOptionError: an option that cannot be used.
        NoSuchSplitError: source or target has no training images.
        NoHierarchyError, NothingToRankError: there are no cuts to choose from.
        CoversNothingError: there are only labels to go by, and no cut shares any with the target.
        FeaturesOfOthersError: features lack images.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged, or a short run failed.
    """
    spec.check()
    inputs = {
        "source": source.digest,
        "target_shards": target.shards.digest,
        "target_labels": target.labels.digest,
    }
    for shards in (source, target.shards):
        shards.num_images(TRAIN)  # there is such a split
    if spec.cuts:
        candidates = given_cuts(spec.cuts, source, progress)
    else:
        candidates = cuts_of_hierarchy(workspace, source, spec.taxonomy, progress)
    seen = seen_by_network(source, target, spec.features, spec.target_features)
    known = counted(source, target, candidates, spec, progress)
    inputs["taxonomy"] = open_taxonomy(spec.taxonomy).digest
    inputs |= {f"cut-{i}": c.labels.digest for i, c in enumerate(candidates)}
    asked = {"inputs": inputs, "target": target.name, **spec.record(seen)}
    identity = digest({"kind": "advice", "schema": SCHEMA, "version": __version__, **asked})
    name = slug(f"{source.name}-for-{target.name}")
    folder = out.absolute() if out else workspace.place("advice", name, identity)

    def make() -> dict[str, Any]:
        scored = score(workspace, source, target, candidates, known, spec, seen, progress)
        return _record(scored, source, target)

    found = kept("advice", folder, identity, asked, inputs, make, progress)
    paths = {c.labels.digest: str(c.path) for c in candidates}
    return replace(found, details=_at_paths(found.details, source, paths))


def _at_paths(
    record: Mapping[str, Any], source: ShardSet, paths: Mapping[str, str]
) -> dict[str, Any]:
    """A record with the paths of today: one that is read again has those of the day it was made."""
    best = record["best"]
    return {
        **record,
        "source": {**record["source"], "path": source.where},
        "best": {**best, "path": paths[best["digest"]]},
        "ranking": [{**row, "path": paths[row["digest"]]} for row in record["ranking"]],
    }


def _record(scored: Scored, source: ShardSet, target: Target) -> dict[str, Any]:
    rule = scored.rule
    found = scored.sure(rule)
    names = [c.labels.name for c in scored.candidates]
    best = scored.candidates[found.order[0]]
    probability = found.probability
    rows = [_row(scored, i, found, rank) for rank, i in enumerate(found.order, 1)]
    return {
        "source": {
            "path": source.where,
            "digest": source.digest,
            "images": source.num_images(TRAIN),
        },
        "target": {
            "name": target.name,
            "shards_digest": target.shards.digest,
            "labels_digest": target.labels.digest,
            "same_images": source.digest == target.shards.digest,
        },
        "rule": rule,
        "score": RULES[rule],
        "best": {"cut": best.labels.name, "path": str(best.path), "digest": best.labels.digest},
        "sure": {
            "probability": None if probability is None else probability[found.order[0]],
            "highest": names[found.highest],
            "tied": [names[i] for i in found.tied],
            "words": in_words(rule, names, found, by_labels="told" in scored.scores),
        },
        "features_alone": scored.plain,
        "ranking": rows,
    }


def _row(scored: Scored, i: int, found: Sure, rank: int) -> dict[str, Any]:
    candidate, known = scored.candidates[i], asdict(scored.evidence[i])
    drawn: dict[str, Any] = {}
    for rule in RULES:
        if rule == "told":
            continue
        column = scored.scores[rule][:, i] if rule in scored.scores else None
        drawn[rule] = None
        if column is not None:
            spread = float(column.std(ddof=1)) if len(column) > 1 else None
            drawn[rule] = {"mean": float(column.mean()), "sd": spread, "n": len(column)}
    return {
        "rank": rank,
        "cut": candidate.labels.name,
        "path": str(candidate.path),
        "digest": candidate.labels.digest,
        "also": list(candidate.also),
        **known,
        **drawn,
        "score": float(scored.scores[scored.rule][:, i].mean()),
        "behind": asdict(found.behind[i]),
        "probability_best": None if found.probability is None else found.probability[i],
        "tied": i in found.tied,
    }


def in_words(rule: Rule, names: Sequence[str], found: Sure, *, by_labels: bool) -> str:
    """How sure the ranking is, in one or two sentences that claim no more than is known.

    Args:
        rule: that ranks.
        names: of the candidates.
        found: how sure it is.
        by_labels: whether some cut covers the target: equals are ranked by what labels tell.
    """
    best, others = names[found.order[0]], [names[i] for i in found.tied[1:]]
    if rule == "told":
        equal = f", as much as {_listed(others)}" if others else ""
        return (
            f"{best} tells most of the target's classes{equal}. Labels were counted and nothing was"
            " trained, so how sure that is cannot be said; --features or --short would tell more."
        )
    by = "the probe" if rule == "probe" else "the short runs"
    if found.probability is None:
        return f"{best} is first by {by}; one seed cannot tell how sure that is: give --seeds 2."
    share = found.probability[found.highest]
    highest = f"{names[found.highest]} is the highest by {by}, with probability {share:.2f}"
    if not others:
        return f"{highest}: every other cut lies behind it by more than its 95 % interval."
    tied = [names[i] for i in found.tied if i != found.highest]
    apart = "no other cut can" if len(others) + 1 == len(names) else f"{_listed(tied)} cannot"
    most = f"; of these {best} tells most by its labels" if by_labels else ""
    return f"{highest}, but {apart} be told from it{most}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
