"""Settings of the plugin; each becomes `--hyperqueue-…` on the command line and a key of profiles."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

DEFAULT_STREAM_DIR = ".snakemake/hyperqueue"


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    server_dir: Optional[Path] = field(  # noqa: UP045 - the interface reads the type, and only knows Optional
        default=None,
        metadata={
            "help": "Directory of the HyperQueue server (default: HQ_SERVER_DIR, else ~/.hq-server). "
            "When no server runs there, one is started that ends after the workflow.",
            "metavar": "DIR",
        },
    )
    cpus: Optional[int] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "CPUs of the local worker, which is started when the server has neither a worker nor an allocation "
            "queue (default: --jobs, at most the CPUs that this process may use).",
            "metavar": "N",
        },
    )
    stream_dir: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Directory for the output of jobs, on a file system that workers share "
            f"(default: {DEFAULT_STREAM_DIR}).",
            "metavar": "DIR",
        },
    )
    keep_logs: str = field(
        default="failed",
        metadata={
            "help": "Whose output is kept: of no job, of failed jobs (one file for each), or of all jobs (in addition "
            "the consolidated log, to be read with hq output-log).",
            "choices": ["never", "failed", "always"],
            "metavar": "never|failed|always",
        },
    )
    time_limit: str = field(
        default="on",
        metadata={
            "help": "on: a job is killed when it runs longer than its resource runtime (minutes); off: it is not.",
            "choices": ["on", "off"],
            "metavar": "on|off",
        },
    )
    time_request: bool = field(
        default=False,
        metadata={
            "help": "Start a job only on a worker that will live at least as long as the job's resource runtime."
        },
    )
    warm_runner: str = field(
        default="auto",
        metadata={
            "choices": ["auto", "imports", "off"],
            "metavar": "auto|imports|off",
            "help": "auto: each worker keeps a process that has loaded Snakemake and parsed the workflow, and jobs are "
            "forks of it; imports: each job parses the workflow; off: each job is a new process.",
        },
    )
