"""Starts of a run: noted, and refused where they lead nowhere; the process that makes a run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from told import Told

from granctl.errors import NoProgressError, StoppedError, TakenOverError
from granctl.train.maker import Maker
from granctl.train.metrics import (
    METRICS_NAME,
    MetricsLog,
    MetricsTail,
    newest_metrics,
    rate_of,
    read_metrics,
)
from granctl.train.starts import STARTS_NAME, begin_start, check_progress, read_starts, start_of
from granctl.train.stopping import listening

JOB = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"}


def start(step: int, job: str | None = "7"):
    """A start of this process."""
    made = start_of({}, step=step, steps=100, images=48, processes=2)
    return replace(made, job=job)


def begun(program: str) -> tuple[subprocess.Popen, Maker]:
    """A process that says its number and its begin, and who it is."""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with child.stdout as out:
        process, began = map(int, out.readline().split())
    return child, replace(Maker.this(), process=process, began=began)


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ([], False),
        ([5], False),
        ([5, 5], False),
        ([5, 5, 5], True),
        ([0, 5, 5, 5], True),
        ([5, 5, 6], False),
        ([5, 6, 5], False),
        ([5, 5, 6, 6], False),
    ],
)
def test_third_start_of_a_job_from_one_step_is_refused(tmp_path, steps, refused):
    """Two restarts without progress end it; any progress counts anew."""
    starts = [start(step) for step in steps]
    if not refused:
        return check_progress(tmp_path, starts)
    with pytest.raises(NoProgressError, match=r"3 starts of .* all began at step 5") as told:
        check_progress(tmp_path, starts)
    assert told.value.exit_code == 4
    return None


def test_another_job_or_none_starts_as_often_as_it_is_asked(tmp_path):
    """Somebody wanted it: only a scheduler would go on for ever."""
    check_progress(tmp_path, [start(5, None)] * 9)
    check_progress(tmp_path, [start(5, "7"), start(5, "7"), start(5, "8")])


def test_starts_are_kept_and_a_refused_one_is_not(tmp_path):
    """One line each, as it was; the file is written whole."""
    path = tmp_path / STARTS_NAME
    first = start_of(JOB, step=3, steps=100, images=48, processes=2)
    assert (first.job, first.restart) == ("7", 2)
    for one in (first, start(3)):
        begin_start(path, one)
    with pytest.raises(NoProgressError):
        begin_start(path, start(3))
    assert read_starts(path) == [first, replace(start(3), at=read_starts(path)[1].at)]
    assert read_starts(tmp_path / "none") == []


def test_pretraining_notes_its_start(train):
    """From which step, of how many, and by whom."""
    run = train("run")
    (line,) = map(json.loads, (run.path / STARTS_NAME).read_text().splitlines())
    assert (line["step"], line["steps"], line["images"], line["processes"]) == (0, 20, 48, 1)
    assert line["maker"]["process"] == os.getpid()
    assert line["job"] is None


def test_run_that_another_process_took_up_is_left_to_it(train, tmp_path):
    """After Slurm took a node for lost: the old process writes no line more, and ends."""
    run = tmp_path / "run"

    class Elsewhere(Told):
        def advance(self, num: int = 1, note: str = "") -> None:
            """In the second epoch another machine begins."""
            super().advance(num, note)
            starts = read_starts(run / STARTS_NAME)
            if len(starts) == 1 and (run / "checkpoints/step-000005").exists():
                maker = replace(starts[0].maker, host="elsewhere", process=12)
                begin_start(run / STARTS_NAME, replace(starts[0], maker=maker))

    with pytest.raises(TakenOverError, match="is made by process 12 on elsewhere now"):
        train("run", progress=Elsewhere())
    assert [line["step"] for line in read_metrics(run / METRICS_NAME)] == [5]
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000005"]


def test_maker_is_told_only_if_it_is_still_that_process():
    """A process is known by machine, boot, number and begin; any other value is another process."""
    waits = "import sys, time; from granctl.train.maker import Maker; m = Maker.this();"
    waits += "print(m.process, m.began, flush=True); time.sleep(60)"
    child, maker = begun(waits)
    assert maker.is_alive
    for other in (
        replace(maker, began=maker.began + 1),
        replace(maker, boot="another"),
        replace(maker, space="pid:[1]"),
        replace(maker, host="elsewhere"),
    ):
        assert not other.is_alive
        assert not other.told(signal.SIGTERM)
    assert not replace(maker, host="elsewhere").is_near
    assert child.poll() is None
    assert maker.told(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM
    assert not maker.is_alive
    assert not maker.told(signal.SIGTERM)


def test_process_that_ended_and_was_not_waited_for_is_not_alive():
    """A zombie makes nothing."""
    said = "from granctl.train.maker import Maker; m = Maker.this(); print(m.process, m.began)"
    child, maker = begun(said)
    for _ in range(100):
        if not maker.is_alive:
            break
        time.sleep(0.05)
    assert not maker.is_alive
    child.wait()


def test_one_of_several_processes_hears_nothing_more_once_it_leaves():
    """The others are ended when the first has left, and their exit code must still say: saved."""
    program = """
import os, signal
from granctl.errors import StoppedError
from granctl.train.stopping import listening
code = 0
try:
    with listening(together=True) as stop:
        os.kill(os.getpid(), signal.SIGUSR2)
        raise StoppedError(stop.signal, 1, 2)
except StoppedError as error:
    code = error.exit_code
os.kill(os.getpid(), signal.SIGTERM)
raise SystemExit(code)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 140


def test_a_process_alone_hears_as_before_once_it_leaves():
    """Only who is started with others is deaf then."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError), listening():
        raise StoppedError(signal.SIGTERM, 1, 2)
    assert signal.getsignal(signal.SIGTERM) is before


def test_tail_of_metrics_gives_whole_lines_once_and_all_after_a_cut(tmp_path):
    """Half a line waits for its rest; a file that was written anew is read anew."""
    path = tmp_path / METRICS_NAME
    tail, log = MetricsTail(path), MetricsLog(path)
    assert tail.more() == []
    log.write(step=5)
    with path.open("a") as file:
        file.write('{"step": 1')
    assert tail.more() == [{"step": 5}]
    assert tail.more() == []
    with path.open("a") as file:
        file.write("0}\n")
    assert tail.more() == [{"step": 10}]
    log.cut_back(5)
    log.write(step=6)
    assert [line["step"] for line in tail.more()] == [5, 6]


def test_newest_lines_of_a_long_file(tmp_path):
    """The end of it, whole lines alone; the rate is the median of the last ones."""
    path = tmp_path / METRICS_NAME
    assert newest_metrics(path) == []
    lines = [json.dumps({"step": i, "images_per_s": float(i), "pad": "x" * 90}) for i in range(999)]
    path.write_text("".join(f"{line}\n" for line in lines) + '{"step": 99')
    found = newest_metrics(path)
    assert found[-1]["step"] == 998
    assert 20 < len(found) < 200
    assert rate_of(found) == 988.5
    assert rate_of([]) is None
