"""Where artefacts, named data sets and embedded data live, and which artefact is the newest.

<workspace>/
  label-maps/depth-5-1f0c....parquet     one file an artefact, or
  runs/embedded-resnet-9a3b..../         one folder: spec.json first, manifest.json last
  newest/<kind>                          the path of the newest, for people at a terminal
  data.json                              where in1k, in21k ... lie on this machine
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from granctl.errors import (
    ManifestMismatchError,
    MissingInputError,
    NothingToUseError,
    OutputExistsError,
    UnknownDataError,
)
from granctl.files import make_folder, read_json, write_bytes, write_json
from granctl.provenance import plain, provenance, short

Kind = Literal[
    "taxonomy",
    "label-map",
    "shards",
    "run",
    "features",
    "result",
    "probe",
    "report",
    "study",
    "advice",
    "judgement",
    "theory",
    "theory-sweep",
    "theory-report",
]

_FOLDER_OF_KIND: dict[Kind, str] = {
    "taxonomy": "taxonomies",
    "label-map": "label-maps",
    "shards": "shards",
    "run": "runs",
    "features": "features",
    "result": "results",
    "probe": "probes",
    "report": "reports",
    "study": "studies",
    "advice": "advice",
    "judgement": "judgements",
    "theory": "theory",
    "theory-sweep": "theory-sweeps",
    "theory-report": "theory-reports",
}
_MAKER_OF_KIND: dict[Kind, str] = {
    "taxonomy": "granctl tree import",
    "label-map": "granctl tree cut",
    "shards": "granctl shards build",
    "run": "granctl pretrain",
    "features": "granctl embed",
    "result": "granctl transfer",
    "probe": "granctl probe",
    "report": "granctl report",
    "study": "granctl sweep run",
    "advice": "granctl advise",
    "judgement": "granctl advise --judge",
    "theory": "granctl theory run",
    "theory-sweep": "granctl theory sweep",
    "theory-report": "granctl theory report",
}

SPEC_NAME = "spec.json"
MANIFEST_NAME = "manifest.json"

FolderState = Literal["absent", "unfinished", "whole"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Artefact:
    """One thing that a command made or found whole."""

    kind: Kind
    path: Path
    digest: str
    """Identity, 64 hex digits."""
    made: bool
    """False when it was there already, whole, and nothing was done."""
    whole: bool = True
    """False: only a part of it is there yet, and others make the rest."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What `--json` prints beside the fields above; JSON types."""

    def record(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        own = {"kind": self.kind, "path": str(self.path), "digest": self.digest}
        part = {} if self.whole else {"whole": False}
        return {**own, "made": self.made, "schema": 1, **part, **self.details}


def embedded(name: str) -> Path:
    """A file or folder of `data_manifests/`, in the wheel or in a checkout.

    Raises:
        ManifestMismatchError: the installation lacks it.
    """
    package = Path(__file__).parent
    for home in (package / "data_manifests", package.parent / "data_manifests"):
        if (home / name).exists():
            return home / name
    raise ManifestMismatchError(
        package / "data_manifests" / name,
        "this part of the installation is missing",
        "install granctl again, from the wheel or a whole checkout",
    )


def slug(name: str) -> str:
    """A name of images as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "images"


class Workspace:
    """The folder that holds a user's artefacts, each named by its digest."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def locate(cls, option: Path | None = None) -> Workspace:
        """`--workspace`, else $GRANCTL_WORKSPACE, else ./granctl-workspace."""
        chosen = option or Path(os.environ.get("GRANCTL_WORKSPACE") or "granctl-workspace")
        return cls(chosen.expanduser().absolute())

    def place(self, kind: Kind, name: str, digest: str, suffix: str = "") -> Path:
        """Where an artefact belongs: `<kind>s/<name>-<12 digits><suffix>`."""
        return self.root / _FOLDER_OF_KIND[kind] / f"{name}-{short(digest)}{suffix}"

    def folder(self, kind: Kind) -> Path:
        """The folder of all artefacts of a kind; it may not exist yet."""
        return self.root / _FOLDER_OF_KIND[kind]

    # --- the newest of each kind: a convenience for one person at a terminal -----------------

    def mark_newest(self, artefact: Artefact) -> None:
        """Remembers a whole artefact as the newest of its kind; a job of a cluster does not."""
        if _is_job() or not artefact.whole:
            return
        write_bytes(self.root / "newest" / artefact.kind, f"{artefact.path}\n".encode())

    def newest(self, kind: Kind) -> Path:
        """The newest artefact of a kind.

        Raises:
            NothingToUseError: there is none, it is gone, or this is a job of a cluster.
        """
        pointer, in_job = self.root / "newest" / kind, _is_job()
        if not in_job and pointer.is_file():
            path = Path(pointer.read_text().strip())
            if path.exists():
                return path
        raise NothingToUseError(kind, self.root, _MAKER_OF_KIND[kind], in_job=in_job)

    # --- named data sets ----------------------------------------------------------------------

    def data_names(self) -> dict[str, Path]:
        """The data sets that `granctl data add` registered: name -> folder."""
        register = self.root / "data.json"
        if not register.is_file():
            return {}
        return {name: Path(folder) for name, folder in read_json(register).items()}

    def add_data(self, name: str, folder: Path) -> Path:
        """Registers, or moves, a named data set; returns its folder as an absolute path.

        Raises:
            MissingInputError: the folder does not exist.
        """
        if not folder.exists():
            raise MissingInputError(f"data set {name!r}", folder, "check the path")
        names = {n: str(f) for n, f in self.data_names().items()}
        write_json(self.root / "data.json", {**names, name: str(folder.absolute())})
        return folder.absolute()

    def data_folder(self, name: str) -> Path:
        """Where a named data set lies.

        Raises:
            UnknownDataError: nobody registered it.
            MissingInputError: its folder is gone.
        """
        names = self.data_names()
        if name not in names:
            raise UnknownDataError(name, ["embedded", *names])
        if not names[name].exists():
            raise MissingInputError(
                f"data set {name!r}",
                names[name],
                f"say where it is: `granctl data add {name} FOLDER`",
            )
        return names[name]


JOB_VARIABLE = "GRANCTL_JOB"
"""Is set in the jobs that granctl submits."""


def _is_job() -> bool:
    """Whether many of these run at once, beside the people at terminals."""
    return JOB_VARIABLE in os.environ or "SLURM_ARRAY_TASK_ID" in os.environ


# --- artefacts that are folders: spec.json first, manifest.json last ---------------------------


def folder_state(path: Path, spec_digest: str) -> FolderState:
    """Whether `path` can be made, gone on with, or is whole already.

    Raises:
        OutputExistsError: it holds something else.
    """
    if not path.exists() or (path.is_dir() and all(p.suffix == ".tmp" for p in path.iterdir())):
        return "absent"
    if not (path / SPEC_NAME).is_file():
        raise OutputExistsError(path, "something that granctl did not make")
    found = read_json(path / SPEC_NAME).get("digest")
    if found != spec_digest:
        raise OutputExistsError(path, f"another artefact (digest {short(str(found))})")
    return "whole" if (path / MANIFEST_NAME).is_file() else "unfinished"


def begin_folder(
    path: Path,
    spec_digest: str,
    spec: Any,
    inputs: Mapping[str, str],
    *,
    with_command: bool = True,
) -> None:
    """Makes the folder and writes its spec.json: from now on it is unfinished, and whose."""
    make_folder(path)
    origin = provenance(spec, inputs, with_command=with_command)
    write_json(path / SPEC_NAME, {"digest": spec_digest, "spec": plain(spec), "provenance": origin})


def finish_folder(path: Path, manifest: Mapping[str, Any]) -> None:
    """Writes manifest.json, which makes the folder whole; nothing may be written after it."""
    write_json(path / MANIFEST_NAME, dict(manifest))
