package hqbridge.nextflow;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import hqbridge.client.Client;
import hqbridge.client.EmbeddedServer;
import hqbridge.client.EventStream;
import hqbridge.client.Host;
import hqbridge.client.HqException;
import hqbridge.client.TaskIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import nextflow.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One run of Nextflow on one server: its open job, its tasks, its event stream. Nextflow's threads call it; what the events say goes to the
 * {@link Tickets}.
 */
final class Run {
    private static final Logger LOG = LoggerFactory.getLogger(Run.class);
    private static final String EVENT_TYPES = "task-started,task-finished,task-failed,task-restarted,tasks-canceled,tasks-aborted";
    /** A server that is restarted by hand or moves to another node is back well within this time. */
    static final long OFFLINE_LIMIT_S = 600;
    private static final long OPEN_LIMIT_S = 20;
    /** Of what a failed task has printed: more does not go into a report. */
    private static final int OUTPUT_LIMIT_BYTES = 1 << 20;
    private static final long RETRY_MS = 1_000;
    /** Workers come and go; a question now and then is enough, one per task in a trickle of them is not needed. */
    private static final long SITE_MAX_AGE_NANOS = TimeUnit.SECONDS.toNanos(2);

    private final Settings settings;
    private final Session session;
    private final Warnings warnings;
    private final Client client;
    private final EmbeddedServer embedded;
    private final Tickets tickets;
    private final CompletableFuture<Void> opening = new CompletableFuture<>();
    private final Path launchDir = Path.of("").toAbsolutePath();
    private EventStream stream;
    private Leftovers leftovers;
    private JsonObject site;
    private long siteReadAt;
    private long jobId;
    private long nextTask = 1;
    private boolean isClosed;

    /** @param changed told which task has changed, and null after each portion of news */
    Run(Settings settings, Session session, Warnings warnings, Tickets.Changed changed) {
        this.settings = settings;
        this.session = session;
        this.warnings = warnings;
        client = new Client(settings.serverDir());
        embedded = new EmbeddedServer(client, settings.cpus(), warnings::info);
        tickets = new Tickets(client, embedded, warnings, changed);
    }

    /** Finds or starts the server and opens the job, while Nextflow goes on with its script. */
    void openInBackground() {
        Thread thread = new Thread(() -> {
            try {
                open();
                opening.complete(null);
            } catch (Throwable error) {
                // Also a class that the running Nextflow does not have: whoever waits must hear of it.
                opening.completeExceptionally(error);
            }
        }, "hq-open");
        thread.setDaemon(true);
        thread.start();
    }

    /** Waits until the job is open. @throws HqException why it could not be opened */
    void awaitOpen() throws HqException {
        try {
            opening.join();
        } catch (CompletionException error) {
            if (error.getCause() instanceof HqException cause) throw cause;
            throw error;
        }
    }

    /** To be called once the job is open. @return names of the resources that the present workers have; null: there is none yet */
    Set<String> provided() throws HqException {
        if (System.nanoTime() - siteReadAt > SITE_MAX_AGE_NANOS) {
            try {
                readSite(client.serverInfo());
            } catch (HqException.Unavailable error) {
                // What was known serves as well: it is the submit that waits for a server that is away.
                LOG.debug("workers are those that there were: {}", error.getMessage());
            }
        }
        if (site.get("workers").getAsInt() == 0) return null;
        Set<String> names = new HashSet<>();
        for (JsonElement name : site.getAsJsonArray("resourceNames")) names.add(name.getAsString());
        return names;
    }

    /** @return a place for a task of this run; ids are given out here, so that a request whose answer was lost can be repeated without harm */
    Ticket newTicket() {
        return tickets.add(new Ticket(jobId, nextTask++));
    }

    /**
     * Adds tasks to the job, in one request. Waits for a server that is away.
     *
     * @param tasks model graphTask
     * @throws HqException when the server refuses them, all of them then, or stays away
     */
    void submit(Collection<JsonObject> tasks) throws HqException {
        JsonArray array = new JsonArray(tasks.size());
        tasks.forEach(array::add);
        JsonObject graph = new JsonObject();
        graph.addProperty("kind", "graph");
        graph.add("shared", SharedFields.of(System.getenv(), settings.stream() != null));
        graph.add("tasks", array);
        JsonObject body = new JsonObject();
        body.addProperty("submitDir", launchDir.toString());
        if (settings.stream() != null) body.addProperty("stream", settings.stream().toString());
        // Where no other workers will come, a task that fits on none would wait for ever.
        body.addProperty("strict", !EmbeddedServer.mayGrow(site));
        body.add("tasks", graph);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(OFFLINE_LIMIT_S);
        boolean mayHaveArrived = false;
        while (true) {
            try {
                JsonObject answer = client.call("POST", "/v1/jobs/" + jobId + "/tasks", body).getAsJsonObject();
                answer.getAsJsonArray("warnings").forEach(line -> warnings.once(line.getAsString()));
                return;
            } catch (HqException.Unavailable error) {
                mayHaveArrived |= error.sent();
                if (System.nanoTime() > deadline || session.isAborted()) throw error;
                warnings.once(error.getMessage() + "; trying again");
                pause();
                tickets.revive();
            } catch (HqException error) {
                if (mayHaveArrived && error.code().equals("HQ_E_TASK_EXISTS")) return;
                throw error;
            }
        }
    }

    /** @return the place of a task that an earlier run of this session has started in vain; null: there is none */
    Ticket claim(HqTaskHandler handler) {
        Ticket claimed = leftovers == null ? null : leftovers.claim(handler.getTask());
        return claimed == null ? null : tickets.add(claimed);
    }

    /** The end of this task has been taken note of. */
    void forget(Ticket ticket) {
        tickets.remove(ticket);
    }

    /**
     * What a task has printed, out of the log of the job.
     *
     * @param channel stdout or stderr
     * @return at most the last MiB; null: nothing was kept
     */
    byte[] output(Ticket ticket, String channel) {
        String target = "/v1/jobs/" + ticket.jobId() + "/tasks/" + ticket.taskId() + "/output/" + channel + "?tail=" + OUTPUT_LIMIT_BYTES;
        try {
            return client.download(target);
        } catch (HqException error) {
            return null;
        }
    }

    /** Cancels one task; what the server does not know any more needs none. */
    void cancel(Ticket ticket, String reason) {
        cancel(ticket.jobId(), String.valueOf(ticket.taskId()), reason);
    }

    /** Cancels everything of this run in one request, also what is just being submitted. */
    void cancelAll(String reason) {
        if (opening.isDone() && !opening.isCompletedExceptionally()) {
            cancel(jobId, null, reason);
            if (leftovers != null) leftovers.finish();
        }
    }

    /** Closes the job and ends the lease. May be called twice. */
    synchronized void close() {
        if (isClosed) return;
        isClosed = true;
        tickets.close();
        if (isOpen()) {
            if (leftovers != null) leftovers.finish();
            end();
        }
        client.close();
    }

    /** A server that is just being started would be nobody's: whoever ends before it is there waits a little. */
    private boolean isOpen() {
        try {
            opening.get(OPEN_LIMIT_S, TimeUnit.SECONDS);
            return true;
        } catch (ExecutionException | TimeoutException error) {
            return false;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void open() throws HqException {
        readSite(embedded.ensure());
        tickets.onServer(EmbeddedServer.isEmbedded(site));
        jobId = createJob();
        try {
            follow();
        } catch (HqException | RuntimeException error) {
            end();
            throw error;
        }
    }

    private void follow() throws HqException {
        List<Long> jobs = new ArrayList<>(List.of(jobId));
        if (session.isResumeMode()) {
            leftovers = new Leftovers(client, session.getUniqueId().toString(), jobId, tickets);
            jobs.addAll(leftovers.jobIds());
        }
        stream = new EventStream(settings.serverDir(), TaskIds.text(jobs), EVENT_TYPES, "nextflow " + session.getUniqueId() + " " + jobId, tickets);
        stream.open();
        if (leftovers != null) leftovers.read();
    }

    /** Closes the job and ends the lease. */
    private void end() {
        try {
            client.call("POST", "/v1/jobs/" + jobId + "/close", null);
        } catch (HqException error) {
            warnings.each("the job of this run could not be closed: " + error.getMessage());
        }
        if (stream != null) stream.close();
    }

    private long createJob() throws HqException {
        JsonObject labels = new JsonObject();
        labels.addProperty(Leftovers.SESSION_LABEL, session.getUniqueId().toString());
        labels.addProperty(Leftovers.PROCESS_LABEL, Host.thisProcess());
        labels.addProperty("nextflow-run", session.getRunName());
        labels.addProperty("nextflow-launchdir", launchDir.toString());
        JsonObject job = new JsonObject();
        job.addProperty("name", "nextflow-" + session.getRunName());
        job.addProperty("open", true);
        job.add("labels", labels);
        return client.call("POST", "/v1/jobs", job).getAsJsonObject().get("jobId").getAsLong();
    }

    private void readSite(JsonObject info) {
        site = info;
        siteReadAt = System.nanoTime();
    }

    private void cancel(long job, String taskIds, String reason) {
        JsonObject body = new JsonObject();
        if (taskIds != null) body.addProperty("taskIds", taskIds);
        body.addProperty("reason", reason);
        try {
            client.call("POST", "/v1/jobs/" + job + "/cancel", body);
        } catch (HqException error) {
            warnings.each("tasks could not be canceled: " + error.getMessage() + ". Try: hq job cancel " + job);
        }
    }

    private static void pause() throws HqException {
        try {
            Thread.sleep(RETRY_MS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new HqException("HQ_E_SERVER_TIMEOUT", "the submit was interrupted", "");
        }
    }
}
