"""Reading results: result.json files of a workspace or of given paths, as records or a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granctl.errors import MissingInputError, NotAResultError, NothingToUseError
from granctl.files import read_json
from granctl.workspace import MANIFEST_NAME, SPEC_NAME, Workspace

if TYPE_CHECKING:
    import pandas as pd

RESULT_NAME = "result.json"

Result = Mapping[str, Any]
"""One result.json as it stands on disk, and `path`: where it was read from."""

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "digest": str,
    "target": str,
    "method": str,
    "top1": (int, float),
    "n": int,
    "seed": int,
    "num_classes": int,
}
_REQUIRED_OF_SOURCE: dict[str, type | tuple[type, ...]] = {
    "cut": str,
    "method": str,
    "classes_present": (int, type(None)),
}


def load_results(source: Workspace | Sequence[Path]) -> list[dict[str, Any]]:
    """Every whole result of a workspace, or of the given files and folders, each once.

    A path may be a result.json, the folder of one result, a folder of such folders, or the folder
    of a study. The order is that of the paths; within a folder, by name. Results of a study whose
    sources share steps or compute, and not the images that they see, have a `budget` that says so.

    Raises:
        MissingInputError: a path does not exist or holds no result.
        ManifestMismatchError: a file is not JSON.
        NotAResultError: it is JSON, but no result of `granctl transfer`.
        NothingToUseError: the workspace has no result.
    """
    if isinstance(source, Workspace):
        paths = _whole_results(source.folder("result"))
        if not paths:
            raise NothingToUseError("result", source.root, "granctl transfer")
    else:
        paths = [found for path in source for found in _results_at(path)]
    budgets = {} if isinstance(source, Workspace) else _budgets(source)
    by_digest: dict[str, dict[str, Any]] = {}
    for path in paths:
        record = {**_checked(path, read_json(path)), **budgets.get(path, {})}
        by_digest.setdefault(record["digest"], record)
    return list(by_digest.values())


def results_frame(source: Workspace | Sequence[Path] | None = None) -> pd.DataFrame:
    """Results as a pandas frame, one row each; the source's fields are `source_<field>`.

    Without an argument: those of the workspace that $GRANCTL_WORKSPACE names, else of
    ./granctl-workspace. `top1` and `mean_per_class` are fractions.

    Raises:
        GranctlError: as `load_results`.

    Example:
        granctl.results().groupby(["target", "source_cut"]).top1.agg(["mean", "std", "count"])
    """
    import pandas as pd

    rows = []
    for record in load_results(Workspace.locate() if source is None else source):
        flat = {k: v for k, v in record.items() if not isinstance(v, (dict, list))}
        origin = record.get("source") or {}
        rows.append({**flat, **{f"source_{k}": v for k, v in origin.items() if k != "params"}})
    return pd.DataFrame(rows)


def _whole_results(folder: Path) -> list[Path]:
    """The result.json of each finished folder directly below `folder`."""
    return sorted(
        p for p in folder.glob(f"*/{RESULT_NAME}") if (p.parent / MANIFEST_NAME).is_file()
    )


def _results_at(path: Path) -> list[Path]:
    hint = "name a result.json, its folder, a folder of results, or the folder of a study"
    if path.is_file():
        return [path]
    if (path / RESULT_NAME).is_file():
        return [path / RESULT_NAME]
    found = _of_study(path) or (_whole_results(path) if path.is_dir() else [])
    if not found:
        raise MissingInputError("result", path, hint)
    return found


def _of_study(folder: Path) -> list[Path]:
    """The whole results that the ledger in a study's folder names; it may be under way."""
    records = [read_json(path) for path in sorted((folder / "cells").glob("*.json"))]
    paths = [Path(r["path"]) for r in records if r.get("kind") == "result"]
    return [path for path in paths if (path.parent / MANIFEST_NAME).is_file()]


def _budgets(folders: Sequence[Path]) -> dict[Path, dict[str, str]]:
    """What the sources of a study share instead of images seen, for each of its results."""
    found: dict[Path, dict[str, str]] = {}
    for folder in folders:
        spec = folder / SPEC_NAME
        asked = read_json(spec)["spec"] if spec.is_file() else {}
        if asked.get("equal") in ("steps", "compute"):
            budget = {"budget": _budget(asked)}
            found |= dict.fromkeys(_of_study(folder), budget)
    return found


def _budget(asked: Mapping[str, Any]) -> str:
    """What is equal, and how much of it: by images and, where the study says them, epochs."""
    images, epochs = asked.get("images"), (asked.get("set") or {}).get("epochs")
    times = f" x {epochs} epochs" if epochs is not None else ""
    return f"equal {asked['equal']}, {f'{images:,}' if images else 'all'} images{times}"


def _checked(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    if record.get("kind") != "result":
        raise NotAResultError(path, [f"kind is {record.get('kind')!r}, not 'result'"])
    faults = _faults(record, _REQUIRED, "")
    if not faults and not 0 <= record["top1"] <= 1:
        faults.append(f"top1 is {record['top1']!r}, not a fraction")
    source = record.get("source")
    if isinstance(source, Mapping):
        faults += _faults(source, _REQUIRED_OF_SOURCE, "source.")
    elif source is not None:
        faults.append("source is neither an object nor null")
    if faults:
        raise NotAResultError(path, faults)
    return {**record, "path": str(path.absolute())}


def _faults(
    record: Mapping[str, Any], required: Mapping[str, type | tuple[type, ...]], prefix: str
) -> list[str]:
    faults = []
    for name, types in required.items():
        if name not in record:
            faults.append(f"{prefix}{name} is missing")
        elif not isinstance(record[name], types) or isinstance(record[name], bool):
            faults.append(f"{prefix}{name} is {record[name]!r}")
    return faults
