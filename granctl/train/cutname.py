"""The short name of a cut: its method and main parameter, as `depth-5` or `kmeans-40`."""

from __future__ import annotations

from granctl.tree.labelmap import LabelMap


def cut_name(labels: LabelMap) -> str:
    """What a figure or a table calls a label map.

    Example:
        >>> import numpy as np
        >>> nothing = {"labels": (), "classes": np.zeros(0, np.int32), "class_names": ()}
        >>> nothing |= {"offsets": np.zeros(1, np.int64), "class_ids": ()}
        >>> cut_name(LabelMap(method="depth", params={"depth": 5}, **nothing))
        'depth-5'
    """
    params = labels.params
    if labels.method == "level" and params.get("level") == 0:
        return "leaf"
    if labels.method in ("depth", "level"):
        return f"{labels.method}-{params[labels.method]}"
    if labels.method == "random":
        return f"random-like-{params.get('like', labels.num_classes)}"
    if labels.method == "kmeans":
        return f"kmeans-{labels.num_classes}"
    return labels.method
