"""Slurm that is not there or refuses, and options that do not go together: exit codes and mends."""

from pathlib import Path

import pytest
from generated_images import write_source

LAUNCH = ("shards", "build", "--launcher", "slurm", "--quiet")


@pytest.fixture
def source(tmp_path) -> Path:
    """24 images in 6 classes."""
    return write_source(tmp_path / "shapes")


def test_no_slurm_on_this_machine(granctl, source, programs, monkeypatch):
    """Exit 2 before anything is submitted; the mend says where."""
    monkeypatch.setenv("PATH", "/nowhere")
    refused = granctl(*LAUNCH, "--source", source)
    assert refused.code == 2
    assert "`sbatch` of Slurm is not on PATH here" in refused.err
    assert "hint: run it on a machine of the cluster" in refused.err


def test_submission_that_is_refused(granctl, source, programs):
    """Exit 2 with what sbatch said; the plan stays, and the same command goes on."""
    said = "sbatch: error: invalid account\nsbatch: error: Batch job submission failed: no"
    programs(sbatch=f"printf '{said}' >&2; exit 1", squeue="", scontrol="", scancel="")
    refused = granctl(*LAUNCH, "--source", source)
    assert refused.code == 2
    assert "tasks.sbatch: invalid account; Batch job submission failed: no" in refused.err


def test_finish_job_that_is_refused_takes_its_tasks_along(granctl, source, programs):
    """No array stays in the queue that nobody finishes."""
    sbatch = 'case "$*" in *dependency*) echo no >&2; exit 1;; esac; echo "77;cluster"'
    calls = programs(sbatch=sbatch, squeue="", scontrol="", scancel="")
    assert granctl(*LAUNCH, "--source", source).code == 2
    lines = calls.read_text().splitlines()
    assert any("--dependency=afterany:77" in line for line in lines)
    assert lines[-1] == "scancel 77"


def test_tasks_whose_command_was_killed_get_their_finish_job(granctl, source, programs):
    """An array in the queue without one: no second array, a finish job after it."""
    calls = programs(sbatch="echo 78", squeue="", scontrol="", scancel="")
    granctl("shards", "plan", "--source", source, "--quiet")
    record = granctl(*LAUNCH, "--source", source, "--no-wait", "--json").json
    programs(squeue="echo '55|0|RUNNING|None'", sbatch="echo 79")
    calls.unlink()
    record = granctl(*LAUNCH, "--source", source, "--no-wait", "--json").json
    (submitted,) = (s for s in calls.read_text().splitlines() if s.startswith("sbatch"))
    assert "--dependency=afterany:55" in submitted
    assert record["jobs"]["finish"] == "79"


def test_jobs_do_not_inherit_what_describes_another_job(granctl, source, programs, monkeypatch):
    """A launcher inside a job: SLURM_ variables stay behind but for the configuration."""
    sbatch = 'env | grep -E "^(SLURM|SBATCH)_" | sort | tr "\\n" " " >&2; exit 1'
    programs(sbatch=sbatch, squeue="", scontrol="", scancel="")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "9")
    monkeypatch.setenv("SBATCH_WAIT", "1")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    refused = granctl(*LAUNCH, "--source", source)
    assert "SBATCH_ACCOUNT=mine SLURM_CONF=/etc/slurm.conf\n" in refused.err


def test_dry_run_needs_no_slurm_and_writes_nothing(granctl, source, workspace_folder, monkeypatch):
    """Both scripts on stdout, numbers on stderr; with --json one object."""
    monkeypatch.setenv("PATH", "/nowhere")
    options = ("--source", source, "--shard-images", 3, "--tasks", 3, "--partition", "main")
    asked = ("shards", "build", "--launcher", "slurm", *options, "--time", "1:00:00", "--dry-run")
    shown = granctl(*asked, "--sbatch", "--qos=x --mem=4G", "--cpus-per-task", 2)
    assert shown.code == 0
    for line in ("--array=0-2", "--partition=main", "--time=1:00:00", "--qos=x", "--mem=4G"):
        assert f"#SBATCH {line}\n" in shown.out
    assert shown.out.count("#!/bin/sh") == 2
    assert '--workers 2 --task "$SLURM_ARRAY_TASK_ID/3"' in shown.out
    assert "24 images in 8 shards, 0.1 MB;" in shown.err
    assert "; 3 tasks" in shown.err
    found = granctl(*asked, "--json").json
    assert (found["kind"], found["images"], found["shards"], found["tasks"]) == (
        "slurm-jobs",
        24,
        8,
        3,
    )
    assert found["free_bytes"] > found["bytes"] > 24 * 2000
    assert not found["made"]
    assert len(found["scripts"]) == 2
    assert not (workspace_folder / "shards").exists()


def test_dry_run_of_a_plan_names_only_missing_tasks(granctl, source):
    """And of a set that is whole none."""
    plan = granctl("shards", "plan", "--source", source, "--shard-images", 3, "-q").path
    asked = ("shards", "build", "--plan", plan)
    granctl(*asked, "--task", "1/4", "-q")
    dry = (*asked, "--launcher", "slurm", "--dry-run")
    assert "#SBATCH --array=0,2-3\n" in granctl(*dry, "--tasks", 4).out
    granctl(*asked, "-q")
    whole = granctl(*dry)
    assert whole.path == plan
    assert "whole: nothing to submit" in whole.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tasks", "4"], "--tasks: nothing is launched"),
        (["--partition", "x"], "--partition: nothing is launched"),
        (["--time", "1"], "--time: nothing is launched"),
        (["--cpus-per-task", "2"], "--cpus-per-task: nothing is launched"),
        (["--sbatch", "--qos=x"], "--sbatch: nothing is launched"),
        (["--dry-run"], "--dry-run: nothing is launched"),
        (["--no-wait"], "--no-wait: nothing is launched"),
        (["--launcher", "slurm", "--sbatch", "--array=3"], "--array=3 is decided by the launcher"),
        (["--launcher", "slurm", "--sbatch", "--qos='x"], "is no list of options"),
        (["--launcher", "slurm", "--workers", "2"], "give --cpus-per-task"),
        (["--launcher", "slurm", "--task", "0/2"], "the launcher numbers the tasks"),
        (["--launcher", "slurm", "--tasks", "0"], "greater than or equal to 1"),
        (["--launcher", "pbs"], "'pbs' is not"),
        (["--launcher", "slurm", "--plan", "/nowhere/at/all"], "plan not found"),
    ],
)
def test_options_that_do_not_go_together(granctl, source, arguments, words):
    """Exit 2 with the mend; nothing is planned."""
    own = [] if "--plan" in arguments else ["--source", source]
    refused = granctl("shards", "build", *own, *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert "hint: " in refused.err


def test_finish_by_launcher_without_jobs(granctl, source, programs):
    """Exit 2: what was never submitted cannot be submitted again."""
    programs(sbatch="echo 1", squeue="", scontrol="", scancel="")
    plan = granctl("shards", "plan", "--source", source, "-q").path
    refused = granctl("shards", "finish", plan, "--launcher", "slurm")
    assert refused.code == 2
    assert "record of the jobs not found" in refused.err
