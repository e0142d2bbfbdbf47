/**
 * What Slurm's reasons mean, for people. Source of the words: the man page of squeue, "JOB REASON CODES", and what a Slurm 22.05 has answered.
 * Used by the Slurm adapter.
 */

/** Reasons that do not go away by waiting: the job asks for what its partition or account never gives. */
const HOPELESS: ReadonlySet<string> = new Set([
  'AccountNotAllowed',
  'BadConstraints',
  'DependencyNeverSatisfied',
  'InactiveLimit',
  'InvalidAccount',
  'InvalidQOS',
  'PartitionConfig',
  'PartitionNodeLimit',
  'PartitionTimeLimit',
  'QOSNotAllowed',
  'QOSTimeLimit',
]);

const SENTENCES: Readonly<Record<string, string>> = {
  // Waiting as usual
  Resources: 'all suitable nodes are in use; it is next when some become free',
  Priority: 'jobs of higher priority are before it',
  None: 'the scheduler has not looked at it yet',
  BeginTime: 'its earliest start time is not reached',
  Cleaning: 'an earlier run of it is still being cleaned up',
  Dependency: 'it waits for other jobs',
  Licenses: 'all licences it asks for are in use',
  Prolog: 'its prolog is still running',
  Reservation: 'it waits for its reservation',
  ReqNodeNotAvail: 'nodes that it needs are down, drained or reserved',
  NodeDown: 'a node that it needs is down',
  PartitionDown: 'its partition is down',
  PartitionInactive: 'its partition takes no jobs at the moment',
  BurstBufferResources: 'there is no room in the burst buffer',
  BurstBufferStageIn: 'its data is being staged in',
  SchedDefer: 'the scheduler is busy and comes to it later',
  FrontEndDown: 'no front end node is up',
  IdleNodesWithJobs: 'idle nodes are held for other jobs',
  // Held
  JobHeldUser: 'it is held by its user; release it with: scontrol release',
  JobHeldAdmin: 'it is held by an administrator',
  JobArrayTaskLimit: 'the limit of its job array is reached',
  MaxRequeue: 'it was requeued too often',
  JobHoldMaxRequeue: 'it was requeued too often',
  launch_failed_requeued_held: 'it could not be launched and is held; release it with: scontrol release',
  // Never
  AccountNotAllowed: 'its account may not use this partition',
  BadConstraints: 'no node can have what it asks for',
  DependencyNeverSatisfied: 'the job it depends on has failed',
  InactiveLimit: 'it was inactive for too long',
  InvalidAccount: 'its account does not exist or may not be used',
  InvalidQOS: 'its QOS does not exist or may not be used',
  QOSNotAllowed: 'its QOS may not be used with this partition or account',
  PartitionConfig: 'it asks for more nodes or time than its partition allows',
  PartitionNodeLimit: 'it asks for more nodes than its partition has or allows',
  PartitionTimeLimit: 'its time limit is longer than its partition allows',
  // Ended
  NonZeroExitCode: 'its script ended with an error',
  JobLaunchFailure: 'its script was killed before it ran, or its output file could not be written',
  NodeFail: 'a node of it failed',
  OutOfMemory: 'it used more memory than it was given',
  RaisedSignal: 'a signal ended it',
  SystemFailure: 'a failure of the system ended it',
  TimeLimit: 'its time limit was reached',
  DeadLine: 'its deadline had passed',
};

/** Limits come in many combinations, `QOSMaxCpuPerUserLimit`, `AssocGrpNodeLimit`: they are put together from parts. */
const LIMIT = /^(QOS|Assoc|Association)(?:(Grp|Max|Min))?(.*?)(?:Per(User|Account|Job|Node))?(?:Limit)?$/;

const RESOURCE_NAMES: Readonly<Record<string, string>> = {
  BB: 'burst buffer space',
  Billing: 'billing',
  Cpu: 'CPUs',
  CPU: 'CPUs',
  CPUMins: 'CPU minutes',
  CpuMinutes: 'CPU minutes',
  CPUMinutes: 'CPU minutes',
  CPURunMins: 'CPU minutes of running jobs',
  CpuRunMinutes: 'CPU minutes of running jobs',
  Energy: 'energy',
  GRES: 'GPUs and other generic resources',
  Job: 'running jobs',
  Jobs: 'running jobs',
  License: 'licences',
  Mem: 'memory',
  Memory: 'memory',
  Node: 'nodes',
  Prio: 'priority',
  Submit: 'submitted jobs',
  SubmitJobs: 'submitted jobs',
  Time: 'time',
  UsageRaw: 'usage',
  Wall: 'time',
  WallDuration: 'time',
  Resource: 'resources',
};

/** @param code as squeue prints it, or with Slurm's explanation in brackets: `(Resources)`, `ReqNodeNotAvail, UnavailableNodes:n1` */
export function reasonText(code: string): string {
  const word = reasonWord(code);
  const known = SENTENCES[word];
  if (known !== undefined) return known;
  const [whole, scope, , resource = '', per] = LIMIT.exec(word) ?? [];
  if (whole === undefined || whole === scope) return `Slurm gives the reason ${word}`;
  const what = RESOURCE_NAMES[resource] ?? (resource === '' ? 'resources' : `resources (${resource})`);
  const whose = scope === 'QOS' ? 'QOS' : 'account or association';
  return `the limit of its ${whose} on ${what}${per === undefined ? '' : ` per ${per.toLowerCase()}`} is reached`;
}

export function isHopeless(code: string): boolean {
  return HOPELESS.has(reasonWord(code));
}

function reasonWord(code: string): string {
  return /^\(?([^\s,)]+)/.exec(code)?.[1] ?? code;
}
