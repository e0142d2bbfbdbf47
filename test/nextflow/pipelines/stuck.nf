// A task that no worker is there for, and that is not to wait for one.
process STUCK {
    maxSubmitAwait '1 s'
    errorStrategy 'retry'
    maxRetries 1
    script: 'true'
}
workflow { STUCK() }
