"""The tables inside a study's file: a cut, a hierarchy, what is said of a source that is away."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from granctl.train.transferspec import Method

_NO_FILE_NAME = re.compile(r"[^\w@.-]+")
LISTS = ("depth", "level", "classes", "min_images")
"""Keys of a [[cut]] of which each value is a cut."""


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
    part_of: str | None = None
    """A cut of the study: `classes` of its classes, drawn, or `images` of its images, shared out
    equally among the classes as far as these last; or both."""
    by: Literal["images", "labels"] | None = None
    policy: str | None = None
    shallow: str | None = None
    draws: Literal["one", "each-seed"] = "one"
    """Random and clustered maps, and parts: one for all seeds, or another for each."""
    images: int | None = None
    """Pretraining images of these cuts; None: the study's. Of a part: those it has."""
    methods: tuple[Method, ...] | None = None
    """How runs on these cuts are transferred; None: the study's methods."""
    pretrain: bool = True
    """False: only a target, or what other cuts name."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        many = [key for key in LISTS if (value := getattr(self, key)) and len(value) > 1]
        found = [f"{' and '.join(many)}: only one of them can be a list"] if len(many) > 1 else []
        ways = [k for k in ("depth", "level", "min_images", "nodes") if getattr(self, k)]
        ways += ["cluster"] if self.cluster else []
        ways += ["random"] if self.random else []
        ways += ["part_of"] if self.part_of else []
        if not ways:
            ways += ["classes"] if self.classes else ["per_image"] if self.per_image else []
        if len(ways) != 1:
            what = f"{' and '.join(ways)} contradict each other" if ways else "says no way to cut"
            found.append(
                f"{what}: give one of depth, level, classes, min_images, nodes, cluster,"
                " random, per_image, part_of"
            )
        if self.cluster and not self.features:
            found.append('features: missing; name a cut, such as features = "leaf"')
        if self.part_of and not (self.classes or self.images):
            found.append("part_of: say which part: classes = N, images = N, or both")
        called = slug(self.name or "")
        if self.name is not None and (not called or self.name != called):
            like = f", such as {called!r}" if called else ""
            found.append(
                f"name: {self.name!r} cannot be a part of a file's name; take letters, digits,"
                f" - . and _{like}"
            )
        if self.images is not None and self.images < 1:
            found.append(f"images: {self.images} is below 1")
        if self.methods is not None and (not self.methods or "scratch" in self.methods):
            found.append("methods: name one at least, and none of them scratch, which takes no run")
        found += [f"{key}: give one number at least" for key in LISTS if getattr(self, key) == ()]
        found += [f"classes: {num} is below 1" for num in self.classes or () if num < 1]
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
class Stated:
    """What a source holds, as published: for costs where it is not on this machine."""

    images: int
    """Training images, before any are held out."""
    origin: str
    """Where the numbers are from."""
    bytes: int | None = None
    """Of all images."""
    held_out: int = 0
    """Held-out images of its own; 0: a part of the training images becomes some."""
    classes: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Cut -> classes, of cuts that only the source's own hierarchy can tell."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        numbers = {"images": self.images, "bytes": self.bytes}
        found = [f"{k}: {n} is below 1" for k, n in numbers.items() if n is not None and n < 1]
        found += ["held_out: it is below 0"] if self.held_out < 0 else []
        wrong = [k for k, n in self.classes.items() if type(n) is not int or n < 1]
        return found + [f"classes.{k}: a number from 1 was expected" for k in wrong]


def slug(text: str) -> str:
    """A text as it may stand in a file name.

    Example:
        >>> slug("/data/my images"), slug("depth-5")
        ('data-my-images', 'depth-5')
    """
    return _NO_FILE_NAME.sub("-", text).strip("-.")
