"""`python -m hq_bridge.warm KIND LEVEL DIRECTORY CWD EXAMPLE`: started by a worker, which speaks with it over two pipes
(`src/worker/executor/warmRunner.ts`).

KIND: what knows how such tasks are started; LEVEL: how much is done before them; DIRECTORY: node-local, for captured
output; CWD: working directory of the tasks; EXAMPLE: of `snakemake`, the shell command of a job; of `python`, what is
to be loaded, see `Wanted`.

What may turn out to make a process unfit for forks, such as parsing a workflow or loading a user's modules, is done in
a fork of this process, which then takes over the worker's pipes. When it was unfit indeed this process, in which
nothing of that was done, goes on instead.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import sys
from typing import Callable, List, Optional, Tuple

# Before anything of ours is loaded: what was registered until now belongs to the site of the interpreter.
HANDLERS_OF_SITE = atexit._ncallbacks()

from . import linux  # noqa: E402
from .host import Host  # noqa: E402
from .runner import Runner  # noqa: E402

READY = b"+"
LEVELS = {"snakemake": ("imports", "snakefile"), "python": ("imports",)}

# Does what it does, calls `ready` when tasks can be forked from there, and returns why they cannot.
Preparation = Callable[[Callable[[], None]], str]


def main(arguments: List[str]) -> int:
    kind, level, directory, cwd, example = arguments
    if level not in LEVELS.get(kind, ()):
        print(f"hq_bridge.warm: unknown kind or level: {kind} {level}", file=sys.stderr)
        return 2
    if kind == "python":
        return _serve_functions(directory, cwd, example)
    return _serve_snakemake(level, directory, cwd, example)


def _serve_functions(directory: str, cwd: str, example: str) -> int:
    # What the other kind needs would be copied with each fork.
    from .function_host import FunctionHost, Wanted

    wanted = Wanted.parse(example)
    # A prologue may read and print, so that the worker speaks over pipes of their own.
    requests, answers = os.dup(3), os.dup(4)
    os.close(3)
    os.close(4)
    said = _take_output(1), _take_output(2)
    host = FunctionHost(cwd, wanted, said)
    runner = Runner(requests, answers, directory)
    reason = host.load(HANDLERS_OF_SITE)
    if reason is not None:
        runner.note(f"functions are started by their command: {reason}")
        return 3
    notes = []
    if wanted.modules:
        reason, code = _prepare(host.load_modules, runner, host)
        if reason is None:
            return code
        if wanted.learned:
            runner.note(f"functions load their modules themselves: {reason}")
            return 3
        notes.append(f"functions load their modules themselves: {reason}")
    runner.serve(host, notes)
    return 0


def _serve_snakemake(level: str, directory: str, cwd: str, command: str) -> int:
    from .snakemake_host import SnakemakeHost

    requests, answers = os.dup(0), os.dup(1)
    _silence(0)
    _silence(1)
    host = SnakemakeHost(cwd)
    host.load()
    notes = []
    if level == "snakefile":
        argv = host.arguments_of(command)
        if argv is None:
            notes.append("the command of its first job is not understood; workflows are parsed by each job")
        else:
            reason, code = _prepare(lambda ready: host.parse(argv, ready), Runner(requests, answers, directory), host)
            if reason is None:
                return code
            notes.append(f"{reason}; the workflow is parsed by each job")
    Runner(requests, answers, directory).serve(host, notes)
    return 0


def _silence(channel: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, channel)
    os.close(null)


def _take_output(channel: int) -> bytes:
    """What was printed to a file before this program has begun; from now on it prints nowhere."""
    size = os.fstat(channel).st_size
    text = os.pread(channel, size, 0) if size > 0 else b""
    _silence(channel)
    return text


def _prepare(preparation: Preparation, runner: Runner, host: Host) -> Tuple[Optional[str], int]:
    """Lets a fork prepare itself and serve the worker.

    :returns: why it could not, or None and the exit code when it has served to its end
    """
    verdict, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            # What it starts can be ended with it.
            os.setsid()
            linux.die_with_parent(signal.SIGKILL, parent)
            os.close(verdict)
            _prepare_and_serve(preparation, runner, host, tell)
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
    _kill_group(pid)
    os.waitpid(pid, 0)
    return os.fsdecode(reason) or "its preparation was ended", 1


def _read_verdict(verdict: int, runner: Runner, pid: int) -> bytes:
    """It may take as long as it likes, but not longer than the worker lives."""
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
                _kill_group(pid)
                os._exit(0)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has not come to its session yet.
        os.kill(pid, signal.SIGKILL)


def _prepare_and_serve(preparation: Preparation, runner: Runner, host: Host, tell: int) -> None:
    quiet = os.dup(2)
    os.dup2(1, 2)

    def ready() -> None:
        os.dup2(quiet, 2)
        os.close(quiet)
        os.write(tell, READY)
        os.close(tell)
        runner.serve(host, [])
        os._exit(0)

    reason = preparation(ready)
    os.write(tell, os.fsencode(reason))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
