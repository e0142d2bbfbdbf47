"""A workflow in a directory of its own, run by `snakemake --executor hyperqueue` as users do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from hq_bridge import Client
from hq_bridge.executable import find_hq
from real_server import RealServer, wait_for

# Far above what a workflow of a few jobs takes, so that only a hang is cut off.
LIMIT_S = 300


class Running:
    """A Snakemake that runs beside the test."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.log = directory / f"snakemake-{os.urandom(4).hex()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def says(self, text: str, times: int = 1) -> None:
        """Waits until it has said this so many times."""
        wait_for(lambda: self.output().count(text) >= times or self.process.poll() is not None, f"'{text}'")
        assert self.output().count(text) >= times, self.output()

    def output(self) -> str:
        return self.log.read_text()

    def end(self) -> str:
        """Waits for its end, which has to be a good one; returns what it has said."""
        assert self.process.wait(LIMIT_S) == 0, self.output()
        return self.output()

    def end_badly(self) -> str:
        assert self.process.wait(LIMIT_S) != 0, self.output()
        return self.output()

    def interrupt(self) -> str:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        return self.end_badly()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Workflow:
    def __init__(self, directory: Path, server: RealServer) -> None:
        self.directory = directory
        self.server = server
        self.running: list[Running] = []
        directory.mkdir()

    def write(self, snakefile: str) -> None:
        (self.directory / "Snakefile").write_text(textwrap.dedent(snakefile))

    def command(self, *options: str, jobs: int = 4, main: str | None = None) -> list[str]:
        """The call of Snakemake; `main` is Python code to be run in it before."""
        module = ("-m", "snakemake") if main is None else ("-c", f"{main}\nfrom snakemake.cli import main\nmain()")
        return [
            *(sys.executable, *module, "--executor", "hyperqueue", "--jobs", str(jobs)),
            *("--hyperqueue-server-dir", str(self.server.directory), "--latency-wait", "2"),
            # With a second as its period Snakemake waits for the end of the last one before it exits.
            *("--max-jobs-per-timespan", "100000/0s", *options),
        ]

    def run(self, *options: str, jobs: int, main: str | None, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs to the end; standard output and error in one."""
        return subprocess.run(
            self.command(*options, jobs=jobs, main=main),
            cwd=self.directory,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def succeed(self, *options: str, jobs: int = 4, main: str | None = None, **env: str) -> str:
        result = self.run(*options, jobs=jobs, main=main, env=env)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def fail(self, *options: str, jobs: int = 4, main: str | None = None, **env: str) -> str:
        result = self.run(*options, jobs=jobs, main=main, env=env)
        assert result.returncode != 0, result.stdout
        return result.stdout

    def hq(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Our command in the workflow's directory, to its end; standard output and error apart."""
        return subprocess.run(
            self.hq_command(*arguments),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def hq_command(self, *arguments: str) -> list[str]:
        return [*find_hq(), *arguments, "--server-dir", str(self.server.directory)]

    def start(self, *options: str, jobs: int = 4, main: str | None = None, command: list[str] | None = None) -> Running:
        """Beside the test. `command`: the whole call, instead of what the others make."""
        self.running.append(Running(command or self.command(*options, jobs=jobs, main=main), self.directory))
        return self.running[-1]

    def stop(self) -> None:
        """Ends what a failed test has left running; what each has said is shown with the failure."""
        for running in self.running:
            running.kill()
            print(running.output())

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def wait_for(self, name: str) -> Path:
        path = self.directory / name
        wait_for(path.exists, f"the file {name}")
        return path

    def wait_for_started(self, count: int) -> None:
        """Until so many jobs have said in a file `started-*` which process they are.

        The file itself does not say it: a shell opens it before it writes to it, and may be killed in between.
        """
        wait_for(
            lambda: sum(path.stat().st_size > 0 for path in self.directory.glob("started-*")) == count,
            f"{count} running jobs",
        )

    def jobs(self) -> list:
        """Jobs of this workflow on the server."""
        with Client(self.server.directory) as client:
            return client.jobs(labels={"snakemake-workdir": str(self.directory)})

    def tasks(self) -> list:
        """Their tasks, with their specifications."""
        with Client(self.server.directory) as client:
            return [client.task(job["id"], task["id"]) for job in self.jobs() for task in client.tasks(job["id"])]

    def logs(self) -> list[str]:
        """Files that were left of the output of jobs."""
        top = self.directory / ".snakemake/hyperqueue"
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())
