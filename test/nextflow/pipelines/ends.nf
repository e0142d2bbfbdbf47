// Every way in which a task can end against its will; each says what Nextflow's rules see.
process TIME {
    time { 1.s * task.attempt * task.attempt * task.attempt * 20 - 19.s }
    errorStrategy { task.exitStatus == 140 ? 'retry' : 'terminate' }
    script: "[ $task.attempt = 2 ] || while :; do sleep 0.1; done"
}
process MEMORY {
    memory { 60.MB * (task.attempt ** 3) }
    errorStrategy { task.exitStatus == 137 ? 'retry' : 'terminate' }
    script: "python3 -c 'import time; held = b\"x\" * (150 << 20); [time.sleep(0.1) for _ in range(600 if $task.attempt == 1 else 1)]'"
}
process FAILS {
    errorStrategy 'ignore'
    script: "echo out; echo err >&2; exit 3"
}
process KILLED {
    errorStrategy 'ignore'
    script: 'kill -9 $PPID $$'
}
workflow { TIME(); MEMORY(); FAILS(); KILLED() }
