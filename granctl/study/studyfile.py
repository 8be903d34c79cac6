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
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from granctl import spec
from granctl.errors import OutputExistsError, UnknownStudyError
from granctl.files import write_bytes
from granctl.provenance import digest, plain
from granctl.shards.build.budget import Share
from granctl.shards.source.resolve import EMBEDDED
from granctl.study.studytables import LISTS, CutTable, Stated, TaxonomyTable, slug
from granctl.train.recipe import recipe_names
from granctl.train.transferspec import Method
from granctl.tree.lists import ABOUT as LABEL_LISTS

SCHEMA = 1
STUDIES = Path(__file__).parent.parent / "studies"
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\*(\d+))?")
SEED_OF_FEATURES = 1000
"""Of the runs whose features are clustered: none of a study's, so no run meets its own."""

Scratch = Literal["none", "same-steps", "same-images", "same-compute", "recipe"]
Equal = Literal["epochs", "images", "steps", "compute"]
Control = Literal["random", "shuffled", "one-an-image"]


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
    recipe: tuple[str, ...]
    """One, or several: another is another setting of every source, seed and target."""
    set: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Keys of the recipe that differ: epochs = 10, optimizer.lr = 0.1."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """A number n means 0 to n - 1. The same seeds serve every source, so results are paired."""
    cut: tuple[CutTable, ...]
    controls: tuple[Control, ...] = ()
    """Further cuts. random: classes of the sizes of every cut of the tree that is pretrained on,
    each image in any of them; shuffled: the same with the images of a label together; one-an-image:
    every image a class. The draws are another for each seed."""
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
    share: Share = "proportional"
    """How `images` are chosen: as they occur, or equally from the classes of each source, so that
    N images are classes x images a class."""
    equal: Equal = "epochs"
    """What sources share that differ in images or classes: epochs; images (no source may have a
    number of its own); optimizer steps (the epochs of a source are the whole number that comes
    nearest to epochs x images of the study); or compute (epochs such that the operations of network
    and head are the same)."""
    scratch: Scratch = "same-steps"
    """Training on the targets alone: not at all, for the steps of a transfer, for as many
    images as pretraining and transfer see together, for as many operations as they take, or for as
    many steps as the recipe says."""
    stated: Stated | None = None
    """What the source holds, for costs where it is not here; no part of the identity."""

    folder: str = ""
    """Where the file lies; no part of the identity."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = (
            [] if slug(self.name) else [f"name: {self.name!r} has no letter for a folder's name"]
        )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            found.append("seeds: each once, at least one")
        if SEED_OF_FEATURES in self.seeds:
            found.append(f"seeds: {SEED_OF_FEATURES} belongs to the runs that features come from")
        low = {"seeds": self.seeds, "per_class": self.per_class}
        found += [f"{k}: {n} is below 0" for k, numbers in low.items() for n in numbers if n < 0]
        if "scratch" in self.methods:
            found.append('methods: scratch has a key of its own: scratch = "same-steps"')
        some = ("cut", "targets", "methods", "per_class", "recipe")
        found += [f"{key}: at least one was expected" for key in some if not getattr(self, key)]
        for key in ("recipe", "controls", "targets", "methods", "per_class"):
            values = getattr(self, key)
            found += [f"{key}: {v} twice" for v in dict.fromkeys(values) if values.count(v) > 1]
        for key in ("images", "steps"):
            value = getattr(self, key)
            found += [f"{key}: {value} is below 1"] if value is not None and value < 1 else []
        return found + self._faults_of_budgets()

    def _faults_of_budgets(self) -> list[str]:
        """Budgets that contradict each other."""
        own = any(table.images and not table.part_of for table in self.cut)
        parts = [table for table in self.cut if table.part_of and table.pretrain]
        found = []
        if self.images is None:
            if self.share == "equal":
                found.append("share: equal shares want images = N for the whole study")
            if self.equal == "steps" and (own or parts):
                found.append("equal: steps want images = N for the whole study")
            if self.scratch in ("same-images", "same-compute"):
                found.append(f"scratch: {self.scratch} wants images = N for the whole study")
        if self.equal == "images" and own:
            found.append("equal: images, but a [[cut]] has images of its own; leave one out")
        if self.equal == "images" and any(part.images != self.images for part in parts):
            found.append(
                "equal: images, but a [[cut]] with part_of has another number; give it the"
                " images = N of the study"
            )
        if self.share == "equal" and own:
            found.append(
                "share: a [[cut]] with images of its own is chosen as they occur; write"
                " part_of = CUT, images = N for one that is shared out equally"
            )
        return found

    @property
    def digest(self) -> str:
        """Identity of what is asked; neither the sentence nor the file's place is in it.

        Nor are keys that came later, where they are left out: a file keeps its digest.
        """
        asked = {**plain(self), "about": None, "folder": None}
        del asked["stated"]
        if len(self.recipe) == 1:
            asked["recipe"] = self.recipe[0]
        if not self.controls:
            del asked["controls"]
        if self.share == "proportional":
            del asked["share"]
        asked["cut"] = [
            {k: v for k, v in cut.items() if k not in ("part_of", "methods") or v}
            for cut in asked["cut"]
        ]
        return digest({"kind": "study", "schema": SCHEMA, **asked})

    @property
    def source_place(self) -> str:
        """The source as `granctl shards build` takes it."""
        return self.beside(self.source, (EMBEDDED,))

    def list_place(self, name: str) -> str:
        """A label list as `granctl tree cut` takes it."""
        return self.beside(name, LABEL_LISTS)

    def recipe_place(self, name: str) -> str:
        """A recipe as `granctl pretrain` takes it."""
        return self.beside(name, recipe_names())

    def beside(self, text: str, known: Collection[str] = ()) -> str:
        """A path as it is meant: relative to the study's file where such a file lies there.

        Args:
            text: a path, or a name.
            known: names that come with granctl, which go before files of the same name.
        """
        if text in known:
            return text
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
    """Copies a study's file, comments and all, and what lies beside it; returns the new file.

    Beside a study NAME.toml that comes with granctl lie files that it names, called NAME.WHAT.txt.

    Raises:
        UnknownStudyError: no study has that name, and no file.
        OutputExistsError: a file lies there that says something else.
    """
    source = study_path(name_or_path)
    path = (out or Path(source.name)).absolute()
    beside = sorted(STUDIES.glob(f"{source.stem}.*.txt")) if source.parent == STUDIES else []
    copies = [(source, path), *((file, path.parent / file.name) for file in beside)]
    for old, new in copies:
        if new.exists() and (not new.is_file() or new.read_bytes() != old.read_bytes()):
            raise OutputExistsError(new, "a file that differs")
    for old, new in reversed(copies):
        write_bytes(new, old.read_bytes())
    return path


def _with_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with single numbers and ranges, where lists are meant, as lists."""
    found = dict(table)
    if type(found.get("seeds")) is int:
        found["seeds"] = list(range(found["seeds"]))
    for key in ("targets", "methods", "per_class", "seeds", "recipe", "controls"):
        if key in found:
            found[key] = _many(found[key])
    if isinstance(found.get("cut"), list):
        found["cut"] = [
            {k: _many(v) if k in (*LISTS, "methods") else v for k, v in cut.items()}
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
