"""A server and workers of one's own on this host, as processes that end with it. `hyperqueue.cluster` re-exports this.

Names and defaults follow `hyperqueue.cluster` of HyperQueue 0.26, which runs them in threads of the Python process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, List, Optional

from .access import AnyPath
from .client import Client
from .embedded import await_ready, make_private, start_detached
from .errors import HqError, ServerUnavailable
from .host import usable_cpus
from .job_client import JobClient
from .validation import ValidationException

# A worker gives its tasks a second to end, and the server waits for its workers.
STOP_LIMIT_S = 15.0


@dataclasses.dataclass
class WorkerConfig:
    """:param cores: CPUs of the worker; None: all that this process may use"""

    cores: Optional[int] = None


class LocalCluster:
    """A server, and the workers that are started on it.

    :param server_dir: None: a directory that is removed at the end
    :param worker_config: of a first worker; None: there is none yet
    :raises HqError: when the server cannot be started, also because one runs in this directory
    """

    def __init__(self, server_dir: Optional[AnyPath] = None, worker_config: Optional[WorkerConfig] = None) -> None:
        self._own_dir = server_dir is None
        self.server_dir = Path(tempfile.mkdtemp(prefix="hq-")) if server_dir is None else Path(server_dir).absolute()
        self._workers: "List[subprocess.Popen[bytes]]" = []
        self._server: "Optional[subprocess.Popen[bytes]]" = None
        self._api = Client(self.server_dir)
        try:
            make_private(self.server_dir)
            self._start_server()
            if worker_config is not None:
                self.start_worker(worker_config)
        except BaseException:
            self.stop()
            raise

    def start_worker(self, config: Optional[WorkerConfig] = None) -> None:
        """Starts a worker and waits until the server knows it."""
        cores = (config or WorkerConfig()).cores
        if cores is not None and (isinstance(cores, bool) or not isinstance(cores, int) or cores < 1):
            raise ValidationException(f"cores={cores!r} is no number of CPUs; give a whole number from 1")
        options = ["--cpus", str(cores or usable_cpus()), "--on-server-lost", "stop"]
        log = self.server_dir / f"local-worker-{len(self._workers) + 1}.log"
        process = start_detached(["worker", "start", "--server-dir", str(self.server_dir), *options], log)
        self._workers.append(process)
        await_ready(process, log, lambda: process.pid in self._worker_pids(), "the worker")

    def client(self, **kwargs: Any) -> JobClient:
        """A client of this cluster; takes what `JobClient` takes, but for the directory."""
        return JobClient(self.server_dir, **kwargs)

    def stop(self) -> None:
        """Ends workers and server, by their process ids, and waits for that. May be called twice."""
        self._api.close()
        processes = [*self._workers, *([] if self._server is None else [self._server])]
        self._workers, self._server = [], None
        for process in processes:
            _end(process)
        if self._own_dir:
            shutil.rmtree(self.server_dir, ignore_errors=True)

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.stop()

    def _start_server(self) -> None:
        log = self.server_dir / "local-server.log"
        # For this host alone: nothing else should reach a cluster that is there for a moment.
        options = ["--host", "127.0.0.1"]
        server = start_detached(["server", "start", "--server-dir", str(self.server_dir), *options], log)
        self._server = server
        await_ready(server, log, lambda: self._server_pid() is not None, "the server")
        if self._server_pid() != server.pid:
            hint = "Use it with Client(server_dir), or give LocalCluster another directory"
            raise HqError("HQ_E_SERVER_RUNNING", f"a server runs in {self.server_dir} already", hint)

    def _server_pid(self) -> Optional[int]:
        try:
            return self._api.server_info()["pid"]
        except ServerUnavailable:
            return None

    def _worker_pids(self) -> List[int]:
        return [worker["configuration"]["pid"] for worker in self._api.workers()]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Asks a process to end, and insists after a while."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
