"""Which results are seeds of one point of a curve, and what the point is called."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from granctl.provenance import digest, short
from granctl.spec import flat
from granctl.study.results import Result

PUBLIC = "public"
"""The family of public weights, which no cut of ours made: a line to compare with."""

Unit = tuple[str, ...]
"""What the maps of one point share: the study's name and their own, how they were made without the
seeds, and the digest of the map where it is one for all seeds."""

_SEED = "seed"
_LONGEST = 40
"""Letters of a value that a name tells; of a longer one it tells the digest."""


def with_points(results: Sequence[Result]) -> list[Result]:
    """The results; those of a run of ours have `point`, the name of the point that they belong to.

    Maps that another seed alone tells apart are of one point, any others never, and no two points
    have one name. It is the study's name of the cut, where that is known, else the map's own.
    """
    ours = _named_alike([r for r in results if _of_ours(r)])
    units = _units(ours)
    names = _names(units)
    named = iter([{**r, "point": names[units[id(r)][0]]} for r in ours])
    return [next(named) if _of_ours(r) else r for r in results]


def unclear_maps(results: Sequence[Result]) -> set[str]:
    """Digests of maps that only what they were made from can tell apart, or join over seeds.

    Such are clusters by two networks' features: one seed has two maps that were asked alike.
    """
    ours = _named_alike([r for r in results if _of_ours(r)])
    unclear = _unclear({id(r): _unit(r) for r in ours}, ours)
    return {str(_map(r)) for r in ours if _unit(r) in unclear}


def _named_alike(results: Sequence[Result]) -> list[Result]:
    """The results; maps of other seeds, which no study made, are called as one study calls theirs.

    Where several studies call such maps otherwise, it is not known which is meant.
    """
    drawn = {id(r): json.dumps(_facts(r), sort_keys=True) for r in results if _is_drawn(r)}
    names: dict[str | None, set[str]] = defaultdict(set)
    for result in results:
        if "study_cut" in result:
            names[drawn.get(id(result))].add(result["study_cut"])
    found = []
    for result in results:
        known = names.get(drawn[id(result)], set()) if id(result) in drawn else set()
        is_clear = "study_cut" not in result and len(known) == 1
        found.append({**result, "study_cut": next(iter(known))} if is_clear else result)
    return found


def _of_ours(result: Result) -> bool:
    source = result.get("source") or {"method": PUBLIC}
    return bool(source["method"] != PUBLIC)


def _map(result: Result) -> str | None:
    found: str | None = result["source"].get("labels_digest")
    return found


def _facts(result: Result) -> dict[str, Any]:
    """How the map was made, without its seeds and what is None: dotted names."""
    source = result["source"]
    params = flat(source.get("params") or {})
    told = {key: value for key, value in params.items() if value is not None}
    found = {key: value for key, value in told.items() if key.rpartition(".")[2] != _SEED}
    keyed = found.pop("split", None)  # as in the maps of single images
    of = "labels" if keyed is None else "images"
    return {"cut": source["cut"], "method": source["method"], "of": of, **found}


def _is_drawn(result: Result) -> bool:
    """Whether another seed may have another map: one with a seed, or made inside such a one."""
    params = flat(result["source"].get("params") or {})
    seeds = [v for key, v in params.items() if key.rpartition(".")[2] == _SEED]
    return any(seed is not None for seed in seeds) or params.get("within") is not None


def _unit(result: Result) -> Unit:
    """The point, before maps are told apart that were asked alike of other inputs."""
    source = result["source"]
    one = "" if _is_drawn(result) else str(_map(result) or source.get("classes_total"))
    made = json.dumps(_facts(result), sort_keys=True)
    return str(result.get("study_cut", source["cut"])), made, one


def _unclear(unit_of: Mapping[int, Unit], results: Sequence[Result]) -> set[Unit]:
    """Units of which one run seed has two maps that were asked with the same seed."""
    maps: dict[tuple[Any, ...], set[Any]] = defaultdict(set)
    for result in results:
        source = result["source"]
        asked = json.dumps(source.get("params"), sort_keys=True), source.get("run_seed")
        maps[unit_of[id(result)], *asked].add(_map(result))
    return {key[0] for key, digests in maps.items() if len(digests) > 1}


def _units(results: Sequence[Result]) -> dict[int, tuple[Unit, Result]]:
    """Id of each result -> its point, and the first result of that."""
    before = {id(r): _unit(r) for r in results}
    unclear = _unclear(before, results)
    # Half of a point by its inputs and half by its maps would be two.
    known = dict.fromkeys(unclear, True)
    for result in results:
        if before[id(result)] in unclear and "made_from" not in result["source"]:
            known[before[id(result)]] = False
    first: dict[Unit, Result] = {}
    found = {}
    for result in results:
        unit = before[id(result)]
        if unit in unclear:
            made_from = result["source"].get("made_from") if known[unit] else _map(result)
            unit = (*unit[:2], str(made_from))
        found[id(result)] = unit, first.setdefault(unit, result)
    return found


def _names(units: Mapping[int, tuple[Unit, Result]]) -> dict[Unit, str]:
    """What each point is called; where several have one name, also what differs."""
    facts = {unit: _facts(result) for unit, result in units.values()}
    by_name: dict[str, list[Unit]] = defaultdict(list)
    for unit in facts:
        by_name[unit[0]].append(unit)
    found: dict[Unit, str] = {}
    for name, alike in by_name.items():
        keys = list(dict.fromkeys(key for unit in alike for key in facts[unit]))
        several = [k for k in keys if len({json.dumps(facts[unit].get(k)) for unit in alike}) > 1]
        told = {unit: _told(facts[unit], several) for unit in alike}
        for unit in alike:
            words = told[unit]
            if list(told.values()).count(words) > 1:  # the digest of the map, or of its inputs
                words = [*words, short(unit[2] or digest(unit))]
            found[unit] = f"{name} ({', '.join(words)})" if words else name
    return found


def _told(facts: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """The facts in words: `of images`, `within depth-5`, `no policy`."""
    words = []
    for key in keys:
        value, word = facts.get(key), key.replace("_", " ")
        text = str(value) if len(str(value)) <= _LONGEST else short(digest(value))
        told = text if key in ("cut", "method") else f"{word} {text}"
        words.append(f"no {word}" if value is None else told)
    return words
