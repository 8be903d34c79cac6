"""Lies on PYTHONPATH of jobs: cells write a line and no more, and suffer what a test wants.

The folder $CELL_MISHAPS holds a file with one word for a cell, by its name. `fail`: an error.
`kill`: SIGKILL, once. `wait`: the file NAME.waits appears, and the cell goes on when the file NAME
is gone; one that was requeued does not wait.
"""

import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path


def _prepare(mishaps: Path) -> None:
    import granctl.study.onecell as onecell
    from granctl.errors import BadOptionError
    from granctl.files import write_bytes
    from granctl.workspace import Artefact

    plan_study = onecell.plan_study

    def suffer(name: str) -> None:
        me = mishaps / name
        word = me.read_text() if me.is_file() else ""
        if word == "fail":
            raise BadOptionError("--depth", f"{name} is too deep", "less")
        if word == "kill":
            me.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "wait" and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            me.with_name(f"{name}.waits").touch()
            while me.is_file():
                time.sleep(0.05)

    def work(name: str, workspace: object, progress: object, **given: object) -> Artefact:
        print(f"this is {name}", flush=True)
        suffer(name)
        path = workspace.root / "quick" / name
        write_bytes(path, name.encode())
        return Artefact(kind="result", path=path, digest=name, made=True)

    def planned(study: object) -> object:
        plan = plan_study(study)
        cells = tuple(replace(cell, work=partial(work, cell.name)) for cell in plan.cells)
        return replace(plan, cells=cells)

    onecell.plan_study = planned


if "CELL_MISHAPS" in os.environ and "GRANCTL_JOB" in os.environ:
    _prepare(Path(os.environ["CELL_MISHAPS"]))
