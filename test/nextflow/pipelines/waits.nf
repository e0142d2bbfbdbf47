// Tasks that run until the file `go` is in the launch directory, and note each start there.
process WAIT {
    errorStrategy { task.exitStatus in 130..145 ? 'retry' : 'terminate' }
    input: val n
    output: stdout
    script: "mkdir once && echo $n >> ../../../starts; until test -e ../../../go; do sleep 0.05; done; echo done $n"
}
workflow { WAIT(channel.of(1..(params.tasks ?: 1))).view() }
