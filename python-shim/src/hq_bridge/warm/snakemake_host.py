"""How jobs of Snakemake are started warm: what is loaded before them, and the workflow that they share.

A job is `python -m snakemake …` as the plugin has written it; here `snakemake.cli.main` runs it in a fork. At the level
`snakefile` that finds a workflow that was parsed before, with its own settings in it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import random
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Union

from . import linux
from .files_read import FilesRead
from .frames import Launch, Variables
from .fresh import reseed_numpy
from .host import Outdated, Plain, Start, starting
from .snakemake_arguments import load_snakemake, words_of

# How the plugin runs a command that is too long for an argument.
_FROM_STDIN = b'eval "$(cat)" </dev/null'


class SnakemakeHost:
    """:param cwd: directory in which the main process was started, and the jobs are"""

    def __init__(self, cwd: str) -> None:
        self.notes: List[str] = []
        self._cwd = cwd
        self._workflow: Any = None
        # What parsing has done beside making the workflow: where it has gone to, and variables; None: removed.
        self._parsed_in = cwd
        self._variables: Dict[bytes, Optional[bytes]] = {}
        self._files = FilesRead(ignore=[os.path.join(cwd, ".snakemake")])
        # Set when the workflow has chosen a seed.
        self._random_state: Any = None

    def load(self) -> None:
        """:raises ImportError: without Snakemake"""
        # Snakemake keeps the directory in which it was loaded.
        os.chdir(self._cwd)
        # `python -m` looks for modules in the directory where it is started, unless told otherwise.
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = self._cwd
        load_snakemake()
        for module in ("snakemake", "snakemake.workflow", __name__):
            self._files.note(str(sys.modules[module].__file__))
        # Each job prints it; Python asks the machine once.
        platform.platform()

    def arguments_of(self, command: str) -> Optional[List[str]]:
        """Those of Snakemake in the command of a job; None when it is anything but a plain call of this Python's."""
        words = words_of(command)
        if words is None or words[1:3] != ["-m", "snakemake"] or "--mode" not in words:
            return None
        return words[3:] if words[0] in (sys.executable, "python") else None

    def variables(self, env: Variables) -> Variables:
        return env

    def lesson(self) -> List[str]:
        return []

    def prepare(self, launch: Launch) -> Union[Start, Plain]:
        changed = self._files.changed()
        if changed is not None:
            return Outdated(f"{changed} has changed")
        args = launch.args
        if len(args) != 3 or args[:2] != [b"/bin/sh", b"-c"]:
            return Plain("a task is started by its command, which is not that of a job of Snakemake")
        text, stdin = (launch.stdin, True) if args[2] == _FROM_STDIN else (args[2], False)
        argv = self.arguments_of(os.fsdecode(text or b""))
        if argv is None:
            return Plain("a job is started by its command, which does more than to start Snakemake")
        return starting(lambda: self._run(argv, stdin))

    def _run(self, argv: List[str], from_stdin: bool) -> None:
        import snakemake.cli

        if from_stdin:
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
        sys.argv = [os.path.join(os.path.dirname(str(snakemake.cli.__file__)), "__main__.py"), *argv]
        _tell_targets(argv)
        # Python gives each fork random numbers of its own.
        if self._random_state is not None:
            random.setstate(self._random_state)
        reseed_numpy()
        try:
            snakemake.cli.main(argv)
        finally:
            _cancel_timers()

    def parse(self, argv: List[str], ready: Callable[[], None]) -> str:
        """Runs a job's call up to its parsed workflow and calls `ready`, from which jobs are forked.

        :returns: why that is not to be done
        """
        import snakemake.cli
        from snakemake.api import WorkflowApi

        parsed = WorkflowApi._workflow.fget  # type: ignore[attr-defined]
        reason = ["Snakemake has not parsed the workflow"]

        def workflow_of(api: Any) -> Any:
            if api._workflow_store is None and self._workflow is not None:
                api._workflow_store = self._adopt(api)
            if self._workflow is not None:
                return api._workflow_store
            try:
                with self._files.recording(), self._noting_seed(), self._noting_variables():
                    workflow = parsed(api)
            except Exception as error:
                reason[0] = f"the workflow cannot be parsed: {str(error) or type(error).__name__}"
                raise
            reason[0] = "what Snakemake has parsed is not understood"
            reason[0] = self._unfit(workflow) or ""
            if not reason[0]:
                self._workflow = workflow
                self._parsed_in = os.getcwd()
                ready()
            raise _Stop

        WorkflowApi._workflow = property(workflow_of)  # type: ignore[assignment]
        with contextlib.suppress(SystemExit, _Stop):
            snakemake.cli.main(argv)
        return " ".join(reason[0].split())[:500]

    def _unfit(self, workflow: Any) -> Optional[str]:
        """Why jobs cannot be forked from the parsed workflow."""
        from snakemake.settings.types import SharedFSUsage

        if SharedFSUsage.SOURCE_CACHE not in workflow.storage_settings.shared_fs_usage:
            return "the cache of source files is not shared"
        if workflow.storage_registry._storages:
            return "the workflow uses storage providers"
        for runner in workflow._async_runners.values():
            if runner._loop is not None:
                runner._loop._default_executor = None
            runner.close()
        workflow._async_runners.clear()
        workflow._async_executor.shutdown()
        workflow._snakemake_tmp_dir.cleanup()
        count = linux.threads_after_fork()
        if count > 1:
            return f"parsing the workflow has started {count - 1} threads"
        if self._files.too_many:
            return "parsing the workflow has read very many files"
        return None

    def _adopt(self, api: Any) -> Any:
        """Makes the parsed workflow that of one job: its settings, and nothing that was meant for one process only."""
        workflow = self._workflow
        manager = api.snakemake_api
        workflow.resource_settings = api.resource_settings
        workflow.workflow_settings = api.workflow_settings
        workflow.deployment_settings = api.deployment_settings
        workflow.storage_settings = api.storage_settings
        workflow.storage_provider_settings = api.storage_provider_settings
        workflow.logger_manager = manager.logger_manager
        workflow.output_settings = manager.output_settings
        workflow.global_resources.update(api.resource_settings._parsed_resources)
        workflow.global_resources["_cores"] = api.resource_settings.cores
        workflow.global_resources["_nodes"] = api.resource_settings.nodes
        workflow._snakemake_tmp_dir = tempfile.TemporaryDirectory(prefix="snakemake")
        workflow._async_runners = {}
        workflow._async_executor = ThreadPoolExecutor()
        workflow._async_lock = threading.Lock()
        os.chdir(self._parsed_in)
        for name, value in self._variables.items():
            if value is None:
                os.environb.pop(name, None)
            else:
                os.environb[name] = value
        return workflow

    @contextlib.contextmanager
    def _noting_variables(self) -> Any:
        """Each job begins with the variables of its task, and with those that the workflow sets."""
        before = dict(os.environb)
        yield
        after = dict(os.environb)
        names = before.keys() | after.keys()
        self._variables = {name: after.get(name) for name in names if before.get(name) != after.get(name)}

    @contextlib.contextmanager
    def _noting_seed(self) -> Any:
        """A workflow that chooses a seed gets the same random numbers in each job."""
        seed = random.seed
        seeded = []

        def noting(*args: Any, **options: Any) -> None:
            seeded.append(args)
            seed(*args, **options)

        random.seed = noting  # type: ignore[assignment]
        try:
            yield
        finally:
            random.seed = seed
            self._random_state = random.getstate() if seeded else None


def _tell_targets(argv: List[str]) -> None:
    """`hq compare` reads the targets of a job in the command line of its process, which is here that of the runner."""
    if "HQ_COMPARE_RECORDS" not in os.environ or "--target-jobs" not in argv:
        return
    targets = itertools.takewhile(lambda word: not word.startswith("--"), argv[argv.index("--target-jobs") + 1 :])
    os.environ["HQ_COMPARE_TARGETS"] = "\n".join(targets)


def _cancel_timers() -> None:
    """Those that only limit Snakemake's own rate of starts would keep the job, with its cores, for a second more."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and str(getattr(thread.function, "__module__", "")).startswith("snakemake"):
            thread.cancel()


class _Stop(BaseException):
    """Ends the call of Snakemake that parses the workflow."""
