"""How long calls that wait for something stand a server that is away. Used by `Waiter` and by `Executor`.

A server that is started again within that time has what it had, so that whoever waits notices nothing but the delay.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from .errors import ServerUnavailable

if TYPE_CHECKING:
    from .job import SubmittedJob
    from .job_client import JobClient

# As for `hq job wait`: a server that starts anew takes seconds, and a script should not hang for a night.
RETURN_LIMIT_S = 60.0
# How often a server that is away is looked for; its events come back by themselves.
AWAY_S = 1.0


class Absence:
    """One time without a server.

    :param limit_s: how long it is stood, seconds; None: for ever
    """

    def __init__(self, server_dir: Path, limit_s: Optional[float]) -> None:
        self._server_dir = server_dir
        self._limit_s = limit_s
        self._since: Optional[float] = None

    def begins(self, error: Exception) -> None:
        """Says so, once until it has ended."""
        if self._since is None:
            self._since = time.monotonic()
            print(f"hq-bridge: {getattr(error, 'message', error)}; waiting for its return", file=sys.stderr)

    def ends(self) -> None:
        self._since = None

    def left_s(self) -> Optional[float]:
        """Seconds until it has lasted too long, 0 from then on; None: it may go on, or there is none."""
        if self._since is None or self._limit_s is None:
            return None
        return max(0.0, self._since + self._limit_s - time.monotonic())

    def error(self, what: str) -> ServerUnavailable:
        """What those hear who have waited too long.

        :param what: what was waited for
        """
        return ServerUnavailable(
            "HQ_E_SERVER_GONE",
            f"the server of {self._server_dir} did not come back within {self._limit_s:g} s, and {what}",
            "Its jobs are kept; start it again with: hq server start",
            sent=True,
        )


def extend_patiently(
    client: "JobClient", submitted: "SubmittedJob", absence: Absence, is_stopped: Callable[[], bool]
) -> None:
    """Submits the new tasks of an open job, and tries again while the server is away.

    :param is_stopped: whether nobody wants that any more
    :raises ServerUnavailable: when it was away for too long, or nobody wants it any more
    :raises HqError: what `JobClient.extend` raises
    """
    last = len(submitted.job.tasks) - 1
    may_be_there = False
    while True:
        try:
            # A submit is taken as a whole or not at all.
            if may_be_there and client.api.tasks(submitted.id, ids=str(last)):
                submitted.sent = last + 1
            else:
                client.extend(submitted)
            absence.ends()
            return
        except ServerUnavailable as error:
            may_be_there = may_be_there or error.sent
            absence.begins(error)
            if is_stopped():
                raise
            if absence.left_s() == 0:
                raise absence.error(f"the calls of job {submitted.id} could not be sent") from error
        time.sleep(AWAY_S)
