"""What a cut is called in a word: in file names, tables and other cuts' parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAIN_PARAM = {
    "balanced": "classes",
    "classes": "classes",
    "depth": "depth",
    "kmeans": "classes",
    "level": "level",
    "min-images": "min_images",
    "nodes": "nodes",
    "random": "like",
}


def cut_name(method: str, params: Mapping[str, Any]) -> str:
    """A cut in a word.

    Example:
        >>> cut_name("depth", {"depth": 5}), cut_name("random", {"like": "level-4"})
        ('depth-5', 'random-like-level-4')
        >>> cut_name("leaf", {})
        'leaf'
    """
    if method not in _MAIN_PARAM:
        return method
    joint = "-like-" if method == "random" else "-"
    return f"{method}{joint}{params[_MAIN_PARAM[method]]}"
