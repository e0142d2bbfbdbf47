"""`python -m hq_bridge.warm KIND LEVEL DIRECTORY CWD COMMAND`: started by a worker, which speaks with it over its standard
input and output (`src/worker/executor/warmRunner.ts`).

KIND: what knows how such tasks are started; LEVEL: how much is done before them; DIRECTORY: node-local, for captured
output; CWD: working directory of the tasks; COMMAND: shell command of one of them.

At the level `snakefile` the workflow is parsed in a fork of this process, which then takes over the worker's pipes. What
makes it unfit for that is only known afterwards, and this process, in which nothing was parsed, then goes on instead.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import List, Optional, Tuple

from . import linux
from .runner import Runner
from .snakemake_host import SnakemakeHost

READY = b"+"


def main(arguments: List[str]) -> int:
    kind, level, directory, cwd, command = arguments
    if kind != "snakemake" or level not in ("imports", "snakefile"):
        print(f"hq_bridge.warm: unknown kind or level: {kind} {level}", file=sys.stderr)
        return 2
    requests, answers = _take_pipes()
    host = SnakemakeHost(cwd)
    host.load()
    notes = []
    if level == "snakefile":
        argv = host.arguments_of(command)
        if argv is None:
            notes.append("the command of its first job is not understood; workflows are parsed by each job")
        else:
            reason, code = _parse(host, argv, Runner(requests, answers, directory))
            if reason is None:
                return code
            notes.append(f"{reason}; the workflow is parsed by each job")
    Runner(requests, answers, directory).serve(host, notes)
    return 0


def _take_pipes() -> Tuple[int, int]:
    """The worker's pipes, away from where programs read and print."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, answers


def _parse(host: SnakemakeHost, argv: List[str], runner: Runner) -> Tuple[Optional[str], int]:
    """Lets a fork parse the workflow and serve the worker.

    :returns: why it could not, or None and the exit code when it has served to its end
    """
    verdict, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            linux.die_with_parent(signal.SIGKILL, parent)
            os.close(verdict)
            _parse_and_serve(host, argv, runner, tell)
            code = 0
        finally:
            os._exit(code)
    os.close(tell)
    reason = _read_verdict(verdict, runner, pid)
    os.close(verdict)
    if reason == READY:
        runner.abandon()
        _, status = os.waitpid(pid, 0)
        return None, 0 if status == 0 else 1
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return os.fsdecode(reason) or "the workflow could not be parsed", 1


def _read_verdict(verdict: int, runner: Runner, pid: int) -> bytes:
    """Parsing may take as long as it likes, but not longer than the worker lives."""
    poll = select.poll()
    poll.register(verdict, select.POLLIN)
    poll.register(runner.requests, 0)
    text = b""
    while True:
        for fd, event in poll.poll():
            if fd == verdict:
                data = os.read(verdict, 4096)
                text += data
                if not data or text == READY:
                    return text
            elif event & (select.POLLHUP | select.POLLERR):
                os.kill(pid, signal.SIGKILL)
                os._exit(0)


def _parse_and_serve(host: SnakemakeHost, argv: List[str], runner: Runner, tell: int) -> None:
    quiet = os.dup(2)
    os.dup2(1, 2)

    def ready() -> None:
        os.dup2(quiet, 2)
        os.close(quiet)
        os.write(tell, READY)
        os.close(tell)
        runner.serve(host, [])
        os._exit(0)

    reason = host.parse(argv, ready)
    os.write(tell, os.fsencode(reason))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
