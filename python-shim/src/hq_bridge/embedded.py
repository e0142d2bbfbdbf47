"""A server that is simply there: found when one runs, else started together with a worker on this host.

It is an ordinary detached server in an ordinary directory, so that several workflows share it. Each holds a lease (an
`EventStream`); the server ends when the last one has ended and nothing is left to do, and its worker with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, NamedTuple, Optional

from .access import AnyPath, server_directory
from .client import Client
from .errors import HqError, ServerUnavailable
from .executable import find_hq
from .host import login_node_sign, usable_cpus

if TYPE_CHECKING:
    from ._generated import models

# How long a server without leases and tasks waits for the next workflow.
EXIT_WHEN_IDLE = "10m"
# Node starts within a second; a parallel file system under load may take many.
START_LIMIT_S = 60.0
POLL_S = 0.05
LOCK_FILE = "embedded.lock"
SERVER_LOG = "embedded-server.log"
WORKER_LOG = "embedded-worker.log"
# Lines of such a log that go into an error.
SHOWN_LINES = 5
# Of a surrounding task's variables only these concern a new server.
KEPT_VARIABLES = ("HQ_COMPAT", "HQ_DEBUG", "HQ_PARANOID")

Warn = Callable[[str], None]


class EmbeddedServer(NamedTuple):
    """The server to use. `embedded`: it ends by itself; `worker_cpus`: CPUs of the worker that this call started."""

    server_dir: Path
    server_uid: str
    started: bool
    embedded: bool
    worker_cpus: Optional[int]


def ensure_server(
    server_dir: Optional[AnyPath] = None,
    cpus: Optional[int] = None,
    *,
    max_jobs: Optional[int] = None,
    local_worker: bool = True,
    warn: Optional[Warn] = None,
) -> EmbeddedServer:
    """Returns the server of a directory, after starting one where none answers.

    An embedded server without a worker and without an allocation queue gets a local worker; a server that somebody
    started by hand gets one only when `cpus` is given.

    :param server_dir: None for `HQ_SERVER_DIR`, else `~/.hq-server`
    :param cpus: CPUs of the local worker; None: what this process may use, at most `max_jobs`
    :param local_worker: false: start none, as the caller brings workers by an allocation queue
    :param warn: told one line at a time; None: standard error
    :raises HqError: when no server can be started or the one that runs cannot be used
    """
    directory = server_directory(server_dir)
    with Client(directory) as client:
        info = _info(client)
        # Decided without the lock, as nearly always nothing has to be started.
        if info is not None and not (local_worker and _lacks_worker(info, cpus)):
            return EmbeddedServer(directory, info["serverUid"], False, _is_embedded(info), None)
        make_private(directory)
        with _locked(directory / LOCK_FILE):
            started = _info(client) is None
            if started:
                _start_server(directory, client)
            info = client.server_info()
            worker_cpus = None
            if local_worker and _lacks_worker(info, cpus):
                worker_cpus = cpus or min(usable_cpus(), max(1, max_jobs or sys.maxsize))
                _start_worker(directory, client, worker_cpus, warn or _print_line)
            return EmbeddedServer(directory, info["serverUid"], started, _is_embedded(info), worker_cpus)


def _info(client: Client) -> "Optional[models.ServerInfo]":
    """None where no server answers."""
    try:
        return client.server_info()
    except ServerUnavailable:
        return None


def _is_embedded(info: "models.ServerInfo") -> bool:
    return info["exitWhenIdleMs"] is not None


def _lacks_worker(info: "models.ServerInfo", cpus: Optional[int]) -> bool:
    """Whether a local worker has to be started; on a server of somebody's own only when that was asked for."""
    has_none = info["workers"] == 0 and info.get("allocationQueues", 0) == 0
    return has_none and (_is_embedded(info) or cpus is not None)


def _start_server(directory: Path, client: Client) -> None:
    arguments = ["server", "start", "--server-dir", str(directory), "--exit-when-idle", EXIT_WHEN_IDLE]
    log = directory / SERVER_LOG
    child = start_detached(arguments, log)
    await_ready(child, log, lambda: _info(client) is not None, "the server")
    _forget(child)


def _start_worker(directory: Path, client: Client, cpus: int, warn: Warn) -> None:
    sign = login_node_sign()
    if sign is not None:
        warn(
            f"this looks like a login node ({sign} is installed and this is no batch job): "
            f"jobs run here on {cpus} CPUs; ask for compute nodes with: hq alloc add"
        )
    # The server takes its workers along when it ends; a worker whose server was killed waits for the next one.
    arguments = [
        "worker",
        "start",
        "--server-dir",
        str(directory),
        "--cpus",
        str(cpus),
        "--on-server-lost",
        "reconnect",
    ]
    log = directory / WORKER_LOG
    child = start_detached(arguments, log)
    await_ready(child, log, lambda: client.server_info()["workers"] > 0, "the worker")
    _forget(child)


def _forget(child: "subprocess.Popen[bytes]") -> None:
    """It outlives this object; what is forgotten is only its exit code."""
    child.returncode = child.poll() or 0


def start_detached(arguments: List[str], log: Path) -> "subprocess.Popen[bytes]":
    """In a session of its own, so that neither an interrupt nor the end of this process reaches it."""
    command = [*find_hq(), *arguments]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(log, flags, 0o600), "wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env=clean_environment(),
        )


def clean_environment() -> Dict[str, str]:
    """The environment without what an outer task was given: a server inside a task is a server of its own.

    A virtual environment whose Python runs this is active in it, as it often is not in a notebook or where a script is
    started by the path of its interpreter: `python3` is then the one that has what functions need.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HQ_") or name.startswith("HQ_BRIDGE_") or name in KEPT_VARIABLES
    }
    programs = os.path.dirname(sys.executable or "")
    path = kept.get("PATH", os.defpath)
    if _is_virtual() and programs not in path.split(os.pathsep):
        kept["PATH"] = os.pathsep.join([programs, path])
    return kept


def _is_virtual() -> bool:
    """Whether this Python belongs to an environment of venv, virtualenv or conda."""
    return sys.prefix != sys.base_prefix or os.path.isdir(os.path.join(sys.prefix, "conda-meta"))


def await_ready(child: "subprocess.Popen[bytes]", log: Path, is_there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not is_there():
        code = child.poll()
        if code is not None:
            # Somebody else may have been faster, in which case ours has ended.
            if is_there():
                return
            raise HqError(
                "HQ_E_NO_SERVER", f"{what} could not be started (exit code {code}): {_tail(log)}", f"See {log}"
            )
        if time.monotonic() > deadline:
            child.terminate()
            raise HqError("HQ_E_SERVER_TIMEOUT", f"{what} did not come up in {START_LIMIT_S:.0f} s", f"See {log}")
        time.sleep(POLL_S)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines[-SHOWN_LINES:] if line.strip()) or "it said nothing"


def make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = directory.stat()
    except OSError as error:
        raise _unusable(directory, error.strerror or str(error)) from error
    if state.st_uid != os.getuid():
        raise _unusable(directory, "it belongs to somebody else")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock; it ends with the process that holds it, however that ends."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path.parent, error.strerror or str(error)) from error
    try:
        try:
            # Whoever holds it gives up after START_LIMIT_S twice, so that waiting has an end.
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise _unusable(path.parent, f"{path} cannot be locked: {error.strerror or error}") from error
        yield
    finally:
        os.close(descriptor)


def _unusable(directory: Path, detail: str) -> HqError:
    hint = "Set HQ_SERVER_DIR to a directory of your own"
    return HqError("HQ_E_SERVER_DIR", f"the server directory {directory} cannot be used: {detail}", hint)


def _print_line(line: str) -> None:
    print(f"hq-bridge: {line}", file=sys.stderr)
