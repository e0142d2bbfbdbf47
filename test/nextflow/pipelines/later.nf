// A task that becomes ready long after the run has begun: once the file `go` is in the launch directory, and three seconds more.
process FIRST {
    executor 'local'
    output: stdout
    script: "until test -e '$launchDir/go'; do sleep 0.05; done; sleep 3; echo first"
}
process NEXT {
    input: val text
    output: stdout
    script: "echo after $text"
}
workflow { NEXT(FIRST()) | view }
