"""`granctl shards build --launcher slurm` on a real Slurm of two nodes."""

import signal
import time
from pathlib import Path

import pytest
from generated_images import write_source
from slurm_cluster import NODES, set_bytes, until


def test_array_over_two_nodes_makes_the_bytes_of_one_process(build, expected):
    """Four tasks, both nodes, one finish job; the path on stdout, and again at once."""
    code, out, err = build.run()
    assert code == 0, err
    assert Path(out.strip()) == build.folder
    assert set_bytes(build.folder) == expected
    logs = "".join((build.jobs / f"task-{i}.log").read_text() for i in range(4))
    assert all(f" on {node}, start 0" in logs for node in NODES)
    assert "24/24 images" in err
    assert "8/8 shards" in err
    assert [one["tasks"] for one in build.record["rounds"]] == [[0, 1, 2, 3]]
    assert (build.workspace / "newest/shards").read_text().strip() == str(build.folder)
    code, again, err = build.run()
    assert (code, again) == (0, out)
    assert "there already, whole" in err


def test_task_that_is_killed_is_run_again_by_the_finish_job(build, expected):
    """Only it, in a second array; a killed writer's half file does not stay."""
    build.suffer("task-2", "kill")
    code, _, err = build.run()
    assert code == 0, err
    assert [one["tasks"] for one in build.record["rounds"]] == [[0, 1, 2, 3], [2]]
    assert set_bytes(build.folder) == expected
    assert (build.jobs / "task-2.log").read_text().count("== ") == 2


def test_nobody_waits_and_the_same_command_joins(build, expected):
    """--no-wait ends with the ids; two more commands find the jobs, submit none, and end well."""
    build.suffer("task-1", "wait")
    code, out, err = build.run("--no-wait", "--json")
    assert code == 0, err
    assert '"whole": false' in out
    record = build.record
    build.wait_for("task-1")
    both = [build.start(), build.start("--plan", build.folder)]
    for process in both:
        assert any("in the queue: no others are submitted" in line for line in process.stderr)
    build.go_on("task-1")
    ends = [build.end(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0]
    assert {out.strip() for _, out, _ in ends} == {str(build.folder)}
    assert build.record == record
    assert set_bytes(build.folder) == expected


def test_two_commands_at_once_submit_one_array(build, expected):
    """The second waits for the first to have submitted, and then for its jobs."""
    both = [build.start() for _ in range(2)]
    assert [build.end(process)[0] for process in both] == [0, 0]
    names = build.cluster.run("scontrol", "-o", "show", "job")
    assert names.count(f"JobName={build.record['name']} ") == 4 + 1
    assert set_bytes(build.folder) == expected


def test_cancelled_task_does_not_come_back_until_the_same_command_asks(build, expected):
    """Exit 4 with the task, how it ended and its log; then the same command goes on."""
    build.suffer("task-3", "wait")
    begun = build.start()
    build.wait_for("task-3")
    build.cluster.run("scancel", f"{build.record['rounds'][0]['job']}_3")
    code, out, err = build.end(begun)
    assert (code, out) == (4, "")
    assert "2 of 8 shards of" in err
    assert "task 3 was cancelled" in err
    assert f"log: {build.jobs / 'task-3.log'}" in err
    assert "hint: the same command submits what is missing again" in err
    assert not list(build.folder.glob(".*.tmp"))
    build.go_on("task-3")
    code, _, err = build.run()
    assert code == 0, err
    assert "going on: 6 of 8 shards are whole" in err
    assert [one["tasks"] for one in build.record["rounds"]] == [[3]]
    assert set_bytes(build.folder) == expected


def test_interrupted_command_leaves_its_jobs(build, expected):
    """Ctrl-C ends the waiting, says how to end the jobs, and the next command waits for them."""
    build.suffer("task-0", "wait")
    begun = build.start()
    build.wait_for("task-0")
    until(lambda: (build.jobs / "jobs.json").exists() and build.record["finish"])
    time.sleep(0.5)
    begun.send_signal(signal.SIGINT)
    code, _, err = build.end(begun)
    assert code == 130
    name = build.record["name"]
    assert f"the jobs go on; to end them: `scancel --name={name}`" in err
    assert "0" in build.cluster.run("squeue", "-h", "-r", "-o", "%K", f"--name={name}").split()
    build.go_on("task-0")
    assert build.run()[0] == 0
    assert set_bytes(build.folder) == expected


def test_bad_image_is_the_error_of_a_build_and_skip_goes_on(build, tmp_path):
    """Exit 2 with its name, as in one process; skip needs no task any more."""
    build.source = write_source(tmp_path / "shapes")
    (build.source / "train/n00000003/a.png").write_bytes(b"no image")
    code, _, err = build.run()
    assert code == 2, err
    assert "1 bad image, all named in" in err
    assert "train/n00000003/a.png" in err
    assert "--on-bad-image skip" in err
    code, out, err = build.run("--on-bad-image", "skip")
    assert code == 0, err
    assert build.record["rounds"] == []
    assert (Path(out.strip()) / "bad.csv").is_file()


def test_refused_submission_leaves_nothing_in_the_queue(build):
    """Exit 2 with what sbatch said."""
    code, _, err = build.run("--partition", "nosuch")
    assert code == 2
    assert "Slurm refused" in err
    assert "nvalid partition" in err
    assert build.cluster.run("squeue", "-h") == ""


@pytest.mark.slow
def test_task_that_always_dies_is_given_up(build, expected):
    """Three rounds in a row without a shard more, then exit 4 with names; the rest is kept."""
    build.suffer("task-1", "always")
    code, _, err = build.run()
    assert code == 4, err
    assert "2 of 8 shards of" in err
    assert "train-000001" in err
    assert "task 1 failed by signal 9 on node" in err
    assert [one["tasks"] for one in build.record["rounds"]] == [[0, 1, 2, 3], [1], [1], [1]]
    build.go_on("task-1")
    assert build.run()[0] == 0
    assert set_bytes(build.folder) == expected


@pytest.mark.slow
def test_finish_job_that_dies_is_told(build, expected):
    """Exit 4 with its log; the same command submits only a finish job."""
    build.suffer("finish", "kill")
    code, _, err = build.run()
    assert code == 4, err
    assert "all shards of" in err
    assert "its finish job failed by signal 9" in err
    code, _, err = build.run()
    assert code == 0, err
    assert build.record["rounds"] == []
    assert set_bytes(build.folder) == expected


@pytest.mark.slow
def test_task_of_a_node_that_dies_starts_again_elsewhere(build, expected):
    """Slurm requeues it; the half file that the dead node left does not stay in the whole set."""
    build.suffer("task-0", "wait")
    begun = build.start()
    build.wait_for("task-0")
    log = build.jobs / "task-0.log"
    node = next(node for node in NODES if f" on {node}," in log.read_text())
    build.cluster.down("--node", node)
    code, _, err = build.end(begun)
    assert code == 0, err
    assert ", start 1" in log.read_text()
    assert set_bytes(build.folder) == expected


@pytest.mark.slow
def test_node_that_was_taken_for_lost_writes_the_same_bytes(build, expected):
    """Its cable is pulled: the task starts elsewhere, and the copy that nobody hears of ends too.

    Both write the same shards under temporary names of their own; the set is whole before the lost
    copy wakes up, and stays as it is.
    """
    if not build.cluster.is_netns:
        pytest.skip("nodes here share one network: no cable to pull")
    build.suffer("task-0", "wait")
    begun = build.start()
    build.wait_for("task-0")
    log = build.jobs / "task-0.log"
    node = next(node for node in NODES if f" on {node}," in log.read_text())
    build.cluster.down("--cut", node)
    try:
        code, out, err = build.end(begun)
        assert code == 0, err
        assert ", start 1" in log.read_text()
        assert log.read_text().count(out) == 1
        build.go_on("task-0")
        until(lambda: log.read_text().count(out) == 2)
    finally:
        build.cluster.down("--join", node)
    assert "Traceback" not in log.read_text()
    assert set_bytes(build.folder) == expected


@pytest.mark.slow
def test_more_urgent_job_takes_the_node_and_the_task_starts_again(build, expected):
    """Preempted by requeue: TERM, nothing left behind, and on."""
    build.suffer("task-0", "wait")
    begun = build.start()
    build.wait_for("task-0")
    urgent = ("--partition=urgent", "-N2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    job = build.cluster.run("sbatch", "--parsable", *urgent)
    log = build.jobs / "task-0.log"
    until(lambda: "ended by a signal" in log.read_text(), 90)
    build.go_on("task-0")
    code, _, err = build.end(begun)
    assert code == 0, err
    assert ", start 1" in log.read_text()
    assert f"JobId={job.strip()} " in build.cluster.run("scontrol", "-o", "show", "job")
    assert set_bytes(build.folder) == expected


@pytest.mark.slow
def test_requeued_task_leaves_nothing_and_starts_again(build, expected):
    """TERM unwinds it; its log goes on in the same file with start 1."""
    build.suffer("task-2", "wait")
    begun = build.start()
    build.wait_for("task-2")
    build.cluster.run("scontrol", "requeue", f"{build.record['rounds'][0]['job']}_2")
    until(lambda: "ended by a signal" in (build.jobs / "task-2.log").read_text())
    until(lambda: not list(build.folder.glob(".*.tmp")))
    build.go_on("task-2")
    code, _, err = build.end(begun)
    assert code == 0, err
    assert ", start 1" in (build.jobs / "task-2.log").read_text()
    assert len(build.record["rounds"]) == 1
    assert set_bytes(build.folder) == expected
