package hqbridge.nextflow;

import java.nio.file.Path;

/** One task on the server and what is known of it. Written by the thread of the events; read by those of Nextflow. */
final class Ticket {
    private final long jobId;
    private final long taskId;
    private volatile boolean isStarted;
    private volatile Outcome outcome;
    private volatile HqTaskHandler handler;
    private volatile Path workDir;

    Ticket(long jobId, long taskId) {
        this.jobId = jobId;
        this.taskId = taskId;
    }

    long jobId() {
        return jobId;
    }

    long taskId() {
        return taskId;
    }

    /** @return whether an attempt has started */
    boolean isStarted() {
        return isStarted;
    }

    void started() {
        isStarted = true;
    }

    /** @return null: it has not ended */
    Outcome outcome() {
        return outcome;
    }

    void ended(Outcome how) {
        outcome = how;
    }

    /** @return whose task it is; null: an earlier run's that nobody has asked for yet */
    HqTaskHandler handler() {
        return handler;
    }

    void belongsTo(HqTaskHandler owner) {
        handler = owner;
    }

    /** @return where an earlier run has started it; null for those of this run */
    Path workDir() {
        return workDir;
    }

    void ranIn(Path folder) {
        workDir = folder;
    }

    @Override
    public String toString() {
        return jobId + "@" + taskId;
    }
}
