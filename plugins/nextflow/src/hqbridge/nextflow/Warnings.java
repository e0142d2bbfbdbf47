package hqbridge.nextflow;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;

/** Tells the user what deserves one line, not one per task. */
final class Warnings {
    private final Logger log;
    private final Set<String> said = ConcurrentHashMap.newKeySet();

    Warnings(Logger log) {
        this.log = log;
    }

    void once(String line) {
        if (said.add(line)) log.warn("HyperQueue: {}", line);
    }

    void each(String line) {
        log.warn("HyperQueue: {}", line);
    }

    void info(String line) {
        log.info("HyperQueue: {}", line);
    }
}
