package hqbridge.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Finds our own {@code hq} command, which starts an embedded server; a foreign one of the same name is passed over. */
final class HqCommand {
    /** Versions do not tell products apart, abilities do: this option of ours is the one that is needed. */
    private static final List<String> QUESTION = List.of("server", "start", "--help");
    private static final String ABILITY = "--exit-when-idle";
    private static final String SCRIPT = "dist/bin/hq.js";
    private static final long ANSWER_LIMIT_S = 20;

    private HqCommand() {}

    /**
     * @return argument vector of the command: HQ_BRIDGE_HQ, else {@code hq} on the path when it is ours, else that of the npm package in HQ_BRIDGE_HOME
     * @throws HqException HQ_E_FILE when there is none
     */
    static List<String> find(Map<String, String> env) throws HqException {
        String named = env.get("HQ_BRIDGE_HQ");
        if (named != null && !named.isEmpty()) return runnable(named, env);
        Path installed = which("hq", env);
        if (installed != null && isOurs(installed)) return List.of(installed.toString());
        String home = env.get("HQ_BRIDGE_HOME");
        if (home != null && Files.isRegularFile(Path.of(home, SCRIPT))) return runnable(Path.of(home, SCRIPT).toString(), env);
        String foreign = installed == null ? "" : " (" + installed + " is another product)";
        throw new HqException(
                "HQ_E_FILE",
                "the hq command was not found" + foreign,
                "Install it with: npm install -g hq-bridge; or set HQ_BRIDGE_HQ to it; or start a server with: hq server start");
    }

    /** A script needs Node in front of it, everything else runs by itself. */
    private static List<String> runnable(String command, Map<String, String> env) throws HqException {
        boolean isScript = command.endsWith(".js");
        Path found = isScript || command.contains("/") ? Path.of(command) : which(command, env);
        if (found == null || !Files.isRegularFile(found)) {
            throw new HqException("HQ_E_FILE", "there is no executable " + command, "Set HQ_BRIDGE_HQ to the hq command");
        }
        if (!isScript) return List.of(found.toString());
        Path node = which("node", env);
        if (node == null) {
            throw new HqException("HQ_E_FILE", "node was not found, which runs " + found, "Install Node 20.19 or newer");
        }
        return List.of(node.toString(), found.toAbsolutePath().toString());
    }

    private static boolean isOurs(Path command) {
        try {
            ProcessBuilder builder = new ProcessBuilder(command.toString());
            builder.command().addAll(QUESTION);
            Process process = builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            // A command that hangs is ended, which ends its output.
            Thread guard = new Thread(() -> endAfterLimit(process));
            guard.setDaemon(true);
            guard.start();
            return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).contains(ABILITY);
        } catch (IOException error) {
            return false;
        }
    }

    private static void endAfterLimit(Process process) {
        try {
            if (!process.waitFor(ANSWER_LIMIT_S, TimeUnit.SECONDS)) process.destroyForcibly();
        } catch (InterruptedException error) {
            process.destroyForcibly();
        }
    }

    /** @return the first executable file of this name on the path; null: there is none */
    static Path which(String program, Map<String, String> env) {
        for (String folder : env.getOrDefault("PATH", "").split(":")) {
            Path candidate = Path.of(folder.isEmpty() ? "." : folder, program);
            if (Files.isRegularFile(candidate) && Files.isExecutable(candidate)) return candidate;
        }
        return null;
    }
}
