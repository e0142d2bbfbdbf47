"""Fixtures of the plugin's tests: real servers with real workers, and workflows run by a real Snakemake."""

from __future__ import annotations

import contextlib
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
        self.worker("--cpus", str(cpus), "--detect-resources", "none")


@pytest.fixture(autouse=True, scope="session")
def _own_environment():
    """No test may find the server of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*(name for name in os.environ if name.startswith("HQ_")), "XDG_RUNTIME_DIR"]:
            patch.delenv(name, raising=False)
        # Notebooks are run by a program beside this Python.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("HQ_BRIDGE_HQ", os.environ.get("HQ", str(ROOT / "dist/bin/hq.js")))
        yield


@contextlib.contextmanager
def new_server():
    """A directory for a server with a short path (Unix sockets allow 108 bytes); whatever runs on it is stopped."""
    path = Path(tempfile.mkdtemp(prefix="hqb-"))
    with pytest.MonkeyPatch.context() as patch, RealServer(path / "server") as server:
        # Sockets and work directories of killed processes go with it.
        patch.setenv("TMPDIR", str(path))
        yield server
    shutil.rmtree(path)


@pytest.fixture
def own_server():
    """A server for one test, which starts it."""
    with new_server() as server:
        yield server


@pytest.fixture(scope="module")
def server():
    """A server with a worker of 4 CPUs that provides nothing else."""
    with new_server() as server:
        server.start()
        server.bare_worker(4)
        yield server


@pytest.fixture
def workflow(tmp_path, server):
    """For a workflow on that server."""
    made = Workflow(tmp_path / "work dir", server)
    yield made
    made.stop()


@pytest.fixture
def lone_workflow(tmp_path, own_server):
    """For a workflow on a server of its own."""
    made = Workflow(tmp_path / "work dir", own_server)
    yield made
    made.stop()
