"""The script of a pretraining's job, run by a shell without a Slurm; its estimate; refusals."""

import json
import subprocess
from pathlib import Path

import pytest
import shapes
import torch

from granctl.train.metrics import METRICS_NAME


@pytest.fixture
def asked(clothes, tmp_path) -> tuple[object, ...]:
    """The command, but for its launcher."""
    shapes.label_map([[0], [1], [2], [3]], shapes.LABELS).write(tmp_path / "map.parquet")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(shapes.TINY_RECIPE)
    given = ("--shards", clothes, "--labels", tmp_path / "map.parquet", "--recipe", recipe)
    return ("pretrain", *given)


SLURM = ("--launcher", "slurm")


def bytes_of(state: object) -> int:
    """Of all tensors, however deep they lie."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return sum(map(bytes_of, inner))


def test_dry_run_needs_no_slurm_and_writes_nothing(granctl, asked, workspace_folder, monkeypatch):
    """The script on stdout, numbers on stderr: steps, images, GPU-hours, disk; with --json too."""
    monkeypatch.setenv("PATH", "/nowhere")
    options = ("--nodes", 2, "--gpus-per-node", 2, "--partition", "gpu", "--time", "1:00:00")
    options += ("--cpus-per-task", 8, "--sbatch", "--qos=x")
    options += ("--set", "batch_size=12", "--dry-run", "--images-per-second", 4)
    shown = granctl(*asked, *SLURM, *options)
    assert shown.code == 0, shown.err
    for line in (
        "--requeue",
        "--open-mode=append",
        "--signal=USR2@180",
        "--nodes=2",
        "--ntasks=4",
        "--ntasks-per-node=2",
        "--gpus-per-node=2",
        "--cpus-per-task=8",
        "--partition=gpu",
        "--time=1:00:00",
        "--qos=x",
    ):
        assert f"#SBATCH {line}\n" in shown.out
    assert 'srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" ' in shown.out
    assert "--set batch_size=12 --device cuda --workers 7\n" in shown.out
    assert "16 steps: 4 epochs of 48 images, 192 in all; 4 GPUs" in shown.err
    assert "0.0133 hours, 0.0533 GPU-hours at 4 images/s (--images-per-second)" in shown.err
    record = granctl(*asked, *SLURM, *options, "--json").json
    assert (record["kind"], record["steps"], record["gpus"]) == ("slurm-jobs", 16, 4)
    assert record["gpu_hours"] == pytest.approx(192 / 4 / 3600 * 4)
    assert record["disk_bytes"] == 3 * record["checkpoint_bytes"]
    assert not (workspace_folder / "runs").exists()


def test_what_is_not_known_is_said(granctl, asked):
    """Without a rate there are no hours; the sizes of checkpoints are those that are written."""
    shown = granctl(*asked, *SLURM, "--dry-run", "--json").json
    assert (shown["hours"], shown["gpu_hours"], shown["images_per_second"]) == (None, None, None)
    assert "is not known: give --images-per-second" in granctl(*asked, *SLURM, "--dry-run").err
    run = granctl(*asked, "--quiet").path
    found = bytes_of(torch.load(run / "checkpoints/step-000020/state.pt", weights_only=True))
    assert 0 <= found - shown["checkpoint_bytes"] < 500  # counts of steps
    whole = granctl(*asked, *SLURM, "--dry-run")
    assert whole.path == run
    assert "whole: nothing to submit" in whole.err


def test_rate_of_an_earlier_start_is_taken_if_it_had_as_many_processes(granctl, asked):
    """And only what is left counts."""
    run = granctl(*asked, "--quiet").path
    (run / "manifest.json").unlink()
    lines = (run / METRICS_NAME).read_text().splitlines()[:2]
    (run / METRICS_NAME).write_text("".join(f"{line}\n" for line in lines))
    shown = granctl(*asked, *SLURM, "--dry-run", "--json").json
    assert shown["rate_from"] == "an earlier start of this run"
    assert shown["images_left"] == 4 * 48 - 2 * 48
    assert shown["hours"] == pytest.approx(96 / shown["images_per_second"] / 3600)
    two = granctl(*asked, *SLURM, "--nodes", 2, "--dry-run", "--json").json
    assert two["images_per_second"] is None


@pytest.mark.parametrize(
    ("code", "saves", "preempted", "state", "again"),
    [
        (0, True, False, "RUNNING", False),
        (140, True, False, "RUNNING", True),
        (140, False, False, "RUNNING", False),
        (143, True, False, "RUNNING", False),
        (143, True, True, "RUNNING", True),
        (143, True, True, "COMPLETING", False),
        (4, True, False, "RUNNING", False),
        (137, True, True, "RUNNING", False),
    ],
)
def test_script_requeues_only_what_is_to_go_on(
    granctl, asked, programs, code, saves, preempted, state, again
):
    """By the exit code of srun, whether a checkpoint is new, and what Slurm says of the job."""
    shown = granctl(*asked, *SLURM, "--dry-run", "--json").json
    ((_, script),) = shown["scripts"].items()
    checkpoints = Path(shown["path"]) / "checkpoints"
    (checkpoints / "step-000001").mkdir(parents=True)
    made = f"mkdir {checkpoints}/step-000002; " if saves else f"mkdir {checkpoints}/step-2.tmp; "
    time = "2026-11-26T09:29:19" if preempted else "None"
    said = f"JobId=5 JobState={state} PreemptEligibleTime=2026-01-01T00:00:00 PreemptTime={time} X"
    show = f'case "$*" in *show*) echo "{said}";; esac'
    calls = programs(srun=f"{made}exit {code}", scontrol=show)
    environment = {"PATH": f"{calls.parent / 'bin'}:/bin:/usr/bin", "SLURM_JOB_ID": "5"}
    environment["SLURM_CPUS_PER_TASK"] = "3"
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == (0 if again else code), done.stderr
    assert ("scontrol requeue 5" in calls.read_text()) is again
    assert ("this job starts again" in done.stdout) is again
    assert "srun --kill-on-bad-exit=1 --cpus-per-task=3" in calls.read_text()


def test_submission_is_recorded_and_a_queued_job_is_joined(granctl, asked, programs, tmp_path):
    """The recipe's file is copied; options come along as they were given; nothing is doubled."""
    calls = programs(sbatch="echo 77", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--seed", 3, "--threads", 2, "--json").json
    assert (record["job"], record["whole"], record["made"]) == ("77", False, True)
    run = Path(record["path"])
    jobs = run.with_name(f"{run.name}.slurm")
    script = (jobs / "pretrain.sbatch").read_text()
    assert f"--recipe {jobs / 'tiny.toml'} " in script
    assert " --seed 3 " in script
    assert " --threads 2 " in script
    assert f" --out {run} " in script
    assert (jobs / "tiny.toml").read_text() == shapes.TINY_RECIPE
    assert json.loads((jobs / "job.json").read_text())["job"] == "77"
    assert (run / "spec.json").is_file()
    name = json.loads((jobs / "job.json").read_text())["name"]
    placed, queued = f"{name}|77|PENDING|(Priority)", "77|N/A|PENDING|Priority"
    programs(squeue=f"case \"$*\" in *%j*) echo '{placed}';; *) echo '{queued}';; esac")
    calls.unlink()
    joined = granctl(*asked, *SLURM, "--no-wait", "--seed", 3, "--json")
    assert joined.json["job"] == "77"
    assert "job 77 of this run is in the queue: no other is submitted" in joined.err
    assert "sbatch" not in calls.read_text()
    (line,) = granctl("runs", "list", "--json").json["runs"]
    assert (line["state"], line["steps"], line["job"]) == ("waiting", 20, "77")
    assert line["where"] == "job 77 (Priority)"
    assert granctl("runs", "stop").path == run
    assert "scancel 77" in calls.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "2"], "--nodes: nothing is launched"),
        (["--gpus-per-node", "2"], "--gpus-per-node: nothing is launched"),
        (["--tasks-per-node", "2"], "--tasks-per-node: nothing is launched"),
        (["--dry-run"], "--dry-run: nothing is launched"),
        (["--images-per-second", "5"], "--images-per-second: nothing is launched"),
        ([*SLURM, "--gpus-per-node", "2", "--tasks-per-node", "3"], "for each of 2 GPUs of a node"),
        ([*SLURM, "--images-per-second", "-1"], "-1.0 is not above 0"),
        ([*SLURM, "--nodes", "3"], "3 processes do not divide a batch of 10"),
        ([*SLURM, "--nodes", "0"], "greater than or equal to 1"),
        ([*SLURM, "--sbatch", "--array=3"], "is decided by the launcher"),
        ([*SLURM, "--sbatch", "--ntasks=3"], "is decided by the launcher"),
    ],
)
def test_options_that_do_not_go_together(granctl, asked, words, said):
    """Exit 2 with the mend; nothing is submitted."""
    refused = granctl(*asked, *words)
    assert refused.code == 2
    assert said in refused.err
    assert "hint: " in refused.err


def test_no_slurm_on_this_machine(granctl, asked, monkeypatch):
    """Exit 2 before anything is written."""
    monkeypatch.setenv("PATH", "/nowhere")
    refused = granctl(*asked, *SLURM, "--quiet")
    assert refused.code == 2
    assert "`sbatch` of Slurm is not on PATH here" in refused.err
