"""A real server with real workers in a directory of its own; all that was started is stopped by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, List, TypeVar

from hq_bridge import Client, ServerUnavailable

Value = TypeVar("Value")
# Far above what anything takes, so that only a hang is cut off.
LIMIT_S = 60.0
# A worker stops its tasks and delivers their results before it ends.
GRACE_S = 15.0


def wait_for(get: Callable[[], Value], what: str = "a condition") -> Value:
    """The first true value of `get`."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        value = get()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class RealServer:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: List[subprocess.Popen] = []

    def __enter__(self) -> "RealServer":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        """Asks everything to end, workers first, and insists after a while; their logs are shown with a failure."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self.embedded():
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + GRACE_S
        while self.embedded() and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in self.embedded():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.embedded(), "the end of the embedded processes")
        for process in self.processes:
            print(self.log(process))

    def embedded(self) -> List[int]:
        """Processes of this directory, whoever started them, from their command lines."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.is_ours(pid)]

    def is_ours(self, pid: int) -> bool:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.directory).encode() in arguments and is_alive(pid)

    def spawn(self, *arguments: str) -> subprocess.Popen:
        """`hq` with these arguments on this server's directory; what it prints goes to a file there."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        node = shutil.which("node")
        assert node is not None
        with open(self.log_of(len(self.processes)), "wb") as log:
            command = [node, os.environ["HQ_BRIDGE_HQ"], *arguments, "--server-dir", str(self.directory)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        self.processes.append(process)
        return process

    def start(self, *options: str) -> subprocess.Popen:
        process = self.spawn("server", "start", *options)
        wait_for(lambda: self.answers(process), "the server")
        return process

    def worker(self, *options: str) -> subprocess.Popen:
        return self.register(self.spawn("worker", "start", *options))

    def register(self, process: subprocess.Popen) -> subprocess.Popen:
        """Waits until a worker process has been accepted."""
        with Client(self.directory) as client:
            wait_for(lambda: process.poll() is not None or process.pid in pids(client), "the worker")
        assert process.poll() is None, self.log(process)
        return process

    def answers(self, process: subprocess.Popen) -> bool:
        assert process.poll() is None, self.log(process)
        try:
            with Client(self.directory) as client:
                return client.server_info()["pid"] == process.pid
        except ServerUnavailable:
            return False

    def log(self, process: subprocess.Popen) -> str:
        return self.log_of(self.processes.index(process)).read_text()

    def log_of(self, number: int) -> Path:
        return self.directory / f"process-{number}.log"


def pids(client: Client) -> List[int]:
    """Processes of the connected workers."""
    return [worker["configuration"]["pid"] for worker in client.workers()]
