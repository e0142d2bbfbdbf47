// 24 short tasks: 20 of 0.2 s, one that is tried again with more memory, one of two CPUs, and one after all others.
process WORK {
    input: val n
    output: stdout
    script: "sleep 0.2; echo $n"
}
process FLAKY {
    errorStrategy 'retry'
    memory { 200.MB * task.attempt }
    output: stdout
    script: "[ $task.attempt = 2 ] || exit 17; echo ${task.memory.toMega()}"
}
process WIDE {
    cpus 2
    memory 512.MB
    time 5.min
    output: stdout
    script: 'echo wide'
}
process SUM {
    input: val parts
    output: path 'sum.txt'
    script: "echo ${parts.size()} > sum.txt"
}
workflow { SUM(WORK(channel.of(1..20)).mix(FLAKY(), WIDE()).collect()) }
