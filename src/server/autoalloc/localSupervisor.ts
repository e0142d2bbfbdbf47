/**
 * The shell script that watches over one local allocation: a process of its own, so that the time limit holds and the end is noted whatever becomes of
 * the server. Started by the local batch system, which reads the files that it writes.
 */

/** From the request to end until SIGKILL, seconds: what Slurm gives (KillWait). A worker needs part of it to stop its tasks in order. */
export const GRACE_SECONDS = 30;

/**
 * Arguments: id of the allocation, directory of its state, job script, time limit and grace in seconds. Files: `pid` (number and start time of this
 * process), written when it takes signals, and, when every process of the allocation is gone, `exit` (exit code and why). Who cancels makes the file
 * `cancel` before the signal: it counts when there is no `pid` yet.
 *
 * A process belongs to the allocation when its environment carries the id, which it inherits, whatever its group or session: tasks have their own.
 * The supervisor's own environment does not carry it. `wait` is repeated after a signal, because then it has not waited for the job.
 */
export const SUPERVISOR = `
id=$1 state=$2 script=$3 limit=$4 grace=$5
why= signaled= job=
end() { why=\${why:-$1} signaled=1; [ -n "$job" ] && kill -TERM -- "-$job" 2>/dev/null; }
trap 'end canceled' TERM INT
trap 'end limit' ALRM
trap '' HUP
line=$(</proc/$$/stat); fields=(\${line##*) })
echo "$$ \${fields[19]}" >"$state/pid.new" && mv "$state/pid.new" "$state/pid" || exit 1
[ -e "$state/cancel" ] && why=canceled
members() { grep -lzxsF "HQ_ALLOCATION_ID=$id" /proc/[0-9]*/environ; }
set -m
HQ_ALLOCATION_ID=$id bash "$script" & job=$!
(sleep "$limit"; kill -ALRM $$) & timer=$!
[ -n "$why" ] && end "$why"
while signaled=; wait "$job"; code=$?; [ -n "$signaled" ]; do :; done
kill -KILL -- "-$timer"
kill -TERM -- "-$job" 2>/dev/null
for ((turn = grace * 10; turn > 0; turn--)); do [ -n "$(members)" ] || break; sleep 0.1; done
while left=$(members); [ -n "$left" ]; do
  for one in $left; do one=\${one%/environ}; kill -KILL "\${one#/proc/}"; done
  sleep 0.1
done 2>/dev/null
echo "$code \${why:-itself}" >"$state/exit.new" && mv "$state/exit.new" "$state/exit"
`;
