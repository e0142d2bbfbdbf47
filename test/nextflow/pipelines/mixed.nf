// 24 tasks of every kind: an array, a retry with more memory, a fraction of a GPU, options of hq submit.
process WORK {
    tag "n=$n"
    array 5
    input: val n
    output: stdout
    script: "echo $n; echo noise >&2"
}
process FLAKY {
    errorStrategy 'retry'
    memory { 200.MB * task.attempt }
    output: stdout
    script: "[ $task.attempt = 2 ] || exit 17; echo memory ${task.memory.toMega()}"
}
process RES {
    cpus 2
    memory 512.MB
    time 1.h
    output: stdout
    script: 'echo cpus $HQ_CPUS'
}
process GPU {
    accelerator 1
    clusterOptions '--priority 7 --queue fast --env "GREETING=hello there"'
    ext hq: [gpus: 0.5, pin: 'omp']
    output: stdout
    script: 'echo $GREETING ${#HQ_RESOURCE_VALUES_gpus} gpu'
}
process SUM {
    input: val parts
    output: path 'sum.txt'
    script: "echo sum \$(( ${parts.collect { it.trim() }.join(' + ')} )) > sum.txt"
}
workflow {
    WORK(channel.of(1..20)).collect() | SUM | view { it.text }
    FLAKY().mix(RES(), GPU()).view()
}
