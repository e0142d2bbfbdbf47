"""Fixtures of the client's tests: a small HTTP server that answers as a test tells it to, and a real `hq`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_server import FakeServer
from hq_bridge import JobClient, LocalCluster, PythonEnv, WorkerConfig
from real_server import RealServer, wait_for

ROOT = Path(__file__).resolve().parents[2]


def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may find the server of whoever runs it; `python3` is the Python of the tests."""
    for name in list(os.environ):
        if name.startswith("HQ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HQ_BRIDGE_HQ", os.environ.get("HQ", str(ROOT / "dist/bin/hq.js")))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    clean(monkeypatch)


@pytest.fixture(scope="session")
def shared_cluster():
    """A server with a worker of two CPUs. Tests leave it as they found it: nothing runs, all workers live."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        clean(monkeypatch)
        with LocalCluster(worker_config=WorkerConfig(2)) as cluster:
            yield cluster


@pytest.fixture
def cluster(shared_cluster, monkeypatch):
    """The shared cluster as the one that scripts find."""
    monkeypatch.setenv("HQ_SERVER_DIR", str(shared_cluster.server_dir))
    return shared_cluster


@pytest.fixture
def client(cluster, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with JobClient(python_env=PythonEnv(sys.executable)) as client:
        yield client
        for job in client.api.jobs(live=True):
            client.api.cancel(job["id"])
            if job["isOpen"]:
                client.api.close_job(job["id"])
        wait_for(lambda: client.api.jobs(live=True) == [], "the end of all jobs")


@pytest.fixture
def short_dir():
    """A directory with a short path: Unix sockets allow 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="hqb-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def fake(short_dir):
    with FakeServer(short_dir) as server:
        yield server


@pytest.fixture
def real(short_dir, monkeypatch):
    # Sockets and work directories of killed processes go with it.
    monkeypatch.setenv("TMPDIR", str(short_dir))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with RealServer(short_dir / "server") as server:
        yield server
