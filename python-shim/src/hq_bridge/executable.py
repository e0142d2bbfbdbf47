"""Finds our own `hq` command, which starts an embedded server; a foreign one of the same name is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Mapping, Optional

from .errors import HqError

# What `hq --version` of this product begins with; the original says `hyperqueue`.
OUR_NAME = "hq-bridge"
SCRIPT = "dist/bin/hq.js"
VERSION_LIMIT_S = 20.0


def find_hq(environ: Optional[Mapping[str, str]] = None) -> List[str]:
    """Argument vector of the command: `HQ_BRIDGE_HQ`, else `hq` on the path when it is ours, else the package's own.

    The package is the one in `HQ_BRIDGE_HOME` or the one that this file is part of.

    :raises HqError: HQ_E_FILE when there is none
    """
    env = os.environ if environ is None else environ
    path = env.get("PATH")
    named = env.get("HQ_BRIDGE_HQ")
    if named:
        return runnable(named, path)
    installed = shutil.which("hq", path=path)
    if installed is not None and is_ours(installed):
        return [installed]
    homes = [Path(env["HQ_BRIDGE_HOME"])] if env.get("HQ_BRIDGE_HOME") else [Path(__file__).resolve().parents[3]]
    for home in homes:
        if (home / SCRIPT).is_file():
            return runnable(str(home / SCRIPT), path)
    foreign = f" ({installed} is another product)" if installed else ""
    raise HqError(
        "HQ_E_FILE",
        f"the hq command was not found{foreign}",
        "Install it with: npm install -g hq-bridge; or set HQ_BRIDGE_HQ to it",
    )


def runnable(command: str, path: Optional[str] = None) -> List[str]:
    """A script needs Node in front of it, everything else runs by itself.

    :raises HqError: HQ_E_FILE when the command or Node is missing
    """
    found = shutil.which(command, path=path) if not command.endswith(".js") else command
    if found is None or not os.path.isfile(found):
        raise HqError("HQ_E_FILE", f"there is no executable {command}", "Set HQ_BRIDGE_HQ to the hq command")
    if not found.endswith(".js"):
        return [found]
    node = shutil.which("node", path=path)
    if node is None:
        raise HqError("HQ_E_FILE", f"node was not found, which runs {found}", "Install Node 20.19 or newer")
    return [node, os.path.abspath(found)]


def is_ours(command: str) -> bool:
    """Whether this `hq` says that it is hq-bridge."""
    try:
        answer = subprocess.run(
            [command, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.decode(errors="replace").startswith(OUR_NAME)
