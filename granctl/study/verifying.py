"""Where label maps and the repair of shards meet: which labels said what folder is a class."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from granctl.errors import BadOptionError, GranctlError
from granctl.files import read_json
from granctl.processes import default_workers
from granctl.progress import Progress
from granctl.shards.source.opening import SourceKind
from granctl.shards.store import store_of, url_of
from granctl.shards.verify.report import Report
from granctl.shards.verify.table import selected
from granctl.shards.verify.verify import verify
from granctl.workspace import MANIFEST_NAME, Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifySpec:
    """What `granctl shards verify` is asked."""

    shards: Path
    """A folder, or a URL."""
    select: str | None = None
    """Codes or their beginnings, with commas between; None: all."""
    repair: bool = False
    source: str | None = None
    """Where the source lies now; None: where it was when the set was built."""
    source_kind: SourceKind | None = None
    labels: Path | None = None
    """The label map that the set was built under; None: it is looked for by its digest."""
    workers: int | None = None
    """Processes; None: the processors."""

    def check(self) -> None:
        """Checks that nothing contradicts anything else.

        Raises:
            BadOptionError: names the option.
        """
        if self.repair and self.select is not None:
            problem = "a repair looks at everything"
            raise BadOptionError("--select", problem, "leave out --select or --repair")
        for option in ("source", "source_kind", "labels"):
            if not self.repair and getattr(self, option) is not None:
                name = f"--{option.replace('_', '-')}"
                raise BadOptionError(name, "it is for the repair", "add --repair")


def verify_shards(workspace: Workspace, spec: VerifySpec, progress: Progress) -> Report:
    """Checks a shard set, mends it where that is asked, and tells what was found.

    Raises:
        BadOptionError: options that contradict each other, or cannot be used.
        GranctlError: as `verify` and `repair`.
    """
    spec.check()
    store, workers = store_of(spec.shards), spec.workers or default_workers()
    if spec.repair:
        # What builds shards is loaded for a repair alone: a look at a small set is soon done.
        from granctl.shards.verify.rebuild import RepairSpec
        from granctl.shards.verify.repair import repair

        asked = RepairSpec(
            source=spec.source,
            source_kind=spec.source_kind,
            known=_known_labels(workspace, spec),
        )
        report = repair(workspace, store, asked, workers, progress)
    else:
        report = verify(store, selected(spec.select), workers, progress)
    report.tell(progress)
    return report


def _known_labels(workspace: Workspace, spec: VerifySpec) -> Sequence[str] | None:
    """The labels that told classes from other folders; None: the set was built without a map.

    Raises:
        GranctlError: `labels` is no label map.
    """
    from granctl.train.lookup import find_map
    from granctl.tree.labelmap import LabelMap

    if spec.labels is not None:
        return LabelMap.read(spec.labels).labels
    if url_of(spec.shards) is not None:
        return None
    with suppress(OSError, GranctlError, KeyError, AttributeError):
        manifest = read_json(spec.shards / MANIFEST_NAME)
        built = manifest.get("relabelled", {}).get("built", manifest)
        digest = built["provenance"]["spec"].get("classes")
        if digest is None:
            return None
        found = find_map(workspace, digest)
        if found is not None:
            return found[1].labels
        # Labels that have images are nearly all that matter: a folder whose label has none of
        # them would only be taken for a part of the folder above it.
        return [str(label) for label in manifest["labels"]]
    return None
