"""Finds our own `hq` command, which starts an embedded server; a foreign one of the same name is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Mapping, Optional

from .errors import HqError

# Versions do not tell products apart, abilities do: this option of ours is the one that is needed.
QUESTION = ("server", "start", "--help")
ABILITY = b"--exit-when-idle"
SCRIPT = "dist/bin/hq.js"
ANSWER_LIMIT_S = 20.0


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
    # From src/hq_bridge up to the root of the npm package, whose part this file may be.
    script = Path(env.get("HQ_BRIDGE_HOME") or Path(__file__).resolve().parents[3]) / SCRIPT
    if script.is_file():
        return runnable(str(script), path)
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
    """Whether this `hq` can start a server that ends by itself."""
    try:
        answer = subprocess.run(
            [command, *QUESTION],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ABILITY in answer.stdout
