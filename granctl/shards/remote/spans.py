"""Many small spans of files as fewer requests: neighbours together, in the order of their need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Request:
    """One range of one shard, and the images in it."""

    shard: int
    begin: int
    end: int
    spans: tuple[tuple[int, int], ...]
    """(offset, size) of each image, ascending."""


def coalesced(
    shard: NDArray[np.int32],
    offset: NDArray[np.int64],
    size: NDArray[np.int32],
    *,
    gap_bytes: int,
    request_bytes: int,
) -> list[Request]:
    """Spans, in the order of their need and each once, as requests in the order of their need.

    Two neighbours share a request where at most `gap_bytes` lie between them and the request stays
    within `request_bytes`; a request is needed when the first of its images is. A larger image
    has a request of its own.
    """
    order = np.lexsort((offset, shard))
    groups: list[list[int]] = []
    begin = last_shard = last_end = -1
    for i in order.tolist():
        at, end = int(offset[i]), int(offset[i]) + int(size[i])
        joins = (
            int(shard[i]) == last_shard
            and at - last_end <= gap_bytes
            and end - begin <= request_bytes
        )
        if joins:
            groups[-1].append(i)
            last_end = max(last_end, end)
        else:
            groups.append([i])
            begin, last_shard, last_end = at, int(shard[i]), end
    return [_request(group, shard, offset, size) for group in sorted(groups, key=min)]


def _request(
    group: list[int],
    shard: NDArray[np.int32],
    offset: NDArray[np.int64],
    size: NDArray[np.int32],
) -> Request:
    spans = tuple(dict.fromkeys((int(offset[i]), int(size[i])) for i in group))
    end = max(at + num for at, num in spans)
    return Request(int(shard[group[0]]), spans[0][0], end, spans)
