"""Runs and sweeps of the theory that were made, read again for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import NotATheoryError, NothingToUseError
from granctl.files import read_json
from granctl.study.theoryasked import changed
from granctl.study.theoryjobs import Job
from granctl.study.theoryrun import PARTS
from granctl.study.theorytable import label_spaces
from granctl.theory.labels import LabelSpace, label_space
from granctl.theory.setting import Setting
from granctl.workspace import MANIFEST_NAME, Workspace

ORDER = (None, "k", "alpha_dagger", "rho", "labels", "classes", "samples")
"""What is varied, in the order of a page; others behind. None: a run."""
_KINDS = ("theory", "theory-sweep")


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One run or sweep."""

    path: Path
    details: Mapping[str, Any]
    """Its manifest."""

    @property
    def vary(self) -> str | None:
        """What a sweep varies; None: it is a run."""
        vary: str | None = self.details.get("vary")
        return vary

    @property
    def digest(self) -> str:
        """Its identity."""
        return str(self.details["digest"])

    @property
    def command(self) -> str:
        """What makes it."""
        return str(self.details["command"])

    @property
    def points(self) -> Sequence[Mapping[str, Any]]:
        """A sweep's points; a run is one."""
        points: Sequence[Mapping[str, Any]] = self.details.get("points") or [self.details]
        return points

    def history(self, point: Mapping[str, Any], labels: str, seed: int) -> Mapping[str, Any]:
        """`step`, `response_ratio` and `loss` of one training.

        Raises:
            NotATheoryError: its record is gone.
        """
        setting = setting_of(point)
        space = label_space(labels, setting)
        assert isinstance(space, LabelSpace), space
        name = Job(setting=setting, space=space, seed=seed).name
        path = self.path / PARTS / f"{name}.json"
        if not path.is_file():
            raise NotATheoryError(self.path, f"{PARTS}/{path.name} is gone")
        history: Mapping[str, Any] = read_json(path)["history"]
        return history


def setting_of(point: Mapping[str, Any]) -> Setting:
    """The parameters of a point."""
    kept = {**point["setting"], "between": tuple(point["setting"]["between"])}
    return Setting(**kept)


def load_made(workspace: Workspace, paths: Sequence[Path]) -> list[Made]:
    """The runs, then the sweeps by what they vary; of the paths, else all of the workspace.

    Raises:
        NotATheoryError: a path holds something else.
        NothingToUseError: no path, and the workspace has none that is whole.
        ManifestMismatchError: a manifest is no JSON.
    """
    found = [_read(path) for path in paths] or [
        _read(path.parent)
        for folder in (workspace.folder("theory"), workspace.folder("theory-sweep"))
        for path in sorted(folder.glob(f"*/{MANIFEST_NAME}"))
    ]
    if not found:
        raise NothingToUseError("theory", workspace.root, "granctl theory run")
    return sorted({m.digest: m for m in found}.values(), key=_order)


def _order(made: Made) -> tuple[int, str, bool, int, str]:
    """Runs first, the plain contrast before others; then sweeps as the page tells the story."""
    known = ORDER.index(made.vary) if made.vary in ORDER else len(ORDER)
    point = made.points[0]
    is_other = set(label_spaces(point)) != {"coarse", "fine"}
    return known, made.vary or "", is_other, len(changed(setting_of(point))), made.digest


def _read(path: Path) -> Made:
    if not (path / MANIFEST_NAME).is_file():
        raise NotATheoryError(path, f"it has no {MANIFEST_NAME}")
    details = read_json(path / MANIFEST_NAME)
    if details.get("kind") not in _KINDS:
        raise NotATheoryError(path, f"it is of kind {details.get('kind')!r}")
    return Made(path=path.absolute(), details=details)
