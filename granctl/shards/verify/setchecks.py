"""What may be wrong with a shard set as a whole: a pure function each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from granctl.shards.journal import JOURNAL_NAME
from granctl.shards.setfiles import PARTS_NAME
from granctl.shards.source.listing import SPLITS
from granctl.shards.verify.facts import SetFacts
from granctl.shards.verify.finding import Said

DAMAGED_NAME = "damaged"
"""Folder inside a shard set: what `--repair` set aside."""
REPAIR_NAME = ".repair"
"""Folder inside a shard set: what an unfinished `--repair` has made so far."""
_TABLE_BITS = 24
_LEFT_FOLDERS = (PARTS_NAME, REPAIR_NAME, JOURNAL_NAME)
_TEMPORARY = re.compile(r"\..*\.tmp")


def unfinished(facts: SetFacts) -> Iterator[Said]:
    """The set has no manifest: its build was stopped, or goes on."""
    if facts.manifest is None and not facts.manifest_problem and not facts.is_foreign:
        yield Said("it has no manifest.json, so its build (or upload) was stopped or goes on")


def manifest_damaged(facts: SetFacts) -> Iterator[Said]:
    """manifest.json is not what granctl writes."""
    if facts.manifest_problem:
        yield Said(f"manifest.json cannot be used: {facts.manifest_problem}")


def spec_differs(facts: SetFacts) -> Iterator[Said]:
    """spec.json is missing, damaged, or of another set."""
    if facts.manifest is None:
        return
    if facts.spec_problem:
        yield Said(f"spec.json cannot be used: {facts.spec_problem}")
    elif facts.spec is None:
        yield Said("there is no spec.json")
    elif facts.spec.get("digest") != facts.manifest["digest"]:
        yield Said("spec.json is that of another shard set: its digest is not the manifest's")


def index_damaged(facts: SetFacts) -> Iterator[Said]:
    """index.parquet is missing, or not the file that the manifest names."""
    if facts.index_problem:
        yield Said(f"index.parquet cannot be used: {facts.index_problem}")


def index_rows(facts: SetFacts) -> Iterator[Said]:
    """Rows of the index have keys, labels or splits that cannot be."""
    if facts.index is None:
        return
    for oddity in facts.index.oddities:
        yield Said(oddity)
    odd = int((facts.index.keys < 0).sum())
    if odd:
        yield Said(f"{odd:,} keys are none of nine digits")


def base_off(facts: SetFacts) -> Iterator[Said]:
    """The set that a view reads is gone or changed, or has other counts."""
    if facts.base_problem:
        yield Said(facts.base_problem)
    if facts.base is None or facts.manifest is None:
        return
    place = {label: i for i, label in enumerate(facts.base["labels"])}
    for split, said in facts.manifest["splits"].items():
        theirs = facts.base["splits"].get(split, {}).get("label_counts")
        for label, num in zip(facts.manifest["labels"], said["label_counts"], strict=True):
            found = theirs[place[label]] if theirs and label in place else 0
            if num != found:
                yield Said(
                    f"{split}: the view counts {num:,} images of {label!r}, it has {found:,}"
                )


def counts_off(facts: SetFacts) -> Iterator[Said]:
    """The index has other numbers of images or bytes than the manifest."""
    if facts.index is None or facts.manifest is None:
        return
    shards = facts.manifest["shards"]
    for shard, num in zip(shards, facts.index.images, strict=False):
        if shard["images"] != num:
            what = f"the manifest counts {shard['images']:,} images, the index {num:,}"
            yield Said(what, shard=shard["name"])
    if sum(facts.index.images[len(shards) :]):
        yield Said("the index has images of shards that the manifest does not name")
    labels, listed = facts.manifest["labels"], facts.manifest["splits"]
    for split in SPLITS:
        said, found = listed.get(split), facts.index.splits.get(split)
        if said is None or found is None:
            if said != found:
                yield Said(f"only {'the index' if said is None else 'the manifest'} has {split}")
            continue
        for name in ("images", "image_bytes"):
            if said[name] != found[name]:
                what = f"{split}: the manifest has {name} {said[name]:,}, the index {found[name]:,}"
                yield Said(what)
        for name in ("label_counts", "label_bytes"):
            pairs = zip(labels, said[name], found[name], strict=True)
            differing = [(label, a, b) for label, a, b in pairs if a != b]
            for label, a, b in differing:
                yield Said(f"{split}: {name} of label {label!r}: manifest {a:,}, index {b:,}")


def content_differs(facts: SetFacts) -> Iterator[Said]:
    """Labels, splits, order and checksums of the index do not give the manifest's digest."""
    if facts.index is None or facts.manifest is None:
        return
    if facts.index.content_digest != facts.manifest["content_digest"]:
        yield Said("the content digest of the index is not that of the manifest")


def key_repeated(facts: SetFacts) -> Iterator[Said]:
    """Two images of the index have one key."""
    if facts.index is None:
        return
    keys = np.sort(facts.index.keys[facts.index.keys >= 0])
    again = np.unique(keys[1:][keys[1:] == keys[:-1]])
    for key in again.tolist():
        yield Said("more than one image has this key", f"{key:09d}")


def bad_list_off(facts: SetFacts) -> Iterator[Said]:
    """bad.csv does not name as many images as the manifest says were left out."""
    if facts.manifest is None or facts.is_view:
        return
    if facts.bad_problem:
        yield Said(f"bad.csv cannot be read: {facts.bad_problem}")
    elif (facts.num_bad or 0) != facts.manifest["bad_images"]:
        said, found = facts.manifest["bad_images"], facts.num_bad
        named = "there is no bad.csv" if found is None else f"bad.csv names {found:,}"
        yield Said(f"{said:,} images were left out, and {named}")


def orphan(facts: SetFacts) -> Iterator[Said]:
    """A tar lies in the folder that the manifest does not name."""
    if facts.manifest is None:
        return
    for name in _orphans(facts):
        yield Said("the manifest names no such shard, and readers of *.tar will", shard=name)


def leftovers(facts: SetFacts) -> Iterator[Said]:
    """Temporary files of processes that were killed."""
    if facts.manifest is None:
        return
    for name in _leftovers(facts):
        yield Said(f"{name} was left by a process that was killed")


def strays(facts: SetFacts) -> list[str]:
    """Names of what does not belong to a set."""
    return [*_orphans(facts), *(name for name in _leftovers(facts) if name != REPAIR_NAME)]


def _orphans(facts: SetFacts) -> list[str]:
    listed = {shard["name"] for shard in facts.manifest["shards"]} if facts.manifest else set()
    return [name for name in facts.tars if name not in listed]


def _leftovers(facts: SetFacts) -> list[str]:
    names = [name for name in facts.files or () if _TEMPORARY.fullmatch(name)]
    return sorted([*names, *(n for n in facts.folders if n in _LEFT_FOLDERS)])


def set_aside(facts: SetFacts) -> Iterator[Said]:
    """Files that an earlier repair set aside."""
    if DAMAGED_NAME in facts.folders:
        yield Said(f"the folder {DAMAGED_NAME}/ has what a repair set aside")


def foreign(facts: SetFacts) -> Iterator[Said]:
    """Tars that granctl did not write: without a manifest little can be checked."""
    if facts.is_foreign:
        yield Said(
            "granctl did not make these tars: without manifest and index their headers and samples"
            " are looked at, and no checksums"
        )


def leak(facts: SetFacts) -> Iterator[Said]:
    """The same image stands in two splits, such as train and val."""
    index = facts.index
    if index is None or index.split_of.max(initial=0) == index.split_of.min(initial=2):
        return
    # Only images whose first eight bytes of checksum stand among those of held-out ones are sorted.
    suspects = np.flatnonzero(_like_held_out(index.sums[:, 0], index.split_of > 0))
    words = index.sums[suspects]
    order = suspects[np.lexsort((index.split_of[suspects], words[:, 1], words[:, 0]))]
    sums, splits = index.sums[order], index.split_of[order]
    same = (sums[1:] == sums[:-1]).all(axis=1)
    for i in np.flatnonzero(same & (splits[1:] != splits[:-1])).tolist():
        first, second = (f"{int(index.keys[row]):09d}" for row in order[i : i + 2])
        one, other = (SPLITS[int(split)] for split in splits[i : i + 2])
        yield Said(f"the image is in {one}, and in {other} as {second}", first)


def _like_held_out(words: NDArray[np.uint64], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of all words stand among those of held-out images.

    A table of their last bits leaves few to be looked for.
    """
    seen = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
    last_bits = words & np.uint64(len(seen) - 1)
    seen[last_bits[held]] = True
    maybe = np.flatnonzero(seen[last_bits])
    found = np.zeros(len(words), dtype=np.bool_)
    found[maybe] = np.isin(words[maybe], words[held])
    return found
