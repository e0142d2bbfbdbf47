"""The efficiency report at the end of a run: made by `hq report snakemake`, once, while the server is still there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hq_bridge import HqError
from hq_bridge.embedded import clean_environment
from hq_bridge.executable import find_hq

if TYPE_CHECKING:
    from .session import Session

# It reads the events of all jobs; ten thousand take seconds.
LIMIT_S = 300


def write_report(session: Session, directory: Path, logger: Any) -> None:
    """Writes the files and shows table and advice. What goes wrong is told, and changes nothing about the workflow.

    :param directory: absolute; made where it is missing
    """
    arguments = ["report", "snakemake", str(session.job_id), "--out", str(directory)]
    try:
        command = [*find_hq(), *arguments, "--server-dir", str(session.client.server_dir)]
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env=clean_environment(),
        )
    except (HqError, OSError, subprocess.TimeoutExpired) as error:
        logger.warning(f"HyperQueue: the report could not be made: {error}")
        return
    if result.returncode == 0:
        logger.info(f"HyperQueue: what the jobs asked for and used\n{result.stdout.rstrip()}")
    else:
        logger.warning(f"HyperQueue: the report could not be made: {result.stderr.strip()}")
