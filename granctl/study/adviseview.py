"""How advice, and its judgement, look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from granctl.study.agreement import TerminalTable


def advice_table(record: Mapping[str, Any]) -> TerminalTable:
    """The ranking; a star stands at those that cannot be told from the first."""
    ranking, drawn = record["ranking"], record["sure"]["probability"] is not None
    used = [name for name in ("probe", "short") if any(row[name] for row in ranking)]
    partly = any(row["covered"] < 1 for row in ranking)
    columns = ["cut", "classes", "images", "purity", "told", *used]
    columns += (["covered"] if partly else []) + (["behind", "best"] if drawn else [])
    rows = []
    for row in ranking:
        cells = [row["cut"] + (" *" if row["tied"] else ""), f"{row['classes']:,}"]
        cells += [f"{row['images_median']:,.0f}", _percent(row["purity"])]
        cells += [_number(row["told_bits"])] + [_percent(row[name]["mean"]) for name in used]
        cells += [_percent(row["covered"])] if partly else []
        cells += [_behind(row["behind"]), f"{row['probability_best']:.2f}"] if drawn else []
        rows.append(cells)
    return f"cuts for {record['target']['name']}, best first by {record['rule']}", columns, rows


def judgement_table(record: Mapping[str, Any]) -> TerminalTable:
    """A row a panel and a rule: the cut that it names, its regret in points, rank correlation."""
    rows = []
    for panel in record["panels"]:
        per_class = "" if panel["per_class"] is None else f", {panel['per_class']} a class"
        rows += _of_panel(f"{panel['target']}, {panel['method']}{per_class}", panel)
        if panel["without_own"] is not None:
            rows += _of_panel("without the own classes", panel["without_own"])
    for name, key in (("mean", "regret"), ("without own", "regret_without_own")):
        for rule, row in record[key].items():
            number = f"{100 * row['mean']:.2f}, worst {100 * row['worst']:.2f}"
            rows.append([name, rule, f"{row['panels']} panels", number, "–", "–"])
    return "regret in points", ["panel", "rule", "cut", "regret", "Spearman", "Kendall"], rows


def _of_panel(name: str, panel: Mapping[str, Any]) -> list[list[str]]:
    best = panel["best"]
    rows = [[name, "the best", best["cut"], f"of {100 * best['top1']:.2f}", "–", "–"]]
    for rule, row in {**panel["rules"], **panel["naive"]}.items():
        if row is not None:
            ranks = [_number(row.get(key)) for key in ("spearman", "kendall")]
            rows.append(["", rule, row.get("cut", "–"), _regret(row), *ranks])
    return rows


def _regret(row: Mapping[str, Any]) -> str:
    text = f"{100 * row['regret']:.2f}"
    if row.get("low") is None:
        return text
    return f"{text} [{100 * row['low']:.2f}, {100 * row['high']:.2f}]"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _behind(row: Mapping[str, float]) -> str:
    if not row["mean"]:
        return "–"
    half = 100 * (row["high"] - row["mean"])
    return f"{100 * row['mean']:.1f} ± {half:.1f}"
