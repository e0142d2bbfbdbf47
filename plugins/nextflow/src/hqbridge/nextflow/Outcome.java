package hqbridge.nextflow;

import com.google.gson.JsonObject;
import hqbridge.client.Json;
import java.util.Map;

/**
 * How a task has ended.
 *
 * @param exitCode what Nextflow sees as its exit status; null: there is none that a retry rule could mean
 * @param reason one line; null: its script ended by itself, so that the exit code says all
 * @param isFinal whether trying again would be against somebody's will or in vain
 * @param usage null: nothing was measured
 */
record Outcome(Integer exitCode, String reason, boolean isFinal, Usage usage) {
    /** What batch systems give to a job that ran out of time (Slurm's and LSF's signal USR2, 128 + 12), and pipelines retry with more of it. */
    private static final int TIME_LIMIT_CODE = 140;
    /** 128 + SIGKILL, which pipelines take for out of memory. */
    private static final int MEMORY_LIMIT_CODE = 137;
    /** 128 + SIGTERM: as if the node had been taken away. */
    private static final int WORKER_LOST_CODE = 143;
    private static final int SIGNAL_BASE = 128;
    /** Signals by their numbers on Linux. */
    private static final Map<String, Integer> SIGNALS = Map.ofEntries(
            Map.entry("SIGHUP", 1), Map.entry("SIGINT", 2), Map.entry("SIGQUIT", 3), Map.entry("SIGILL", 4), Map.entry("SIGTRAP", 5),
            Map.entry("SIGABRT", 6), Map.entry("SIGBUS", 7), Map.entry("SIGFPE", 8), Map.entry("SIGKILL", 9), Map.entry("SIGUSR1", 10),
            Map.entry("SIGSEGV", 11), Map.entry("SIGUSR2", 12), Map.entry("SIGPIPE", 13), Map.entry("SIGALRM", 14),
            Map.entry("SIGTERM", 15), Map.entry("SIGSTKFLT", 16), Map.entry("SIGXCPU", 24), Map.entry("SIGXFSZ", 25),
            Map.entry("SIGVTALRM", 26), Map.entry("SIGPROF", 27), Map.entry("SIGIO", 29), Map.entry("SIGPWR", 30), Map.entry("SIGSYS", 31));

    /** @param end event task-finished (model hqEvent) or a finished task (model taskInfo) */
    static Outcome finished(JsonObject end) {
        return new Outcome(0, null, false, Usage.of(end.get("usage")));
    }

    /** @param end event task-failed (model hqEvent) or a failed task (model taskInfo) */
    static Outcome failed(JsonObject end) {
        Usage usage = Usage.of(end.get("usage"));
        String error = Json.text(end, "error");
        String failure = Json.text(end, "failure");
        return switch (failure == null ? "" : failure) {
            case "exit" -> new Outcome(end.get("exitCode").getAsInt(), null, false, usage);
            case "signal" -> {
                Integer number = SIGNALS.get(Json.text(end, "signal"));
                yield new Outcome(number == null ? null : SIGNAL_BASE + number, error, false, usage);
            }
            case "time-limit" -> new Outcome(TIME_LIMIT_CODE, error + " (directive time)", false, usage);
            case "memory-limit" -> new Outcome(MEMORY_LIMIT_CODE, error + " (directive memory)", false, usage);
            case "worker-lost" -> new Outcome(WORKER_LOST_CODE, error, false, usage);
            default -> new Outcome(null, error, false, usage);
        };
    }

    /** @param reason why it did not run to its end */
    static Outcome givenUp(String reason) {
        return new Outcome(null, reason, true, null);
    }

    /** @return a task as the API lists it (model taskInfo); null: it has not ended */
    static Outcome ofTask(JsonObject task) {
        String state = task.get("state").getAsString();
        return switch (state) {
            case "finished" -> finished(task);
            case "failed" -> failed(task);
            case "canceled", "aborted" -> {
                String error = Json.text(task, "error");
                yield givenUp(error == null ? "it was " + state + " in HyperQueue" : error);
            }
            default -> null;
        };
    }
}
