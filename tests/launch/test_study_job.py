"""A study for Slurm without a Slurm: scripts, refusals, what is in the queue, words of faults."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from granctl.study import onecell

STUDY = """
recipe = "mine.toml"
seeds = 2
targets = ["source@leaf"]
scratch = "none"
[[cut]]
level = 0
"""
SLURM = ("--launcher", "slurm")


@pytest.fixture
def asked(tmp_path) -> tuple[object, ...]:
    """The command, but for its launcher."""
    from granctl.train.recipe import recipe_text

    (tmp_path / "mine.toml").write_text(recipe_text("embedded-resnet"))
    (tmp_path / "small.toml").write_text(STUDY)
    return ("sweep", "run", tmp_path / "small.toml")


def folder_of(record: dict) -> Path:
    """The folder of the study's jobs."""
    return Path(record["path"]) / "slurm"


def test_dry_run_needs_no_slurm_and_writes_nothing(granctl, asked, workspace_folder, monkeypatch):
    """A script an array on stdout, numbers on stderr; processes and GPUs are those of trainings."""
    monkeypatch.setenv("PATH", "/nowhere")
    options = ("--nodes", 2, "--gpus-per-node", 4, "--at-once", 3, "--time", "1:00:00")
    options += ("--partition", "gpu", "--cpus-per-task", 8, "--sbatch", "--account=x")
    shown = granctl(*asked, *SLURM, *options, "--dry-run")
    assert shown.code == 0, shown.err
    assert "6 of 6 cells are missing; 4 job arrays: 1 shards, 1 cut, 2 pretrain, 2" in shown.err
    record = granctl(*asked, *SLURM, *options, "--dry-run", "--json").json
    assert (record["kind"], record["cells"], record["missing"]) == ("slurm-jobs", 6, 6)
    scripts = {Path(path).stem: text for path, text in record["scripts"].items()}
    assert list(scripts) == ["00-shards", "01-cut", "02-pretrain", "03-transfer"]
    for text in scripts.values():
        for line in ("--requeue", "--time=1:00:00", "--cpus-per-task=8", "--account=x"):
            assert f"#SBATCH {line}\n" in text
        assert "sweep task " in text
    assert "#SBATCH --array=0-1%3\n" in scripts["02-pretrain"]
    for line in ("--nodes=2", "--ntasks=8", "--gpus-per-node=4", "--signal=USR2@180"):
        assert f"#SBATCH {line}\n" in scripts["02-pretrain"]
    assert '"$code" -eq 140' in scripts["02-pretrain"]
    assert "#SBATCH --ntasks=1\n#SBATCH --gpus-per-node=1\n" in scripts["03-transfer"]
    assert "gpus" not in scripts["00-shards"]
    assert '"$code" -eq 140' not in scripts["00-shards"]
    assert "afterok 00-shards; afterok 01-cut; aftercorr 02-pretrain." in scripts["03-transfer"]
    assert not (workspace_folder / "studies").exists()


def test_arrays_are_submitted_with_their_dependencies_and_no_larger_than_may_be(
    granctl, asked, programs
):
    """MaxArraySize = 1: each cell has an array; the recipe's file is copied; nobody waits."""
    count = 'n=$(cat "$0.n" 2>/dev/null || echo 9); n=$((n + 1)); echo $n | tee "$0.n"'
    config = "case $* in *config*) echo 'MaxArraySize            = 1';; esac"
    calls = programs(sbatch=count, squeue="", scontrol=config, scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--json").json
    assert record["whole"] is False
    arrays = ["00-shards", "01-cut", "02-pretrain", "03-pretrain", "04-transfer", "05-transfer"]
    ids = dict(zip(arrays, ("10", "11", "12", "13", "14", "15"), strict=True))
    assert record["jobs"]["arrays"] == ids
    lines = [line for line in calls.read_text().splitlines() if line.startswith("sbatch")]
    assert "--dependency=afterok:10,afterok:11 --kill-on-invalid-dep=yes " in lines[3]
    assert "--dependency=afterok:10,afterok:11,aftercorr:13 " in lines[5]
    tasks = json.loads((folder_of(record) / "round-1" / "tasks.json").read_text())
    copy = folder_of(record) / "round-1" / "recipe-0" / "mine.toml"
    assert tasks["study"]["recipe"] == [str(copy)]
    assert copy.is_file()
    assert all(f"--job-name={record['jobs']['name']}" in line for line in lines)


def test_jobs_in_the_queue_are_joined_and_shown(granctl, asked, programs):
    """Nothing is submitted; `status` has Slurm's states, if Slurm answers."""
    calls = programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--json").json
    name = record["jobs"]["name"]
    lines = "7|0|RUNNING|None\\n7|1|PENDING|Dependency\\n"
    programs(squeue=f"printf '{lines}'")
    calls.unlink()
    joined = granctl(*asked, *SLURM, "--no-wait", "--json")
    assert joined.json["jobs"]["name"] == name
    assert "are in the queue: no others are submitted" in joined.err
    assert "sbatch" not in calls.read_text()
    status = granctl("sweep", "status", asked[2], "--json").json
    # every array has the same id here, so the last one that has such an index is shown
    assert status["states"]["running"] == 1
    assert status["states"]["queued"] == 1
    assert status["jobs"] == name
    programs(squeue="exit 1")
    assert granctl("sweep", "status", asked[2], "--json").json["states"]["waiting"] == 6


def test_array_that_is_refused_takes_the_earlier_ones_along(granctl, asked, programs):
    """Exit 2 with what sbatch said; nothing stays in the queue."""
    sbatch = 'case "$*" in *aftercorr*) echo "sbatch: error: too many" >&2; exit 1;; esac; echo 77'
    calls = programs(sbatch=sbatch, squeue="", scontrol="", scancel="")
    refused = granctl(*asked, *SLURM)
    assert refused.code == 2
    assert "03-transfer.sbatch: too many" in refused.err
    assert calls.read_text().splitlines()[-3:] == ["scancel 77"] * 3


def test_cells_whose_submission_was_killed_are_submitted_later(granctl, asked, programs):
    """The record knows one array only: the others follow when the queue is empty."""
    programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--json").json
    path = folder_of(record) / "jobs.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "jobs": {"00-shards": "7"}}))
    once = 'test -e "$0.once" || echo "7|0|RUNNING|None"; touch "$0.once"'
    programs(squeue=once, scontrol="", sbatch="echo 8")
    ended = granctl(*asked, *SLURM)
    assert ended.code == 4
    assert "6 cells are submitted" in ended.err
    assert "shards (task 8_0) ended without doing its work" in ended.err


def test_cells_that_had_no_task_are_submitted_when_others_are_done(granctl, asked, programs):
    """Jobs of one cell are in the queue, twice: the others are submitted after them, not missed."""
    programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    granctl(*asked, *SLURM, "--no-wait", "--cell", "cut.leaf")
    count = 'n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > "$0.n"'
    programs(squeue=f'{count}; case $n in 1|3) echo "7|0|RUNNING|None";; esac', sbatch="echo 8")
    ended = granctl(*asked, *SLURM)
    assert ended.code == 4
    assert ended.err.count("are in the queue: no others are submitted") == 2
    assert "6 cells are submitted" in ended.err
    assert "shards (task 8_0) ended without doing its work" in ended.err


def test_workspace_that_nodes_do_not_see(granctl, asked, programs):
    """A job that fails and leaves no log: the mend says which disk it must be."""
    show = "JobId=9 ArrayJobId=7 ArrayTaskId=0 JobState=FAILED ExitCode=0:53 NodeList=node1"
    programs(sbatch="echo 7", squeue="", scontrol=f'case "$*" in *show*) echo "{show}";; esac')
    programs(scancel="")
    ended = granctl(*asked, *SLURM)
    assert ended.code == 4
    assert "hint: the workspace must lie on a disk that every node sees" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at-once", "2"], "--at-once: nothing is launched"),
        (["--gpus-per-node", "2"], "--gpus-per-node: nothing is launched"),
        (["--dry-run"], "--dry-run: nothing is launched"),
        ([*SLURM, "--processes", "2"], "the launcher starts the processes"),
        ([*SLURM, "--cell", "nosuch"], "'nosuch' is no cell of the study"),
        ([*SLURM, "--gpus-per-node", "2", "--tasks-per-node", "3"], "for each of 2 GPUs of a node"),
        ([*SLURM, "--sbatch", "--array=3"], "is decided by the launcher"),
        ([*SLURM, "--sbatch", "--kill-on-invalid-dep=no"], "is decided by the launcher"),
    ],
)
def test_options_that_do_not_go_together(granctl, asked, words, said):
    """Exit 2 with the mend; nothing is submitted."""
    refused = granctl(*asked, *words)
    assert refused.code == 2
    assert said in refused.err
    assert "hint: " in refused.err


def test_no_slurm_on_this_machine(granctl, asked, workspace_folder, monkeypatch):
    """Exit 2 before anything is written."""
    monkeypatch.setenv("PATH", "/nowhere")
    refused = granctl(*asked, *SLURM)
    assert refused.code == 2
    assert "`sbatch` of Slurm is not on PATH here" in refused.err
    assert not (workspace_folder / "studies").exists()


def test_task_whose_needs_are_not_whole_begins_nothing(granctl, asked, programs, tmp_path):
    """Exit 4 and the need's name; a task that is none is refused."""
    programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--json").json
    tasks = folder_of(record) / "round-1" / "tasks.json"
    refused = granctl("sweep", "task", tasks, "02-pretrain", 1)
    assert refused.code == 4
    assert "run.leaf.s1 was not begun: shards, cut.leaf is not whole" in refused.err
    assert granctl("sweep", "task", tasks, "02-pretrain", 2).code == 2
    assert granctl("sweep", "task", tmp_path / "nosuch.json", "02-pretrain", 2).code == 2
    status = granctl("sweep", "status", asked[2], "--json").json
    assert status["states"]["waiting"] == 6


def test_task_makes_its_cell_once(granctl, asked, programs):
    """The artefact's path on stdout; the ledger has it, so that it is not submitted again."""
    programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--no-wait", "--json").json
    tasks = folder_of(record) / "round-1" / "tasks.json"
    made = granctl("sweep", "task", tasks, "01-cut", 0)
    assert made.code == 0, made.err
    assert made.path.name.startswith("leaf-")
    assert granctl("sweep", "task", tasks, "01-cut", 0).path == made.path
    again = granctl(*asked, *SLURM, "--no-wait", "--json")
    assert "going on: 1 of 6 cells are whole" in again.err
    assert again.json["missing"] == 5
    assert "01-cut" not in " ".join(again.json["jobs"]["arrays"])


def test_node_without_a_gpu_is_told_of(granctl, asked, programs, monkeypatch):
    """A cell that was to have one fails, rather than train for days on a processor."""
    programs(sbatch="echo 7", squeue="", scontrol="", scancel="")
    record = granctl(*asked, *SLURM, "--gpus-per-node", 1, "--no-wait", "--json").json
    tasks = folder_of(record) / "round-1" / "tasks.json"
    monkeypatch.setattr(onecell, "_needed", lambda *_: {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused = granctl("sweep", "task", tasks, "02-pretrain", 0)
    assert refused.code == 2
    assert "--gpus-per-node: a node that has none of them" in refused.err
    assert "hint: name a partition of GPUs" in refused.err
    failed = granctl("sweep", "status", asked[2], "--json").json["failed"]
    assert list(failed) == ["run.leaf.s0"]


@pytest.mark.parametrize(
    ("array", "code", "saves", "preempted", "again"),
    [
        ("02-pretrain", 0, False, False, False),
        ("02-pretrain", 140, True, False, True),
        ("02-pretrain", 140, False, False, False),
        ("02-pretrain", 143, True, False, False),
        ("02-pretrain", 143, True, True, True),
        ("02-pretrain", 4, True, True, False),
        ("03-transfer", 140, True, False, False),
        ("03-transfer", 143, False, True, True),
        ("03-transfer", 143, False, False, False),
    ],
)
def test_script_requeues_only_what_is_to_go_on(
    granctl, asked, programs, array, code, saves, preempted, again
):
    """By the exit code, whether a training saved, and what Slurm says of the task."""
    shown = granctl(*asked, *SLURM, "--dry-run", "--json").json
    (place,) = (Path(path) for path in shown["scripts"] if Path(path).stem == array)
    place.parent.mkdir(parents=True)
    mark = place.with_name(f"{array}-1.saved")
    mark.touch()  # an earlier start's
    time = "2026-11-26T09:29:19" if preempted else "None"
    said = f"JobId=5 JobState=RUNNING PreemptEligibleTime=2026-01-01 PreemptTime={time} X"
    calls = programs(
        srun=f"{f'touch {mark}; ' if saves else ''}exit {code}",
        scontrol=f'case "$*" in *show*) echo "{said}";; esac',
    )
    environment = {"PATH": f"{calls.parent / 'bin'}:/bin:/usr/bin", "SLURM_CPUS_PER_TASK": "1"}
    environment |= {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_ID": "6"}
    script = shown["scripts"][str(place)]
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == (0 if again else code), done.stderr
    assert ("scontrol requeue 5_1" in calls.read_text()) is again
    assert ("this task starts again" in done.stdout) is again
    assert f"{array} 1\n" in calls.read_text()
