"""The process that makes a run, named so that another one finds it and cannot mistake it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from signal import pidfd_send_signal

_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """A process of some machine; its number alone would be given to another one some day."""

    host: str
    boot: str
    """Changes when the machine starts."""
    space: str
    """In which the number counts: containers have numbers of their own."""
    process: int
    began: int
    """Clock ticks from the machine's start to the process's."""

    @classmethod
    def this(cls) -> Maker:
        """This process."""
        process = os.getpid()
        began = _began(process) or 0
        return cls(
            host=os.uname().nodename, boot=_boot(), space=_space(), process=process, began=began
        )

    def __str__(self) -> str:
        """For people."""
        return f"process {self.process} on {self.host}"

    @property
    def is_near(self) -> bool:
        """Whether it is, or was, a process that this one can see."""
        here = (os.uname().nodename, _boot(), _space())
        return (self.host, self.boot, self.space) == here

    @property
    def is_alive(self) -> bool:
        """Whether it can be seen and is still that process."""
        return self.is_near and self.began > 0 and _began(self.process) == self.began

    def told(self, signal: int) -> bool:
        """Sends it a signal; False: it is not there any more, or not here.

        The number is held by a handle while it is compared, so that it cannot change hands.
        """
        try:
            handle = os.pidfd_open(self.process)
        except OSError:
            return False
        try:
            if not self.is_alive:
                return False
            pidfd_send_signal(handle, signal)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)


def _boot() -> str:
    return _read(_PROC / "sys/kernel/random/boot_id")


def _space() -> str:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""


def _began(process: int) -> int | None:
    """Clock ticks at which a process began; None: there is none, or it has ended."""
    # The name may have blanks and brackets: what counts stands behind the last bracket.
    fields = _read(_PROC / str(process) / "stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in ("Z", "X") else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
