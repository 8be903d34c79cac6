"""Numbers that are known from elsewhere: counted from WordNet's data.noun by two other parsers.

The row `all` holds the class counts of the paper (arXiv 2303.16887); labels are the 21,843 of
ImageNet-21k.
"""

from __future__ import annotations

LEVELS = {
    "all": (21843, 5995, 2281, 1038, 519, 285, 160, 92, 58, 38, 26),
    "all-with-instances": (21843, 5991, 2277, 1034, 515, 281, 156, 88, 54, 34, 22),
    "first": (21843, 5890, 2163, 960, 467, 253, 137, 77, 48, 30, 20),
}
"""Policy -> classes at level 0, 1, 2 ..."""
SEVERAL_CLASSES = (0, 453, 1560, 2676, 3999, 4914, 5324, 5226, 4584, 3361, 1976)
"""Labels with several classes at each level under `all`."""
DEPTHS = range(4, 11)
"""Where cuts by depth under `first` are known; the tuples below go along."""
DEPTH_KEEP = (130, 328, 1036, 2957, 6213, 10477, 14235)
DEPTH_AT = (121, 266, 835, 2119, 3531, 4536, 4078)
DEPTH_SHALLOW = (9, 62, 201, 838, 2682, 5941, 10157)
DEPTH_NESTED = (4, 21, 68, 245, 797, 1625, 2503)
DEPTH_6 = {"first": 1036, "shortest": 2839, "longest": 964}
"""Policy -> classes at depth 6, shallow labels kept."""
APART_OF_1K = {1: 572, 2: 339, 4: 157, 6: 86, 9: 34}
"""Level under `all` -> how many of the 999 labels of the 1k it keeps apart."""
