// What Nextflow has no directives for.
process VARIANTS {
    ext hq: [variants: [[gpus: 1, cpus: 4], [cpus: 2]]]
    script: 'true'
}
process LIMITS {
    time 2.h
    ext hq: [crashLimit: 2, timeRequest: '30min', priority: -3, env: [GREETING: 'hello']]
    output: stdout
    script: 'echo $GREETING'
}
process LINES {
    time 2.h
    clusterOptions '--cpus 2', '--resource "gpus=0.25"', "--env 'WORDS=a \"b\" c'", '--crash-limit=never-restart'
    output: stdout
    script: 'echo $WORDS'
}
process TYPED {
    accelerator 1, type: 'A100'
    script: 'true'
}
workflow { VARIANTS(); LIMITS().mix(LINES()).view(); TYPED() }
