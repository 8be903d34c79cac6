"""A study as a file: sources, cuts, seeds, budgets and targets in TOML, read into frozen tables.

recipe = "embedded-resnet"
seeds = 5
targets = ["source@depth-7", "source@leaf"]

[[cut]]
depth = "5..7"

[[cut]]
cluster = "kmeans"
per_image = true
classes = [40, 160]
within = "depth-7"
features = "depth-7"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from granctl import spec
from granctl.errors import OutputExistsError, UnknownStudyError
from granctl.files import write_bytes
from granctl.provenance import digest, plain
from granctl.train.transferspec import Method

SCHEMA = 1
STUDIES = Path(__file__).parent.parent / "studies"
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\*(\d+))?")
_LISTS = ("depth", "level", "classes", "min_images")
"""Keys of a [[cut]] of which each value is a cut."""
SEED_OF_FEATURES = 1000
"""Of the runs whose features are clustered: none of a study's, so no run meets its own."""

Scratch = Literal["none", "same-steps", "same-images"]
Equal = Literal["epochs", "steps"]


@dataclass(frozen=True, kw_only=True)
class CutTable:
    """One [[cut]]: the options of `granctl tree cut`, where a list or a range makes several cuts.

    `within`, `like` and `features` name other cuts of the study, or files.
    """

    name: str | None = None
    """Of the cuts, in the study; several cuts add their number. None: after the cut."""
    depth: tuple[int, ...] | None = None
    level: tuple[int, ...] | None = None
    classes: tuple[int, ...] | None = None
    min_images: tuple[int, ...] | None = None
    balanced: bool = False
    nodes: str | None = None
    cluster: Literal["kmeans", "ward", "average"] | None = None
    features: str | None = None
    """A cut: a run pretrained on it, of a seed that the study does not use, is embedded; or the
    file that `granctl embed` made."""
    within: str | None = None
    random: bool = False
    like: str | None = None
    per_image: bool = False
    """Clusters and random classes of single images; alone: every image its own class."""
    by: Literal["images", "labels"] | None = None
    policy: str | None = None
    shallow: str | None = None
    draws: Literal["one", "each-seed"] = "one"
    """Random and clustered maps: one for all seeds, or another for each."""
    images: int | None = None
    """Pretraining images of these cuts; None: the study's."""
    pretrain: bool = True
    """False: only a target, or what other cuts name."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        many = [key for key in _LISTS if (value := getattr(self, key)) and len(value) > 1]
        found = [f"{' and '.join(many)}: only one of them can be a list"] if len(many) > 1 else []
        ways = [k for k in ("depth", "level", "min_images", "nodes") if getattr(self, k)]
        ways += ["cluster"] if self.cluster else []
        ways += ["random"] if self.random else []
        if not ways:
            ways += ["classes"] if self.classes else ["per_image"] if self.per_image else []
        if len(ways) != 1:
            what = f"{' and '.join(ways)} contradict each other" if ways else "says no way to cut"
            found.append(
                f"{what}: give one of depth, level, classes, min_images, nodes, cluster,"
                " random, per_image"
            )
        if self.cluster and not self.features:
            found.append('features: missing; name a cut, such as features = "leaf"')
        return found


@dataclass(frozen=True, kw_only=True)
class TaxonomyTable:
    """Where the hierarchy is, when it is not the embedded WordNet; as `granctl tree import`."""

    form: Literal["table", "edges", "folders", "json"]
    path: str
    columns: str | None = None
    id: str | None = None
    """Table: the column of the label's id."""
    ids: Literal["path", "name"] = "path"
    """Folders: what a label's id is."""
    ranks: str | None = None
    root: str | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """A whole study; relative paths are relative to its file."""

    name: str
    """The file's name, without .toml."""
    about: str = ""
    """What it asks, and what it costs."""
    source: str = "embedded"
    """Images, as `granctl shards build --source` takes them."""
    build: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Options of `granctl shards build` that differ: holdout_frac, per_class, resize ..."""
    taxonomy: TaxonomyTable | None = None
    label_list: str | None = None
    """The label list that is cut; None: the taxonomy's own, or 21843."""
    recipe: str
    set: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Keys of the recipe that differ: epochs = 10, optimizer.lr = 0.1."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """A number n means 0 to n - 1. The same seeds serve every source, so results are paired."""
    cut: tuple[CutTable, ...]
    targets: tuple[str, ...]
    """NAME[@CUT] as `granctl transfer --target` takes it; `source@CUT` is the study's own shards
    under a cut of the study."""
    methods: tuple[Method, ...] = ("finetune",)
    """As `granctl transfer --method`; none of them scratch, which has a key of its own."""
    options: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Options of the methods that differ, each for the methods that take it: shots, draws, ridge,
    k, temperature, lengths, held_out; and a table `tries` of lists."""
    per_class: tuple[int, ...] = (0,)
    """Labelled images a class of the targets; 0: all."""
    steps: int | None = None
    """Of a transfer; None: the recipe's."""
    images: int | None = None
    """Pretraining images of every source; None: all."""
    equal: Equal = "epochs"
    """What sources of different numbers of images share: epochs, or optimizer steps (the epochs of
    the smaller ones are raised to the nearest whole number)."""
    scratch: Scratch = "same-steps"
    """Training on the targets alone: not at all, for the steps of a transfer, or for as many
    images as pretraining and transfer see together."""

    folder: str = ""
    """Where the file lies; no part of the identity."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = []
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            found.append("seeds: each once, at least one")
        if SEED_OF_FEATURES in self.seeds:
            found.append(f"seeds: {SEED_OF_FEATURES} belongs to the runs that features come from")
        if "scratch" in self.methods:
            found.append('methods: scratch has a key of its own: scratch = "same-steps"')
        some = ("cut", "targets", "methods", "per_class")
        return found + [
            f"{key}: at least one was expected" for key in some if not getattr(self, key)
        ]

    @property
    def digest(self) -> str:
        """Identity of what is asked; neither the sentence nor the file's place is in it."""
        asked = {**plain(self), "about": None, "folder": None}
        return digest({"kind": "study", "schema": SCHEMA, **asked})

    def beside(self, text: str) -> str:
        """A path as it is meant: relative to the study's file where such a file lies there."""
        path = Path(self.folder) / Path(text).expanduser()
        return str(path) if path.exists() else text


def study_names() -> list[str]:
    """The studies that come with granctl."""
    return sorted(path.stem for path in STUDIES.glob("*.toml"))


def study_path(name_or_path: str) -> Path:
    """The file of a study, by the name of one that comes with granctl, or by its path.

    Raises:
        UnknownStudyError: there is neither.
    """
    if name_or_path in study_names():
        return STUDIES / f"{name_or_path}.toml"
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise UnknownStudyError(name_or_path, study_names())
    return path


def load_study(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Study:
    """Reads a study; all faults of the file at once.

    Raises:
        UnknownStudyError: no study has that name, and no file.
        SpecError: unknown keys, wrong types or values.
    """
    path = study_path(name_or_path)
    table = {"name": path.stem, **spec.load_toml(path), **(overrides or {})}
    table["folder"] = str(path.parent.absolute())
    return spec.parse(Study, _with_lists(table), f"study {name_or_path}")


def study_sentences() -> dict[str, str]:
    """What each study that comes with granctl asks, by name."""
    return {name: load_study(name).about for name in study_names()}


def copy_study(name_or_path: str, out: Path | None) -> Path:
    """Copies a study's file, comments and all; returns the new file.

    Raises:
        UnknownStudyError: no study has that name, and no file.
        OutputExistsError: a file lies there that says something else.
    """
    source = study_path(name_or_path)
    path = (out or Path(source.name)).absolute()
    content = source.read_bytes()
    if path.exists() and (not path.is_file() or path.read_bytes() != content):
        raise OutputExistsError(path, "a file that differs")
    write_bytes(path, content)
    return path


def flat(table: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """A nested table with dotted keys: `{"optimizer": {"lr": 1}}` as `{"optimizer.lr": 1}`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{head}{key}.")
        else:
            found[f"{head}{key}"] = value
    return found


def _with_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with single numbers and ranges, where lists are meant, as lists."""
    found = dict(table)
    if type(found.get("seeds")) is int:
        found["seeds"] = list(range(found["seeds"]))
    for key in ("targets", "methods", "per_class", "seeds"):
        if key in found:
            found[key] = _many(found[key])
    if isinstance(found.get("cut"), list):
        found["cut"] = [
            {k: _many(v) if k in _LISTS else v for k, v in cut.items()}
            if isinstance(cut, Mapping)
            else cut
            for cut in found["cut"]
        ]
    return found


def _many(value: Any) -> Any:
    """`5`, `"5..9"` and `"10..160*2"` as lists; what is none of these is left to the parser."""
    if isinstance(value, str) and (found := _RANGE.fullmatch(value)):
        low, high, factor = int(found[1]), int(found[2]), found[3]
        if factor is None:
            return list(range(low, high + 1))
        values = [low]
        while int(factor) > 1 and 0 < values[-1] * int(factor) <= high:
            values.append(values[-1] * int(factor))
        return values
    return value if isinstance(value, list) else [value]
