// What tasks print: for Nextflow, for people, and before they fail.
process TELLS {
    output: tuple val('it'), stdout
    script: 'echo told; echo aside >&2'
}
process SILENT {
    output: path 'made.txt'
    script: 'echo out; echo err >&2; touch made.txt'
}
process FAILS {
    errorStrategy 'ignore'
    script: 'echo before; echo why >&2; exit 3'
}
workflow { TELLS().view(); SILENT(); FAILS() }
