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
 * The supervisor's own environment does not carry it. The exit code comes through a pipe that is looked at once a second without starting anything: in
 * bash, `wait` may miss a job that ends while a trap runs. Between script and pipe stands a shell that outlives the signal to end.
 */
export const SUPERVISOR = `
id=$1 state=$2 script=$3 limit=$4 grace=$5
why= patience= job= code=
end() { why=\${why:-$1}; patience=\${patience:-$((SECONDS + grace))}; [ -n "$job" ] && kill -TERM -- "-$job" 2>/dev/null; }
trap 'end canceled' TERM INT
trap '' HUP
line=$(</proc/$$/stat); fields=(\${line##*) })
echo "$$ \${fields[19]}" >"$state/pid.new" && mv "$state/pid.new" "$state/pid" || exit 1
[ -e "$state/cancel" ] && why=canceled
members() { grep -lzxsF "HQ_ALLOCATION_ID=$id" /proc/[0-9]*/environ; }
mkfifo -m 600 "$state/done" && exec 3<>"$state/done" || exit 1
set -m
{ trap : TERM INT; HQ_ALLOCATION_ID=$id bash "$script" 3>&-; echo $? >&3; } & job=$!
[ -n "$why" ] && end "$why"
until read -r -t 1 -u 3 code; do
  [ -z "$why" ] && ((SECONDS >= limit)) && end limit
  [ -n "$why" ] && ((SECONDS >= patience)) && break
  kill -0 "$job" 2>/dev/null || { read -r -t 1 -u 3 code; break; }
done
kill -TERM -- "-$job" 2>/dev/null
for ((turn = grace * 10; turn > 0; turn--)); do [ -n "$(members)" ] || break; sleep 0.1; done
while left=$(members); [ -n "$left" ]; do
  for one in $left; do one=\${one%/environ}; kill -KILL "\${one#/proc/}"; done
  sleep 0.1
done 2>/dev/null
echo "\${code:-137} \${why:-itself}" >"$state/exit.new" && mv "$state/exit.new" "$state/exit"
`;
