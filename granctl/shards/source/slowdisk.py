"""Many small reads: one after another where the disk answers at once, in threads where it does not.

A warm or local disk answers in microseconds, and threads would only wait for each other; a network
disk answers in milliseconds, and a folder of a million files needs many questions under way.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

THREADS = 16
_TRIAL_SECONDS = 0.5
_SLOW_SECONDS = 40e-6
"""A unit (a header, a file's size) that takes longer than this was waited for."""


def answered(
    ask: Callable[[Asked], Answer], items: Iterable[Asked], units: Callable[[Answer], int]
) -> Iterator[Answer]:
    """`ask(item)` of each item, in order; the first half second tells whether threads are worth it.

    Args:
        ask: reads something small; it may run in any thread.
        items: what is asked for.
        units: how much an answer holds, at least 1 is counted.
    """
    waiting = iter(items)
    began, done = time.monotonic(), 0
    for asked, item in enumerate(waiting, 1):
        answer = ask(item)
        done += max(units(answer), 1)
        yield answer
        took = time.monotonic() - began
        if asked >= 4 and took > _TRIAL_SECONDS:
            break
    else:
        return
    if took / done < _SLOW_SECONDS:
        yield from map(ask, waiting)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        under_way: deque[Future[Answer]] = deque(
            pool.submit(ask, item) for item in islice(waiting, 4 * THREADS)
        )
        while under_way:
            answer = under_way.popleft().result()
            under_way.extend(pool.submit(ask, item) for item in islice(waiting, 1))
            yield answer
