"""What is done once for the command lines of all jobs of Snakemake: they are understood, and their parser is built. Used by the host."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import re
from typing import Any, Iterator, List, Optional

# What a job of any workflow loads; what another version does not have is loaded by the job.
MODULES = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.workflow",
    "snakemake.dag",
    "snakemake.executors.local",
    "snakemake.scheduling.job_scheduler",
    "snakemake.scheduling.greedy",
    "snakemake.scheduling.milp",
    "snakemake.benchmark",
    "snakemake.storage",
    "smart_open",
    "encodings.idna",
    "getpass",
    "graphlib",
)
# A word of a shell command without anything that the shell would act on.
_WORD = re.compile(r"""(?:[\w@%+=:,./-]|'[^']*'|"[^"$`\\]*"|\\[^\n])+""")
_PART = re.compile(r"""'([^']*)'|"([^"]*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
# How packages with executors begin.
_EXECUTOR_PLUGIN = "snakemake_executor_plugin_"


def words_of(command: str) -> Optional[List[str]]:
    """Splits a shell command as the shell does; None when the shell would do more than that."""
    words = []
    at = 0
    while at < len(command):
        if command[at] == " ":
            at += 1
            continue
        match = _WORD.match(command, at)
        if match is None or (match.end() < len(command) and command[match.end()] != " "):
            return None
        words.append("".join("".join(part) for part in _PART.findall(match.group())))
        at = match.end()
    return words


def load_snakemake() -> None:
    """Loads what jobs load, and makes Snakemake build the parser of its command line once.

    :raises ImportError: without Snakemake
    """
    with _without_plugins_of_main_process():
        import snakemake.cli

        for name in MODULES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        # Building it takes as long as everything else that a trivial job does; it depends on what is installed.
        make_parser = snakemake.cli.get_argument_parser
        parser = make_parser()
    parse_directly(parser)
    snakemake.cli.get_argument_parser = lambda profiles=None: make_parser(profiles=profiles) if profiles else parser


@contextlib.contextmanager
def _without_plugins_of_main_process() -> Iterator[None]:
    """Executors and reporters are chosen by the main process; a job is run by the executor that Snakemake brings with it.

    Every fork pays for the memory of this process, and such plugins have loaded two fifths of it: pandas, numpy, docutils. What
    they read of a command line is not in that of a job.
    """
    found = pkgutil.iter_modules
    pkgutil.iter_modules = lambda *where, **how: (one for one in found(*where, **how) if not one.name.startswith(_EXECUTOR_PLUGIN))
    registry: Any = None
    with contextlib.suppress(ImportError):
        registry = importlib.import_module("snakemake_interface_report_plugins.registry").ReportPluginRegistry
    collect = getattr(registry, "collect_plugins", None)
    if collect is not None:
        registry.collect_plugins = lambda this: setattr(this, "plugins", {})
    try:
        yield
    finally:
        pkgutil.iter_modules = found
        if collect is not None:
            registry.collect_plugins = collect


def parse_directly(parser: Any) -> None:
    """ConfigArgParse first compares each argument with each option, which takes longer than to parse them.

    That is for settings out of variables and of profiles. The command line of a job has those of its workflow's call already;
    where one of the variables is set, it is asked as always.
    """
    parse = parser.parse_known_args
    variables = {action.env_var for action in parser._actions if getattr(action, "env_var", None)}

    def parse_known_args(args: Any = None, namespace: Any = None, **options: Any) -> Any:
        if parser._default_config_files or not variables.isdisjoint(os.environ):
            return parse(args, namespace, **options)
        return argparse.ArgumentParser.parse_known_args(parser, args, namespace)

    if hasattr(parser, "_default_config_files"):
        parser.parse_known_args = parse_known_args
