"""metrics.jsonl, and the same for TensorBoard."""

import errno
import json
import os
import sys

import pytest

from granctl.errors import MissingExtraError, OutputNotWritableError
from granctl.train.metrics import MetricsLog, read_metrics


def test_lines_after_the_resumed_step_are_cut_off(tmp_path):
    """They are made again; a torn last line is left out."""
    path = tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (20, 40, 60):
        log.write(step=step, loss=1.0 / step)
    with path.open("a") as file:
        file.write('{"step": 80, "lo')
    log.cut_back(40)
    log.write(step=60, loss=0.5)
    assert [line["step"] for line in read_metrics(path)] == [20, 40, 60]
    assert json.loads(path.read_text().splitlines()[-1]) == {"step": 60, "loss": 0.5}


def test_tensorboard_shows_each_number_once(tmp_path):
    """What was written after the step that a run goes on from is not shown any more."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed",
    )
    for begin, loss in ((0, 1.0), (20, 2.0)):
        log = MetricsLog(tmp_path / "metrics.jsonl", tensorboard=True)
        log.cut_back(begin)
        for step in range(begin + 20, 61, 20):
            log.write(step=step, loss=loss, grad_norm=None)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["loss"]
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(20, 1.0), (40, 2.0), (60, 2.0)]


def test_missing_tensorboard_is_said(tmp_path, monkeypatch):
    """With the command that installs it, before anything is written."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError) as caught:
        MetricsLog(tmp_path / "run" / "metrics.jsonl", tensorboard=True)
    assert "granctl[tensorboard]" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_line_that_cannot_be_written_leaves_no_part(tmp_path, monkeypatch):
    """The disk is full in the middle of it; the lines after it are read."""
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.write(step=20, loss=1.0)
    real = type(path).open

    def full(self, *how):
        file = real(self, *how)
        write = file.write

        def half(text):
            write(text[:9])
            file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        file.write = half
        return file

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "open", full)
        with pytest.raises(OutputNotWritableError):
            log.write(step=40, loss=0.9)
    log.write(step=60, loss=0.8)
    assert [line["step"] for line in read_metrics(path)] == [20, 60]
