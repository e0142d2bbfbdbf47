// What wrappers of tasks can do; what is shown must not depend on the executor.
process MAKE {
    output: path 'a file.txt'
    script: "echo made > 'a file.txt'; echo aside >&2"
}
process SCRATCH {
    scratch true
    tag 'a\'b"c \\ é'
    input: path 'in put.txt'
    output: path 'out.txt'
    script: "cat 'in put.txt' > out.txt; echo scratched >> out.txt"
}
process STDIN {
    input: stdin
    output: stdout
    script: 'tr a-z A-Z'
}
process PYTHON {
    input: val n
    output: tuple val(n), stdout
    script: """
    #!/usr/bin/env python3
    import os
    print('python', $n, os.environ['GREETING'])
    """
}
process ENVIRONMENT {
    output: env('FOO'), emit: variable
    output: eval('echo evaluated'), emit: command
    beforeScript 'export EARLY=before'
    afterScript 'echo after >&2'
    script: 'FOO=$EARLY'
}
process PUBLISH {
    publishDir 'results', mode: 'copy'
    debug true
    input: path 'in*.txt'
    output: path 'all.txt'
    script: 'cat in*.txt > all.txt; echo debugged'
}
process FAILS {
    errorStrategy 'ignore'
    output: stdout
    script: 'exit 9'
}
workflow {
    MAKE()
    SCRATCH(MAKE.out)
    PUBLISH(SCRATCH.out.mix(MAKE.out).collect()) | view { it.text }
    STDIN(channel.of('abc')) | view
    PYTHON(channel.of(1, 2)) | view
    ENVIRONMENT()
    ENVIRONMENT.out.variable.view()
    ENVIRONMENT.out.command.view()
    FAILS()
}
