"""`granctl pretrain --launcher slurm` on a real Slurm of two nodes, and what may befall a job."""

import json
import signal

import pytest
from slurm_cluster import NODES, until
from slurm_training import STEPS


def test_two_nodes_give_what_two_local_processes_give(training, two_processes):
    """Bit for bit; nobody waits at first, two more commands join, submit none, and end well."""
    code, out, err = training.run("--no-wait", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert (record["whole"], record["processes"], record["steps"]) == (False, 2, STEPS)
    assert f"job {record['job']}" in training.granctl("runs", "list")
    training.reach(5)
    line = training.granctl("runs", "list").splitlines()[1]
    assert line.split()[:2] == [training.folder.name, "running"]
    assert f"/{STEPS} " in line
    assert line.endswith(f"job {record['job']} on node[1-2]")
    both = [training.start(), training.start()]
    for process in both:
        assert any("is in the queue: no other is submitted" in line for line in process.stderr)
    training.slow.unlink()
    ends = [training.end(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert {out.strip() for _, out, _ in ends} == {str(training.folder)}
    assert f"{STEPS}/{STEPS} steps" in ends[0][2]
    assert training.result() == two_processes
    assert training.starts() == [(0, 0)]
    assert training.job == record["job"]
    code, again, err = training.run()
    assert (code, again.strip()) == (0, str(training.folder))
    assert "there already, whole" in err


def test_job_comes_back_when_its_time_ends_and_not_when_it_is_cancelled(training, two_processes):
    """USR2: saved, requeued by itself, and who waits is not disturbed. scancel: exit 4, and gone.

    The run is unfinished then, and the same command goes on; in the end no step was lost.
    """
    begun = training.start()
    training.reach(20)
    training.cluster.run("scancel", "--signal=USR2", training.job)
    until(lambda: len(training.starts()) == 2)
    first, second = training.starts()
    assert (first, second[1]) == ((0, 0), 1)
    assert second[0] >= 20
    assert f"stopped by signal 12 after step {second[0]} of {STEPS}; all is saved" in training.log
    assert "this job starts again: its time ends" in training.log
    assert ", start 1" in training.log
    training.reach(second[0] + 10)
    told = json.loads(training.granctl("runs", "stop", "--json"))
    assert told["how"] == f"scancel {training.job}"
    code, out, err = training.end(begun)
    assert (code, out) == (4, "")
    assert f"job {training.job} of run {training.folder} was cancelled" in err
    assert "hint: the same command submits what is missing again" in err
    assert training.cluster.run("squeue", "-h") == ""
    assert "  stopped  " in training.granctl("runs", "list")
    training.slow.unlink()
    code, _, err = training.run()
    assert code == 0, err
    assert training.starts()[2][0] >= second[0] + 10
    assert training.result() == two_processes


@pytest.mark.slow
def test_requeued_job_goes_on(training, two_processes):
    """`scontrol requeue` tells it to end and starts it again: it saves, and no step is lost."""
    begun = training.start()
    training.reach(20)
    training.cluster.run("scontrol", "requeue", training.job)
    until(lambda: "stopped by signal 15" in training.log)
    training.slow.unlink()
    code, _, err = training.end(begun)
    assert code == 0, err
    assert [restart for _, restart in training.starts()] == [0, 1]
    assert training.starts()[1][0] >= 20
    assert training.result() == two_processes


@pytest.mark.slow
def test_more_urgent_job_takes_the_nodes_and_the_training_starts_again(training, two_processes):
    """Preempted, it saves, leaves at once, and waits in the queue."""
    begun = training.start()
    training.reach(20)
    urgent = ("--partition=urgent", "-N2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    training.cluster.run("sbatch", *urgent)
    until(lambda: "this job starts again: a more urgent job takes its place" in training.log)
    training.slow.unlink()
    code, _, err = training.end(begun)
    assert code == 0, err
    assert [restart for _, restart in training.starts()] == [0, 1]
    assert training.result() == two_processes


@pytest.mark.slow
def test_time_limit_is_no_end(training, two_processes):
    """A limit of a minute, told of 20 seconds before or some more: saved, requeued, whole."""
    training.slow.write_text("0.5")
    begun = training.start("--time", 1, "--sbatch", "--signal=USR2@20")
    until(lambda: "this job starts again: its time ends" in training.log, 120)
    training.slow.unlink()
    code, _, err = training.end(begun)
    assert code == 0, err
    assert [restart for _, restart in training.starts()] == [0, 1]
    assert training.result() == two_processes


@pytest.mark.slow
def test_training_of_a_node_that_dies_goes_on_on_the_other(training, two_processes):
    """The power goes: Slurm starts the job again; what came after the last checkpoint is redone."""
    begun = training.start("--nodes", 1, "--tasks-per-node", 2)
    training.reach(20)
    node = next(node for node in NODES if f" on {node}, start 0" in training.log)
    training.cluster.down("--node", node)
    until(lambda: ", start 1" in training.log, 90)
    training.slow.unlink()
    code, _, err = training.end(begun)
    assert code == 0, err
    assert training.starts()[1][0] > 0
    assert training.result() == two_processes


@pytest.mark.slow
def test_copy_on_a_node_that_was_taken_for_lost_disturbs_nothing(training, two_processes):
    """Its cable is pulled: it trains on, the job starts elsewhere, and the run is made once.

    Here the nodes share a disk that knows locks, so the second start waits for the first one. That
    one gives way where there are no locks is tested with starts.
    """
    if not training.cluster.is_netns:
        pytest.skip("nodes here share one network: no cable to pull")
    begun = training.start("--nodes", 1, "--tasks-per-node", 2)
    training.slow.write_text("0.5")
    training.reach(10)
    node = next(node for node in NODES if f" on {node}, start 0" in training.log)
    training.cluster.down("--cut", node)
    try:
        until(lambda: "another process makes" in training.log, 90)
        training.slow.unlink()
        code, _, err = training.end(begun)
    finally:
        training.cluster.down("--join", node)
    assert code == 0, err
    assert ", start 1" in training.log
    assert training.result() == two_processes


@pytest.mark.slow
def test_job_that_never_gets_further_stops_with_the_reason(training):
    """Its first step takes longer than Slurm waits, three times: the third start refuses."""
    training.slow.write_text("60")
    begun = training.start()
    for restart in range(2):
        until(lambda num=restart + 1: len(training.starts()) == num)
        training.cluster.run("scontrol", "requeue", training.job)
    code, _, err = training.end(begun)
    assert code == 4
    assert "the last 3 starts of" in err
    assert "all began at step 0: something ends the run before it can save" in err
    assert [step for step, _ in training.starts()] == [0, 0]


@pytest.mark.slow
def test_interrupted_command_leaves_its_job(training, two_processes):
    """Ctrl-C ends the waiting, says how to end the job, and the next command waits for it."""
    begun = training.start()
    training.reach(5)
    begun.send_signal(signal.SIGINT)
    code, _, err = training.end(begun)
    assert code == 130
    assert f"the job goes on; to end it: `granctl runs stop {training.folder}`" in err
    training.slow.unlink()
    assert training.run()[0] == 0
    assert training.result() == two_processes
