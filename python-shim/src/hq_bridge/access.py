"""Server directories and access files: where a server is and how it is reached. Read again at every connect."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from .errors import HqError, ServerUnavailable

ACCESS_FILE = "access.json"
CURRENT_LINK = "hq-current"
DEFAULT_DIR = ".hq-server"

AnyPath = Union[str, "os.PathLike[str]"]


class Access(NamedTuple):
    """Content of an `access.json`. `token` None: no authentication; `certificate` (PEM) None: no encryption."""

    path: Path
    server_uid: str
    version: str
    pid: int
    hostname: str
    hosts: Tuple[str, ...]
    port: int
    token: Optional[str]
    certificate: Optional[str]
    socket_path: Optional[str]
    socket_hostname: Optional[str]


def server_directory(path: Optional[AnyPath] = None) -> Path:
    """Absolute server directory: the given one, else `HQ_SERVER_DIR`, else `~/.hq-server`."""
    chosen = path or os.environ.get("HQ_SERVER_DIR") or Path.home() / DEFAULT_DIR
    return Path(os.path.abspath(os.path.expanduser(chosen)))


def identity_directory(directory: Path) -> Path:
    """The directory with the access file: where `hq-current` points to, else the directory itself."""
    current = directory / CURRENT_LINK
    return current if current.is_dir() else directory


def read_access(directory: Path) -> Access:
    """Reads the access file of a server directory.

    :raises ServerUnavailable: HQ_E_NO_SERVER when there is none
    :raises HqError: HQ_E_ACCESS_FILE when it cannot be read or understood
    """
    path = identity_directory(directory) / ACCESS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        message = f"no running server was found at {directory}"
        raise ServerUnavailable("HQ_E_NO_SERVER", message, "Start one with: hq server start") from None
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    try:
        return _parse(path, content)
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error


def _parse(path: Path, content: Dict[str, Any]) -> Access:
    client = content["client"]
    socket = content["socket"] or {}
    hosts = tuple(str(host) for host in client["hosts"])
    if not hosts:
        raise ValueError("it names no host")
    return Access(
        path=path,
        server_uid=content["serverUid"],
        version=content["version"],
        pid=int(content["pid"]),
        hostname=content["hostname"],
        hosts=hosts,
        port=int(client["port"]),
        token=client["token"],
        certificate=client["certificate"],
        socket_path=socket.get("path"),
        socket_hostname=socket.get("hostname"),
    )


def _unusable(path: Path, detail: str) -> HqError:
    return HqError("HQ_E_ACCESS_FILE", f"the access file {path} cannot be used: {detail}")
