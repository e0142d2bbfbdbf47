"""Types of everything that crosses the HTTP API.

Generated from docs/schema/models.json by `npm run generate` (python-shim/tools/generate_models.py); do not edit.
"""

from __future__ import annotations

from typing import Any, Dict, List, Literal, TypedDict, Union

__all__ = [
    "AllocationInfo",
    "AllocationState",
    "BackupRequest",
    "CancelAnswer",
    "CancelRequest",
    "CouplingWeight",
    "CrashLimit",
    "CreateJob",
    "CreateQueue",
    "DebugDump",
    "Error",
    "ErrorError",
    "FailureKind",
    "GraphTask",
    "GraphTaskWarm",
    "Health",
    "HqEvent",
    "HqEventAllocationEnded",
    "HqEventAllocationQueued",
    "HqEventAllocationStarted",
    "HqEventJobCanceled",
    "HqEventJobClosed",
    "HqEventJobCompleted",
    "HqEventJobCreated",
    "HqEventJobForgotten",
    "HqEventJobIdle",
    "HqEventQueueCreated",
    "HqEventQueuePaused",
    "HqEventQueueRemoved",
    "HqEventQueueResumed",
    "HqEventServerStart",
    "HqEventServerStop",
    "HqEventTaskFailed",
    "HqEventTaskFinished",
    "HqEventTaskNotify",
    "HqEventTaskRestarted",
    "HqEventTaskStarted",
    "HqEventTasksAborted",
    "HqEventTasksCanceled",
    "HqEventTasksSubmitted",
    "HqEventWorkerConnected",
    "HqEventWorkerDisconnected",
    "HqEventWorkerLost",
    "HqEventWorkerNotice",
    "HqEventWorkerReconnected",
    "JobDetail",
    "JobInfo",
    "LeaseEnded",
    "ModifyAnswer",
    "ModifyQueue",
    "ModifyRequest",
    "Obstacle",
    "ObstacleBusy",
    "ObstacleBusyLargest",
    "ObstacleDraining",
    "ObstacleGang",
    "ObstacleGangTask",
    "ObstacleLifetime",
    "ObstacleMissing",
    "ObstacleNodes",
    "ObstacleReconnecting",
    "ObstacleReserved",
    "ObstacleReservedForTask",
    "ObstacleScattered",
    "ObstacleStopping",
    "ObstacleTooLittle",
    "ObstacleUtilization",
    "OnServerLost",
    "PreviewRequest",
    "PruneRequest",
    "QueueCreated",
    "QueueExplanation",
    "QueueExplanationAllocations",
    "QueueInfo",
    "QueueObstacle",
    "QueueObstacleBacklog",
    "QueueObstacleDraining",
    "QueueObstacleMaxWorkers",
    "QueueObstaclePaused",
    "QueueObstacleResting",
    "QueueParams",
    "QueueWorkerOptions",
    "RequestPreview",
    "RequestPreviewQueues",
    "RequestSpec",
    "ResourceDescriptor",
    "ResourceDescriptorGroups",
    "ResourceDescriptorList",
    "ResourceDescriptorRange",
    "ResourceDescriptorSum",
    "ServerInfo",
    "SignalBeforeEnd",
    "StdioSpec",
    "StdioSpecValue",
    "StopRequest",
    "Submit",
    "SubmitAfterOk",
    "SubmitInfo",
    "SubmitPreview",
    "Submitted",
    "TaskArray",
    "TaskDetail",
    "TaskDetailAfterOk",
    "TaskExplanation",
    "TaskExplanationQueue",
    "TaskExplanationQueues",
    "TaskGraph",
    "TaskInfo",
    "TaskPatch",
    "TaskPatchWarm",
    "TaskSpec",
    "TaskSpecWarm",
    "TaskState",
    "TaskStats",
    "TaskUsage",
    "TrialAnswer",
    "VariantExplained",
    "WaitReason",
    "WaitReasonDelayed",
    "WaitReasonDependencies",
    "WaitReasonDependenciesTasks",
    "WaitReasonEnded",
    "WaitReasonImpossible",
    "WaitReasonNoWorker",
    "WaitReasonOccupied",
    "WaitReasonRunning",
    "WaitReasonSent",
    "WaitReasonTurn",
    "WorkerConfiguration",
    "WorkerConfigurationAllocation",
    "WorkerEnd",
    "WorkerInfo",
    "WorkerInfoLastTaskStarted",
    "WorkerResources",
    "WorkerResourcesCoupling",
    "WorkersExplained",
]


class RequestSpec(TypedDict, total=False):
    resources: Dict[str, Union[float, str]]
    nodes: int
    timeRequestMs: float
    # of the alternatives the one with the largest is preferred
    weight: float


class _StdioSpecValue(TypedDict):
    path: str


class StdioSpecValue(_StdioSpecValue, total=False):
    onClose: Literal["keep", "rm-if-finished"]


StdioSpec = Union[None, "StdioSpecValue"]


CrashLimit = Union[int, Literal["never-restart"], Literal["unlimited"]]


class _TaskSpecWarm(TypedDict):
    # what the task is, a job of Snakemake or a function of the Python API, and with it what a warm runner loads
    kind: Literal["snakemake", "python"]
    # interpreter of the command; the package hq_bridge must be installed for it
    python: str
    # tasks of the same run, directory and environment share a warm runner
    run: str
    level: Literal["imports", "snakefile"]


class TaskSpecWarm(_TaskSpecWarm, total=False):
    # python: shell commands that come before the interpreter, which is then text for the shell
    prologue: str
    # python: runs the prologue; default: bash
    shell: str
    # python: modules that a warm runner loads; left out: installed ones that its first tasks are seen to load
    imports: List[str]


class _TaskSpec(TypedDict):
    # argument vector; the first element is the program
    command: List[str]


class TaskSpec(_TaskSpec, total=False):
    # environment variables added to those of the worker
    env: Dict[str, str]
    # names in env whose values are redacted in every output and deleted from the journal at the end of the task
    secretEnv: List[str]
    # working directory, placeholders allowed; default: the submit directory
    cwd: str
    stdout: "StdioSpec"
    stderr: "StdioSpec"
    # bytes given to the task on its standard input, base64
    stdin: str
    # alternatives, the preferred one first
    request: List["RequestSpec"]
    # taskset: the kernel lets the task run on its CPUs only; omp: OpenMP is told to bind threads to them; every
    # alternative needs CPUs
    pin: Literal["taskset", "omp"]
    # true: the task has an empty directory of its own on its node, named in HQ_TASK_DIR and removed at its end
    taskDir: bool
    # higher first
    priority: int
    # the task is killed after this time, milliseconds
    timeLimitMs: float
    crashLimit: "CrashLimit"
    # a failed task is run again up to this many times
    maxRetries: int
    # time between a failure and the next attempt, milliseconds
    retryDelayMs: float
    # only these failures are followed by another attempt: exit codes (128 + N stands for the signal N, too) and
    # reasons; default: all
    retryOn: List[Union[int, Literal["signal", "time-limit", "memory-limit", "spawn", "log", "internal"]]]
    # the mem request of every variant is multiplied by this at each retry
    retryMemFactor: float
    # start the task from a warm runner of its worker, where that is possible; left out: by its command
    warm: "TaskSpecWarm"
    # nextflow: the command is Nextflow's .command.run in the working directory; where it ends without having written
    # its .exitcode, hq writes it
    wrapper: Literal["nextflow"]
    # shown wherever the task is listed, e.g. a rule and its wildcards
    label: str


class _TaskPatchWarm(TypedDict):
    # what the task is, a job of Snakemake or a function of the Python API, and with it what a warm runner loads
    kind: Literal["snakemake", "python"]
    # interpreter of the command; the package hq_bridge must be installed for it
    python: str
    # tasks of the same run, directory and environment share a warm runner
    run: str
    level: Literal["imports", "snakefile"]


class TaskPatchWarm(_TaskPatchWarm, total=False):
    # python: shell commands that come before the interpreter, which is then text for the shell
    prologue: str
    # python: runs the prologue; default: bash
    shell: str
    # python: modules that a warm runner loads; left out: installed ones that its first tasks are seen to load
    imports: List[str]


class TaskPatch(TypedDict, total=False):
    # argument vector; the first element is the program
    command: List[str]
    # environment variables added to those of the worker
    env: Dict[str, str]
    # names in env whose values are redacted in every output and deleted from the journal at the end of the task
    secretEnv: List[str]
    # working directory, placeholders allowed; default: the submit directory
    cwd: str
    stdout: "StdioSpec"
    stderr: "StdioSpec"
    # bytes given to the task on its standard input, base64
    stdin: str
    # alternatives, the preferred one first
    request: List["RequestSpec"]
    # taskset: the kernel lets the task run on its CPUs only; omp: OpenMP is told to bind threads to them; every
    # alternative needs CPUs
    pin: Literal["taskset", "omp"]
    # true: the task has an empty directory of its own on its node, named in HQ_TASK_DIR and removed at its end
    taskDir: bool
    # higher first
    priority: int
    # the task is killed after this time, milliseconds
    timeLimitMs: float
    crashLimit: "CrashLimit"
    # a failed task is run again up to this many times
    maxRetries: int
    # time between a failure and the next attempt, milliseconds
    retryDelayMs: float
    # only these failures are followed by another attempt: exit codes (128 + N stands for the signal N, too) and
    # reasons; default: all
    retryOn: List[Union[int, Literal["signal", "time-limit", "memory-limit", "spawn", "log", "internal"]]]
    # the mem request of every variant is multiplied by this at each retry
    retryMemFactor: float
    # start the task from a warm runner of its worker, where that is possible; left out: by its command
    warm: "TaskPatchWarm"
    # nextflow: the command is Nextflow's .command.run in the working directory; where it ends without having written
    # its .exitcode, hq writes it
    wrapper: Literal["nextflow"]
    # shown wherever the task is listed, e.g. a rule and its wildcards
    label: str


class _GraphTaskWarm(TypedDict):
    # what the task is, a job of Snakemake or a function of the Python API, and with it what a warm runner loads
    kind: Literal["snakemake", "python"]
    # interpreter of the command; the package hq_bridge must be installed for it
    python: str
    # tasks of the same run, directory and environment share a warm runner
    run: str
    level: Literal["imports", "snakefile"]


class GraphTaskWarm(_GraphTaskWarm, total=False):
    # python: shell commands that come before the interpreter, which is then text for the shell
    prologue: str
    # python: runs the prologue; default: bash
    shell: str
    # python: modules that a warm runner loads; left out: installed ones that its first tasks are seen to load
    imports: List[str]


class GraphTask(TypedDict, total=False):
    # argument vector; the first element is the program
    command: List[str]
    # environment variables added to those of the worker
    env: Dict[str, str]
    # names in env whose values are redacted in every output and deleted from the journal at the end of the task
    secretEnv: List[str]
    # working directory, placeholders allowed; default: the submit directory
    cwd: str
    stdout: "StdioSpec"
    stderr: "StdioSpec"
    # bytes given to the task on its standard input, base64
    stdin: str
    # alternatives, the preferred one first
    request: List["RequestSpec"]
    # taskset: the kernel lets the task run on its CPUs only; omp: OpenMP is told to bind threads to them; every
    # alternative needs CPUs
    pin: Literal["taskset", "omp"]
    # true: the task has an empty directory of its own on its node, named in HQ_TASK_DIR and removed at its end
    taskDir: bool
    # higher first
    priority: int
    # the task is killed after this time, milliseconds
    timeLimitMs: float
    crashLimit: "CrashLimit"
    # a failed task is run again up to this many times
    maxRetries: int
    # time between a failure and the next attempt, milliseconds
    retryDelayMs: float
    # only these failures are followed by another attempt: exit codes (128 + N stands for the signal N, too) and
    # reasons; default: all
    retryOn: List[Union[int, Literal["signal", "time-limit", "memory-limit", "spawn", "log", "internal"]]]
    # the mem request of every variant is multiplied by this at each retry
    retryMemFactor: float
    # start the task from a warm runner of its worker, where that is possible; left out: by its command
    warm: "GraphTaskWarm"
    # nextflow: the command is Nextflow's .command.run in the working directory; where it ends without having written
    # its .exitcode, hq writes it
    wrapper: Literal["nextflow"]
    # shown wherever the task is listed, e.g. a rule and its wildcards
    label: str
    # the next free id when left out
    id: int
    # ids of tasks of the same job that must finish first
    deps: List[int]


class _TaskArray(TypedDict):
    kind: Literal["array"]
    spec: "TaskSpec"


class TaskArray(_TaskArray, total=False):
    # task ids like 1-10,20; the next free id when left out
    ids: str
    # one per id, in their order; the task finds its own in HQ_ENTRY
    entries: List[str]


class _TaskGraph(TypedDict):
    kind: Literal["graph"]
    tasks: List["GraphTask"]


class TaskGraph(_TaskGraph, total=False):
    shared: "TaskPatch"


class _SubmitAfterOk(TypedDict):
    job: int


class SubmitAfterOk(_SubmitAfterOk, total=False):
    # task ids like 1-10,20; left out: all tasks that the job has now
    tasks: str


class _Submit(TypedDict):
    # absolute path; %{SUBMIT_DIR} and the base of relative paths
    submitDir: str
    tasks: Union["TaskArray", "TaskGraph"]


class Submit(_Submit, total=False):
    # refuse tasks that no connected worker could ever run
    strict: bool
    # directory of the consolidated log; %{JOB_ID} %{SUBMIT_DIR} %{SERVER_UID} allowed
    stream: str
    # tasks of earlier submits that must finish before any of these starts; when one of them does not, all of these are
    # aborted
    afterOk: List["SubmitAfterOk"]


class _CreateJob(TypedDict):
    # shown in lists
    name: str


class CreateJob(_CreateJob, total=False):
    # true: more tasks may be added until the job is closed
    open: bool
    # when more tasks than this have failed, the remaining ones are aborted
    maxFails: int
    # free key-value pairs, e.g. the workflow run
    labels: Dict[str, str]
    # the first tasks; a job that is not open needs them
    submit: "Submit"


class Submitted(TypedDict):
    jobId: int
    # ids of the new tasks in the order of the request, like 1-10,20
    taskIds: str
    # e.g. a resource that no worker has
    warnings: List[str]


class _PreviewRequest(TypedDict):
    submit: "Submit"


class PreviewRequest(_PreviewRequest, total=False):
    # an open job that would get the tasks; left out: a new one
    jobId: int


class RequestPreviewQueues(TypedDict):
    queueId: int
    name: Union[str, None]
    # its workers could run the task, as far as is known
    fits: bool
    # false: what its workers provide is known only when one has connected
    isKnown: bool
    # what keeps it from submitting; null: nothing
    obstacle: Union["QueueObstacle", None]
    # allocations that wait in the batch system
    queued: int
    running: int


class RequestPreview(TypedDict):
    # like 1-10,20
    taskIds: str
    taskCount: int
    # per alternative, which workers could start such a task now, and what is in the way on the others
    variants: List["VariantExplained"]
    # what allocation queues would do about them
    queues: List["RequestPreviewQueues"]


class SubmitPreview(TypedDict):
    # ids that the tasks would get
    taskIds: str
    taskCount: int
    # e.g. a resource that no worker has
    warnings: List[str]
    # in the order of their first task, at most 50
    requests: List["RequestPreview"]
    # further requests
    moreRequests: int


TaskState = Literal["waiting", "running", "finished", "failed", "canceled", "aborted"]


FailureKind = Literal[
    "exit",
    "signal",
    "time-limit",
    "memory-limit",
    "spawn",
    "log",
    "worker-lost",
    "canceled",
    "internal",
]


class TaskUsage(TypedDict):
    wallMs: float
    userMs: Union[float, None]
    systemMs: Union[float, None]
    # memory of the largest single process
    maxRssBytes: Union[float, None]
    # memory of all processes together at its highest, as sampled while the task ran
    peakMemBytes: Union[float, None]


class TaskStats(TypedDict):
    running: int
    finished: int
    failed: int
    canceled: int
    aborted: int
    waiting: int


class SubmitInfo(TypedDict):
    submitDir: str
    # resolved directory of the consolidated log
    stream: Union[str, None]
    kind: Literal["array", "graph"]
    taskIds: str
    # TaskSpec: one for an array; for a graph one per task, at most 1,000
    specs: List[Any]


class JobInfo(TypedDict):
    id: int
    name: str
    isOpen: bool
    cancelReason: Union[str, None]
    taskCount: int
    stats: "TaskStats"
    maxFails: Union[int, None]
    labels: Dict[str, str]
    submittedAtMs: float
    # when the last task ended; null while one is waiting or running
    finishedAtMs: Union[float, None]


class JobDetail(TypedDict):
    id: int
    name: str
    isOpen: bool
    cancelReason: Union[str, None]
    taskCount: int
    stats: "TaskStats"
    maxFails: Union[int, None]
    labels: Dict[str, str]
    submittedAtMs: float
    # when the last task ended; null while one is waiting or running
    finishedAtMs: Union[float, None]
    taskIds: str
    submits: List["SubmitInfo"]


class TaskInfo(TypedDict):
    jobId: int
    id: int
    label: Union[str, None]
    state: "TaskState"
    # 0 for the first attempt
    instance: int
    workers: List[int]
    # Unix time of the latest start, milliseconds
    startedAtMs: Union[float, None]
    finishedAtMs: Union[float, None]
    # resolved; null before the first start
    cwd: Union[str, None]
    # resolved path, "<stream>" or null for nowhere
    stdout: Union[str, None]
    stderr: Union[str, None]
    error: Union[str, None]
    failure: Union["FailureKind", None]
    exitCode: Union[int, None]
    signal: Union[str, None]
    usage: Union["TaskUsage", None]


class _TaskDetailAfterOk(TypedDict):
    job: int


class TaskDetailAfterOk(_TaskDetailAfterOk, total=False):
    # task ids like 1-10,20; left out: all tasks that the job has now
    tasks: str


class TaskDetail(TypedDict):
    jobId: int
    id: int
    label: Union[str, None]
    state: "TaskState"
    # 0 for the first attempt
    instance: int
    workers: List[int]
    # Unix time of the latest start, milliseconds
    startedAtMs: Union[float, None]
    finishedAtMs: Union[float, None]
    # resolved; null before the first start
    cwd: Union[str, None]
    # resolved path, "<stream>" or null for nowhere
    stdout: Union[str, None]
    stderr: Union[str, None]
    error: Union[str, None]
    failure: Union["FailureKind", None]
    exitCode: Union[int, None]
    signal: Union[str, None]
    usage: Union["TaskUsage", None]
    spec: "TaskSpec"
    deps: List[int]
    # tasks of earlier submits that it waits for, with their ids
    afterOk: List["TaskDetailAfterOk"]
    entry: Union[str, None]


class ObstacleMissing(TypedDict):
    kind: Literal["missing"]
    resource: str
    requested: float


class ObstacleTooLittle(TypedDict):
    kind: Literal["too-little"]
    resource: str
    requested: float
    total: float


class ObstacleBusyLargest(TypedDict):
    jobId: int
    taskId: int
    amount: float


class ObstacleBusy(TypedDict):
    kind: Literal["busy"]
    resource: str
    requested: float
    free: float
    # tasks that hold some of it
    holders: int
    # those of them that hold the most, at most three
    largest: List["ObstacleBusyLargest"]


class ObstacleScattered(TypedDict):
    kind: Literal["scattered"]
    resource: str
    requested: float
    free: float


class ObstacleLifetime(TypedDict):
    kind: Literal["lifetime"]
    neededMs: float
    leftMs: float


class ObstacleStopping(TypedDict):
    kind: Literal["stopping"]


class ObstacleDraining(TypedDict):
    kind: Literal["draining"]
    leftMs: Union[float, None]


class ObstacleReconnecting(TypedDict):
    kind: Literal["reconnecting"]


class ObstacleReservedForTask(TypedDict):
    jobId: int
    taskId: int


class ObstacleReserved(TypedDict):
    kind: Literal["reserved"]
    forTask: Union["ObstacleReservedForTask", None]


class ObstacleGangTask(TypedDict):
    jobId: int
    taskId: int


class ObstacleGang(TypedDict):
    kind: Literal["gang"]
    task: "ObstacleGangTask"


class ObstacleUtilization(TypedDict):
    kind: Literal["utilization"]
    least: float


class ObstacleNodes(TypedDict):
    kind: Literal["nodes"]
    group: str
    needed: int
    size: int
    idle: int


Obstacle = Union[
    ObstacleMissing,
    ObstacleTooLittle,
    ObstacleBusy,
    ObstacleScattered,
    ObstacleLifetime,
    ObstacleStopping,
    ObstacleDraining,
    ObstacleReconnecting,
    ObstacleReserved,
    ObstacleGang,
    ObstacleUtilization,
    ObstacleNodes,
]


class WorkersExplained(TypedDict):
    # like 1-10,20
    workerIds: str
    count: int
    # empty: the task could start there now
    obstacles: List["Obstacle"]


class VariantExplained(TypedDict):
    variant: int
    request: str
    workers: List["WorkersExplained"]


class WaitReasonEnded(TypedDict):
    kind: Literal["ended"]
    error: Union[str, None]


class WaitReasonRunning(TypedDict):
    kind: Literal["running"]
    workerIds: List[int]


class WaitReasonSent(TypedDict):
    kind: Literal["sent"]
    workerId: int
    queued: bool


class WaitReasonDependenciesTasks(TypedDict):
    jobId: int
    taskId: int
    state: "TaskState"


class WaitReasonDependencies(TypedDict):
    kind: Literal["dependencies"]
    unfinished: int
    # the first ones of them
    tasks: List["WaitReasonDependenciesTasks"]


class WaitReasonDelayed(TypedDict):
    kind: Literal["delayed"]
    untilMs: float
    retry: int
    maxRetries: int


class WaitReasonNoWorker(TypedDict):
    kind: Literal["no-worker"]


class WaitReasonImpossible(TypedDict):
    kind: Literal["impossible"]
    details: List[str]


class WaitReasonOccupied(TypedDict):
    kind: Literal["occupied"]


class WaitReasonTurn(TypedDict):
    kind: Literal["turn"]


WaitReason = Union[
    WaitReasonEnded,
    WaitReasonRunning,
    WaitReasonSent,
    WaitReasonDependencies,
    WaitReasonDelayed,
    WaitReasonNoWorker,
    WaitReasonImpossible,
    WaitReasonOccupied,
    WaitReasonTurn,
]


class TaskExplanationQueue(TypedDict):
    priority: int
    # ready tasks of higher priority
    higher: int
    # ready tasks of the same priority with other requests that are placed before its own
    others: int
    # ready tasks of the same request and priority before it
    same: int


class TaskExplanationQueues(TypedDict):
    queueId: int
    name: Union[str, None]
    # its workers could run the task, as far as is known
    fits: bool
    # false: what its workers provide is known only when one has connected
    isKnown: bool
    # what keeps it from submitting; null: nothing
    obstacle: Union["QueueObstacle", None]
    # allocations that wait in the batch system
    queued: int
    running: int


class TaskExplanation(TypedDict):
    jobId: int
    taskId: int
    state: "TaskState"
    instance: int
    # tasks that it depends on, ended ones included
    dependencies: int
    reason: "WaitReason"
    # its position; null unless it is ready
    queue: Union["TaskExplanationQueue", None]
    # allocation queues; empty unless it waits for a place
    queues: List["TaskExplanationQueues"]
    # per alternative of its request; empty unless it waits for a place
    variants: List["VariantExplained"]


class CancelRequest(TypedDict, total=False):
    taskIds: str
    reason: str


class CancelAnswer(TypedDict):
    # tasks that this request canceled
    canceled: int
    # selected tasks that had ended before
    alreadyDone: int


class ModifyRequest(TypedDict, total=False):
    # only these tasks, like 1-10,20; left out: all that the job has now
    taskIds: str
    # higher first
    priority: int
    # milliseconds; null: no limit
    timeLimitMs: Union[float, None]
    crashLimit: "CrashLimit"
    # a failed task is run again up to this many times
    maxRetries: int
    # of the job; null: no limit
    maxFails: Union[int, None]


class ModifyAnswer(TypedDict):
    # selected tasks that had not ended
    modified: int
    # those of them that a worker has: they get it with their next attempt
    withWorker: int


class ResourceDescriptorList(TypedDict):
    name: str
    kind: Literal["list"]
    values: List[str]


class ResourceDescriptorRange(TypedDict):
    name: str
    kind: Literal["range"]
    start: int
    end: int


class ResourceDescriptorSum(TypedDict):
    name: str
    kind: Literal["sum"]
    size: int


class ResourceDescriptorGroups(TypedDict):
    name: str
    kind: Literal["groups"]
    groups: List[List[str]]


ResourceDescriptor = Union[
    ResourceDescriptorList,
    ResourceDescriptorRange,
    ResourceDescriptorSum,
    ResourceDescriptorGroups,
]


class CouplingWeight(TypedDict):
    resource1_idx: int
    group1_idx: int
    resource2_idx: int
    group2_idx: int
    weight: int


class WorkerResourcesCoupling(TypedDict):
    weights: List["CouplingWeight"]


class _WorkerResources(TypedDict):
    resources: List["ResourceDescriptor"]


class WorkerResources(_WorkerResources, total=False):
    coupling: "WorkerResourcesCoupling"


OnServerLost = Literal["reconnect", "stop", "finish-running"]


WorkerEnd = Literal["STOPPED", "CONNECTION LOST", "HEARTBEAT LOST", "IDLE TIMEOUT", "TIME LIMIT REACHED"]


class WorkerConfigurationAllocation(TypedDict):
    # PBS, Slurm, local or the name of a plugin
    manager: str
    id: str


class _WorkerConfiguration(TypedDict):
    resources: "WorkerResources"
    hostname: str
    group: str
    pid: int
    workDir: str
    heartbeatMs: float
    idleTimeoutMs: Union[float, None]
    # lifetime of the worker from its start
    timeLimitMs: Union[float, None]
    startedAtMs: float
    onServerLost: "OnServerLost"
    version: str


class WorkerConfiguration(_WorkerConfiguration, total=False):
    minUtilization: float
    # proc: by samples out of /proc; cgroup-v1, cgroup-v2: by control groups of this version, without gaps; missing:
    # proc
    memoryGuard: Literal["off", "proc", "cgroup-v1", "cgroup-v2"]
    # of --overview-interval; missing: as it is by default
    overviewIntervalMs: float
    allocation: Union["WorkerConfigurationAllocation", None]
    listenAddress: str


class WorkerInfoLastTaskStarted(TypedDict):
    jobId: int
    taskId: int
    atMs: float


class _WorkerInfo(TypedDict):
    id: int
    configuration: "WorkerConfiguration"
    # reconnecting: its connection broke, its tasks are kept
    state: Literal["running", "reconnecting", "offline"]
    connectedAtMs: float
    endedAtMs: Union[float, None]
    endReason: Union["WorkerEnd", None]
    runningTasks: int
    # running ones included
    assignedTasks: int
    lastTaskStarted: Union["WorkerInfoLastTaskStarted", None]


class WorkerInfo(_WorkerInfo, total=False):
    # tasks that were canceled and whose processes may still be there: the worker has not confirmed their end; left out:
    # none
    stoppingTasks: int


class QueueWorkerOptions(TypedDict, total=False):
    # like --cpus
    cpus: str
    # like --resource, NAME=DESC
    resources: List[str]
    # like --coupling
    coupling: str
    # like --group; default: the id of the allocation
    group: str
    hyperThreading: bool
    # like --detect-resources; default: all
    detectResources: str
    # like --overview-interval
    overviewIntervalMs: float
    minUtilization: float


class SignalBeforeEnd(TypedDict):
    signal: str
    beforeMs: float


class _QueueParams(TypedDict):
    # slurm, pbs, local, gridengine, or plugin: and the path of a module
    system: str
    # time limit of an allocation
    timeLimitMs: float


class QueueParams(_QueueParams, total=False):
    # part of job names and of the directory
    name: str
    # most allocations that wait in the batch system at a time
    backlog: int
    # most nodes of an allocation; each runs one worker
    maxWorkersPerAlloc: int
    # most workers, queued and running; default: no limit
    maxWorkerCount: int
    # handed to the batch system word for word
    additionalArgs: List[str]
    # default: the time limit of the allocation
    workerTimeLimitMs: float
    # a worker without tasks ends after this time
    idleTimeoutMs: float
    onServerLost: "OnServerLost"
    # a worker gets nothing new for so long before its end; default: 5 minutes, or 10 % of its time limit if that is
    # less
    drainBeforeMs: float
    signalBeforeEnd: "SignalBeforeEnd"
    # shell text that runs on each node before the worker
    workerStartCmd: str
    # shell text that runs on each node after the worker
    workerStopCmd: str
    # shell text in front of the worker
    workerWrapCmd: str
    worker: "QueueWorkerOptions"


class _CreateQueue(TypedDict):
    params: "QueueParams"


class CreateQueue(_CreateQueue, total=False):
    # first submit an allocation and cancel it at once, to see whether it is accepted
    trial: bool


class ModifyQueue(TypedDict, total=False):
    # time limit of an allocation
    timeLimitMs: float
    backlog: int
    maxWorkersPerAlloc: int
    maxWorkerCount: Union[int, None]
    additionalArgs: List[str]
    workerTimeLimitMs: Union[float, None]
    idleTimeoutMs: float
    drainBeforeMs: Union[float, None]
    workerStartCmd: Union[str, None]
    workerStopCmd: Union[str, None]
    workerWrapCmd: Union[str, None]


class QueueCreated(TypedDict):
    queueId: int
    # sentences: what is not known yet, what the batch system has doubts about
    warnings: List[str]


class TrialAnswer(TypedDict):
    script: str
    warnings: List[str]


class QueueInfo(TypedDict):
    id: int
    state: Literal["active", "paused", "draining"]
    params: "QueueParams"
    # the batch system by its name for people: Slurm, PBS
    manager: str
    # options that every worker of it gets, as words of the script
    workerArgs: List[str]
    # of its worker that connected last; null before the first
    knownResources: Union["WorkerResources", None]
    # allocations that wait in the batch system
    queued: int
    running: int
    # workers of queued and running allocations
    workers: int
    pausedReason: Union[str, None]
    # what was the matter last; null when the last attempt went well
    lastError: Union[str, None]
    # nothing is submitted before; null: it may be
    restsUntilMs: Union[float, None]


AllocationState = Literal["queued", "running", "finished", "failed"]


class AllocationInfo(TypedDict):
    queueId: int
    # counts the allocations of the queue
    number: int
    # of the batch system; null while it is being submitted, and when that failed
    id: Union[str, None]
    state: "AllocationState"
    # nodes, with one worker each
    workers: int
    connectedWorkers: int
    queuedAtMs: float
    startedAtMs: Union[float, None]
    endedAtMs: Union[float, None]
    # when its time limit ends, as far as it is known
    limitAtMs: Union[float, None]
    # has hq-submit.sh, jobid, stdout and stderr
    workdir: str
    # the batch system's word for its state
    rawState: Union[str, None]
    # what is known of why it waits or has ended, one sentence
    detail: Union[str, None]
    restarts: int


class QueueObstaclePaused(TypedDict):
    kind: Literal["paused"]
    reason: Union[str, None]


class QueueObstacleDraining(TypedDict):
    kind: Literal["draining"]


class QueueObstacleResting(TypedDict):
    kind: Literal["resting"]
    untilMs: float
    error: Union[str, None]


class QueueObstacleBacklog(TypedDict):
    kind: Literal["backlog"]
    queued: int
    backlog: int


class QueueObstacleMaxWorkers(TypedDict):
    kind: Literal["max-workers"]
    workers: int
    most: int


QueueObstacle = Union[
    QueueObstaclePaused,
    QueueObstacleDraining,
    QueueObstacleResting,
    QueueObstacleBacklog,
    QueueObstacleMaxWorkers,
]


class QueueExplanationAllocations(TypedDict):
    number: int
    id: Union[str, None]
    sentence: str
    # false: nothing waits for it; canceled in a moment if it has not started
    useful: bool
    estimatedStartMs: Union[float, None]


class QueueExplanation(TypedDict):
    queueId: int
    # null: it may submit
    obstacle: Union["QueueObstacle", None]
    # workers that it would ask for now, without its limits
    wantedWorkers: int
    allocations: List["QueueExplanationAllocations"]


class _ServerInfo(TypedDict):
    serverUid: str
    serverDir: str
    version: str
    protocol: str
    pid: int
    hostname: str
    startedAtMs: float
    journalPath: str
    clientHost: str
    clientPort: int
    workerHost: str
    workerPort: int
    socketPath: Union[str, None]
    # default idle timeout of workers
    idleTimeoutMs: Union[float, None]
    # an embedded server ends after this time without leases and tasks
    exitWhenIdleMs: Union[float, None]
    # bridges that hold the server alive
    leases: int
    jobs: int
    workers: int
    # every resource name that a connected worker provides
    resourceNames: List[str]


class ServerInfo(_ServerInfo, total=False):
    # clock of the server when it answered; left out by servers that do not tell
    nowMs: float
    # allocation queues that start workers when they are needed; left out: none
    allocationQueues: int


class HqEventServerStart(TypedDict):
    seq: int
    timeMs: float
    type: Literal["server-start"]
    serverUid: str
    version: str
    pid: int


class HqEventServerStop(TypedDict):
    seq: int
    timeMs: float
    type: Literal["server-stop"]


class HqEventWorkerConnected(TypedDict):
    seq: int
    timeMs: float
    type: Literal["worker-connected"]
    workerId: int
    configuration: "WorkerConfiguration"


class HqEventWorkerDisconnected(TypedDict):
    seq: int
    timeMs: float
    type: Literal["worker-disconnected"]
    workerId: int


class HqEventWorkerReconnected(TypedDict):
    seq: int
    timeMs: float
    type: Literal["worker-reconnected"]
    workerId: int


class HqEventWorkerLost(TypedDict):
    seq: int
    timeMs: float
    type: Literal["worker-lost"]
    workerId: int
    reason: "WorkerEnd"


class HqEventWorkerNotice(TypedDict):
    seq: int
    timeMs: float
    type: Literal["worker-notice"]
    workerId: int
    message: str


class HqEventJobCreated(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-created"]
    jobId: int
    name: str
    open: bool


class HqEventJobClosed(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-closed"]
    jobId: int


class HqEventJobCanceled(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-canceled"]
    jobId: int
    reason: Union[str, None]


class HqEventJobIdle(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-idle"]
    jobId: int


class HqEventJobCompleted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-completed"]
    jobId: int


class HqEventJobForgotten(TypedDict):
    seq: int
    timeMs: float
    type: Literal["job-forgotten"]
    jobId: int


class HqEventTasksSubmitted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["tasks-submitted"]
    jobId: int
    # task ids like 1-10,20
    ids: str


class HqEventTaskStarted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["task-started"]
    jobId: int
    taskId: int
    instance: int
    workerId: int
    variant: int


class HqEventTaskFinished(TypedDict):
    seq: int
    timeMs: float
    type: Literal["task-finished"]
    jobId: int
    taskId: int
    instance: int
    usage: Union["TaskUsage", None]


class HqEventTaskFailed(TypedDict):
    seq: int
    timeMs: float
    type: Literal["task-failed"]
    jobId: int
    taskId: int
    instance: int
    error: str
    failure: "FailureKind"
    exitCode: Union[int, None]
    signal: Union[str, None]
    usage: Union["TaskUsage", None]


class HqEventTaskRestarted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["task-restarted"]
    jobId: int
    taskId: int
    instance: int
    cause: Literal["retry", "worker-lost", "worker-stopped", "superseded"]
    error: Union[str, None]


class HqEventQueueCreated(TypedDict):
    seq: int
    timeMs: float
    type: Literal["queue-created"]
    queueId: int
    name: Union[str, None]
    system: str


class HqEventQueuePaused(TypedDict):
    seq: int
    timeMs: float
    type: Literal["queue-paused"]
    queueId: int
    reason: Union[str, None]


class HqEventQueueResumed(TypedDict):
    seq: int
    timeMs: float
    type: Literal["queue-resumed"]
    queueId: int


class HqEventQueueRemoved(TypedDict):
    seq: int
    timeMs: float
    type: Literal["queue-removed"]
    queueId: int


class HqEventAllocationQueued(TypedDict):
    seq: int
    timeMs: float
    type: Literal["allocation-queued"]
    queueId: int
    number: int
    id: str
    workers: int


class HqEventAllocationStarted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["allocation-started"]
    queueId: int
    number: int
    id: str


class HqEventAllocationEnded(TypedDict):
    seq: int
    timeMs: float
    type: Literal["allocation-ended"]
    queueId: int
    number: int
    id: Union[str, None]
    state: "AllocationState"
    detail: str


class HqEventTaskNotify(TypedDict):
    seq: int
    timeMs: float
    type: Literal["task-notify"]
    jobId: int
    taskId: int
    instance: int
    workerId: int
    message: str


class HqEventTasksCanceled(TypedDict):
    seq: int
    timeMs: float
    type: Literal["tasks-canceled"]
    jobId: int
    # task ids like 1-10,20
    ids: str


class HqEventTasksAborted(TypedDict):
    seq: int
    timeMs: float
    type: Literal["tasks-aborted"]
    jobId: int
    # task ids like 1-10,20
    ids: str
    reason: str


HqEvent = Union[
    HqEventServerStart,
    HqEventServerStop,
    HqEventWorkerConnected,
    HqEventWorkerDisconnected,
    HqEventWorkerReconnected,
    HqEventWorkerLost,
    HqEventWorkerNotice,
    HqEventJobCreated,
    HqEventJobClosed,
    HqEventJobCanceled,
    HqEventJobIdle,
    HqEventJobCompleted,
    HqEventJobForgotten,
    HqEventTasksSubmitted,
    HqEventTaskStarted,
    HqEventTaskFinished,
    HqEventTaskFailed,
    HqEventTaskRestarted,
    HqEventQueueCreated,
    HqEventQueuePaused,
    HqEventQueueResumed,
    HqEventQueueRemoved,
    HqEventAllocationQueued,
    HqEventAllocationStarted,
    HqEventAllocationEnded,
    HqEventTaskNotify,
    HqEventTasksCanceled,
    HqEventTasksAborted,
]


class ErrorError(TypedDict):
    # a code of docs/errors.md; newer servers may send others
    code: str
    # one line
    message: str
    # what to do next; may be empty
    hint: str
    # the values in the message
    data: Dict[str, Union[str, float]]


class Error(TypedDict):
    error: "ErrorError"


class StopRequest(TypedDict, total=False):
    # true: workers and allocations stay and wait for the next server
    keepWorkers: bool


class DebugDump(TypedDict):
    # the scheduler; may change with every version
    tako: Dict[str, Any]


class PruneRequest(TypedDict, total=False):
    # only what is older, Unix time in milliseconds; default: everything up to now
    beforeMs: float


class BackupRequest(TypedDict):
    # a new file, on the server's host
    path: str


class LeaseEnded(TypedDict):
    # event streams that held this lease and are ended now
    ended: int


class Health(TypedDict):
    status: Literal["ok"]
