"""The theory's numbers as tables: for the terminal, as flat records, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from granctl.study.estimates import Estimate, estimate
from granctl.study.wording import NONE, count

READOUTS = {
    "max": "max",
    "sum": "sum of probabilities",
    "probe": "linear probe",
    "finetune": "full finetune",
}
"""Read-out -> how it is called for people."""
Table = tuple[str, list[str], list[list[str]]]


def label_spaces(point: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Key -> what was measured, of a run's details or of one point of a sweep."""
    return {k: v for k, v in point.items() if isinstance(v, Mapping) and "response_ratio" in v}


def mean_of(values: Sequence[float | None]) -> Estimate | None:
    """Mean and interval over seeds; None where a seed has no number."""
    known = [value for value in values if value is not None]
    return estimate(known) if known and len(known) == len(values) else None


def percents(values: Sequence[float | None]) -> str:
    """`12.3 ± 0.4` of fractions over seeds: mean and standard deviation in per cent."""
    found = mean_of(values)
    if found is None or found.sd is None:
        return _mean(values, 100, 1)
    return f"{100 * found.mean:.1f} ± {100 * found.sd:.1f}"


def _mean(values: Sequence[float | None], factor: float, digits: int) -> str:
    found = mean_of(values)
    return NONE if found is None else f"{factor * found.mean:.{digits}f}"


def run_table(details: Mapping[str, Any]) -> Table:
    """Title, columns and rows for `Session.table`: a row a label space."""
    rows = [_row(key, of) for key, of in label_spaces(details).items()]
    return _title(details), ["labels", *_COLUMNS], rows


_COLUMNS = ["classes", "easy", "hard", "sum", "probe", "finetune", "ratio"]


def _row(key: str, of: Mapping[str, Any]) -> list[str]:
    others = [_mean(of["hard"][readout], 100, 1) for readout in READOUTS if readout != "max"]
    return [
        key,
        str(of["classes"]),
        _mean(of["easy"]["max"], 100, 1),
        percents(of["hard"]["max"]),
        *others,
        _mean(of["response_ratio"], 1, 3),
    ]


def sweep_table(details: Mapping[str, Any]) -> Table:
    """Title, columns and rows for `Session.table`: a row a value and label space."""
    rows = []
    for point in details["points"]:
        for key, of in label_spaces(point).items():
            name = f"{point['value']}" if key == "varied" else f"{point['value']} {key}"
            rows.append(_row(name, of))
    return _title(details), [details["vary"], *_COLUMNS], rows


def _title(details: Mapping[str, Any]) -> str:
    seeds = count(len(details["seeds"]), "seed")
    return f"errors in %, mean over {seeds} (± sd); read out by max unless said"


def records(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One flat record a point, label space and seed, of a run or a sweep; errors are fractions."""
    vary = details.get("vary")
    points = details["points"] if vary else [details]
    rows = []
    for point in points:
        for of in label_spaces(point).values():
            rows += [
                {
                    "vary": vary,
                    "value": point.get("value"),
                    "labels": of["labels"],
                    "classes": of["classes"],
                    "seed": seed,
                    "epochs": of["epochs"][i],
                    "loss": of["loss"][i],
                    **{f"easy_{r}": of["easy"][r][i] for r in READOUTS},
                    **{f"hard_{r}": of["hard"][r][i] for r in READOUTS},
                    "response_common": of["response"][0][i],
                    "response_subclass": of["response"][-1][i],
                    "response_ratio": of["response_ratio"][i],
                    "alignment": of["alignment"][i],
                    "auc": of["auc"][i],
                }
                for i, seed in enumerate(details["seeds"])
            ]
    return rows
