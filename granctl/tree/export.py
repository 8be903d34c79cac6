"""One file for other programs, of a taxonomy or of a label map: what was asked, then the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from granctl.errors import BadOptionError, OutputExistsError, near
from granctl.files import write_bytes, writing
from granctl.progress import Progress
from granctl.tree.export_classes import (
    classes_csv,
    classes_json,
    lookup_table,
    npy,
    timm_class_map,
)
from granctl.tree.export_graph import Kept, dot, edges_csv, graphml, nested_json
from granctl.tree.labelmap import LabelMap
from granctl.tree.names import resolve
from granctl.tree.store import embedded_wordnet, load_taxonomy
from granctl.tree.taxonomy import Taxonomy, below

Format = Literal["csv", "json", "dot", "graphml", "lut", "timm"]

_OF_TAXONOMY: dict[str, Callable[[Taxonomy, Kept], str]] = {
    "csv": edges_csv,
    "json": nested_json,
    "dot": dot,
    "graphml": graphml,
}
_OF_LABEL_MAP: dict[str, Callable[[LabelMap, Path], bytes]] = {
    "csv": lambda label_map, _: classes_csv(label_map).encode(),
    "json": lambda label_map, _: classes_json(label_map).encode(),
    "lut": lambda label_map, _: npy(lookup_table(label_map)),
    "timm": lambda label_map, out: timm_class_map(label_map, out.suffix.lower()),
}
_ONE_CLASS_ONLY = ("lut", "timm")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSpec:
    """What to export, in which form."""

    format: str
    """One of Format; `lut` and `timm` are forms of a label map, `dot` and `graphml` of a taxonomy.
    """
    labels: Path | None = None
    """A label map; None: the taxonomy is exported."""
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""
    root: str | None = None
    """An id or a name: only what lies at or under this node."""

    @property
    def needs_labels(self) -> bool:
        """Whether the form is one of label maps only."""
        return self.format in _OF_LABEL_MAP and self.format not in _OF_TAXONOMY

    def check(self) -> None:
        """Checks that the form exists and fits what is exported.

        Raises:
            BadOptionError: names the option.
        """
        known = sorted({*_OF_TAXONOMY, *_OF_LABEL_MAP})
        if self.format not in known:
            like = near(self.format, known)
            hint = f"did you mean {like[0]}?" if like else f"take one of {', '.join(known)}"
            raise BadOptionError("--format", f"there is no form {self.format!r}", hint)
        if self.labels is None and self.needs_labels:
            problem = f"{self.format} is a form of label maps, and none was given"
            raise BadOptionError("--format", problem, "add --labels")
        if self.labels is None:
            return
        if self.format not in _OF_LABEL_MAP:
            problem = f"{self.format} is a form of taxonomies, and a label map was given"
            hint = f"leave --labels out, or take one of {', '.join(_OF_LABEL_MAP)}"
            raise BadOptionError("--format", problem, hint)
        for name in ("taxonomy", "root"):
            if getattr(self, name) is not None:
                problem = "it has no meaning where a label map is exported"
                raise BadOptionError(f"--{name}", problem, f"leave --{name} or --labels out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """The file that was written, or found with the same content."""

    path: Path
    digest: str
    """Sha256 of its content."""
    made: bool
    """False when it was there already."""
    details: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        own = {"kind": "export", "path": str(self.path), "digest": self.digest}
        return {**own, "made": self.made, "schema": 1, **self.details}


def export(spec: ExportSpec, out: Path, progress: Progress) -> Exported:
    """Writes a taxonomy or a label map as one file in another program's form.

    Raises:
        BadOptionError: the form does not fit what is exported.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged, or `root` names no node.
    """
    spec.check()
    if spec.labels is None:
        content, details = _taxonomy_content(spec)
    else:
        content, details = _label_map_content(spec.format, spec.labels, out, progress)
    there = out.exists()
    if there:
        with writing(out):
            if out.is_dir() or out.read_bytes() != content:
                raise OutputExistsError(out, "something else")
        progress.note("the file is there already, with this content: nothing to do")
    else:
        write_bytes(out, content)
    return Exported(
        path=out,
        digest=hashlib.sha256(content).hexdigest(),
        made=not there,
        details={"format": spec.format, **details},
    )


def _taxonomy_content(spec: ExportSpec) -> tuple[bytes, dict[str, Any]]:
    taxonomy = embedded_wordnet() if spec.taxonomy is None else load_taxonomy(spec.taxonomy)
    root = None if spec.root is None else resolve(taxonomy, spec.root)
    kept = None if root is None else below(taxonomy, root)
    return _OF_TAXONOMY[spec.format](taxonomy, kept).encode(), {
        "of": "taxonomy",
        "nodes": len(taxonomy) if kept is None else int(kept.sum()),
        "root": None if root is None else taxonomy.ids[root],
        "inputs": {"taxonomy": taxonomy.digest},
    }


def _label_map_content(
    form: str, path: Path, out: Path, progress: Progress
) -> tuple[bytes, dict[str, Any]]:
    label_map = LabelMap.read(path)
    content = _OF_LABEL_MAP[form](label_map, out)
    several = int(((label_map.offsets[1:] - label_map.offsets[:-1]) > 1).sum())
    if several and form in _ONE_CLASS_ONLY:
        progress.note(
            f"{several} labels have several classes; this form holds the first of each"
            " (--format json or csv holds all)"
        )
    return content, {
        "of": "label-map",
        "labels": len(label_map.labels),
        "classes": label_map.num_classes,
        "keyed_by": label_map.keyed_by,
        "multi_label": several,
        "inputs": {"labels": label_map.digest},
    }
