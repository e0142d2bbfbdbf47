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
            "help": "CPUs of each worker that is started for this workflow: of the local one, which is started when "
            "the server has neither a worker nor an allocation queue (default: --jobs, at most the CPUs that this "
            "process may use), or of those in allocations (default: those of the allocation).",
            "metavar": "N",
        },
    )
    slurm: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Let the server ask Slurm for workers while jobs wait, with these options of sbatch; queue and "
            "allocations end with the workflow. Needs --hyperqueue-time-limit. Options without a blank in them are to "
            "be attached: --hyperqueue-slurm=--partition=general",
            "metavar": "'OPTIONS'",
        },
    )
    alloc: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "The same for any batch system that hq alloc add knows, with options of its own behind its name: "
            "'pbs -q batch', 'gridengine', or local for processes on the server's host.",
            "metavar": "'SYSTEM [OPTIONS]'",
        },
    )
    time_limit: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={"help": "Time limit of an allocation, such as 4h, 90min or 01:30:00.", "metavar": "DURATION"},
    )
    max_workers: Optional[int] = field(  # noqa: UP045
        default=None,
        metadata={"help": "Most workers in allocations, waiting and running (default: no limit).", "metavar": "N"},
    )
    workers_per_alloc: Optional[int] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "Most nodes of an allocation, each with a worker (default: 1); jobs with nodes=N need that many.",
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
            "help": "Whose output is kept: of no job; when jobs have failed, a file for each of these and the run's "
            "consolidated log; or that log always. To be read with hq logs snakemake.",
            "choices": ["never", "failed", "always"],
            "metavar": "never|failed|always",
        },
    )
    runtime_limit: str = field(
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

    report: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "At the end, write what each rule asked for and used, with advice, to this directory: report.html "
            "with timelines, report.csv and report.json. The same later: hq report snakemake.",
            "metavar": "DIR",
        },
    )

    def __post_init__(self) -> None:
        # Made when this executor was chosen, in the main process only, and before there can be a lock to complain of.
        from .restart_hint import install

        install()
