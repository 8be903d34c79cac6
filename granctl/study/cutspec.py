"""What cut is asked for: the fields that each method needs and may take, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from granctl.errors import BadOptionError, near
from granctl.tree.cuts import Shallow
from granctl.tree.parents import MOST_IMAGES, POLICIES, Policy

Cluster = Literal["kmeans", "ward", "average"]
CLUSTERS: tuple[Cluster, ...] = get_args(Cluster)
Method = Literal[
    "depth",
    "level",
    "classes",
    "balanced",
    "min-images",
    "nodes",
    "random",
    "kmeans",
    "ward",
    "average",
    "per-image",
    "part",
]
By = Literal["images", "labels"]
_NEEDS: dict[Method, tuple[str, ...]] = {
    "depth": ("depth",),
    "level": ("level",),
    "classes": ("classes",),
    "balanced": ("classes",),
    "min-images": ("min_images",),
    "nodes": ("nodes",),
    "random": (),
    "kmeans": ("classes", "features"),
    "ward": ("classes", "features"),
    "average": ("classes", "features"),
    "per-image": ("shards",),
    "part": ("part_of", "shards"),
}
_MAY: dict[Method, tuple[str, ...]] = {
    "depth": ("policy", "shallow", "list", "counts", "shards"),
    "level": ("policy", "list", "counts", "shards"),
    "classes": ("policy", "list", "by", "counts", "shards"),
    "balanced": ("policy", "list", "by", "counts", "shards"),
    "min-images": ("policy", "list", "counts", "shards"),
    "nodes": ("policy", "shallow", "list", "counts", "shards"),
    "random": ("like", "classes", "within", "shards", "list"),
    "kmeans": ("within", "shards", "list"),
    "ward": ("within", "list"),
    "average": ("within", "list"),
    "per-image": (),
    "part": ("classes", "images"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CutSpec:
    """What cut is asked for; fields that do not belong to the method stay None."""

    method: Method
    depth: int | None = None
    """Edges below the root."""
    level: int | None = None
    """Steps up from the label; 0 makes every label its own class (method `leaf`)."""
    policy: Policy | None = None
    """None: `all` for a level, `first` for every other cut of the tree."""
    shallow: Shallow | None = None
    """What becomes of labels above the depth; None: `keep`. With nodes also what becomes of labels
    under none of them; None: an error."""
    list: str | None = None
    """An embedded label list's name, or a file; None: 21843."""
    like: Path | None = None
    """A label map whose class sizes a random one copies."""
    classes: int | None = None
    """Classes, or clusters, in all."""
    by: By | None = None
    """What makes a class large; None: images where their numbers are known, else labels."""
    min_images: int | None = None
    """Images that every class has at least."""
    nodes: Path | None = None
    """A file of nodes, each a class; see `tree/nodesfile.py`."""
    counts: Path | None = None
    """A text file, label, tab, images: what is known of the images."""
    within: Path | None = None
    """A label map whose classes the clusters never cross."""
    shards: Path | None = None
    """A shard set; its train split names the images of a map that is keyed by image, and says how
    many images a label has."""
    features: Path | None = None
    """What `granctl embed` made of that split."""
    part_of: Path | None = None
    """A label map of which `classes` are taken, at random, or `images` in equal shares."""
    images: int | None = None
    """Training images of a part, in all."""
    seed: int = 0
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""

    def check(self) -> None:
        """Checks that all that the method needs is there and nothing that contradicts it.

        Raises:
            BadOptionError: names the option.
        """
        _check_choice("policy", self.policy, get_args(Policy))
        _check_choice("shallow", self.shallow, get_args(Shallow))
        _check_choice("by", self.by, get_args(By))
        needs, may = _NEEDS[self.method], _MAY[self.method]
        for name in needs:
            if getattr(self, name) is None:
                option = option_of(name)
                raise BadOptionError(option, f"a cut by {self.method} needs it", f"add {option}")
        every = {n for table in (_NEEDS, _MAY) for names in table.values() for n in names}
        for name in sorted(every - set(needs) - set(may)):
            if getattr(self, name) is not None:
                option, problem = option_of(name), f"it has no meaning for a cut by {self.method}"
                raise BadOptionError(option, problem, f"leave {option} out")
        for name, least in (("depth", 0), ("level", 0), ("min_images", 1), ("images", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                problem = f"{value} is below {least}"
                raise BadOptionError(option_of(name), problem, f"{least} is the least")
        if self.method == "random":
            _check_random(self)
        if self.method == "part" and self.classes is None and self.images is None:
            problem = "nothing says which part"
            raise BadOptionError("--part-of", problem, "add --classes N, --images N, or both")

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, Any],
        *,
        random: bool = False,
        cluster: str | None = None,
        balanced: bool = False,
        per_image: bool = False,
    ) -> CutSpec:
        """The spec of what was given on a command line, where the options say the method.

        `per_image` alone is a method: every image a class.

        Raises:
            BadOptionError: no method, several, or options that contradict it.
        """
        asked: list[tuple[str, Method]] = []
        alone: tuple[Method, ...] = ("depth", "level", "min-images", "nodes")
        asked += [(f"--{m}", m) for m in alone if options.get(m.replace("-", "_")) is not None]
        asked += [("--random", "random")] if random else []
        asked += [("--part-of", "part")] if options.get("part_of") is not None else []
        if cluster is not None:
            _check_choice("cluster", cluster, CLUSTERS)
            asked.append(("--cluster", cast(Cluster, cluster)))
        if not asked and per_image and options.get("classes") is None:
            asked.append(("--per-image", "per-image"))
        if not asked and options.get("classes") is not None:
            asked.append(("--classes", "balanced" if balanced else "classes"))
        elif balanced:
            hint = "add --classes N and leave the other cut out"
            raise BadOptionError("--balanced", "it says how --classes N cuts the tree", hint)
        if len(asked) != 1:
            given = " and ".join(name for name, _ in asked)
            problem = "they contradict each other" if asked else "nothing says how to cut"
            hint = "give one of --depth D, --level K, --classes N, --min-images M, --nodes FILE,"
            hint += " --random, --cluster kmeans, --per-image, --part-of CUT"
            raise BadOptionError(given or "tree cut", problem, hint)
        method = asked[0][1]
        if per_image and method not in ("random", "kmeans", "per-image"):
            hint = "leave it out; single images are classed by --cluster kmeans and --random"
            raise BadOptionError("--per-image", f"a cut by {method} classes labels", hint)
        spec = cls(method=method, **options)
        spec.check()
        return spec


def checked_policy(name: str | None) -> Policy | None:
    """A policy's name, as one that follows from the taxonomy alone.

    Raises:
        BadOptionError: there is no such policy (names the nearest), or it wants images.
    """
    if name == MOST_IMAGES:
        hint = f"take one of {', '.join(POLICIES)}"
        raise BadOptionError("--policy", f"{name} wants images, which only a cut takes", hint)
    _check_choice("policy", name, POLICIES)
    return cast(Policy | None, name)


def _check_choice(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        like = near(value, known)
        hint = f"did you mean {like[0]}?" if like else f"take one of {', '.join(known)}"
        raise BadOptionError(f"--{name}", f"there is no {name} {value!r}", hint)


def option_of(field: str) -> str:
    """What a field of the spec is called on the command line."""
    return "--" + field.replace("_", "-")


def _check_random(spec: CutSpec) -> None:
    """Checks that a random cut knows how many classes to make, in one way.

    Raises:
        BadOptionError: neither or both of like and classes; a list beside a map.
    """
    if spec.like is None and spec.classes is None:
        problem = "a cut by random needs it, or --classes"
        raise BadOptionError("--like", problem, "add --like CUT, or --classes N")
    if spec.like is not None and spec.classes is not None:
        problem = "--like says how many classes there are"
        raise BadOptionError("--classes", problem, "leave one of the two out")
    if spec.list is not None and (spec.like or spec.within or spec.shards):
        problem = "the labels are those of --like or --within, or of the images of --shards"
        raise BadOptionError("--list", problem, "leave --list out")
