"""Two makers of one folder: the second waits, and a killed one leaves no lock behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from granctl.alone import making_alone
from granctl.progress import Silent

HOLD = """
import sys, time
from pathlib import Path
from granctl.alone import making_alone
from granctl.progress import Silent
with making_alone(Path(sys.argv[1]), Silent()):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


class Told(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_second_maker_waits_and_says_so(tmp_path: Path) -> None:
    """It goes on when the first is done, not before."""
    told = Told()
    with _holder(tmp_path, 0.5) as process:
        began = time.monotonic()
        with making_alone(tmp_path, told):
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began > 0.3
    assert told.notes == [f"another process makes {tmp_path}: waiting for it"]


def test_killed_maker_holds_nothing(tmp_path: Path) -> None:
    """The lock is the system's: it ends with the process."""
    with _holder(tmp_path, 600) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        told = Told()
        with making_alone(tmp_path, told):
            assert told.notes == []


WRITE = """
import sys, time
from pathlib import Path
from granctl.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_maker_left_is_removed(tmp_path: Path) -> None:
    """The next maker removes its temporary file; that of a living writer stays."""
    command = [sys.executable, "-c", WRITE, str(tmp_path / "file")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dead,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living,
    ):
        for process in (dead, living):
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
        assert len(list(tmp_path.iterdir())) == 2
        dead.kill()
        dead.wait()
        with making_alone(tmp_path, Silent()):
            pass
        left = list(tmp_path.iterdir())
        living.kill()
    assert len(left) == 1
    assert f".{living.pid}@" in left[0].name
