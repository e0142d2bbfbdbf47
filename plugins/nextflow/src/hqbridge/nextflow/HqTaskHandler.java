package hqbridge.nextflow;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import nextflow.exception.ProcessException;
import nextflow.exception.ProcessUnrecoverableException;
import nextflow.executor.BashWrapperBuilder;
import nextflow.processor.TaskBean;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;
import nextflow.processor.TaskStatus;
import nextflow.script.params.StdOutParam;
import nextflow.trace.TraceRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One task of Nextflow. What becomes of it is told by the server's events, never looked up in files. */
final class HqTaskHandler extends TaskHandler {
    private static final Logger LOG = LoggerFactory.getLogger(HqExecutor.LOG_NAME);
    private static final Set<String> DETACHED_ENGINES = Set.of("docker", "podman");
    private static final String TRACE_HEAD = "nextflow.trace/v2\n";

    private final HqExecutor executor;
    private volatile Ticket ticket;
    private volatile boolean isAccepted;
    private volatile boolean hasOwnWrapper;
    private Usage usage;

    HqTaskHandler(TaskRun task, HqExecutor executor) {
        super(task);
        this.executor = executor;
    }

    /** @return null: it has not been submitted */
    Ticket ticket() {
        return ticket;
    }

    /** Its place on the server, before it is sent: its end may be told before the answer comes. */
    void isFollowedBy(Ticket place) {
        ticket = place;
        place.belongsTo(this);
    }

    /** @return whether the server has it, and Nextflow knows that and wants to hear of it */
    boolean isAccepted() {
        return isAccepted;
    }

    void accepted() {
        isAccepted = true;
    }

    @Override
    public void prepareLauncher() {
        TaskBean bean = getTask().toTaskBean();
        hasOwnWrapper = executor.settings().ownWrapper() && Wrapper.isPossible() && !(bean.getStatsEnabled() && needsSampling());
        (hasOwnWrapper ? new Wrapper(bean, bean.getStatsEnabled(), output()) : new BashWrapperBuilder(bean)).build();
    }

    /** @return whether the wrapper says itself where its output goes */
    boolean hasOwnWrapper() {
        return hasOwnWrapper;
    }

    private Wrapper.Output output() {
        if (executor.settings().stream() == null) return Wrapper.Output.FILES;
        return printsForNextflow() ? Wrapper.Output.LOG_AND_STDOUT : Wrapper.Output.LOG;
    }

    /** Whether Nextflow reads the standard output. Processes with typed outputs (Nextflow 25.10) tell nothing of theirs, so that it may. */
    private boolean printsForNextflow() {
        Object debug = getTask().getConfig().get("debug");
        boolean isTyped = getTask().getProcessor().getConfig().getClass().getSimpleName().endsWith("V2");
        return isTyped || Boolean.TRUE.equals(debug) || getTask().getOutputs().keySet().stream().anyMatch(StdOutParam.class::isInstance);
    }

    /** Alone, without a batch; see {@link HqMonitor} for how tasks are submitted. */
    @Override
    public void submit() {
        throw new UnsupportedOperationException("tasks of the executor hq are submitted in batches");
    }

    @Override
    public boolean checkIfRunning() {
        Ticket place = ticket;
        if (!isSubmitted() || place == null || (!place.isStarted() && place.outcome() == null)) return false;
        setStatus(TaskStatus.RUNNING);
        return true;
    }

    @Override
    public boolean checkIfCompleted() {
        Outcome outcome = ticket == null ? null : ticket.outcome();
        if (!isRunning() || outcome == null) return false;
        Path folder = getTask().getWorkDir();
        getTask().setStdout(folder.resolve(TaskRun.CMD_OUTFILE));
        getTask().setStderr(folder.resolve(TaskRun.CMD_ERRFILE));
        if (outcome.exitCode() != null) getTask().setExitStatus(outcome.exitCode());
        boolean hasFailed = !Integer.valueOf(0).equals(outcome.exitCode());
        if (hasFailed && executor.settings().stream() != null) fetchOutput(folder);
        if (outcome.reason() != null) explain(outcome, folder);
        usage = outcome.usage();
        if (usage != null && executor.settings().ownTrace() && executor.isTraced() && !needsSampling()) writeTrace(folder);
        setStatus(TaskStatus.COMPLETED);
        executor.run().forget(ticket);
        return true;
    }

    /** Nextflow has its end then; it must not learn of another one. */
    @Override
    protected void killTask() {
        if (ticket == null) return;
        isAccepted = false;
        executor.run().forget(ticket);
        executor.run().cancel(ticket, "Nextflow does not need it any more");
    }

    @Override
    public TraceRecord getTraceRecord() {
        TraceRecord record = super.getTraceRecord();
        if (ticket != null) record.put("native_id", ticket.toString());
        // Also where nobody asked for metrics: it costs nothing, and `nextflow log` can show it.
        if (usage != null && executor.settings().ownTrace() && !needsSampling()) usage.addTo(record);
        return record;
    }

    @Override
    protected StringBuilder toStringBuilder(StringBuilder builder) {
        return super.toStringBuilder(builder.append("hq task: ").append(ticket).append("; "));
    }

    /** Reports of errors, and the people who read them, look into files. */
    private void fetchOutput(Path folder) {
        try {
            for (String channel : List.of("stdout", "stderr")) {
                Path file = folder.resolve(channel.equals("stdout") ? TaskRun.CMD_OUTFILE : TaskRun.CMD_ERRFILE);
                byte[] data = Files.exists(file) ? null : executor.run().output(ticket, channel);
                if (data != null) Files.write(file, data);
            }
        } catch (IOException error) {
            LOG.debug("the output of {} could not be kept in {}: {}", ticket, folder, error.toString());
        }
    }

    /** What the script has not caused itself is said where users look: in the log, and after what the task has printed. */
    private void explain(Outcome outcome, Path folder) {
        LOG.warn("HyperQueue: [{}] {} (task {}): {}", getTask().getHashLog(), getTask().lazyName(), ticket, outcome.reason());
        if (outcome.exitCode() == null) {
            getTask().setError(outcome.isFinal()
                    ? new ProcessUnrecoverableException(outcome.reason())
                    : new ProcessException(outcome.reason()));
            return;
        }
        try {
            String line = "HyperQueue: " + outcome.reason() + "\n";
            Files.writeString(folder.resolve(TaskRun.CMD_ERRFILE), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            // The wrapper may have written another one, or none.
            Files.writeString(folder.resolve(TaskRun.CMD_EXIT), outcome.exitCode().toString());
        } catch (IOException error) {
            LOG.debug("the end of {} could not be noted in {}: {}", ticket, folder, error.toString());
        }
    }

    /** The wrapper has begun the file with what it knows, unless it was killed. */
    private void writeTrace(Path folder) {
        Path file = folder.resolve(TaskRun.CMD_TRACE);
        try {
            String head = Files.exists(file) ? "" : TRACE_HEAD;
            Files.writeString(file, head + usage.traceLines(), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException error) {
            LOG.debug("{} could not be written: {}", file, error.toString());
        }
    }

    /** Whether only Nextflow's own wrapper sees the processes: those of a container engine's daemon are no children of the task. */
    private boolean needsSampling() {
        return getTask().isContainerEnabled() && DETACHED_ENGINES.contains(getTask().getContainerConfig().getEngine());
    }
}
