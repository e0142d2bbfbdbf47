"""Fixtures of the plugin's tests: real servers with real workers, and workflows run by a real Snakemake."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# The helpers of the client's tests start and stop servers.
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "python-shim/tests")]
from real_server import RealServer as AnyServer

from workflow import Workflow


class RealServer(AnyServer):
    def bare_worker(self, cpus: int) -> None:
        """A worker that provides CPUs and nothing else."""
        script = Path(__file__).parent / "bare_worker.mjs"
        self.register(self.spawn_script(script, str(self.directory), str(cpus)))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may find the server of whoever runs it."""
    script = os.environ.get("HQ", str(ROOT / "dist/bin/hq.js"))
    for name in list(os.environ):
        if name.startswith("HQ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HQ_BRIDGE_HQ", script)


@pytest.fixture
def server_dir():
    """A directory for a server with a short path (Unix sockets allow 108 bytes); whatever runs on it is stopped."""
    path = Path(tempfile.mkdtemp(prefix="hqb-"))
    with RealServer(path / "server") as server:
        yield server
    shutil.rmtree(path)


@pytest.fixture
def server(server_dir):
    """A server with a worker of 4 CPUs that provides nothing else."""
    server_dir.start()
    server_dir.bare_worker(4)
    return server_dir


@pytest.fixture
def workflow(tmp_path, server_dir):
    made = Workflow(tmp_path / "work dir", server_dir)
    yield made
    made.stop()
