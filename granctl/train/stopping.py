"""Being told to stop: a signal sets a flag, and the training saves and leaves after its step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from granctl.errors import StoppedError

HEARD = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
"""The end of a time limit or a preemption; the end of a job; Ctrl-C. Weaker ones stand first."""


class Stop:
    """Whether, and by which signal, this process was told to stop."""

    def __init__(self) -> None:
        self.signal = 0
        """Number of the signal; 0: none came."""

    def _hear(self, number: int, _frame: object) -> None:
        if number == signal.SIGINT and self.signal == number:
            raise KeyboardInterrupt  # a second Ctrl-C does not wait for the step
        if not self.signal or HEARD.index(number) > HEARD.index(self.signal):
            self.signal = number


@contextmanager
def listening(*, together: bool = False) -> Iterator[Stop]:
    """Hears `HEARD` while it lasts, in place of whoever heard them before.

    Only the main thread of a process may; in any other nothing is heard.

    Args:
        together: this is one of several processes. When they leave because they were told to, who
            started them tells the others to end as soon as the first one has: that must not
            change the exit code, by which a job knows that all is saved.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop._hear) for number in HEARD}
    try:
        yield stop
    except StoppedError:
        if together:
            before = dict.fromkeys(HEARD, signal.SIG_IGN)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
