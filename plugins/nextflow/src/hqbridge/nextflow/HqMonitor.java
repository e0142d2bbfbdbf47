package hqbridge.nextflow;

import com.google.common.util.concurrent.RateLimiter;
import com.google.gson.JsonObject;
import hqbridge.client.HqException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import nextflow.exception.ProcessFailedException;
import nextflow.exception.ProcessUnrecoverableException;
import nextflow.processor.TaskArrayRun;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskPollingMonitor;
import nextflow.processor.TaskStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Nextflow's monitor without polling: everything that is ready goes to the server in one request, and a round looks only at the tasks that events
 * have told of. Nextflow runs it on two threads, one that submits and one that checks.
 */
final class HqMonitor extends TaskPollingMonitor implements Tickets.Changed {
    private static final Logger LOG = LoggerFactory.getLogger(HqExecutor.LOG_NAME);
    /** Writing the wrappers of many tasks takes a while: the first ones should run meanwhile. */
    private static final long BATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(40);
    /**
     * Least time between two requests. The first of a burst goes at once, what follows is gathered: a request for each task would cost both sides
     * more than the task.
     */
    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(25);
    private static final long TIMEOUT_CHECK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final HqExecutor executor;
    private final Queue<HqTaskHandler> changed = new ConcurrentLinkedQueue<>();
    private RateLimiter rateLimit;
    private long sentAt = System.nanoTime() - PAUSE_NANOS;
    private long checkedAt = System.nanoTime();

    /** @param options of the base class */
    HqMonitor(HqExecutor executor, Map<String, Object> options) {
        super(options);
        this.executor = executor;
    }

    @Override
    public void task(HqTaskHandler handler) {
        changed.add(handler);
    }

    @Override
    public void done() {
        if (!changed.isEmpty()) signal();
    }

    @Override
    protected RateLimiter createSubmitRateLimit() {
        rateLimit = super.createSubmitRateLimit();
        return rateLimit;
    }

    @Override
    protected int submitPendingTasks() {
        gather();
        Map<HqTaskHandler, JsonObject> batch = new LinkedHashMap<>();
        int count = 0;
        long deadline = System.nanoTime() + BATCH_NANOS;
        Iterator<TaskHandler> pending = getPendingQueue().iterator();
        while (pending.hasNext() && getSession().canSubmitTasks() && (count == 0 || System.nanoTime() < deadline)) {
            TaskHandler handler = pending.next();
            if (rateLimit != null) rateLimit.acquire();
            try {
                if (!canSubmit(handler)) continue;
                for (HqTaskHandler single : singlesOf(handler)) add(single, handler != single, batch);
            } catch (Exception error) {
                // Later versions of Nextflow refuse an array that is larger than the queue here.
                handleException(handler, error);
                notifyTaskComplete(handler);
            }
            count += 1;
            pending.remove();
        }
        send(batch);
        return count;
    }

    @Override
    protected void checkAllTasks(List<TaskHandler> running) {
        for (HqTaskHandler handler = changed.poll(); handler != null; handler = changed.poll()) {
            // One that is just being submitted comes again when that is done.
            if (handler.isAccepted() && !handler.isCompleted()) check(handler);
        }
        if (System.nanoTime() - checkedAt < TIMEOUT_CHECK_NANOS) return;
        checkedAt = System.nanoTime();
        for (TaskHandler handler : running) {
            if (handler.isSubmitTimeout()) check(handler);
        }
    }

    @Override
    protected void cleanup() {
        List<TaskHandler> left = new ArrayList<>(getRunningQueue());
        if (left.isEmpty()) return;
        if (getSession().isDisableJobsCancellation()) {
            LOG.debug("running tasks are not canceled, as was asked for ({})", left.size());
            return;
        }
        LOG.warn("HyperQueue: the run has ended, {} task(s) that have not are canceled", left.size());
        executor.run().cancelAll("the run was ended");
        getRunningQueue().clear();
        for (TaskHandler handler : left) {
            handler.getTask().setAborted(true);
            getSession().notifyTaskComplete(handler);
        }
    }

    /** A task array is taken apart: one request carries its tasks anyway, and each keeps its own exit code and retries. */
    private static List<HqTaskHandler> singlesOf(TaskHandler handler) {
        if (!(handler.getTask() instanceof TaskArrayRun array)) return List.of((HqTaskHandler) handler);
        return array.getChildren().stream().map(child -> (HqTaskHandler) child).toList();
    }

    private void gather() {
        long restMs = TimeUnit.NANOSECONDS.toMillis(sentAt + PAUSE_NANOS - System.nanoTime());
        if (restMs <= 0) return;
        try {
            Thread.sleep(restMs);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private void add(HqTaskHandler handler, boolean hasLauncher, Map<HqTaskHandler, JsonObject> batch) {
        handler.incProcessForks();
        try {
            prepare(handler, hasLauncher, batch);
        } catch (Throwable error) {
            // Also what is missing in another version of Nextflow: the thread that submits has to go on.
            refuse(handler, error);
        }
    }

    private void prepare(HqTaskHandler handler, boolean hasLauncher, Map<HqTaskHandler, JsonObject> batch) throws Exception {
        executor.run().awaitOpen();
        Ticket taken = executor.run().claim(handler);
        if (taken != null) {
            handler.isFollowedBy(taken);
            LOG.info("HyperQueue: {} is taken over from an earlier run (task {})", handler.getTask().lazyName(), taken);
            accept(handler);
            return;
        }
        Set<String> provided = executor.run().provided();
        if (!hasLauncher) handler.prepareLauncher();
        Ticket ticket = executor.run().newTicket();
        handler.isFollowedBy(ticket);
        JsonObject spec = executor.requests().of(handler.getTask(), ticket.taskId(), provided);
        if (!handler.hasOwnWrapper()) spec.add("command", SharedFields.commandWithLog());
        batch.put(handler, spec);
    }

    private void send(Map<HqTaskHandler, JsonObject> batch) {
        if (batch.isEmpty()) return;
        try {
            executor.run().submit(batch.values());
            sentAt = System.nanoTime();
            LOG.debug("[HQ] submitted {} task(s) in one request", batch.size());
            batch.keySet().forEach(this::accept);
        } catch (HqException error) {
            if (batch.size() == 1 || error instanceof HqException.Unavailable) batch.keySet().forEach(handler -> refuse(handler, error));
            // One bad task has spoiled the request; the others must not suffer for it.
            else batch.forEach((handler, spec) -> send(Map.of(handler, spec)));
        }
        signal();
    }

    private void accept(HqTaskHandler handler) {
        handler.setStatus(TaskStatus.SUBMITTED);
        getRunningQueue().add(handler);
        getSession().notifyTaskSubmit(handler);
        handler.accepted();
        // What was told of it before this was passed over.
        changed.add(handler);
    }

    private void refuse(HqTaskHandler handler, Throwable error) {
        if (handler.ticket() != null) executor.run().forget(handler.ticket());
        String message = "a task of '" + handler.getTask().lazyName() + "' was not submitted";
        Throwable shown = error instanceof HqException
                ? new ProcessFailedException(message, new ProcessUnrecoverableException("HyperQueue: " + error.getMessage()))
                : error;
        handler.decProcessForks();
        handleException(handler, shown);
        notifyTaskComplete(handler);
    }

    private void check(TaskHandler handler) {
        try {
            checkTaskStatus(handler);
        } catch (Throwable error) {
            // Whatever went wrong in here, the task may still run.
            handler.kill();
            handleException(handler, error);
        }
    }
}
