"""The table of `granctl probe`: a row a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NONE = "–"


def probe_table(details: Mapping[str, Any]) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows for `Session.table`, narrow enough for 80 columns."""
    coarse = details["coarse"]
    title = f"{details['images']:,} {details['split']} images; fine: {details['labels']}"
    title += f", coarse: {coarse}" if coarse else ""
    columns = ["network", "rank", "sep. fine", "coarse", "inside", "read fine", "inside", "CKA"]
    rows = [_row(network) for network in details["networks"]]
    guess = details["networks"][0]["linear"]["commonest"]
    if guess is not None:
        rows.append(["(the commonest)", *[""] * 5, f"{100 * guess:.1f}", ""])
    return title, columns, rows


def _row(network: Mapping[str, Any]) -> list[str]:
    separation, linear = network["separation"], network["linear"]
    seed = "" if network["seed"] is None else f", seed {network['seed']}"
    apart = [separation.get(name) for name in ("fine", "coarse", "fine_inside_coarse")]
    right = [linear["fine"], linear["inside"]]
    return [
        f"{network['name']}{seed}",
        f"{network['effective_rank']:.1f}",
        *(_NONE if value is None else f"{value:.3f}" for value in apart),
        *(_NONE if value is None else f"{100 * value:.1f}" for value in right),
        _NONE if network["cka"] is None else f"{network['cka']:.3f}",
    ]
