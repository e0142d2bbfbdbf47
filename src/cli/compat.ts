/** Every place where HQ_COMPAT=hyperqueue changes what a command does, in one file; `docs/compatibility.md` explains each. */

export interface Compat {
  /** `hq job open` prints the sentence on stdout instead of the bare id. */
  readonly jobOpenSentence: boolean;
  /** `job info` prints the original's array, and every JSON object has the original's keys only. */
  readonly originalJson: boolean;
  /** An explicit `--crash-limit` of a submit does not limit the failed tasks of the job. */
  readonly crashLimitPerTaskOnly: boolean;
  /** A resource that is named twice is an error instead of the next variant. */
  readonly refuseRepeatedResource: boolean;
  /** Unknown job or worker ids are a log line and exit 0. */
  readonly unknownIdsExitZero: boolean;
  /** `alloc remove` refuses while an allocation runs, instead of letting it end with its tasks. */
  readonly refuseRunningQueue: boolean;
  /** Workers of allocations only finish what they run when the server is lost, instead of waiting for its return. */
  readonly finishOnServerLost: boolean;
  /** `worker start` stops when the server is lost. */
  readonly stopOnServerLost: boolean;
}

export function compatOf(env: Readonly<Record<string, string | undefined>>): Compat {
  const original = env['HQ_COMPAT'] === 'hyperqueue';
  return {
    jobOpenSentence: original,
    originalJson: original,
    crashLimitPerTaskOnly: original,
    refuseRepeatedResource: original,
    unknownIdsExitZero: original,
    refuseRunningQueue: original,
    finishOnServerLost: original,
    stopOnServerLost: original,
  };
}
