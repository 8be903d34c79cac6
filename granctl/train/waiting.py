"""How long a network waits for its images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.train.images import ImagesOnce


class Waiting:
    """Seconds of waiting for batches, from the first batch on: before it, workers start."""

    def __init__(self) -> None:
        self.waited_s = 0.0
        self.whole_s = 0.0

    @property
    def share(self) -> float:
        """Of the time, 0 to 1; 0 where there was one batch."""
        return self.waited_s / self.whole_s if self.whole_s > 0 else 0.0

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches, one by one."""
        began = None
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            now = time.perf_counter()
            if began is None:
                began = now
            elif batch is not None:
                self.waited_s += now - asked
            if batch is None:
                self.whole_s += asked - began if began < asked else 0.0
                return
            yield batch


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedImages(ImagesOnce):
    """Images that are needed once, and how long they were waited for."""

    waiting: Waiting

    def in_order(self, batch_size: int) -> Iterator[tuple[Any, NDArray[np.int64]]]:
        """As `Images.in_order`."""
        return self.waiting.timed(super().in_order(batch_size))
