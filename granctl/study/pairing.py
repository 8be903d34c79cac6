"""Which results are compared with one another: those of one seed, of pretraining or of transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from granctl.study.results import Result


def paired(results: Sequence[Result]) -> tuple[Result, ...]:
    """The results of a panel; where the seeds of runs and transfers differ, each with its `pair`.

    Of several runs that were transferred under one seed, the runs' seeds tell the pairs; of one run
    under several, the transfers'; else both together. Results without a run count as if their
    pretraining had had their own seed.
    """
    runs = [(seed, r["seed"]) for r in results if (seed := _run_seed(r)) is not None]
    if all(of_run == seed for of_run, seed in runs):
        return tuple(results)
    one_transfer = len({seed for _, seed in runs}) == 1
    one_run = len({of_run for of_run, _ in runs}) == 1
    found = []
    for result in results:
        of_run = _run_seed(result)
        of_run = result["seed"] if of_run is None else of_run
        both = f"{of_run}/{result['seed']}"
        pair = of_run if one_transfer and not one_run else result["seed"] if one_run else both
        found.append({**result, "pair": pair})
    return tuple(found)


def pair_of(result: Result) -> Any:
    """What the results that are compared with one another share: mostly the seed."""
    return result.get("pair", result["seed"])


def _run_seed(result: Result) -> int | None:
    return (result.get("source") or {}).get("run_seed")
