"""Faults that may pass, and trying again: bounded, with growing waits of random length."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from granctl.errors import RemoteDownError
from granctl.shards.remote.remotespec import RemoteSpec

T = TypeVar("T")
Tell = Callable[[str], None]


class PassingFaultError(Exception):
    """A fault that may be gone at the next try: 5xx, a timeout, a cut connection."""

    def __init__(self, problem: str, wait_s: float = 0.0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.wait_s = wait_s
        """What the server asks to wait (Retry-After), in seconds."""


def retried(
    url: str,
    call: Callable[[], T],
    spec: RemoteSpec,
    tell: Tell,
    rng: random.Random,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `call` returns; it is called again, up to `spec.tries` times, after a passing fault.

    The wait before try n + 1 is uniform in 0 .. min(longest, first * 2^n) ("full jitter"), so that
    many readers of one server do not come back all at once; never less than the server asks for.

    Raises:
        RemoteDownError: every try met a passing fault.
    """
    began = time.monotonic()
    for done in range(1, spec.tries + 1):
        try:
            return call()
        except PassingFaultError as fault:
            if done == spec.tries:
                took_s = time.monotonic() - began
                raise RemoteDownError(url, done, took_s, fault.problem) from fault
            most_s = min(spec.longest_wait_s, spec.first_wait_s * 2.0 ** (done - 1))
            wait_s = max(rng.uniform(0.0, most_s), min(fault.wait_s, spec.longest_wait_s))
            tell(f"{url}: {fault.problem}; try {done + 1} of {spec.tries} in {wait_s:.1f} s")
            sleep(wait_s)
    raise AssertionError("unreachable: the last try returns or raises")
