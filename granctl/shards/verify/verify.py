"""All checks over a shard set: its small files first, then every shard, in several processes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from granctl.progress import Progress
from granctl.shards.columns import text_column
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups
from granctl.shards.pool import Tell, Teller, over_shards
from granctl.shards.store import Store
from granctl.shards.verify.facts import SetFacts
from granctl.shards.verify.finding import Finding
from granctl.shards.verify.gather import ShardGatherer, gather_set
from granctl.shards.verify.layout import LabelHeads
from granctl.shards.verify.report import Report
from granctl.shards.verify.table import SET_CHECKS, SHARD_CHECKS


def verify(
    store: Store,
    codes: frozenset[str],
    workers: int,
    progress: Progress,
    only: Collection[str] | None = None,
) -> Report:
    """Checks a shard set; every shard is read once, if a code asks for what is in it.

    Args:
        store: where the set lies.
        codes: what is looked for.
        workers: processes.
        progress: is told how far it is.
        only: names of shards to read; None: all of them.

    Raises:
        MissingInputError: there is no shard set.
        GranctlError: the URL cannot be read.
        WorkerDiedError: a worker process was killed.
    """
    facts, shards = gather_set(store)
    found = [f for check in SET_CHECKS if check.code in codes for f in check.findings(facts)]
    digest = str(facts.manifest["digest"]) if facts.manifest else None
    if shards is not None and shards.base is not None:
        base = verify(shards.base.store, codes, workers, progress, only)
        theirs = [replace(f, what=f"its base {base.where}: {f.what}") for f in base.findings]
        return replace(base, where=store.where, digest=digest, findings=[*found, *theirs])
    names: Sequence[str] = ()
    if any(check.code in codes for check in SHARD_CHECKS):
        names = shards.shard_names if shards else facts.tars if facts.is_foreign else ()
    numbers = [i for i, name in enumerate(names) if only is None or name in only]
    images = num_bytes = 0
    if numbers:
        gatherer = gatherer_of(store, facts, shards)
        of_shards = _of_shards(gatherer, facts, names, numbers, codes, workers, progress)
        found += [finding for one in of_shards for finding in one.findings]
        images = sum(one.images for one in of_shards)
        num_bytes = sum(one.num_bytes for one in of_shards)
    return Report(
        where=store.where,
        digest=digest,
        findings=found,
        shards=len(numbers),
        images=images,
        num_bytes=num_bytes,
    )


def gatherer_of(store: Store, facts: SetFacts, shards: ShardSet | None) -> ShardGatherer:
    """What gathers the facts of each shard of a set."""
    return ShardGatherer(
        store=store,
        shards=shards,
        groups=IndexGroups(shards.index_path) if shards and facts.index else None,
        known=LabelHeads.of(shards.manifest) if shards else None,
        labels=text_column(shards.labels) if shards else None,
    )


class _OfShard(NamedTuple):
    """What was found in one shard, and how much of it was read."""

    findings: list[Finding]
    images: int
    num_bytes: int


def _of_shards(
    gatherer: ShardGatherer,
    facts: SetFacts,
    names: Sequence[str],
    numbers: Sequence[int],
    codes: frozenset[str],
    workers: int,
    progress: Progress,
) -> list[_OfShard]:
    """What is found in the shards of these numbers, in their order."""
    checks = [check for check in SHARD_CHECKS if check.code in codes]

    def check(place: int, tell: Tell) -> _OfShard:
        number = numbers[place]
        found = gatherer.gather(names[number], number, tell)
        findings = [f for one in checks for f in one.findings(found, names[number])]
        return _OfShard(findings, found.num_read, found.num_bytes or 0)

    total = sum(facts.index.images[number] if facts.index else 1 for number in numbers)
    teller = Teller(progress)
    progress.start("verifying", total, "images" if facts.index else "shards")
    try:
        of_shards = over_shards([names[n] for n in numbers], check, workers, teller.tell)
        teller.tell_rest()
    finally:
        progress.finish()
    return of_shards
