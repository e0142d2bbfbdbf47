"""A workflow in a directory of its own, run by `snakemake --executor hyperqueue` as users do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from hq_bridge import Client
from real_server import RealServer, wait_for

# Far above what a workflow of a few jobs takes, so that only a hang is cut off.
LIMIT_S = 120


class Workflow:
    def __init__(self, directory: Path, server: RealServer) -> None:
        self.directory = directory
        self.server = server
        directory.mkdir()

    def write(self, snakefile: str) -> None:
        (self.directory / "Snakefile").write_text(textwrap.dedent(snakefile))

    def command(self, *options: str, jobs: int = 4) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--executor", "hyperqueue", "--jobs", str(jobs)),
            *("--hyperqueue-server-dir", str(self.server.directory), "--latency-wait", "2"),
            *("--max-jobs-per-timespan", "1000/1s", *options),
        ]

    def run(self, *options: str, jobs: int = 4, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs to the end; standard output and error in one."""
        return subprocess.run(
            self.command(*options, jobs=jobs),
            cwd=self.directory,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def succeed(self, *options: str, jobs: int = 4, **env: str) -> str:
        result = self.run(*options, jobs=jobs, **env)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def fail(self, *options: str, jobs: int = 4, **env: str) -> str:
        result = self.run(*options, jobs=jobs, **env)
        assert result.returncode != 0, result.stdout
        return result.stdout

    def start(self, *options: str, jobs: int = 4) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*options, jobs=jobs),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def wait_for(self, name: str) -> Path:
        path = self.directory / name
        wait_for(path.exists, f"the file {name}")
        return path

    def jobs(self) -> list:
        """Jobs on the server."""
        with Client(self.server.directory) as client:
            return client.jobs()

    def tasks(self) -> list:
        """Tasks of all jobs on the server, with their specifications."""
        with Client(self.server.directory) as client:
            return [client.task(job["id"], task["id"]) for job in client.jobs() for task in client.tasks(job["id"])]

    def logs(self) -> list[str]:
        """Files that were left of the output of jobs."""
        top = self.directory / ".snakemake/hyperqueue"
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())
