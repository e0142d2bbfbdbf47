"""The client against a real server: every transport, every kind of call, events over a restart."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys

import pytest

from hq_bridge import Batch, Client, EventStream, HqError, Resumed, ensure_server, read_access
from hq_bridge.host import login_node_sign
from real_server import RealServer, wait_for


def array(command, ids="1-3", **spec):
    return {"submitDir": "/tmp", "tasks": {"kind": "array", "ids": ids, "spec": {"command": command, **spec}}}


def without_socket(source, target):
    """An access file for a client on another host."""
    target.mkdir()
    path = target / "access.json"
    shutil.copy(read_access(source).path, path)
    content = json.loads(path.read_text())
    content["socket"] = None
    path.write_text(json.dumps(content))
    return content


def test_unix_socket_and_tls_reach_the_same_server(real, tmp_path):
    real.start("--host", "127.0.0.1")
    without_socket(real.directory, tmp_path / "far")
    with Client(real.directory) as near, Client(tmp_path / "far") as far:
        assert near.server_info()["serverUid"] == far.server_info()["serverUid"]
        for _ in range(3):
            far.jobs()


def test_another_certificate_is_refused(real, short_dir, tmp_path):
    real.start("--host", "127.0.0.1")
    with RealServer(short_dir / "other") as other:
        other.start("--host", "127.0.0.1")
        stranger = read_access(other.directory)
    content = without_socket(real.directory, tmp_path / "far")
    content["client"]["certificate"] = stranger.certificate
    (tmp_path / "far/access.json").write_text(json.dumps(content))
    with Client(tmp_path / "far") as client, pytest.raises(HqError) as caught:
        client.server_info()
    assert caught.value.code == "HQ_E_AUTH"


def test_wrong_token_is_refused(real, tmp_path):
    real.start("--host", "127.0.0.1")
    content = without_socket(real.directory, tmp_path / "far")
    content["client"]["token"] = "wrong"
    (tmp_path / "far/access.json").write_text(json.dumps(content))
    with Client(tmp_path / "far") as client, pytest.raises(HqError) as caught:
        client.server_info()
    assert caught.value.code == "HQ_E_AUTH"


def test_life_of_a_job(real):
    real.start()
    with Client(real.directory) as client:
        job = client.create_job({"name": "x", "open": True, "labels": {"a": "b"}})["jobId"]
        client.create_job({"name": "y", "open": True})
        assert [info["id"] for info in client.jobs(live=True, labels={"a": "b"})] == [job]
        assert client.submit(job, array(["true"]))["taskIds"] == "1-3"
        assert [task["id"] for task in client.tasks(job, ids="2-9")] == [2, 3]
        assert client.task(job, 2)["spec"]["command"] == ["true"]
        assert client.cancel(job, "1", reason="no")["canceled"] == 1
        assert client.cancel(job) == {"canceled": 2, "alreadyDone": 1}
        assert [task["id"] for task in client.tasks(job, states=["waiting", "running"])] == []
        client.close_job(job)
        assert client.job(job)["stats"]["canceled"] == 3
        client.forget_job(job)
        with pytest.raises(HqError) as caught:
            client.job(job)
        assert caught.value.code == "HQ_E_JOB_NOT_FOUND"
        assert client.workers() == []


def test_workers(real):
    real.start()
    real.worker("--cpus", "2")
    with Client(real.directory) as client:
        (worker,) = client.workers()
        assert client.worker(worker["id"])["configuration"]["pid"] == worker["configuration"]["pid"]
        client.stop_worker(worker["id"])
        wait_for(lambda: client.workers() == [], "the end of the worker")
        assert len(client.workers(include_gone=True)) == 1


def test_bad_input_is_refused_in_one_line(real):
    real.start()
    with Client(real.directory) as client, pytest.raises(HqError) as caught:
        client.create_job({"name": "x", "submit": array([], "1-")})
    assert "\n" not in str(caught.value)
    assert client.jobs() == []


def test_a_task_takes_the_variant_that_can_start(real, tmp_path):
    real.start()
    real.worker("--cpus", "2", "--resource", "foo=1")
    second = [{"resources": {"foo": 2}}, {"resources": {"cpus": 2}, "weight": 0.5}]
    first = [{"resources": {"foo": 1, "cpus": "1 compact"}}, {"resources": {"cpus": 2}, "timeRequestMs": 1}]
    script = 'printf "%s" "$HQ_RESOURCE_VARIANT;$HQ_CPUS"'
    shared = {"command": ["sh", "-c", script], "cwd": str(tmp_path)}
    tasks = [{"id": 1, "request": first}, {"id": 2, "request": second, "deps": [1]}]
    submit = {"submitDir": "/tmp", "tasks": {"kind": "graph", "shared": shared, "tasks": tasks}}
    with Client(real.directory) as client:
        preview = client.preview(submit)
        assert (preview["taskIds"], preview["taskCount"], preview["warnings"]) == ("1-2", 2, [])
        in_the_way = [[one["obstacles"] for one in variant["workers"]] for variant in preview["requests"][1]["variants"]]
        assert in_the_way == [[[{"kind": "too-little", "resource": "foo", "requested": 2, "total": 1}]], [[]]]
        assert client.jobs() == []
        job = client.create_job({"name": "x", "submit": submit})["jobId"]
        wait_for(lambda: client.job(job)["stats"]["finished"] == 2, "the tasks")
        seen = [b"".join(client.task_output(job, task)).decode().split(";") for task in (1, 2)]
    assert [variant for variant, _cpus in seen] == ["0", "1"]
    assert [len(cpus.split(",")) for _variant, cpus in seen] == [1, 2]


def test_output_of_a_real_task(real, tmp_path):
    real.start()
    real.worker()
    with Client(real.directory) as client:
        script = "printf begun; until test -e go; do sleep 0.05; done; printf ' done'"
        task = array(["sh", "-c", script], "0", cwd=str(tmp_path))
        job = client.create_job({"name": "x", "submit": task})["jobId"]
        pieces = client.task_output(job, 0, follow=True)
        assert next(pieces) == b"begun"
        # Other calls go on meanwhile.
        assert client.task(job, 0)["state"] == "running"
        assert client.explain_task(job, 0)["reason"] == {"kind": "running", "workerIds": [1]}
        (tmp_path / "go").touch()
        assert b"".join(pieces) == b" done"
        assert b"".join(client.task_output(job, 0, tail=4)) == b"done"
        with pytest.raises(HqError) as caught:
            client.task_output(job, 1)
        assert caught.value.code == "HQ_E_TASK_NOT_FOUND"


def test_events_of_real_tasks(real):
    real.start()
    real.worker("--cpus", "2")
    inbox = queue.Queue()
    with Client(real.directory) as client:
        job = client.create_job({"name": "x", "open": True})["jobId"]
        types = ["task-finished", "task-failed"]
        with EventStream(real.directory, inbox.put, jobs=str(job), types=types):
            submit = array(["/bin/sh", "-c", "exit $HQ_TASK_ID"], "0-2", stdout=None, stderr=None)
            client.submit(job, submit)
            seen = {}
            while len(seen) < 3:
                for event in inbox.get(timeout=30).events:
                    seen[event["taskId"]] = (event["type"], event.get("exitCode"))
    assert seen == {0: ("task-finished", None), 1: ("task-failed", 1), 2: ("task-failed", 2)}


def test_events_go_on_over_a_restart(real):
    first = real.start()
    inbox = queue.Queue()
    with Client(real.directory) as client, EventStream(real.directory, inbox.put, types=["job-created"]):
        client.create_job({"name": "x", "open": True})
        assert inbox.get(timeout=30).events[0]["name"] == "x"
        first.kill()
        first.wait()
        real.start()
        client.create_job({"name": "y", "open": True})
        message = inbox.get(timeout=30)
        while not isinstance(message, Batch):
            uid = message.server_uid if isinstance(message, Resumed) else ""
            assert uid in ("", client.server_info()["serverUid"])
            message = inbox.get(timeout=30)
        assert [event["name"] for event in message.events] == ["y"]


def test_server_starts_by_itself_and_ends_with_its_last_user(real):
    said = []
    server = ensure_server(real.directory, max_jobs=1, warn=said.append)
    assert (server.started, server.embedded, server.worker_cpus) == (True, True, 1)
    again = ensure_server(real.directory, warn=said.append)
    assert (again.started, again.embedded, again.worker_cpus) == (False, True, None)
    assert again.server_uid == server.server_uid
    # A machine with a batch system gets one line, when the worker starts.
    assert ["login node" in line for line in said] == ([] if login_node_sign() is None else [True])
    with Client(real.directory) as client:
        assert len(client.workers()) == 1
    assert len(real.embedded()) == 2
    first = EventStream(real.directory, lambda _message: None, lease="first").open()
    with EventStream(real.directory, lambda _message: None, lease="second"):
        first.close()
        with Client(real.directory) as client:
            assert client.server_info()["leases"] == 1
    wait_for(lambda: real.embedded() == [], "the end of server and worker")


def test_many_at_once_start_one_server_and_one_worker(real):
    code = "import sys; from hq_bridge import ensure_server; print(ensure_server(sys.argv[1], cpus=1).server_uid)"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(real.directory)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    uids = {child.communicate(timeout=60)[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert len(uids) == 1
    with Client(real.directory) as client:
        assert len(client.workers(include_gone=True)) == 1


def test_lost_worker_is_replaced(real):
    ensure_server(real.directory, cpus=1)
    with Client(real.directory) as client:
        (worker,) = client.workers()
        os.kill(worker["configuration"]["pid"], 9)
        wait_for(lambda: client.server_info()["workers"] == 0, "the loss of the worker")
        assert ensure_server(real.directory).worker_cpus is not None
        assert len(client.workers()) == 1


def test_server_of_somebody_is_left_alone(real):
    real.start()
    server = ensure_server(real.directory)
    assert (server.started, server.embedded, server.worker_cpus) == (False, False, None)
    assert ensure_server(real.directory, cpus=1).worker_cpus == 1


def test_login_node_is_told(real, tmp_path, monkeypatch):
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    said = []
    ensure_server(real.directory, cpus=1, warn=said.append)
    assert len(said) == 1
    assert "login node" in said[0]


def test_server_that_cannot_start_is_told_with_its_words(real, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("HQ_BRIDGE_HQ", str(broken))
    with pytest.raises(HqError, match=r"exit code 3.*no space left"):
        ensure_server(real.directory)


def test_directory_of_somebody_else_is_refused(monkeypatch):
    if os.getuid() == 0:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(HqError) as caught:
        ensure_server("/usr")
    assert caught.value.code == "HQ_E_SERVER_DIR"
