package hqbridge.nextflow;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import hqbridge.client.Client;
import hqbridge.client.EmbeddedServer;
import hqbridge.client.EventStream;
import hqbridge.client.HqException;
import hqbridge.client.Json;
import hqbridge.client.TaskIds;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The tasks that have not ended, and what the server says of them. The thread of the event stream writes; trouble with the server is waited out,
 * up to a limit.
 */
final class Tickets implements EventStream.Listener {
    /** How often a server that is away is looked after. */
    private static final long LOOK_AFTER_S = 10;
    private static final int JOB_SHIFT = 32;

    /** Told of tasks that have changed. */
    interface Changed {
        void task(HqTaskHandler handler);

        /** That was all for now. */
        void done();
    }

    private final Client client;
    private final EmbeddedServer embedded;
    private final Warnings warnings;
    private final Changed changed;
    private final Map<Long, Ticket> byId = new ConcurrentHashMap<>();
    private final ScheduledExecutorService keeper = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "hq-keeper");
        thread.setDaemon(true);
        return thread;
    });
    private volatile boolean isEmbedded;
    /** Since when the server has been away; 0: it is there. */
    private volatile long lostAt;
    /** Why nothing more will be told of any task; null: the events are followed. */
    private volatile String brokenBy;

    Tickets(Client client, EmbeddedServer embedded, Warnings warnings, Changed changed) {
        this.client = client;
        this.embedded = embedded;
        this.warnings = warnings;
        this.changed = changed;
    }

    /** @param endsByItself whether the server has to be started again by us, should it be gone */
    void onServer(boolean endsByItself) {
        isEmbedded = endsByItself;
        keeper.scheduleWithFixedDelay(this::lookAfter, LOOK_AFTER_S, LOOK_AFTER_S, TimeUnit.SECONDS);
    }

    Ticket add(Ticket ticket) {
        byId.put(keyOf(ticket.jobId(), ticket.taskId()), ticket);
        if (brokenBy != null) end(ticket, () -> Outcome.givenUp(brokenBy));
        return ticket;
    }

    void remove(Ticket ticket) {
        byId.remove(keyOf(ticket.jobId(), ticket.taskId()));
    }

    void close() {
        keeper.shutdownNow();
    }

    /** Starts an embedded server or its worker again, should they be gone. Quiet when that does not help. */
    void revive() {
        if (!isEmbedded) return;
        try {
            embedded.ensure();
        } catch (HqException error) {
            warnings.once("the server could not be started again: " + error.getMessage());
        }
    }

    @Override
    public void events(JsonArray events) {
        for (JsonElement element : events) {
            JsonObject event = element.getAsJsonObject();
            switch (event.get("type").getAsString()) {
                case "task-started" -> {
                    Ticket ticket = ticketOf(event);
                    if (ticket != null) {
                        ticket.started();
                        tell(ticket);
                    }
                }
                case "task-finished" -> end(ticketOf(event), () -> Outcome.finished(event));
                case "task-failed" -> end(ticketOf(event), () -> Outcome.failed(event));
                case "task-restarted" -> restarted(event);
                case "tasks-canceled" -> giveUp(event, "it was canceled in HyperQueue");
                case "tasks-aborted" -> giveUp(event, "it was aborted: " + Json.text(event, "reason"));
                default -> { }
            }
        }
        changed.done();
    }

    @Override
    public void lost(HqException error) {
        lostAt = System.nanoTime();
        warnings.each(error.getMessage() + "; waiting for it to come back");
    }

    @Override
    public void resumed(boolean isSameServer) {
        lostAt = 0;
        if (isSameServer) warnings.info("the server is back");
        else giveUpAll("another server has taken the place of the one that ran it");
    }

    @Override
    public void missed() {
        Set<Long> jobs = byId.values().stream().map(Ticket::jobId).collect(Collectors.toSet());
        for (Long job : jobs) {
            try {
                for (JsonElement element : client.call("GET", "/v1/jobs/" + job + "/tasks", null).getAsJsonArray()) {
                    update(job, element.getAsJsonObject());
                }
            } catch (HqException error) {
                // The stream breaks with the server; when it is back, there is another gap.
                warnings.each(error.getMessage());
            }
        }
        changed.done();
    }

    @Override
    public void broken(RuntimeException error) {
        brokenBy = "what the server says of it cannot be understood (" + error + ")";
        giveUpAll(brokenBy);
    }

    /** @param task what the server says of a task now (model taskInfo) */
    void update(long job, JsonObject task) {
        Ticket ticket = byId.get(keyOf(job, task.get("id").getAsLong()));
        if (ticket == null) return;
        if (!task.get("state").getAsString().equals("waiting")) ticket.started();
        Outcome outcome = Outcome.ofTask(task);
        if (outcome == null) tell(ticket);
        else end(ticket, () -> outcome);
    }

    private void restarted(JsonObject event) {
        Ticket ticket = ticketOf(event);
        if (ticket == null || ticket.handler() == null) return;
        String cause = event.get("cause").getAsString().replace('-', ' ');
        warnings.info(ticket.handler().getTask().lazyName() + " (task " + ticket + ") starts again: " + cause);
    }

    private void giveUp(JsonObject event, String reason) {
        long job = event.get("jobId").getAsLong();
        TaskIds.each(event.get("ids").getAsString(), id -> end(byId.get(keyOf(job, id)), () -> Outcome.givenUp(reason)));
    }

    private void giveUpAll(String reason) {
        for (Ticket ticket : byId.values()) end(ticket, () -> Outcome.givenUp(reason));
        changed.done();
    }

    private void end(Ticket ticket, Supplier<Outcome> outcome) {
        if (ticket == null || ticket.outcome() != null) return;
        ticket.ended(outcome.get());
        tell(ticket);
    }

    private void tell(Ticket ticket) {
        if (ticket.handler() != null) changed.task(ticket.handler());
    }

    private void lookAfter() {
        long since = lostAt;
        if (since == 0) return;
        revive();
        if (lostAt != 0 && System.nanoTime() - since > TimeUnit.SECONDS.toNanos(Run.OFFLINE_LIMIT_S)) {
            lostAt = 0;
            giveUpAll("the server has not answered for " + Run.OFFLINE_LIMIT_S / 60 + " minutes");
        }
    }

    private Ticket ticketOf(JsonObject event) {
        return byId.get(keyOf(event.get("jobId").getAsLong(), event.get("taskId").getAsLong()));
    }

    /** Both are integers below 2^32. */
    private static long keyOf(long job, long task) {
        return (job << JOB_SHIFT) | task;
    }
}
