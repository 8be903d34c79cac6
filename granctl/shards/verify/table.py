"""The table of checks: code, what is looked for, the mend, and the function that looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from granctl.errors import BadOptionError
from granctl.shards.verify import setchecks, shardchecks
from granctl.shards.verify.facts import SetFacts, ShardFacts
from granctl.shards.verify.finding import Check

_BUILD = "run the `granctl shards build` of the set again: it goes on (the command is in spec.json)"
_COPY = "put it back from a copy, or build the set again in another folder"
_REPAIR = "`granctl shards verify --repair` builds the shard again from the source"
_REINDEX = "`granctl shards verify --repair` makes it again from the shards"
_TIDY = "`granctl shards verify --repair` sets it aside"

SET_CHECKS: Sequence[Check[SetFacts]] = (
    Check("E101", "the set has no manifest: its build was stopped", _BUILD, setchecks.unfinished),
    Check("E102", "manifest.json is damaged", _COPY, setchecks.manifest_damaged),
    Check("E103", "spec.json is missing, damaged or of another set", _COPY, setchecks.spec_differs),
    Check(
        "E104",
        "index.parquet is missing, or not the file that the manifest names",
        _REINDEX,
        setchecks.index_damaged,
    ),
    Check(
        "E105",
        "rows of the index with keys, labels or splits that cannot be",
        _COPY,
        setchecks.index_rows,
    ),
    Check(
        "E106",
        "counts of images, labels and bytes: manifest against index",
        _COPY,
        setchecks.counts_off,
    ),
    Check(
        "E107",
        "the manifest's content digest is not that of the index",
        _COPY,
        setchecks.content_differs,
    ),
    Check("E108", "a key twice in the index", _COPY, setchecks.key_repeated),
    Check(
        "E109",
        "bad.csv names another number of images than the manifest",
        _COPY,
        setchecks.bad_list_off,
    ),
    Check("E110", "a tar that the manifest does not name", _TIDY, setchecks.orphan),
    Check(
        "E111",
        "a view whose base is gone or changed, or counts otherwise",
        "put the base back, or make the view anew with `granctl shards relabel`",
        setchecks.base_off,
    ),
    Check("W101", "temporary files of processes that were killed", _TIDY, setchecks.leftovers),
    Check(
        "W102",
        "files that a repair set aside",
        "remove the folder damaged/ when you no longer need it",
        setchecks.set_aside,
    ),
    Check(
        "W103",
        "tars that granctl did not make",
        "`granctl shards build --source FOLDER --source-kind webdataset` makes a shard set of them",
        setchecks.foreign,
    ),
    Check(
        "W301",
        "the same image in two splits",
        "build with `--duplicates drop`, which keeps the held-out one",
        setchecks.leak,
    ),
)

SHARD_CHECKS: Sequence[Check[ShardFacts]] = (
    Check("E201", "a shard is missing", _REPAIR, shardchecks.missing),
    Check(
        "E202",
        "a shard cannot be read",
        "copy what can be read to another disk; `granctl shards verify --repair` then builds the"
        " rest from the source",
        shardchecks.unreadable,
    ),
    Check("E203", "a shard is cut short", _REPAIR, shardchecks.cut_short),
    Check("E204", "a shard is too long", _REPAIR, shardchecks.too_long),
    Check("E205", "the blocks of zeros that end a tar", _REPAIR, shardchecks.end_missing),
    Check("E206", "a header fails its checksum", _REPAIR, shardchecks.header_damaged),
    Check(
        "E207",
        "a member that is unsafe to unpack: `../x`, an absolute name, a link, a device",
        _REPAIR,
        shardchecks.unsafe,
    ),
    Check("E208", "a sample without image, .cls or .json", _REPAIR, shardchecks.member_missing),
    Check("E209", "a key or a member twice in a tar", _REPAIR, shardchecks.key_twice),
    Check("E210", "members that the index does not know", _REPAIR, shardchecks.unknown_member),
    Check("E211", "places, sizes, order: index against tar", _REPAIR, shardchecks.index_off),
    Check("E301", "the checksum of an image", _REPAIR, shardchecks.checksum),
    Check(
        "E302", "an image whose extension is not its content's", _REPAIR, shardchecks.image_format
    ),
    Check("E303", ".cls is no number, or no class", _REPAIR, shardchecks.class_number),
    Check("E304", ".json is not JSON, or lacks a field", _REPAIR, shardchecks.json_damaged),
    Check("E305", ".json says another label than the index", _REPAIR, shardchecks.json_label),
    Check(
        "E306",
        ".cls or .json says other classes than the manifest has for the label",
        _REPAIR,
        shardchecks.classes,
    ),
    Check(
        "W201",
        "headers or padding that granctl does not write, but which mean the same",
        _REPAIR,
        shardchecks.not_as_written,
    ),
)

CHECKS: Sequence[Check[Any]] = tuple(
    sorted((*SET_CHECKS, *SHARD_CHECKS), key=lambda check: check.code)
)
MEND_OF_CODE = {check.code: check.mend for check in CHECKS}


def selected(text: str | None) -> frozenset[str]:
    """The codes that `E1,W` or `E301` names, each a code or its beginning; None: all.

    Raises:
        BadOptionError: no code begins so.
    """
    codes = [check.code for check in CHECKS]
    if text is None:
        return frozenset(codes)
    chosen: set[str] = set()
    for word in text.split(","):
        fitting = [code for code in codes if word.strip() and code.startswith(word.strip().upper())]
        if not fitting:
            problem = f"no code begins with {word.strip()!r}"
            hint = "`granctl shards verify --list` shows them; E1, E301 and E,W301 are good"
            raise BadOptionError("--select", problem, hint)
        chosen.update(fitting)
    return frozenset(chosen)
