"""`granctl sweep run --launcher slurm` on a real Slurm of two nodes, and what may befall cells."""

import json
import signal
from functools import partial

import pytest
from killed_study import FEW, FORTY, kill_at_random, kill_tasks, numbers, weights
from slurm_cluster import NODES, until
from slurm_study import NUM_CELLS, OF_A_RUN, SlurmSweep

from granctl.progress import Silent
from granctl.study.studyfile import load_study
from granctl.study.sweep import run_study
from granctl.train.recipe import recipe_text
from granctl.workspace import Workspace

SLOW_STUDY = FEW.replace("epochs = 1", "epochs = 20")
"""Four cells; a pretraining of 40 steps."""


def test_failed_cell_takes_only_those_that_need_it_and_the_same_command_goes_on(sweep):
    """Exit 4 with cell, log and its last lines; then three cells are submitted, no other."""
    sweep.suffer("run.leaf.s0", "fail")
    code, out, err = sweep.run()
    assert (code, out) == (4, "")
    assert "1 cell of the study failed, and 2 that need them were not begun: run.leaf.s0" in err
    assert "failed with exit code 2 on node" in err
    assert f"log: {sweep.folder}/slurm/round-1/" in err
    assert "  | error: --depth: run.leaf.s0 is too deep" in err
    assert len(sweep.made()) == NUM_CELLS - 3
    assert not sweep.made() & {"run.leaf.s0", *OF_A_RUN}
    assert sweep.cluster.run("squeue", "-h") == ""
    status = sweep.status()
    assert status["states"]["failed"] == 1
    assert status["states"]["waiting"] == 2
    assert "too deep" in status["failed"]["run.leaf.s0"]
    sweep.go_on("run.leaf.s0")
    code, out, err = sweep.run()
    assert (code, out.strip()) == (0, str(sweep.folder)), err
    assert f"going on: {NUM_CELLS - 3} of {NUM_CELLS} cells are whole" in err
    assert set(sweep.round(2)) == {"run.leaf.s0", *OF_A_RUN}
    assert sweep.status()["states"]["done"] == NUM_CELLS
    assert (sweep.folder / "manifest.json").is_file()


@pytest.mark.slow
def test_second_command_submits_nothing_and_waits_for_the_same_jobs(sweep):
    """Ctrl-C leaves the jobs and says how to end them; `status` shows what waits and runs."""
    sweep.suffer("run.leaf.s0", "wait")
    first = sweep.start()
    sweep.wait_for("run.leaf.s0")
    until(lambda: len(sweep.made()) >= NUM_CELLS - 3)  # transfers of other runs did not wait
    status = sweep.status()
    assert status["running"] == ["run.leaf.s0"]
    assert status["states"]["queued"] == 2
    name = sweep.cluster.run("squeue", "-h", "-o", "%j").split()[0]
    assert status["jobs"] == name
    first.send_signal(signal.SIGINT)
    code, _, err = sweep.end(first)
    assert code == 130
    assert f"the jobs go on; to end them: `scancel --name={name}`" in err
    both = [sweep.start(), sweep.start("--no-wait", "--json")]
    code, out, _ = sweep.end(both[1])
    assert code == 0
    assert '"whole": false' in out
    sweep.go_on("run.leaf.s0")
    code, _, err = sweep.end(both[0])
    assert code == 0, err
    assert "jobs of this study are in the queue: no others are submitted" in err
    assert not (sweep.folder / "slurm" / "round-2").exists()


@pytest.mark.slow
def test_file_that_is_edited_meanwhile_changes_nothing_of_what_was_submitted(sweep):
    """Tasks read the study as it was; the edited one is another study."""
    recipe = sweep.home / "mine.toml"
    recipe.write_text(recipe_text("embedded-resnet"))
    text = sweep.file.read_text()
    sweep.file.write_text(text.replace('"embedded-resnet"', '"mine.toml"'))
    sweep.suffer("shards", "wait")
    assert sweep.run("--no-wait")[0] == 0
    sweep.wait_for("shards")
    recipe.write_text("nonsense")
    before = sweep.file.read_text()
    sweep.file.write_text("nonsense")
    sweep.go_on("shards")
    until(lambda: len(sweep.made()) == NUM_CELLS)
    sweep.file.write_text(before)
    recipe.write_text(recipe_text("embedded-resnet"))
    assert sweep.run()[0] == 0


@pytest.mark.slow
def test_killed_cell_and_one_that_somebody_cancels(sweep):
    """Exit 4 and what became of each; the same command makes both."""
    sweep.suffer("run.leaf.s0", "kill")
    sweep.suffer("run.depth-5.s0", "wait")
    begun = sweep.start()
    sweep.wait_for("run.depth-5.s0")
    sweep.cluster.run("scancel", sweep.task(1, "run.depth-5.s0"))
    code, _, err = sweep.end(begun)
    assert code == 4
    assert "2 cells of the study failed, and 4 that need them were not begun" in err
    assert "failed with exit code 137" in err
    assert "was cancelled" in err
    assert len(sweep.made()) == NUM_CELLS - 6
    assert sweep.status()["states"]["stopped"] == 2
    sweep.go_on("run.depth-5.s0")
    code, _, err = sweep.run()
    assert code == 0, err
    assert len(sweep.made()) == NUM_CELLS


@pytest.mark.slow
def test_failed_cut_takes_the_cells_that_need_it_although_its_array_goes_on(sweep):
    """Others of its array are whole: a task whose own need is not there ends, and did not fail."""
    sweep.suffer("cut.depth-5", "fail")
    code, _, err = sweep.run()
    assert code == 4
    assert "1 cell of the study failed, and 4 that need them were not begun: cut.depth-5" in err
    assert sweep.made() == {"shards", "cut.leaf", "run.leaf.s0", OF_A_RUN[0]}
    states = sweep.status()["states"]
    assert (states["failed"], states["waiting"]) == (1, 4)
    assert "run.depth-5.s0 was not begun: cut.depth-5 is not whole" in sweep.log(
        1, "run.depth-5.s0"
    )


@pytest.mark.slow
def test_requeued_cell_starts_again(sweep):
    """`scontrol requeue` of one task: nobody has to do anything."""
    sweep.suffer("run.leaf.s0", "wait")
    begun = sweep.start()
    sweep.wait_for("run.leaf.s0")
    sweep.cluster.run("scontrol", "requeue", sweep.task(1, "run.leaf.s0"))
    code, _, err = sweep.end(begun)
    assert code == 0, err
    assert ", start 1" in sweep.log(1, "run.leaf.s0")


@pytest.mark.slow
def test_more_urgent_job_takes_the_nodes_and_cells_start_again(sweep):
    """Preempted cells come back, whatever their stage."""
    cell = OF_A_RUN[0]
    sweep.suffer(cell, "wait")
    begun = sweep.start()
    sweep.wait_for(cell)
    urgent = ("--partition=urgent", "-N2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    sweep.cluster.run("sbatch", *urgent)
    until(lambda: ", start 1" in sweep.log(1, cell), 90)
    code, _, err = sweep.end(begun)
    assert code == 0, err
    assert len(sweep.made()) == NUM_CELLS


@pytest.mark.slow
def test_cell_of_a_node_that_dies_starts_again_elsewhere(sweep):
    """The power goes: Slurm starts its task on the other node."""
    sweep.suffer("run.leaf.s0", "wait")
    begun = sweep.start()
    sweep.wait_for("run.leaf.s0")
    log = sweep.log(1, "run.leaf.s0")
    sweep.cluster.down("--node", next(node for node in NODES if f" on {node}," in log))
    code, _, err = sweep.end(begun)
    assert code == 0, err
    assert ", start 1" in sweep.log(1, "run.leaf.s0")


def calm_study(sweep: SlurmSweep, text: str) -> Workspace:
    """The same study in this process, undisturbed."""
    sweep.file.write_text(text)
    calm = Workspace(sweep.home / "calm")
    run_study(calm, load_study(str(sweep.file)), 1, Silent())
    return calm


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_pretraining_is_told_that_its_time_ends(real_sweep, nodes):
    """It saves, its task starts again by itself; one process ends with the numbers of this one."""
    real_sweep.file.write_text(SLOW_STUDY)
    begun = real_sweep.start("--nodes", nodes)
    workspace = Workspace(real_sweep.workspace)
    runs = workspace.folder("run")
    until(lambda: any(path.read_text() for path in runs.glob("*/metrics.jsonl")), 120)
    real_sweep.cluster.run("scancel", "--signal=USR2", real_sweep.task(1, "run.leaf.s0"))
    until(lambda: "this task starts again: its time ends" in real_sweep.log(1, "run.leaf.s0"))
    real_sweep.slow.unlink()
    code, _, err = real_sweep.end(begun)
    assert code == 0, err
    assert ", start 1" in real_sweep.log(1, "run.leaf.s0")
    (path,) = runs.glob("*/starts.jsonl")
    starts = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["processes"], one["restart"]) for one in starts] == [(nodes, 0), (nodes, 1)]
    assert starts[1]["step"] > 0
    if nodes == 1:
        calm = calm_study(real_sweep, SLOW_STUDY)
        assert numbers(workspace) == numbers(calm)
        assert weights(workspace) == weights(calm)


@pytest.mark.slow
def test_study_whose_tasks_are_killed_three_times_ends_with_the_same_numbers(
    real_sweep, monkeypatch
):
    """44 cells; SIGKILL to the command that waits and to the tasks that run."""
    calm = calm_study(real_sweep, FORTY)
    real_sweep.slow.unlink()
    for name, value in real_sweep.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(real_sweep.home)
    kill = partial(kill_tasks, real_sweep.workspace)
    words = real_sweep.words("run", real_sweep.file, *real_sweep.slurm)
    assert len(kill_at_random(words, 3, 7, (10.0, 40.0), kill)) == 3
    codes = []
    while 0 not in codes:
        codes.append(real_sweep.run()[0])
        assert codes.count(4) < 4
    assert set(codes) <= {0, 4}
    killed = Workspace(real_sweep.workspace)
    assert numbers(killed) == numbers(calm)
    assert weights(killed) == weights(calm)
