"""Checkpoints are whole or passed over, and never run code."""

import pickle

import pytest
import torch
from told import Told

from granctl.errors import CheckpointMismatchError
from granctl.train import checkpoint

DIGEST = "ab" * 32


def _save(folder, step, digest=DIGEST):
    state = {"weights": torch.full((3,), float(step)), "loss": 0.5}
    return checkpoint.save(folder, state, step=step, epoch=step // 10, run_digest=digest)


def test_the_newest_comes_back_as_it_was(tmp_path):
    """Step, epoch and tensors; only the newest two are kept."""
    for step in (10, 20, 30):
        _save(tmp_path, step)
    found, faults = checkpoint.newest(tmp_path, DIGEST, Told())
    assert (found.step, found.epoch, faults) == (30, 3, [])
    assert found.state["weights"].tolist() == [30.0] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000020", "step-000030"]


def _flip(place):
    content = bytearray((place / "state.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (place / "state.pt").write_bytes(content)


def _truncate(place):
    content = (place / "state.pt").read_bytes()
    (place / "state.pt").write_bytes(content[:100])


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        _truncate,
        lambda place: (place / "state.pt").unlink(),
        lambda place: (place / "manifest.json").unlink(),
        lambda place: (place / "manifest.json").write_text("{}"),
        lambda place: (place / "manifest.json").write_text("{"),
    ],
    ids=["a flipped bit", "truncated", "no state", "no manifest", "empty", "not JSON"],
)
def test_a_damaged_newest_one_is_passed_over_and_said(tmp_path, damage):
    """The one before is taken, and the user is told which file is damaged."""
    _save(tmp_path, 10)
    place = _save(tmp_path, 20)
    damage(place)
    told = Told()
    found, faults = checkpoint.newest(tmp_path, DIGEST, told)
    assert found.step == 10
    assert len(faults) == 1
    assert "damaged checkpoint" in told.notes[0]
    assert "step-000020" in told.notes[0]


def test_a_half_written_one_is_not_there(tmp_path):
    """A save that was killed leaves a name that no reader takes, and the next save replaces it."""
    (tmp_path / "step-000010.tmp").mkdir(parents=True)
    (tmp_path / "step-000010.tmp" / "state.pt").write_bytes(b"half")
    assert checkpoint.newest(tmp_path, DIGEST, Told()) == (None, [])
    _save(tmp_path, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000010"]


def test_a_checkpoint_of_another_run_is_an_error(tmp_path):
    """It is whole, so it is not passed over in silence."""
    _save(tmp_path, 10, digest="cd" * 32)
    with pytest.raises(CheckpointMismatchError, match="another spec"):
        checkpoint.newest(tmp_path, DIGEST, Told())


class _Harmful:
    def __reduce__(self):
        return (print, ("code of a checkpoint ran",))


def test_loading_runs_no_code(tmp_path, capsys):
    """A state that would call a function is refused, even with the right checksum."""
    place = _save(tmp_path, 10)
    torch.save({"weights": _Harmful()}, place / "state.pt")
    manifest = checkpoint.read_json(place / "manifest.json")
    manifest["sha256"] = checkpoint._sha256(place / "state.pt")
    checkpoint.write_json(place / "manifest.json", manifest)
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.newest(tmp_path, DIGEST, Told())
    assert "ran" not in capsys.readouterr().out


def test_damaged_later_ones_do_not_push_out_what_is_written(tmp_path):
    """The run went on from before them: they go, and the new one stays."""
    for step in (10, 20, 30):
        _save(tmp_path, step)
    for step in (20, 30):
        _truncate(tmp_path / f"step-{step:06d}")
    assert checkpoint.newest(tmp_path, DIGEST, Told())[0] is None
    _save(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]
    assert checkpoint.newest(tmp_path, DIGEST, Told())[0].step == 5


@pytest.mark.parametrize("change", [('"step": 20', '"step": 21'), (DIGEST[:8], "cd" * 4)])
def test_manifest_that_says_something_else_is_damage(tmp_path, change):
    """Step and run stand under the checksum too; the one before is taken."""
    _save(tmp_path, 10)
    path = _save(tmp_path, 20) / "manifest.json"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    found, faults = checkpoint.newest(tmp_path, DIGEST, Told())
    assert (found.step, len(faults)) == (10, 1)


def test_checkpoint_in_the_folder_of_another_step_is_damage(tmp_path):
    """A folder that was renamed by hand."""
    _save(tmp_path, 10)
    _save(tmp_path, 20).rename(tmp_path / "step-000040")
    assert checkpoint.newest(tmp_path, DIGEST, Told())[0].step == 10
