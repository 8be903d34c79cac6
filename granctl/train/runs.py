"""A finished pretraining, opened: its recipe, its record, its network with weights.

<run>/
  spec.json         what was asked; written first
  starts.jsonl      each start: from which step, by which process and job
  metrics.jsonl     loss, rate, gradient norm, images a second, every 20 steps
  checkpoints/      step-N folders, the newest two
  manifest.json     the record: classes, steps, loss; written last
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from granctl.errors import (
    ManifestMismatchError,
    MissingInputError,
    NoCheckpointError,
    UnfinishedRunError,
)
from granctl.files import read_json
from granctl.progress import Progress
from granctl.train import checkpoint, models
from granctl.train.recipe import Recipe, recipe_of
from granctl.workspace import MANIFEST_NAME, SPEC_NAME

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A whole run; opening it reads two small files."""

    root: Path
    spec: Mapping[str, Any]
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Run:
        """Opens the run in a folder.

        Raises:
            MissingInputError: there is no such folder.
            ManifestMismatchError: it is no run.
            UnfinishedRunError: it was stopped; names the command that goes on.
        """
        if not path.exists():
            raise MissingInputError("run", path, "make one with `granctl pretrain`")
        if not (path / SPEC_NAME).is_file():
            problem = f"not a run: it has no {SPEC_NAME}"
            raise ManifestMismatchError(path, problem, "name the folder of a run")
        spec = read_json(path / SPEC_NAME)
        if not (path / MANIFEST_NAME).is_file():
            raise UnfinishedRunError(path, str(spec["provenance"]["command"]))
        manifest = read_json(path / MANIFEST_NAME)
        if manifest.get("kind") != "run" or manifest.get("schema") != 1:
            problem = f"not a run of this version, but {manifest.get('kind')!r}"
            raise ManifestMismatchError(path, problem, "name the folder of a run")
        return cls(root=path, spec=spec["spec"], manifest=manifest)

    @property
    def digest(self) -> str:
        """Identity: what was asked, of which images and labels."""
        return str(self.manifest["digest"])

    @cached_property
    def recipe(self) -> Recipe:
        """As it was used: the number of channels is resolved."""
        return recipe_of(self.spec["recipe"], str(self.root / SPEC_NAME))

    @property
    def name(self) -> str:
        """Of files that are made with it."""
        return self.recipe.name

    @property
    def record(self) -> dict[str, Any]:
        """What `granctl pretrain --json` printed."""
        return dict(self.manifest["details"])

    def network(self, progress: Progress) -> Any:
        """The network with the weights of the newest whole checkpoint, on the CPU.

        Raises:
            NoCheckpointError: none is whole.
            CheckpointMismatchError: one is of another run.
        """
        found, faults = checkpoint.newest(self.root / CHECKPOINTS, self.digest, progress)
        if found is None or found.step != self.record["steps"]:
            problem = [] if found is None else [f"the newest whole one has {found.step} steps"]
            raise NoCheckpointError(self.root, [*faults, *problem])
        recipe = self.recipe
        network = models.build(
            recipe.model,
            channels=recipe.input.channels or 3,
            resolution=recipe.input.resolution,
            num_classes=len(self.manifest["class_ids"]),
            seed=0,
        )
        # Of weights that were averaged, the average is what the run is for.
        network.load_state_dict({**found.state["network"], **found.state.get("average", {})})
        return network
