"""Who trains together, as the environment says it."""

import pytest
import torch

from granctl.errors import HalfWorldError, WorldFailedError
from granctl.train.world import joined, place_of

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
}
SLURM = {
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "1234",
    "SLURM_JOB_NODELIST": "node[1-4]",
}


def test_torchrun_says_it():
    """Rank, size, the number on the machine, and where the first one listens."""
    place = place_of(TORCHRUN)
    assert (place.rank, place.size, place.local_rank) == (3, 4, 1)
    assert (place.address, place.port) == ("10.0.0.1", 29500)


def test_alone_where_nothing_is_said():
    """Nor where a shell stands inside a Slurm job, or a step has one task."""
    assert place_of({}).size == 1
    assert place_of({**SLURM, "SLURM_STEP_ID": ""}).size == 1
    assert place_of({**SLURM, "SLURM_NTASKS": "1"}).size == 1
    assert place_of({"MASTER_ADDR": "left.over", "MASTER_PORT": "1"}).size == 1


@pytest.mark.parametrize("name", TORCHRUN)
def test_half_of_torchruns_variables_is_refused(name):
    """What is missing is named; RANK and WORLD_SIZE cannot both be missing."""
    with pytest.raises(HalfWorldError, match=name):
        place_of({key: value for key, value in TORCHRUN.items() if key != name})


@pytest.mark.parametrize(
    "change", [{"RANK": "4"}, {"WORLD_SIZE": "0"}, {"RANK": "first"}, {"MASTER_PORT": "x"}]
)
def test_numbers_that_cannot_be_are_refused(change):
    """A rank that is not below the size; words."""
    with pytest.raises(HalfWorldError):
        place_of({**TORCHRUN, **change})


def test_srun_says_it(tmp_path, monkeypatch):
    """The port follows from job and restart, so that a requeued job does not meet its old one."""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\nprintf 'node1\\nnode2\\n'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    place = place_of(SLURM)
    assert (place.rank, place.size, place.local_rank) == (5, 8, 1)
    assert (place.address, place.port) == ("node1", 20000 + 1234 * 7 % 10000)
    assert place_of({**SLURM, "SLURM_RESTART_COUNT": "2"}).port == place.port + 2
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(HalfWorldError, match="scontrol"):
        place_of(SLURM)


def test_port_in_use_is_said(monkeypatch):
    """With the mend; the process is not left waiting."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "MASTER_PORT": port}
        for key, value in place.items():
            monkeypatch.setenv(key, str(value))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        with pytest.raises(WorldFailedError) as caught, joined(torch.device("cpu")):
            pass
    assert f"127.0.0.1:{port}" in caught.value.message
    assert "MASTER_PORT" in caught.value.hint
