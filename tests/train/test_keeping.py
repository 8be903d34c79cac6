"""Checkpoints while a training goes on: when, and what a full disk costs."""

import errno

import pytest
import torch
from told import Told

from granctl.errors import OutputNotWritableError
from granctl.train import checkpoint
from granctl.train.keeping import Keeper, Keeping


@pytest.fixture
def kept(tmp_path):
    """One without a clock: epochs end, or steps are counted."""
    return Keeping(folder=tmp_path / "checkpoints", run_digest="ab" * 32, every_s=1e9)


def steps_of(folder):
    """Those of the checkpoints that are there."""
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*")]
    return sorted(int(name) for name in names if name.isdigit())


def test_what_is_saved_is_what_was(kept):
    """The copy is made at once: what is trained on changes while it is written."""
    keeper, weights = Keeper(kept, Told()), torch.zeros(3)
    keeper.save({"weights": weights, "more": [weights, {"loss": 0.5}]}, step=1, epoch=0)
    weights += 1
    keeper.check_last()
    found, _ = checkpoint.newest(kept.folder, kept.run_digest, Told())
    assert found.state["weights"].tolist() == [0.0] * 3
    assert found.state["more"][0].tolist() == [0.0] * 3
    assert found.state["more"][1] == {"loss": 0.5}


def test_when_one_is_due(tmp_path):
    """Epochs' ends, the last step, every so many steps, those that stay for ever, the clock."""
    every = {"folder": tmp_path, "run_digest": "ab", "every_s": 1e9}
    inside = {"ends_epoch": False, "is_last": False}
    plain = Keeper(Keeping(**every), Told())
    assert not plain.is_due(4, **inside)
    assert plain.is_due(4, ends_epoch=True, is_last=False)
    assert plain.is_due(4, ends_epoch=False, is_last=True)
    assert Keeper(Keeping(**every, every_steps=2), Told()).is_due(4, **inside)
    assert not Keeper(Keeping(**every, every_steps=3), Told()).is_due(4, **inside)
    assert Keeper(Keeping(**every, keep_every=4), Told()).is_due(4, **inside)
    assert Keeper(Keeping(**{**every, "every_s": 0.0}), Told()).is_due(4, **inside)
    late = Keeper(Keeping(**every, epoch_s=1e9), Told())
    assert not late.is_due(4, ends_epoch=True, is_last=False)


def test_newest_and_marked_ones_stay(tmp_path):
    """Two of the newest, and each of four steps."""
    kept = Keeping(folder=tmp_path, run_digest="ab", keep=2, keep_every=4)
    keeper = Keeper(kept, Told())
    for step in range(1, 12):
        keeper.save({"x": 1}, step=step, epoch=0)
    keeper.check_last()
    assert steps_of(tmp_path) == [4, 8, 10, 11]


def test_full_disk_is_told_and_costs_one_checkpoint(kept, monkeypatch):
    """The good one before stays whole; the next one is written; if it was the last, it counts."""
    told = Told()
    keeper = Keeper(kept, told)
    keeper.save({"x": torch.ones(2)}, step=1, epoch=0)
    keeper.wait()
    real = torch.save

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    keeper.save({"x": torch.ones(2)}, step=2, epoch=0)
    keeper.wait()
    assert any("no space" in note and "the run goes on" in note for note in told.notes)
    assert steps_of(kept.folder) == [1]
    with pytest.raises(OutputNotWritableError, match="no space"):
        keeper.check_last()
    monkeypatch.setattr(torch, "save", real)
    keeper.save({"x": torch.ones(2)}, step=3, epoch=0)
    keeper.check_last()
    assert steps_of(kept.folder) == [1, 3]


def test_disk_that_does_not_answer_costs_one_checkpoint_too(kept, monkeypatch):
    """What a network disk says in its bad moments."""
    told = Told()
    keeper = Keeper(kept, told)

    def gone(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", gone)
        keeper.save({"x": torch.ones(2)}, step=1, epoch=0)
        keeper.wait()
    assert any("Stale file handle" in note for note in told.notes)
    keeper.save({"x": torch.ones(2)}, step=2, epoch=0)
    keeper.check_last()
    assert steps_of(kept.folder) == [2]


def test_fault_of_the_thread_is_raised(kept, monkeypatch):
    """It is no disk's: it must not be lost."""
    keeper = Keeper(kept, Told())
    monkeypatch.setattr(torch, "save", lambda *_: 1 / 0)
    keeper.save({"x": torch.ones(2)}, step=1, epoch=0)
    with pytest.raises(ZeroDivisionError):
        keeper.wait()
