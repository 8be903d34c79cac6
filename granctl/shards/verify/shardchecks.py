"""What may be wrong with one shard: a pure function each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from granctl.errors import listing
from granctl.shards.tar import END_BYTES
from granctl.shards.verify.facts import ShardFacts
from granctl.shards.verify.finding import Said
from granctl.shards.verify.judge import EXTENSIONS, NO_JSON, OTHER_CLASSES, OTHER_LABEL
from granctl.shards.verify.walk import LABEL_MEMBERS, Group

# --- the tar ------------------------------------------------------------------------------------


def missing(facts: ShardFacts) -> Iterator[Said]:
    """The manifest names a shard that is not there."""
    if facts.num_bytes is None:
        images = f" with {len(facts.rows):,} images" if facts.rows else ""
        yield Said(f"the shard is missing{images}")


def unreadable(facts: ShardFacts) -> Iterator[Said]:
    """The system cannot read a shard: a failing disk, no permission."""
    if facts.problem:
        yield Said(f"it cannot be read: {facts.problem}")


def cut_short(facts: ShardFacts) -> Iterator[Said]:
    """A shard is shorter than when it was made."""
    found, listed = facts.num_bytes, facts.listed_bytes
    if found is None or listed is None or found >= listed or facts.problem:
        if listed is None and facts.walk:
            for trouble, name, said in facts.walk.troubles:
                if trouble == "cut-off":
                    yield Said(f"{name}: {said}")
        return
    what = f"it has {found:,} of {listed:,} bytes"
    if facts.lost:
        what += f"; {len(facts.lost):,} images are lost, from {facts.key(facts.lost[0])} on"
    yield Said(what, where=f"byte {found}")


def too_long(facts: ShardFacts) -> Iterator[Said]:
    """A shard is longer than when it was made."""
    found, listed = facts.num_bytes, facts.listed_bytes
    if found is not None and listed is not None and found > listed:
        yield Said(f"it has {found:,} bytes, {found - listed:,} more than when it was made")


def end_missing(facts: ShardFacts) -> Iterator[Said]:
    """The two blocks of zeros that end a tar are not there."""
    found, listed = facts.num_bytes, facts.listed_bytes
    if found is None or (listed is not None and found < listed):
        return
    scan = facts.scan
    overwritten = scan is not None and found == listed and not scan.ends_well
    if overwritten and scan is not None and scan.num_rows == len(facts.row_of_key):
        yield Said("its last two blocks are not zeros", where=f"byte {found - END_BYTES}")
    elif facts.walk and any(trouble == "no-end" for trouble, _, _ in facts.walk.troubles):
        yield Said("it ends without two blocks of zeros, so it may be cut off")


def header_damaged(facts: ShardFacts) -> Iterator[Said]:
    """A header fails its checksum."""
    if facts.walk is None:
        return
    for first, last in facts.walk.gaps:
        rows = np.zeros(0, dtype=np.int64)
        if facts.layout is not None:
            inside = (facts.layout.begins < last) & (facts.layout.ends > first)
            rows = np.flatnonzero(inside)
        key = facts.key(int(rows[0])) if len(rows) else ""
        what = "a header is damaged"
        if len(rows) > 1:
            what += f", and so is what follows: {len(rows):,} samples in all"
        elif last == facts.num_bytes and not len(rows):
            what += ", and what follows cannot be read"
        yield Said(what, key, f"byte {first}")


def unsafe(facts: ShardFacts) -> Iterator[Said]:
    """A member must not be unpacked: it leads out of the folder, or is no file."""
    for trouble, name, said in facts.walk.troubles if facts.walk else ():
        if trouble == "unsafe":
            yield Said(f"member {name!r}: {said}")


def member_missing(facts: ShardFacts) -> Iterator[Said]:
    """A sample lacks its image, its .cls or its .json."""
    ours, lost = facts.listed_bytes is not None, facts.lost
    for group in facts.groups():
        row = facts.row_of_key.get(group.key)
        if row is not None and (facts.unwalked[row] or row in lost):
            continue
        lacking = [] if group.place else ["image"]
        if ours:
            lacking += [f".{name}" for name in LABEL_MEMBERS if name not in group.extensions]
        if lacking and (row is not None or facts.rows is None):
            yield Said(f"the sample has no {' and no '.join(lacking)}", group.key)


def key_twice(facts: ShardFacts) -> Iterator[Said]:
    """A key, or a member of a sample, stands twice in a tar."""
    counts = Counter(group.key for group in facts.groups())
    for key, num in counts.items():
        if num > 1:
            yield Said(
                f"members of this key stand in {num} places: readers make {num} samples", key
            )
    for group in facts.groups():
        again = [name for name, num in Counter(group.extensions).items() if num > 1]
        if again:
            yield Said(f"the sample has more than one .{listing(again)}", group.key)


def unknown_member(facts: ShardFacts) -> Iterator[Said]:
    """A tar holds what the index does not know."""
    if facts.rows is None:
        return
    for group in facts.groups():
        if group.key not in facts.row_of_key:
            yield Said(f"the index has no such sample ({_members(group)})", group.key)
        elif others := [name for name in group.extensions if not _is_ours(name)]:
            yield Said(f"the sample has members of others: .{listing(others)}", group.key)


def index_off(facts: ShardFacts) -> Iterator[Said]:
    """The index says another place, size or order than the tar has."""
    rows = facts.rows
    if rows is None or facts.num_bytes is None or facts.problem:
        return
    if facts.layout is None:
        yield Said("places and sizes in the index contradict each other, or the shard's size")
    places = {group.key: group.place for group in reversed(facts.groups())}
    for row in np.flatnonzero(facts.displaced).tolist():
        at, size, place = int(rows.offsets[row]), int(rows.sizes[row]), places.get(facts.key(row))
        if place is not None:
            what = (
                f"the index says byte {at} and {size} bytes, the tar byte {place[0]} and {place[1]}"
            )
            yield Said(what, facts.key(row), f"row {row}")
        elif at + size <= facts.num_bytes and facts.key(row) not in places:
            yield Said("the index lists it, and the tar has no such sample", facts.key(row))


def not_as_written(facts: ShardFacts) -> Iterator[Said]:
    """Headers or padding differ from what granctl writes, and mean the same."""
    odd = ~facts.judged("framed").astype(np.bool_) & facts.complete
    odd &= ~facts.unwalked[: len(odd)] & ~facts.judged("misnamed").astype(np.bool_)
    for row in np.flatnonzero(odd).tolist():
        yield Said("its headers or its padding are not those that granctl wrote", facts.key(row))


def _members(group: Group) -> str:
    return ", ".join(f".{name}" if name else "no extension" for name in group.extensions[:4])


def _is_ours(extension: str) -> bool:
    return extension in LABEL_MEMBERS or extension in EXTENSIONS


# --- samples ------------------------------------------------------------------------------------


def checksum(facts: ShardFacts) -> Iterator[Said]:
    """The bytes of an image are not those that were packed."""
    wrong = ~facts.judged("sound").astype(np.bool_) & facts.in_place
    for row in np.flatnonzero(wrong).tolist():
        yield Said("the image has another checksum than the index", *_place(facts, row))


def image_format(facts: ShardFacts) -> Iterator[Said]:
    """The extension of an image is another than its content's."""
    odd = facts.judged("misnamed").astype(np.bool_) & facts.in_place
    for row in np.flatnonzero(odd & ~facts.unwalked[: len(odd)]).tolist():
        yield Said("its extension is not that of its content", *_place(facts, row))


def class_number(facts: ShardFacts) -> Iterator[Said]:
    """.cls holds no number, or one that no class has."""
    numbers = facts.judged("cls").astype(np.int64)
    num = facts.known.num_classes if facts.known else 0
    odd = ((numbers < 0) | (numbers >= num)) & facts.complete
    for row in np.flatnonzero(odd).tolist():
        number = int(numbers[row])
        what = f".cls says class {number:,} of {num:,}" if number >= 0 else ".cls holds no number"
        yield Said(what, facts.key(row))


def json_damaged(facts: ShardFacts) -> Iterator[Said]:
    """.json is not JSON, or lacks a field."""
    for row, value in _flawed(facts, NO_JSON):
        yield Said(f".json cannot be used: {value or 'it is no object of ours'}", facts.key(row))


def json_label(facts: ShardFacts) -> Iterator[Said]:
    """.json says another label than the index."""
    for row, value in _flawed(facts, OTHER_LABEL):
        said = f"{value['label']!r}" if value else "another label"
        yield Said(f".json says {said}, and the index {_label(facts, row)}", facts.key(row))


def classes(facts: ShardFacts) -> Iterator[Said]:
    """.cls or .json says other classes than the manifest has for the label."""
    if facts.known is None or facts.rows is None:
        return
    for row, value in _flawed(facts, OTHER_CLASSES):
        known = list(facts.known.classes[int(facts.rows.labels[row])])
        said = f"classes {value['classes']}" if value else "other classes"
        if value and value["classes"] == known:
            said = "other fields"
        what = f".json says {said}; label {_label(facts, row)} has classes {known}"
        yield Said(what, facts.key(row))
    numbers = facts.judged("cls").astype(np.int64)
    labels = facts.rows.labels[: len(numbers)]
    wanted = np.where(labels >= 0, facts.known.firsts[labels], -1) if len(labels) else labels
    in_map = (numbers >= 0) & (numbers < facts.known.num_classes)
    for row in np.flatnonzero(in_map & (numbers != wanted) & facts.complete).tolist():
        what = f".cls says class {numbers[row]}; label {_label(facts, row)} has class {wanted[row]}"
        yield Said(what, facts.key(row))


def _flawed(facts: ShardFacts, flaw: int) -> Iterator[tuple[int, Any]]:
    """Rows whose .json has the flaw, with what it holds; None for those that were not kept."""
    flaws = facts.judged("json").astype(np.uint8)
    odd = facts.scan.verdicts.odd if facts.scan else {}
    for row in np.flatnonzero((flaws & flaw != 0) & facts.complete).tolist():
        yield row, odd.get(row)


def _label(facts: ShardFacts, row: int) -> str:
    label = int(facts.rows.labels[row]) if facts.rows else -1
    return repr(facts.known.labels[label]) if facts.known and label >= 0 else "an unknown one"


def _place(facts: ShardFacts, row: int) -> tuple[str, str]:
    assert facts.rows is not None
    return facts.key(row), f"byte {int(facts.rows.offsets[row])}"
