package hqbridge.nextflow;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import nextflow.exception.ProcessUnrecoverableException;
import nextflow.processor.TaskConfig;
import nextflow.util.Duration;

/**
 * What a process asks of HyperQueue beyond Nextflow's own directives: {@code clusterOptions} as for the built-in executor, {@code hints 'hq/…'}
 * (Nextflow 26.04) and {@code ext.hq}, the later one winning. Everything that is no option is the name of a resource.
 */
final class TaskOptions {
    private static final String HINT_PREFIX = "hq/";
    private static final Set<String> PIN_MODES = Set.of("taskset", "omp");
    private static final String KNOWN_OPTIONS = "--priority, --pin, --crash-limit, --time-request, --time-limit, --cpus, --resource, --queue, --env";
    /** Workers of an allocation queue with a name provide this resource (docs/autoalloc.md). */
    private static final String QUEUE_RESOURCE = "queue/";

    /** As for a shell: a word may have quoted parts, which may have blanks. */
    private static final Pattern WORD = Pattern.compile("\\s*((?:[^\\s\"']++|\"[^\"]*\"|'[^']*')+)");
    private static final Pattern QUOTED = Pattern.compile("\"([^\"]*)\"|'([^']*)'");

    private Integer priority;
    private String pin;
    private Object crashLimit;
    private Long timeRequestMs;
    private Long timeLimitMs;
    private final Map<String, Object> resources = new LinkedHashMap<>();
    private final Map<String, String> env = new LinkedHashMap<>();
    private final List<Map<String, Object>> variants = new ArrayList<>();

    /**
     * @param config of the task, whose closures are evaluated
     * @throws ProcessUnrecoverableException when something is unknown or makes no sense
     */
    static TaskOptions of(TaskConfig config) throws ProcessUnrecoverableException {
        TaskOptions options = new TaskOptions();
        options.addCommandLine(config.get("clusterOptions"));
        if (config.get("hints") instanceof Map<?, ?> hints) {
            hints.forEach((name, value) -> {
                if (name.toString().startsWith(HINT_PREFIX)) options.add(name.toString().substring(HINT_PREFIX.length()), value);
            });
        }
        Object ext = config.get("ext") instanceof Map<?, ?> map ? map.get("hq") : null;
        if (ext instanceof Map<?, ?> map) map.forEach((name, value) -> options.add(name.toString(), value));
        else if (ext != null) throw bad("ext.hq is a map, as in: ext.hq = [gpus: 0.5, priority: 7]; not '" + ext + "'");
        return options;
    }

    Integer priority() {
        return priority;
    }

    String pin() {
        return pin;
    }

    Object crashLimit() {
        return crashLimit;
    }

    Long timeRequestMs() {
        return timeRequestMs;
    }

    Long timeLimitMs() {
        return timeLimitMs;
    }

    /** @return amounts that replace those of the directives */
    Map<String, Object> resources() {
        return resources;
    }

    /** @return variables of the task beside those of the run */
    Map<String, String> env() {
        return env;
    }

    /** @return alternatives, the preferred one first, each with the amounts that replace the others; empty: there is one way only */
    List<Map<String, Object>> variants() {
        return variants;
    }

    private void add(String name, Object value) {
        switch (name) {
            case "priority" -> priority = wholeNumber(name, value);
            case "pin" -> pin = pinMode(value);
            case "crashLimit" -> crashLimit = crashLimit(value);
            case "timeRequest" -> timeRequestMs = millis(name, value);
            case "variants" -> addVariants(value);
            case "env" -> {
                if (!(value instanceof Map<?, ?> map)) throw bad("the option env is a map, not '" + value + "'");
                map.forEach((key, text) -> env.put(key.toString(), text.toString()));
            }
            default -> resources.put(name, amount(name, value));
        }
    }

    private void addVariants(Object value) {
        if (!(value instanceof List<?> list) || list.isEmpty()) throw bad("the option variants is a list of maps, not '" + value + "'");
        for (Object item : list) {
            if (!(item instanceof Map<?, ?> map)) throw bad("a variant is a map, as in: [gpus: 1, cpus: 4]; not '" + item + "'");
            Map<String, Object> amounts = new LinkedHashMap<>();
            map.forEach((name, amount) -> amounts.put(name.toString(), amount(name.toString(), amount)));
            variants.add(amounts);
        }
    }

    /** Options of {@code hq submit} that describe a task, as the built-in executor passes them on. */
    private void addCommandLine(Object options) {
        List<String> words = new ArrayList<>();
        // Nextflow's own list of them would have lost the quotation marks of a single text, but not those of several.
        if (options instanceof Collection<?> several) several.forEach(line -> addWords(line.toString(), words));
        else if (options != null) addWords(options.toString(), words);
        for (int at = 0; at < words.size(); at++) {
            String word = words.get(at);
            int equals = word.indexOf('=');
            boolean hasValue = word.startsWith("--") && equals > 0;
            String name = hasValue ? word.substring(0, equals) : word;
            String value = hasValue ? word.substring(equals + 1) : at + 1 < words.size() ? words.get(++at) : null;
            if (value == null) throw bad("clusterOptions: " + name + " needs a value");
            addOption(name, value);
        }
    }

    private void addOption(String name, String value) {
        switch (name) {
            case "--priority" -> priority = wholeNumber(name, value);
            case "--pin" -> pin = pinMode(value);
            case "--crash-limit" -> crashLimit = crashLimit(value);
            case "--time-request" -> timeRequestMs = millis(name, value);
            case "--time-limit" -> timeLimitMs = millis(name, value);
            case "--cpus" -> resources.put("cpus", amount(name, value));
            case "--queue" -> resources.put(QUEUE_RESOURCE + value, 1);
            case "--resource" -> {
                String[] pair = pairOf(name, value);
                resources.put(pair[0], amount(pair[0], pair[1]));
            }
            case "--env" -> {
                String[] pair = pairOf(name, value);
                env.put(pair[0], pair[1]);
            }
            default -> throw bad("clusterOptions: " + name + " is not known; of `hq submit` these are: " + KNOWN_OPTIONS
                    + ". Options for batch jobs belong to: hq alloc add");
        }
    }

    private static String[] pairOf(String name, String value) {
        int equals = value.indexOf('=');
        if (equals <= 0 || equals == value.length() - 1) throw bad("clusterOptions: " + name + " needs NAME=VALUE, not '" + value + "'");
        return new String[] {value.substring(0, equals), value.substring(equals + 1)};
    }

    private static void addWords(String line, List<String> words) {
        Matcher word = WORD.matcher(line);
        int end = 0;
        for (; word.lookingAt(); word.region(end, line.length())) {
            words.add(QUOTED.matcher(word.group(1)).replaceAll("$1$2"));
            end = word.end();
        }
        if (!line.substring(end).isBlank()) throw bad("clusterOptions: a quotation mark is missing in: " + line);
    }

    private static int wholeNumber(String name, Object value) {
        try {
            return Integer.parseInt(value.toString());
        } catch (NumberFormatException error) {
            throw bad("the option " + name + " is a whole number, not '" + value + "'");
        }
    }

    private static String pinMode(Object value) {
        if (value != null && PIN_MODES.contains(value.toString())) return value.toString();
        throw bad("the option pin is 'taskset' or 'omp', not '" + value + "'");
    }

    private static Object crashLimit(Object value) {
        String text = String.valueOf(value);
        if (text.equals("never-restart") || text.equals("unlimited")) return text;
        if (text.matches("[1-9]\\d{0,8}")) return Integer.valueOf(text);
        throw bad("the option crashLimit is a number from 1, 'never-restart' or 'unlimited', not '" + value + "'");
    }

    private static long millis(String name, Object value) {
        String text = String.valueOf(value);
        try {
            if (text.matches("\\d+")) return Long.parseLong(text) * 1_000;
            if (text.matches("\\d+:\\d\\d:\\d\\d")) {
                String[] parts = text.split(":");
                return (Long.parseLong(parts[0]) * 3_600 + Long.parseLong(parts[1]) * 60 + Long.parseLong(parts[2])) * 1_000;
            }
            return Duration.of(text).toMillis();
        } catch (RuntimeException error) {
            throw bad("the option " + name + " is a time like 90, 10min or 01:30:00, not '" + value + "'");
        }
    }

    private static Object amount(String name, Object value) {
        if (value instanceof Number number && number.doubleValue() > 0) return number;
        if (value instanceof CharSequence text && text.length() > 0) return text.toString();
        throw bad("the resource " + name + " needs an amount like 2, 0.5 or '4 compact', not '" + value + "'");
    }

    /** Unchecked on its way through closures; Nextflow handles both alike. */
    private static RuntimeException bad(String message) {
        return sneaky(new ProcessUnrecoverableException(message));
    }

    @SuppressWarnings("unchecked")
    private static <E extends Exception> RuntimeException sneaky(Exception error) throws E {
        throw (E) error;
    }
}
