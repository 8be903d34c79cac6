"""How the networks behind results were pretrained, as far as their runs are still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.errors import ManifestMismatchError
from granctl.files import read_json
from granctl.provenance import short
from granctl.spec import flat
from granctl.workspace import SPEC_NAME

_OF_TRANSFERS = ("finetune", "scratch", "linear")
_TOLD_ELSEWHERE = ("about", "name", "epochs", "precision")


def pretraining_of(run: str) -> dict[str, Any]:
    """The values of a run's recipe by dotted name, and `shards`; empty where the run is gone.

    Epochs are left out, which the images seen tell.
    """
    path = Path(run) / SPEC_NAME
    try:
        spec = read_json(path)["provenance"]
    except (OSError, KeyError, ManifestMismatchError):
        return {}
    recipe = (spec.get("spec") or {}).get("recipe") or {}
    own = {k: v for k, v in recipe.items() if k not in (*_OF_TRANSFERS, *_TOLD_ELSEWHERE)}
    shards = (spec.get("inputs") or {}).get("shards")
    return {**flat(own), **({"shards": short(shards)} if shards else {})}
