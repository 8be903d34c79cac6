"""Lies on PYTHONPATH of jobs: while the file $SLOW exists a step takes a tenth of a second.

Or as many seconds as the file says. So a test has the time to do something to a training whose
steps take milliseconds.
"""

import os
import time
from pathlib import Path


def _prepare(mark: Path) -> None:
    from granctl.train.stepping import Stepper

    begin = Stepper.begin

    def slow(stepper: Stepper) -> None:
        if mark.exists():
            time.sleep(float(mark.read_text() or 0.1))
        begin(stepper)

    Stepper.begin = slow


if "SLOW" in os.environ and "GRANCTL_JOB" in os.environ:
    _prepare(Path(os.environ["SLOW"]))
