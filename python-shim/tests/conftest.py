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
from real_server import RealServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may find the server of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("HQ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HQ_BRIDGE_HQ", os.environ.get("HQ", str(ROOT / "dist/bin/hq.js")))


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
