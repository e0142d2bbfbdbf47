// Ten tasks, each of which waits for the one before it.
process A {
    input: val n
    output: val n
    script: 'true'
}
process B {
    input: val n
    output: val n
    script: 'true'
}
process C {
    input: val n
    output: val n
    script: 'true'
}
process D {
    input: val n
    output: val n
    script: 'true'
}
process E {
    input: val n
    output: val n
    script: 'true'
}
process F {
    input: val n
    output: val n
    script: 'true'
}
process G {
    input: val n
    output: val n
    script: 'true'
}
process H {
    input: val n
    output: val n
    script: 'true'
}
process I {
    input: val n
    output: val n
    script: 'true'
}
process J {
    input: val n
    output: val n
    script: 'true'
}
workflow { A(1) | B | C | D | E | F | G | H | I | J }
