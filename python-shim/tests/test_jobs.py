"""Jobs as users describe them, and what is sent of them. No server."""

from __future__ import annotations

import gc
import json
import operator
import os
import pickle
import platform
import subprocess
import sys
import threading
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import pytest

from hq_bridge import Job, Output, PythonEnv, ResourceRequest, StdioDef, ValidationException
from hq_bridge.data_dir import DataDirectory
from hq_bridge.graph import graph_of as make_graph
from hq_bridge.result_file import ResultUnavailable, newest_results, read_result, write_result
from hq_bridge.task_main import shortened
from hq_bridge.visualization import visualize_job

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture
def data(tmp_path):
    return DataDirectory(tmp_path, "a" * 32)


def graph_of(job, data):
    return make_graph(job, job.tasks, PythonEnv(), data)


def test_what_tasks_have_alike_is_sent_once(data):
    job = Job(default_env={"A": "1"}, default_workdir="/work")
    job.program(["a"], priority=3)
    job.program(["b"], priority=3, env={"B": "2"})
    assert graph_of(job, data) == {
        "kind": "graph",
        "shared": {
            "cwd": "/work",
            "stdout": {"path": "%{CWD}/%{TASK_ID}.stdout"},
            "stderr": {"path": "%{CWD}/%{TASK_ID}.stderr"},
            "priority": 3,
        },
        "tasks": [
            {"id": 0, "env": {"A": "1"}, "command": ["a"]},
            {"id": 1, "env": {"A": "1", "B": "2"}, "command": ["b"]},
        ],
    }


def test_functions_ask_for_a_warm_start_unless_it_is_switched_off(data):
    job = Job()
    job.function(len, args=("",))
    job.function(len, args=("",), python_env=PythonEnv("python", warm=False))
    named = PythonEnv("$PYTHON", "module load Python", "zsh", imports=["numpy"])
    job.function(len, args=("",), python_env=named)
    ways = [task.get("warm") for task in graph_of(job, data)["tasks"]]
    warm = {"kind": "python", "run": "functions", "level": "imports"}
    named_warm = {**warm, "python": "$PYTHON", "prologue": "module load Python", "shell": "zsh", "imports": ["numpy"]}
    assert ways == [{**warm, "python": "python3"}, None, named_warm]
    del job.tasks[1:]
    assert graph_of(job, data)["shared"]["warm"] == {**warm, "python": "python3"}


def test_all_of_a_program_is_sent(data):
    job = Job()
    first = job.program("true", stdout=None, stderr=StdioDef.remove_if_finished("%{TASK_ID}.err"))
    job.program(
        ["cat", Output("copy", filepath="x")],
        env={"A": "b"},
        cwd="sub",
        stdout=Path("out"),
        stderr=None,
        stdin="text",
        deps=[first],
        name="second",
        task_dir=True,
        priority=-1,
        resources=ResourceRequest(cpus="2-8", resources={"gpus": 0.5}, min_time=timedelta(minutes=1), weight=2),
        crash_limit="never-restart",
        max_retries=2,
        time_limit=timedelta(seconds=1.5),
    )
    one, two = graph_of(job, data)["tasks"]
    assert one == {
        "id": 0,
        "stdout": None,
        "stderr": {"path": "%{TASK_ID}.err", "onClose": "rm-if-finished"},
        "command": ["true"],
    }
    assert two == {
        "id": 1,
        "command": ["cat", "x"],
        "env": {"A": "b"},
        "cwd": "sub",
        "stdout": {"path": "out"},
        "stderr": None,
        "stdin": "dGV4dA==",
        "deps": [0],
        "label": "second",
        "taskDir": True,
        "priority": -1,
        "request": [{"resources": {"cpus": "2-8", "gpus": 0.5}, "timeRequestMs": 60_000, "weight": 2}],
        "crashLimit": "never-restart",
        "maxRetries": 2,
        "timeLimitMs": 1500,
    }


@pytest.mark.parametrize(
    ("request_", "spec"),
    [
        (ResourceRequest(), {"resources": {"cpus": 1}}),
        (ResourceRequest(cpus=0, resources={"licenses": 1}), {"resources": {"licenses": 1}}),
        (ResourceRequest(n_nodes=2, min_time=timedelta(hours=1)), {"nodes": 2, "timeRequestMs": 3_600_000}),
    ],
)
def test_resource_requests(request_, spec):
    assert request_.to_spec() == spec


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda job: job.program([]), "args of task 0 is empty"),
        (lambda job: job.program(["a", 1]), "has 1; all arguments must be texts"),
        (lambda job: job.program("a", deps=[Job().program("b")]), "no task of this job"),
        (lambda job: job.program("a", deps=[0]), "names 0, which is no task"),
        (lambda job: job.program("a", deps=Job().program("b")), "give a list of tasks"),
        (lambda job: job.program("a", deps=None), "deps of task 0 is None; give a list of tasks"),
        (lambda job: job.program("a", name=1), "name=1 of task 0 is no text"),
        (lambda job: job.program("a", stdin=1), "stdin=1 is neither a text nor bytes"),
        (lambda job: job.program("a", stdout=1), "stdout=1 is no path"),
        (lambda job: job.program("a", cwd=1), "cwd=1 is no path"),
        (lambda job: job.program("a", stderr=StdioDef("x", "remove")), "on_close='remove' is neither"),
        (lambda job: job.program("a", env={"A": 1}), "env has 'A': 1"),
        (lambda job: job.program("a", crash_limit=0), 'crash_limit=0 is none; give a number from 1, "never-restart"'),
        (lambda job: job.program("a", time_limit=5), "time_limit=5 is no length of time"),
        (lambda job: job.program("a", time_limit=timedelta(-1)), "no length of time"),
        (lambda job: job.program("a", priority=0.5), "priority=0.5 is no whole number"),
        (lambda job: job.program("a", resources={"cpus": 1}), "is no ResourceRequest"),
        (lambda job: job.program("a", resources=[]), "1 to 32 alternatives of resources, not 0"),
        (lambda job: job.program("a", resources=ResourceRequest(cpus=-1)), "the amount of cpus is -1"),
        (lambda job: job.program("a", resources=ResourceRequest(resources={"cpus": 2})), "say it once, with cpus="),
        (lambda job: job.program([Output("a"), Output("a")]), "output a is defined twice"),
        (lambda job: job.function("name"), "which is no function"),
        (lambda job: job.function(len, args="text"), "give a sequence"),
        (lambda job: job.function(len, env=PythonEnv(), python_env=PythonEnv()), "give one of them"),
        (lambda job: Output("a", "b", "c"), "both filepath and extension"),
        (lambda job: Job(result_limit=-1), "result_limit=-1 is no number of bytes"),
        (lambda job: PythonEnv(python_bin=""), "python_bin='' is no command"),
    ],
)
def test_bad_input_is_named_in_one_line(make, words):
    job = Job()
    with pytest.raises(ValidationException) as caught:
        make(job)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert job.tasks == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((threading.Lock().__enter__, ()), "the function of task __enter__/0 cannot be pickled"),
        ((lambda _lock: None, (threading.Lock(),)), "an argument of task <lambda>/0 cannot be pickled: TypeError"),
    ],
)
def test_what_cannot_be_pickled_is_named(values, words, data):
    job = Job()
    job.function(values[0], args=values[1])
    with pytest.raises(ValidationException, match=words):
        graph_of(job, data)
    assert gc.isenabled()


def test_results_are_asked_for_only_where_they_are_kept(data):
    job, other = Job(result_limit=0), Job()
    job.function(len, args=(job.function(list),))
    with pytest.raises(ValidationException, match="result_limit is 0"):
        graph_of(job, data)
    other.function(len, args=(job.tasks[0],))
    with pytest.raises(ValidationException, match="a task of another job"):
        graph_of(other, data)
    with pytest.raises(pickle.PicklingError, match="only as an argument"):
        pickle.dumps(job.tasks[0])


def test_functions_in_arguments_become_dependencies_at_any_depth(data):
    job = Job()
    parts = [job.function(list) for _ in range(3)]
    job.function(len, args=([parts[0]],), kwargs={"more": {"x": (parts[2],)}})
    job.function(len, args=([],), deps=iter(parts[:2]))
    assert [task.get("deps") for task in graph_of(job, data)["tasks"][3:]] == [[0, 2], [0, 1]]


def test_large_parts_go_through_files_once(data):
    job = Job()
    text = "x" * 3000

    def measure(_item):
        return len(text)

    for item in range(100):
        job.function(measure, args=(item,))
    job.function(len, args=("y" * 300_000,))
    graph = graph_of(job, data)
    assert sorted(path.name for path in data.path.iterdir()) == ["args-100", "function-0"]
    assert all(len(b64decode(task["stdin"])) < 300 for task in graph["tasks"])


def test_a_function_in_a_module_needs_no_file_however_many_tasks_call_it(data):
    job = Job()
    for item in range(20_000):
        job.function(operator.neg, args=(item,))
    graph_of(job, data)
    assert not data.path.exists()


def test_data_directories_are_named_by_nothing_but_tokens(tmp_path):
    assert DataDirectory.of_job(tmp_path, {"python-data": "../" + "a" * 29}) is None
    assert DataDirectory.of_job(tmp_path, {}) is None
    assert DataDirectory.of_job(tmp_path, {"python-data": "b" * 32}).path == tmp_path / "python" / ("b" * 32)


def test_a_job_is_drawn(tmp_path):
    job = Job()
    first = job.program("a", name='say "a"')
    job.program("b", deps=[first])
    visualize_job(job, tmp_path / "job.dot")
    lines = (tmp_path / "job.dot").read_text().splitlines()
    assert lines == ["digraph job {", '  0 [label="say \\"a\\""];', '  1 [label="1"];', "  0 -> 1;", "}"]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("short", b"short"),
        ("a" * 100, b"a" * 47 + b"..."),
        ("start\n" * 20 + "end", b"[The start is on standard error.]\nstart\nstart\nend"),
    ],
)
def test_long_errors_keep_their_end(text, short):
    assert shortened(text, 50) == short


def run_payload(tmp_path, start, header=None, env=None, function=None):
    """A function as a task starts it, without a server. Answers with its exit code and its error."""
    job = Job()
    job.function(function or (lambda: None))
    (task,), shared = (lambda graph: (graph["tasks"], graph["shared"]))(
        graph_of(job, DataDirectory(tmp_path, "c" * 32))
    )
    variables = {**json.loads(shared["env"]["HQ_BRIDGE_JOB"]), **(header or {})}
    error = tmp_path / "error"
    done = subprocess.run(
        start.args,
        input=b64decode(task["stdin"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "HQ_BRIDGE_JOB": json.dumps(variables),
            "HQ_ERROR_FILENAME": str(error),
            "HQ_TASK_ID": "0",
            "HQ_INSTANCE_ID": "0",
            **(env or {}),
        },
    )
    return done.returncode, error.read_text() if error.exists() else ""


def bare(python_bin=sys.executable):
    """An interpreter without anything that was installed."""
    return PythonEnv(f"{python_bin} -S", prologue="true")


def test_interpreter_without_the_package_says_so(tmp_path):
    code, error = run_payload(tmp_path, bare())
    assert code == 1
    assert f" (Python {platform.python_version()}) on {platform.node()} " in error
    assert "cannot load hq_bridge: ModuleNotFoundError" in error
    assert "PythonEnv(python_bin=...)" in error


def test_interpreter_without_cloudpickle_says_so(tmp_path):
    code, error = run_payload(tmp_path, bare(), env={"PYTHONPATH": str(SOURCE)})
    assert code == 1
    assert "lacks cloudpickle: pip install cloudpickle==" in error


def test_other_minor_version_of_python_says_so(tmp_path):
    code, error = run_payload(tmp_path, PythonEnv(sys.executable), {"python": "3.7"})
    assert code == 1
    assert error.startswith("the function was made by Python 3.7 and cannot run in /")
    assert f" (Python {platform.python_version()}) on {platform.node()}. Name an interpreter" in error


def test_a_function_in_a_module_may_run_in_another_version(tmp_path):
    code, error = run_payload(tmp_path, PythonEnv(sys.executable), {"python": "3.7"}, function=os.getpid)
    assert (code, error) == (0, "")


def test_other_version_of_cloudpickle_is_told_where_it_fails(tmp_path):
    (tmp_path / "cloudpickle.py").write_text('__version__ = "0.1"\n')
    code, error = run_payload(tmp_path, bare(), env={"PYTHONPATH": f"{tmp_path}:{SOURCE}"})
    assert code == 1
    assert "but 0.1 is installed here; install the same one" in error


@pytest.mark.parametrize(
    ("script", "theirs_wins"), [("import hyperqueue", False), ("from hq_bridge import Job, JobClient", True)]
)
def test_the_original_package_beside_ours_is_told_at_import(tmp_path, script, theirs_wins):
    info = tmp_path / "hyperqueue-0.27.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hyperqueue\nVersion: 0.27.0\n")
    module = SOURCE / "hyperqueue/__init__.py"
    if theirs_wins:
        module = tmp_path / "hyperqueue/__init__.py"
        module.parent.mkdir()
        module.write_text("from .client import Client\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.count("the package hyperqueue 0.27.0 is installed beside hq-bridge") == 1
    owner = "hyperqueue" if theirs_wins else "hq-bridge"
    assert f"import hyperqueue finds {module}, which is that of {owner}. Run: " in done.stderr
    assert f"{sys.executable} -m pip uninstall hyperqueue; " in done.stderr


def test_the_last_attempt_of_a_task_is_the_one_that_counts(tmp_path):
    for name in ("1.2", "1.10", "1.9", "20.0"):
        write_result(tmp_path / f"{name}.result", name, 100)
    (tmp_path / ".1.11.result-7").touch()
    (tmp_path / "args-1").touch()
    newest = newest_results(tmp_path)
    assert {task: read_result(path) for task, path in newest.items()} == {1: "1.10", 20: "20.0"}


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is damaged"), (b"X", "is damaged"), (b"V\x80", "cannot be loaded here"), (b"Etoo large", "too large")],
)
def test_a_result_that_is_none_says_why(tmp_path, content, words):
    (tmp_path / "0.0.result").write_bytes(content)
    with pytest.raises(ResultUnavailable, match=words):
        read_result(tmp_path / "0.0.result")
