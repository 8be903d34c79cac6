"""Which of several results of one measurement stands: the one that was asked more, or knows more.

A transfer that is repeated with `--score-on`, or after the shards of the pretraining came back,
makes a second result of the same network on the same target: no contradiction, and no second seed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from granctl.provenance import digest
from granctl.study.results import Result

_BESIDE = ("score_on", "leaked")
"""What the identity of a result holds beside its training and its target."""


def standing(results: Sequence[Result]) -> tuple[Result, ...]:
    """The results without those that another one stands for; their order stays.

    Of results that differ in further sets or in what is known of leaks alone, those stand that
    know what leaked, then those with the most further sets, then the one with the lowest digest.
    """
    alike: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        alike[_measurement(result)].append(result)
    kept = {id(r) for several in alike.values() for r in _stand(several)}
    return tuple(result for result in results if id(result) in kept)


def _stand(several: Sequence[Result]) -> list[Result]:
    """Results whose specs are the same contradict each other, and all stay."""
    best = min(several, key=_rank)
    return [one for one in several if one is best or _spec(one) == _spec(best)]


def _rank(result: Result) -> tuple[bool, int, str]:
    leaked = result.get("leaked")
    unknown = leaked is not None and leaked.get("images") is None
    return unknown, -len(result.get("also") or {}), result["digest"]


def _spec(result: Result) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (result.get("provenance") or {}).get("spec") or {}
    return found


def _measurement(result: Result) -> str:
    """What the network and its target are; results that do not say it are one each."""
    spec = _spec(result)
    if not spec:
        return str(result["digest"])
    rest = {key: value for key, value in spec.items() if key not in _BESIDE}
    return digest([result["target"], rest, result.get("inputs")])
