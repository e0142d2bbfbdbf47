process TRUE {
    input: val n
    script: 'true'
}
workflow { TRUE(channel.of(1..(params.tasks ?: 1))) }
