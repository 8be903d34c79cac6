"""How the networks behind results were pretrained, as far as their runs are still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.errors import GranctlError
from granctl.files import read_json
from granctl.provenance import short
from granctl.spec import flat
from granctl.workspace import SPEC_NAME

_OF_TRANSFERS = ("finetune", "scratch", "linear")
_TOLD_ELSEWHERE = ("about", "name", "epochs")


def run_spec(run: str | None) -> dict[str, Any]:
    """The spec.json of a run that a result names; empty where there is none, or it is gone."""
    try:
        return read_json(Path(run) / SPEC_NAME) if run else {}
    except (OSError, GranctlError):
        return {}


def pretraining_of(run: str) -> dict[str, Any]:
    """The values of a run's recipe by dotted name, and `shards`; empty where the run is gone.

    Epochs are left out, which the images seen tell.
    """
    made = run_spec(run).get("provenance") or {}
    recipe = (made.get("spec") or {}).get("recipe") or {}
    own = {k: v for k, v in recipe.items() if k not in (*_OF_TRANSFERS, *_TOLD_ELSEWHERE)}
    shards = (made.get("inputs") or {}).get("shards")
    return {**flat(own), **({"shards": short(shards)} if shards else {})}
