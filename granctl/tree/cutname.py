"""What a cut is called in a word: in file names, tables and other cuts' parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAIN_PARAM = {
    "average": "classes",
    "balanced": "classes",
    "classes": "classes",
    "depth": "depth",
    "kmeans": "classes",
    "level": "level",
    "min-images": "min_images",
    "nodes": "nodes",
    "ward": "classes",
}


def cut_name(method: str, params: Mapping[str, Any]) -> str:
    """A cut in a word.

    Example:
        >>> cut_name("depth", {"depth": 5}), cut_name("random", {"like": "level-4"})
        ('depth-5', 'random-like-level-4')
        >>> cut_name("kmeans", {"classes": 40, "of": "labels", "within": None})
        'kmeans-40-labels-free'
        >>> cut_name("leaf", {})
        'leaf'
    """
    part = params.get("part")
    if part is not None:  # of a part of a part, `part` has the inner one
        whole = {**params, "part": part.get("part")}
        name = cut_name(part["method"] if method == "part" else method, whole)
        return f"{name}-{part_name(part['classes'], part['images'])}"
    name = _main(method, params)
    if params.get("of") == "labels" and method == "kmeans":  # the others cluster labels only
        name += "-labels"
    if method == "random" and params.get("within"):
        name += f"-within-{params['within']}"
    elif "within" in params and params["within"] is None:
        name += "-free"
    return name


def part_name(classes: int | None, images: int | None) -> str:
    """What a part of a cut is called behind its name.

    Example:
        >>> part_name(5, 4000), part_name(None, 4000)
        ('5-classes-4000-images', '4000-images')
    """
    parts = {"classes": classes, "images": images}
    return "-".join(f"{num}-{noun}" for noun, num in parts.items() if num is not None)


def _main(method: str, params: Mapping[str, Any]) -> str:
    if method == "random":
        return (
            f"random-like-{params['like']}" if "like" in params else f"random-{params['classes']}"
        )
    if method not in _MAIN_PARAM:
        return method
    return f"{method}-{params[_MAIN_PARAM[method]]}"
