package hqbridge.nextflow;

import com.google.common.hash.HashCode;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import hqbridge.client.Client;
import hqbridge.client.Host;
import hqbridge.client.HqException;
import hqbridge.client.Json;
import hqbridge.client.TaskIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import nextflow.processor.TaskRun;
import nextflow.util.HashBuilder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tasks of earlier runs of this session whose Nextflow was killed: with {@code -resume} they are taken over instead of being run a second time,
 * and what nobody asks for is canceled. Nextflow keeps no record of a task that it has not seen end, but the name of a work directory is a hash of
 * all that the task depends on.
 */
final class Leftovers {
    static final String SESSION_LABEL = "nextflow-session";
    static final String PROCESS_LABEL = "nextflow-process";
    private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);
    /** How many work directories of one task are tried: each earlier attempt that failed or was killed has left one. */
    private static final int TRIES = 8;

    private final Client client;
    private final Tickets tickets;
    private final List<Long> jobIds = new ArrayList<>();
    private final Map<HashCode, Ticket> byNextHash = new HashMap<>();
    private boolean isFinished;

    /**
     * @param session id of the session, which a resumed run shares with the one before
     * @param ownJob the job of this run
     */
    Leftovers(Client client, String session, long ownJob, Tickets tickets) throws HqException {
        this.client = client;
        this.tickets = tickets;
        String query = "?label=" + Client.quoted(SESSION_LABEL + "=" + session);
        for (JsonElement element : client.call("GET", "/v1/jobs" + query, null).getAsJsonArray()) {
            JsonObject job = element.getAsJsonObject();
            String process = Json.text(job.getAsJsonObject("labels"), PROCESS_LABEL);
            boolean isOther = job.get("id").getAsLong() != ownJob && job.get("isOpen").getAsBoolean();
            if (isOther && process != null && Host.isGone(process)) jobIds.add(job.get("id").getAsLong());
        }
    }

    /** @return jobs whose events have to be followed, too */
    List<Long> jobIds() {
        return jobIds;
    }

    /** Finds out what became of their tasks. To be called when events are being followed. */
    synchronized void read() throws HqException {
        for (Long job : jobIds) {
            for (JsonElement element : client.call("GET", "/v1/jobs/" + job + "/tasks?states=waiting,running,finished", null).getAsJsonArray()) {
                JsonObject task = element.getAsJsonObject();
                String cwd = Json.text(task, "cwd");
                if (cwd == null) cwd = directoryOf(job, task.get("id").getAsLong());
                HashCode hash = hashOf(Path.of(cwd));
                if (hash == null) continue;
                Ticket ticket = tickets.add(new Ticket(job, task.get("id").getAsLong()));
                ticket.ranIn(Path.of(cwd));
                tickets.update(job, task);
                followers(hash, ticket);
            }
        }
    }

    /**
     * The task that does what this one is to do, where there is one. Its directory becomes the task's.
     *
     * @return null: there is none
     */
    synchronized Ticket claim(TaskRun task) {
        Ticket ticket = byNextHash.get(task.getHash());
        if (ticket == null || ticket.handler() != null) return null;
        Path empty = task.getWorkDir();
        task.setWorkDir(ticket.workDir());
        task.setHash(hashOf(ticket.workDir()));
        try {
            Files.deleteIfExists(empty);
        } catch (IOException error) {
            LOG.debug("{} could not be removed: {}", empty, error.toString());
        }
        return ticket;
    }

    /** Cancels what nobody has claimed and closes the jobs. */
    synchronized void finish() {
        if (isFinished) return;
        isFinished = true;
        for (Long job : jobIds) {
            try {
                List<Long> unclaimed = new ArrayList<>();
                for (Ticket ticket : byNextHash.values()) {
                    if (ticket.jobId() == job && ticket.outcome() == null) unclaimed.add(ticket.taskId());
                }
                if (!unclaimed.isEmpty()) {
                    JsonObject body = new JsonObject();
                    body.addProperty("taskIds", TaskIds.text(unclaimed));
                    body.addProperty("reason", "its Nextflow has ended");
                    client.call("POST", "/v1/jobs/" + job + "/cancel", body);
                }
                client.call("POST", "/v1/jobs/" + job + "/close", null);
            } catch (HqException error) {
                // Somebody may have closed or forgotten it meanwhile.
                LOG.debug("job {} of an earlier run could not be closed: {}", job, error.getMessage());
            }
        }
    }

    /** A resumed run that finds a directory in use goes on to the next hash; how many there were before this one is not known. */
    private void followers(HashCode hash, Ticket ticket) {
        for (int first = 2; first <= TRIES; first++) {
            HashCode next = hash;
            for (int attempt = first; attempt <= TRIES; attempt++) {
                next = HashBuilder.defaultHasher().putBytes(next.asBytes()).putInt(attempt).hash();
                byNextHash.put(next, ticket);
            }
        }
    }

    /** A task that has not started has no resolved directory yet. */
    private String directoryOf(long job, long task) throws HqException {
        JsonObject detail = client.call("GET", "/v1/jobs/" + job + "/tasks/" + task, null).getAsJsonObject();
        return detail.getAsJsonObject("spec").get("cwd").getAsString();
    }

    /** @return the hash in the name of a work directory ({@code ab/cdef…}); null: it is none */
    private static HashCode hashOf(Path workDir) {
        if (workDir.getNameCount() < 2) return null;
        String text = workDir.getParent().getFileName().toString() + workDir.getFileName();
        return text.matches("[0-9a-f]{32}") ? HashCode.fromString(text) : null;
    }
}
