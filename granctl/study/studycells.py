"""What the folder of a study says of its results: what it calls their cuts, and what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.files import read_json
from granctl.study.studytables import slug
from granctl.workspace import MANIFEST_NAME, SPEC_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCell:
    """The cell of a study that a result came from."""

    name: str
    """`<cut>.s<seed>.<method>.<target>`; behind the cut `.<recipe>` where there are several."""
    study: Mapping[str, Any]
    """As its spec.json has it."""

    def says(self, result: Mapping[str, Any]) -> dict[str, str]:
        """`study_cut`, what the study calls the cut; `budget`, what is equal instead of images."""
        source, said = result.get("source"), dict[str, str]()
        place, is_named, _ = self.name.partition(f".s{result['seed']}.{result['method']}.")
        if source is not None and is_named:
            recipes = self.study.get("recipe")
            if isinstance(recipes, list) and len(recipes) > 1:
                place = place.removesuffix(f".{slug(str(source.get('recipe')))}")
            said["study_cut"] = place
        if self.study.get("equal") in ("steps", "compute"):
            said["budget"] = _budget(self.study)
        return said


def cells_of(folders: Sequence[Path]) -> dict[Path, StudyCell]:
    """The cells of those folders that are studies', by the absolute path of the result.json.

    A result of several cells has the first.
    """
    found: dict[Path, StudyCell] = {}
    for folder in folders:
        spec = folder / SPEC_NAME
        study = (read_json(spec).get("spec") or {}) if spec.is_file() else {}
        for path, name in _results(folder):
            found.setdefault(path.absolute(), StudyCell(name=name, study=study))
    return found


def results_of_study(folder: Path) -> list[Path]:
    """The whole results that the ledger in a study's folder names; it may be under way."""
    return [path for path, _ in _results(folder)]


def also_named(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results; those of no study have `study_cut` too where a study has their label map."""
    names: dict[Any, dict[str, None]] = defaultdict(dict)
    for result in results:
        if "study_cut" in result:
            names[_map(result)][result["study_cut"]] = None
    found = []
    for result in results:
        known = list(names.get(_map(result), {})) if _map(result) else []
        is_clear = "study_cut" not in result and len(known) == 1
        found.append({**result, "study_cut": known[0]} if is_clear else result)
    return found


def _map(result: Mapping[str, Any]) -> Any:
    return (result.get("source") or {}).get("labels_digest")


def _results(folder: Path) -> list[tuple[Path, str]]:
    """Result and cell, of whole results; by the name of the cell."""
    files = sorted((folder / "cells").glob("*.json"))
    records = [(read_json(file), file.stem) for file in files]
    named = [(Path(r["path"]), name) for r, name in records if r.get("kind") == "result"]
    return [(path, name) for path, name in named if (path.parent / MANIFEST_NAME).is_file()]


def _budget(study: Mapping[str, Any]) -> str:
    """What is equal, and how much of it: by images and, where the study says them, epochs."""
    images, epochs = study.get("images"), (study.get("set") or {}).get("epochs")
    times = f" x {epochs} epochs" if epochs is not None else ""
    return f"equal {study['equal']}, {f'{images:,}' if images else 'all'} images{times}"
