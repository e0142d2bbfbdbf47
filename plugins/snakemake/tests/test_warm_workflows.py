"""Workflows with warm runners make what they make without them. What warm runners do themselves: test_warm_hazards.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow import LIMIT_S, Workflow

LEVELS = ["off", "imports", "auto"]

# Every way in which a job can be run and what is done around it. Nothing in the outputs may depend on who runs it.
FEATURES = """
    import os
    configfile: "config.yaml"
    include: "more/extra.smk"
    scattergather: pieces=3

    def made(wildcards):
        with checkpoints.split.get().output[0].open() as names:
            return [f"parts/{name.strip()}.txt" for name in names]

    rule all:
        input:
            "shell.txt", "run.txt", "script.txt", "shadow.txt", "retried.txt", "kept.txt", "collected.txt", "piped.txt",
            "grouped.txt", "extra.txt", "protected.txt", "dir/tree", "touched.done", "x/a b.txt", "it's.txt",
            "scripted in sh.txt", "set.txt", "gathered.txt", "modular/word.txt", "served.txt"

    rule sh:
        output: "shell.txt"
        log: "logs/shell.log"
        benchmark: "logs/shell.tsv"
        threads: 2
        params: text=lambda wildcards: config["text"]
        shell: "echo {params.text:q} {threads} $(pwd) > {output}; echo logged > {log}; ls {log} >&2"

    rule odd:
        output: "{name}.txt"
        wildcard_constraints: name="x/a b|it's"
        shell: "echo {wildcards.name:q} > {output:q}"

    rule run:
        input: "shell.txt"
        output: "run.txt"
        run:
            with open(output[0], "w") as out:
                print(rule, threads, sorted(config.items()), len(input), os.path.basename(os.getcwd()), file=out)
            shell("echo from a shell >> {output}")

    rule script:
        output: "script.txt"
        params: n=3
        script: "more/script.py"

    rule bash_script:
        output: "scripted in sh.txt"
        script: "more/script.sh"

    rule shadow:
        input: "script.txt"
        output: "shadow.txt"
        shadow: "minimal"
        shell: "echo left > litter.txt; cat {input} > {output}"

    rule retried:
        output: "retried.txt"
        retries: 2
        resources: tries=lambda wildcards, attempt: attempt, mem_mb=lambda wildcards, attempt: 100 * attempt
        # with its local executor Snakemake forgets to try a job again that fails while others of its first batch are still being started
        shell: "sleep 1; test {resources.tries} -ge 2; echo {resources.tries} {resources.mem_mb} > {output}"

    rule temporary:
        output: temp("temporary.txt")
        shell: "echo temporary > {output}"

    rule kept:
        input: "temporary.txt"
        output: "kept.txt"
        shell: "cat {input} > {output}"

    checkpoint split:
        output: "names.txt"
        shell: "printf 'a\\nb\\nc\\n' > {output}"

    rule part:
        output: "parts/{name}.txt"
        wildcard_constraints: name="[a-c]"
        shell: "echo {wildcards.name} > {output}"

    rule collect:
        input: made
        output: "collected.txt"
        shell: "cat {input} > {output}"

    rule produce:
        output: pipe("piped")
        shell: "seq 1000 > {output}"

    rule consume:
        input: "piped"
        output: "piped.txt"
        shell: "wc -l < {input} > {output}"

    rule member:
        output: "members/{n}.txt"
        group: "g"
        shell: "echo {wildcards.n} > {output}"

    rule gather:
        input: expand("members/{n}.txt", n=range(3))
        output: "grouped.txt"
        group: "g"
        shell: "cat {input} > {output}"

    rule protect:
        output: protected("protected.txt")
        shell: "echo protected > {output}"

    rule tree:
        output: directory("dir/tree")
        shell: "mkdir -p {output}; echo leaf > {output}/leaf"

    rule touched:
        output: touch("touched.done")
        shell: "true"

    rule resources:
        output: "set.txt"
        resources: mem_mb=50
        shell: "echo {resources.mem_mb} > {output}"

    rule scatter:
        output: scatter.pieces("scattered/{scatteritem}.txt")
        shell: "for piece in {output}; do echo $piece > $piece; done"

    rule scattered:
        input: "scattered/{scatteritem}.txt"
        output: "worked/{scatteritem}.txt"
        shell: "cat {input} > {output}"

    rule gathered:
        input: gather.pieces("worked/{scatteritem}.txt")
        output: "gathered.txt"
        shell: "cat {input} > {output}"

    module other:
        snakefile: "more/module.smk"
        config: {"word": "from outside"}
        prefix: "modular"

    use rule * from other as other_*

    rule serve:
        output: service("service.pid")
        shell: "echo $$ > {output}; exec sleep 1000"

    rule served:
        input: "service.pid"
        output: "served.txt"
        shell: "until [ -s {input} ]; do sleep 0.05; done; kill -0 $(cat {input}); echo served > {output}"
"""

FILES = {
    "config.yaml": "text: from a file\n",
    "more/extra.smk": 'rule extra:\n    output: "extra.txt"\n    shell: "echo {rule} > {output}"\n',
    "more/module.smk": 'rule word:\n    output: "word.txt"\n    params: config["word"]\n    shell: "echo {params} > {output}"\n',
    "more/script.py": 'print(snakemake.params.n, snakemake.rule, file=open(snakemake.output[0], "w"))\n',
    "more/script.sh": 'echo "${snakemake[rule]}" > "${snakemake_output[0]}"\n',
}

NOTEBOOKS = """
    rule all:
        input: expand("{n}.txt", n=range(2))

    rule noted:
        output: "{n}.txt"
        log: notebook="logs/{n}.ipynb"
        params: n=4
        notebook: "more/notebook.py.ipynb"
"""

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
NOTED = 'print(snakemake.rule, snakemake.params.n, file=open(snakemake.output[0], "w"))'
CELL = {"cell_type": "code", "id": "only", "metadata": {}, "execution_count": None, "outputs": [], "source": NOTED}
NOTEBOOK = {
    **{"nbformat": 4, "nbformat_minor": 5, "cells": [CELL]},
    "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
}

# Jobs fetch their input from where it is kept, and bring their output there.
STORED = """
    storage disk:
        provider="fs"

    rule all:
        input: storage.disk("kept/last.txt"), "here.txt"

    rule first:
        input: storage.disk("kept/given.txt")
        output: storage.disk("kept/first.txt")
        shell: "tr a-z A-Z < {input} > {output}"

    rule last:
        input: storage.disk("kept/first.txt")
        output: storage.disk("kept/last.txt")
        shell: "cat {input} {input} > {output}"

    rule here:
        input: storage.disk("kept/first.txt")
        output: "here.txt"
        shell: "cat {input} > {output}"
"""


def write_files(workflow: Workflow, snakefile: str, files: dict[str, str]) -> None:
    workflow.write(snakefile)
    for name, text in files.items():
        path = workflow.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def results(directory: Path) -> dict[str, str]:
    """All that a workflow has made, by name. Times differ."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_file() and not name.startswith((".snakemake", "snakemake-")):
            text = path.read_text().replace(str(directory), "DIRECTORY").replace(directory.name, "NAME")
            found[name] = re.sub(r"[\d.:-]+", "0", text) if name.endswith(".tsv") else text
    return found


def local(directory: Path, snakefile: str, files: dict[str, str], *options: str) -> dict[str, str]:
    """What `--executor local` makes."""
    made = Workflow(directory / "work dir", None)
    write_files(made, snakefile, files)
    command = [sys.executable, "-m", "snakemake", "--cores", "4", *options]
    done = subprocess.run(command, cwd=made.directory, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return results(made.directory)


@pytest.fixture(scope="module")
def local_results(tmp_path_factory):
    """What `--executor local` makes of the workflow with all features."""
    return local(tmp_path_factory.mktemp("local"), FEATURES, FILES, "--set-resources", "resources:mem_mb=70")


@pytest.mark.parametrize("level", LEVELS)
def test_a_workflow_makes_the_same_as_with_the_local_executor(workflow, local_results, level):
    write_files(workflow, FEATURES, FILES)
    workflow.succeed("--hyperqueue-warm-runner", level, "--set-resources", "resources:mem_mb=70")
    assert results(workflow.directory) == local_results
    warm = [task["spec"].get("warm", {}).get("level") for task in workflow.tasks()]
    assert set(warm) == {{"off": None, "imports": "imports", "auto": "snakefile"}[level]}


def test_notebooks_are_run_and_kept(server, tmp_path):
    # Snakemake runs none in a directory with a blank in its name.
    workflow = Workflow(tmp_path / "notebooks", server)
    files = {"more/notebook.py.ipynb": json.dumps(NOTEBOOK)}
    write_files(workflow, NOTEBOOKS, files)
    workflow.succeed()
    made = {name: text for name, text in results(workflow.directory).items() if name.endswith(".txt")}
    assert made == {"0.txt": "noted 4\n", "1.txt": "noted 4\n"}
    # What was run is kept, below what Snakemake tells it.
    assert "".join(json.loads(workflow.text("logs/0.ipynb"))["cells"][-1]["source"]) == NOTED
    assert {task["spec"]["warm"]["level"] for task in workflow.tasks()} == {"snakefile"}


@pytest.mark.skipif(shutil.which("rsync") is None, reason="the storage plugin `fs` needs rsync")
def test_storage_is_read_and_written_as_with_the_local_executor(workflow, tmp_path_factory):
    files = {"kept/given.txt": "given\n"}
    write_files(workflow, STORED, files)
    workflow.succeed()
    made = results(workflow.directory)
    assert made["kept/last.txt"] == "GIVEN\nGIVEN\n"
    assert made == local(tmp_path_factory.mktemp("local"), STORED, files)
    server = workflow.server
    said = "".join(server.log(process) for process in server.processes)
    assert "the workflow uses storage providers; the workflow is parsed by each job" in said
