package hqbridge.nextflow;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import nextflow.exception.AbortOperationException;

/**
 * The scope {@code hq} of nextflow.config.
 *
 * @param serverDir absolute directory of the server
 * @param cpus CPUs of the local worker; null: what this process may use
 * @param hasTimeLimit whether the directive {@code time} is a time limit
 * @param hasTimeRequest whether a task starts only on a worker that lives at least as long as its {@code time}
 * @param ownWrapper whether the wrapper of tasks leaves out what the server does; else Nextflow's, unchanged
 * @param stream absolute directory of the consolidated log; null: the output of tasks goes into files in their directories
 * @param ownTrace whether CPU time and memory are those that the worker measures; else Nextflow's wrapper samples them
 */
record Settings(Path serverDir, Integer cpus, boolean hasTimeLimit, boolean hasTimeRequest, boolean ownWrapper, Path stream, boolean ownTrace) {
    private static final TreeSet<String> NAMES =
            new TreeSet<>(List.of("serverDir", "cpus", "timeLimit", "timeRequest", "wrapper", "stream", "trace"));
    private static final String DEFAULT_DIR = ".hq-server";
    private static final String OURS = "hq";

    /**
     * @param config the whole configuration of the session
     * @param env for HQ_SERVER_DIR
     * @throws AbortOperationException when a setting is unknown or makes no sense
     */
    static Settings of(Map<?, ?> config, Map<String, String> env) {
        Object scope = config.get("hq");
        if (scope != null && !(scope instanceof Map)) throw new AbortOperationException("the configuration `hq` is a scope: hq { cpus = 4 }");
        Map<?, ?> values = scope == null ? Map.of() : (Map<?, ?>) scope;
        for (Object name : values.keySet()) {
            if (!NAMES.contains(name.toString())) {
                throw new AbortOperationException("there is no setting hq." + name + ": known are " + String.join(", ", NAMES));
            }
        }
        boolean ownWrapper = isOurs("wrapper", values.get("wrapper"));
        return new Settings(
                serverDir(values.get("serverDir"), env),
                cpus(values.get("cpus")),
                flag("timeLimit", values.get("timeLimit"), true),
                flag("timeRequest", values.get("timeRequest"), false),
                ownWrapper,
                stream(values.get("stream"), ownWrapper),
                ownWrapper && isOurs("trace", values.get("trace")));
    }

    private static Path serverDir(Object value, Map<String, String> env) {
        String named = value != null ? value.toString() : env.get("HQ_SERVER_DIR");
        String home = System.getProperty("user.home");
        if (named == null || named.isEmpty()) return Path.of(home, DEFAULT_DIR);
        String expanded = named.equals("~") || named.startsWith("~/") ? home + named.substring(1) : named;
        return Path.of(expanded).toAbsolutePath().normalize();
    }

    private static Path stream(Object value, boolean ownWrapper) {
        if (value == null) return null;
        if (!ownWrapper) throw new AbortOperationException("hq.stream needs the wrapper of this plugin: leave out hq.wrapper");
        return Path.of(value.toString()).toAbsolutePath().normalize();
    }

    private static Integer cpus(Object value) {
        if (value == null) return null;
        if (value.toString().matches("[1-9]\\d{0,5}")) return Integer.valueOf(value.toString());
        throw new AbortOperationException("hq.cpus is a number from 1, not '" + value + "'");
    }

    private static boolean flag(String name, Object value, boolean byDefault) {
        if (value == null) return byDefault;
        if (value instanceof Boolean) return (Boolean) value;
        throw new AbortOperationException("hq." + name + " is true or false, not '" + value + "'");
    }

    private static boolean isOurs(String name, Object value) {
        if (value == null || value.toString().equals(OURS)) return true;
        if (value.toString().equals("nextflow")) return false;
        throw new AbortOperationException("hq." + name + " is 'hq' or 'nextflow', not '" + value + "'");
    }
}
