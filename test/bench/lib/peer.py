"""The peer of the benchmarks: HyperQueue's own server and worker out of the `hyperqueue` package, driven through its Python API. Ours offers the
same under the same names, so that this also runs where the module `hyperqueue` is ours.

Started by peer.mjs with an empty directory and the number of CPUs of its worker (0: none). Reads one request per line on standard input, a JSON object, and
writes one answer per line, milliseconds, on file descriptor 3, because the server prints on standard output.
"""

import json
import os
import sys
import time

from hyperqueue import Job
from hyperqueue.cluster import LocalCluster, WorkerConfig
from hyperqueue.task.function import PythonEnv

PROGRAM = ["/bin/true"]


def increment(number):
    """A function that takes no time."""
    return number + 1


def make_job(request, marker):
    """The tasks of a request, and one after them that writes down when it ran: waiting through the API is only exact to a second."""
    files = {} if request["files"] else {"stdout": None, "stderr": None}
    job = Job()
    tasks = []
    for number, deps in enumerate(request.get("deps") or [[]] * request["tasks"]):
        if request.get("functions"):
            tasks.append(job.function(increment, args=(number,), **files))
        else:
            tasks.append(job.program(PROGRAM, deps=[tasks[dep] for dep in deps], **files))
    if marker is not None:
        # The last layer of a graph; of independent tasks it is enough to come last.
        before = tasks[-request["width"] :] if request.get("deps") else ()
        job.program(["/bin/date", "+%s%N"], deps=before, priority=-1, stdout=marker, stderr=None)
    return job


def run(client, folder, request):
    """Milliseconds from the submit to the end of the last task."""
    marker = os.path.join(folder, "marker")
    job = make_job(request, marker)
    started_ns = time.time_ns()
    client.wait_for_jobs([client.submit(job)])
    with open(marker, encoding="ascii") as file:
        return (int(file.read()) - started_ns) / 1e6


def submit(client, request):
    """Milliseconds of one submit."""
    job = make_job(request, None)
    started = time.perf_counter()
    client.submit(job)
    return (time.perf_counter() - started) * 1e3


def main(folder, cpus):
    """Answers requests until standard input ends."""
    os.chdir(folder)
    with os.fdopen(3, "w") as answers, LocalCluster(os.path.join(folder, "server")) as cluster:
        if cpus > 0:
            cluster.start_worker(WorkerConfig(cores=cpus))
        # `start`: more of how functions are started, which only ours knows.
        clients = {}
        print(json.dumps(0), file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            start = json.dumps(request.get("start", {}))
            if start not in clients:
                clients[start] = cluster.client(python_env=PythonEnv(sys.executable, **json.loads(start)))
            client = clients[start]
            result = submit(client, request) if request["op"] == "submit" else run(client, folder, request)
            print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
