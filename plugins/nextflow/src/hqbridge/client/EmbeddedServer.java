package hqbridge.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A server that is simply there: found when one runs, else started together with a worker on this host. It is an ordinary detached server in an
 * ordinary directory, shared by all bridges of the user; each holds a lease (an {@link EventStream}), and it ends with the last one. The lock file
 * and the rules are those of the Python package {@code hq_bridge.embedded}.
 */
public final class EmbeddedServer {
    /** How long a server without leases and tasks waits for the next workflow. */
    private static final String EXIT_WHEN_IDLE = "10m";
    /** Node starts within a second; a parallel file system under load may take many. */
    private static final long START_LIMIT_MS = 60_000;
    private static final long POLL_MS = 20;
    private static final String LOCK_FILE = "embedded.lock";
    private static final String SERVER_LOG = "embedded-server.log";
    private static final String WORKER_LOG = "embedded-worker.log";
    private static final int SHOWN_LINES = 5;
    /** Of a surrounding task's variables only these concern a new server. */
    private static final Set<String> KEPT_VARIABLES = Set.of("HQ_COMPAT", "HQ_DEBUG", "HQ_PARANOID");
    /** Commands that submit batch jobs -> the variable that is set inside one. */
    private static final Map<String, String> BATCH_SYSTEMS = Map.of("sbatch", "SLURM_JOB_ID", "qsub", "PBS_JOBID");

    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private final Client client;
    private final Integer cpus;
    private final Consumer<String> say;

    /**
     * @param cpus CPUs of a local worker; null: what this process may use, and none for a server that somebody started by hand
     * @param say told one line at a time
     */
    public EmbeddedServer(Client client, Integer cpus, Consumer<String> say) {
        this.client = client;
        this.cpus = cpus;
        this.say = say;
    }

    /**
     * Starts a server where none answers, and a local worker where one is needed.
     *
     * @return what the server says about itself (model serverInfo)
     * @throws HqException when no server can be started or the one that runs cannot be used
     */
    public JsonObject ensure() throws HqException {
        JsonObject info = info();
        // Decided without the lock, as nearly always nothing has to be started.
        if (info != null && !lacksWorker(info)) return info;
        Path folder = client.serverDir();
        try {
            Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            if (!Files.getOwner(folder).equals(Files.getOwner(Path.of("/proc/self")))) throw new IOException("it belongs to somebody else");
            Set<? extends OpenOption> options =
                    Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE, LinkOption.NOFOLLOW_LINKS);
            // Whoever holds it gives up after START_LIMIT_MS twice, so that waiting has an end.
            try (FileChannel file = FileChannel.open(folder.resolve(LOCK_FILE), options, OWNER_ONLY)) {
                file.lock();
                if (info() == null) startServer(folder);
                info = client.serverInfo();
                if (lacksWorker(info)) startWorker(folder);
                return client.serverInfo();
            }
        } catch (IOException error) {
            String message = "the server directory " + folder + " cannot be used: " + error.getMessage();
            throw new HqException("HQ_E_SERVER_DIR", message, "Set HQ_SERVER_DIR to a directory of your own");
        }
    }

    /** @return whether this server ends by itself with its last lease */
    public static boolean isEmbedded(JsonObject info) {
        return Json.number(info, "exitWhenIdleMs") != null;
    }

    /** @return whether allocation queues may bring other workers than those that are there */
    public static boolean mayGrow(JsonObject info) {
        JsonElement queues = info.get("allocationQueues");
        return !isEmbedded(info) || (queues != null && queues.getAsInt() > 0);
    }

    private JsonObject info() throws HqException {
        try {
            return client.serverInfo();
        } catch (HqException.Unavailable error) {
            return null;
        }
    }

    private boolean lacksWorker(JsonObject info) {
        JsonElement queues = info.get("allocationQueues");
        boolean hasNone = info.get("workers").getAsInt() == 0 && (queues == null || queues.getAsInt() == 0);
        return hasNone && (isEmbedded(info) || cpus != null);
    }

    private void startServer(Path folder) throws IOException, HqException {
        Path log = folder.resolve(SERVER_LOG);
        List<String> arguments = List.of("server", "start", "--server-dir", folder.toString(), "--exit-when-idle", EXIT_WHEN_IDLE);
        awaitReady(start(arguments, log), log, "the server", () -> info() != null);
    }

    private void startWorker(Path folder) throws IOException, HqException {
        int count = cpus != null ? cpus : Host.usableCpus(System.getenv());
        String sign = loginNodeSign(System.getenv());
        if (sign != null) {
            say.accept("this looks like a login node (" + sign + " is installed and this is no batch job): tasks run here on " + count
                    + " CPUs; ask for compute nodes with: hq alloc add");
        }
        say.accept("starting a local worker with " + count + " CPUs");
        Path log = folder.resolve(WORKER_LOG);
        // The server takes its workers along when it ends; a worker whose server was killed waits for the next one.
        List<String> arguments = List.of("worker", "start", "--server-dir", folder.toString(), "--cpus", String.valueOf(count),
                "--on-server-lost", "reconnect");
        awaitReady(start(arguments, log), log, "the worker", () -> client.serverInfo().get("workers").getAsInt() > 0);
    }

    private static String loginNodeSign(Map<String, String> env) {
        for (Map.Entry<String, String> system : BATCH_SYSTEMS.entrySet()) {
            if (!env.containsKey(system.getValue()) && HqCommand.which(system.getKey(), env) != null) return system.getKey();
        }
        return null;
    }

    /** In a session of its own, so that neither an interrupt nor the end of this process reaches it. */
    private static Process start(List<String> arguments, Path log) throws IOException, HqException {
        Map<String, String> env = System.getenv();
        List<String> command = new ArrayList<>();
        if (HqCommand.which("setsid", env) != null) command.add("setsid");
        command.addAll(HqCommand.find(env));
        command.addAll(arguments);
        Files.deleteIfExists(log);
        Files.createFile(log, OWNER_ONLY);
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(new File("/"))
                .redirectInput(new File("/dev/null"))
                .redirectOutput(log.toFile())
                .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        // A server inside a task is a server of its own.
        builder.environment().keySet().removeIf(
                name -> name.startsWith("HQ_") && !name.startsWith("HQ_BRIDGE_") && !KEPT_VARIABLES.contains(name));
        return builder.start();
    }

    private interface Condition {
        boolean holds() throws HqException;
    }

    private static void awaitReady(Process child, Path log, String what, Condition isThere) throws IOException, HqException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_LIMIT_MS);
        while (!isThere.holds()) {
            if (!child.isAlive() && child.exitValue() != 0) {
                // Somebody else may have been faster, in which case ours has ended.
                if (isThere.holds()) return;
                throw new HqException("HQ_E_NO_SERVER",
                        what + " could not be started (exit code " + child.exitValue() + "): " + tail(log), "See " + log);
            }
            if (System.nanoTime() > deadline) {
                child.destroy();
                throw new HqException("HQ_E_SERVER_TIMEOUT", what + " did not come up in " + START_LIMIT_MS / 1_000 + " s", "See " + log);
            }
            try {
                Thread.sleep(POLL_MS);
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
                throw new HqException("HQ_E_SERVER_TIMEOUT", "the start of " + what + " was interrupted", "");
            }
        }
    }

    private static String tail(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log).stream().map(String::strip).filter(line -> !line.isEmpty()).toList();
        if (lines.isEmpty()) return "it said nothing";
        return String.join(" / ", lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size()));
    }
}
