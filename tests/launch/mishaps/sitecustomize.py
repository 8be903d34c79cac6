"""Lies on PYTHONPATH of jobs: lets tasks that a test names wait or die; all others run as ever.

The folder $MISHAPS holds a file `task-3` with one word for task 3 (or `finish`). `kill`: SIGKILL at
the second image, once. `always`: at every start. `wait`: at the second image the file
`task-3.waits` appears, and the task goes on when the file `task-3` is gone; one that was requeued
does not wait.
"""

import os
import signal
import time
from pathlib import Path


def _prepare(me: Path) -> None:
    import granctl.shards.build.finish as end
    import granctl.shards.build.pack as pack

    audit, finish = pack.audit, end.finish_folder
    images = 0

    def suffer() -> None:
        word = me.read_text() if me.is_file() else ""
        if word == "kill":
            me.unlink()
        if word in ("kill", "always"):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "wait" and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            me.with_suffix(".waits").touch()
            while me.is_file():
                time.sleep(0.05)

    def audited(*given: object) -> object:
        nonlocal images
        images += 1
        if images == 2:
            suffer()
        return audit(*given)

    def finished(*given: object) -> None:
        suffer()
        finish(*given)

    pack.audit = audited
    end.finish_folder = finished


if "MISHAPS" in os.environ and "GRANCTL_JOB" in os.environ:
    _name = os.environ.get("SLURM_ARRAY_TASK_ID")
    _me = Path(os.environ["MISHAPS"], "finish" if _name is None else f"task-{_name}")
    if _me.is_file():
        _prepare(_me)
