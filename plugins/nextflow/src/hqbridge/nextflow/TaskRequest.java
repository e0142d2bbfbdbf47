package hqbridge.nextflow;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.file.FileSystems;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import nextflow.exception.ProcessUnrecoverableException;
import nextflow.executor.res.AcceleratorResource;
import nextflow.processor.TaskConfig;
import nextflow.processor.TaskRun;
import nextflow.util.Duration;
import nextflow.util.MemoryUnit;

/** A task of Nextflow -> a task of the HTTP API (model graphTask). Asked once per task, by the thread that submits. */
final class TaskRequest {
    private static final int LABEL_LIMIT = 1_000;
    private static final Set<String> GPU_VENDORS = Set.of("nvidia", "amd");
    private static final double MIB = 1 << 20;

    private final Settings settings;
    private final Warnings warnings;

    /** @param warnings told of what is left out */
    TaskRequest(Settings settings, Warnings warnings) {
        this.settings = settings;
        this.warnings = warnings;
    }

    /**
     * @param taskId given out by the caller
     * @param provided names of the resources that the present workers have; null: there is none yet
     * @throws ProcessUnrecoverableException when a directive makes no sense here
     */
    JsonObject of(TaskRun task, long taskId, Set<String> provided) throws ProcessUnrecoverableException {
        if (task.getWorkDir().getFileSystem() != FileSystems.getDefault()) {
            throw new ProcessUnrecoverableException("the executor hq needs a work directory on a file system that the workers share, not "
                    + task.getWorkDir().toUri());
        }
        TaskConfig config = task.getConfig();
        TaskOptions options = TaskOptions.of(config);
        JsonObject spec = new JsonObject();
        spec.addProperty("id", taskId);
        spec.addProperty("label", label(task.getName()));
        spec.addProperty("cwd", task.getWorkDir().toString());
        spec.add("request", request(task, options, provided));
        addTimeLimit(spec, config, options);
        if (options.priority() != null) spec.addProperty("priority", options.priority());
        if (options.pin() != null) spec.addProperty("pin", options.pin());
        if (options.crashLimit() instanceof Number number) spec.addProperty("crashLimit", number);
        else if (options.crashLimit() != null) spec.addProperty("crashLimit", options.crashLimit().toString());
        if (!options.env().isEmpty()) {
            JsonObject env = new JsonObject();
            options.env().forEach(env::addProperty);
            spec.add("env", env);
        }
        return spec;
    }

    private void addTimeLimit(JsonObject spec, TaskConfig config, TaskOptions options) {
        Duration time = config.getTime();
        if (options.timeLimitMs() != null) spec.addProperty("timeLimitMs", options.timeLimitMs());
        else if (settings.hasTimeLimit() && time != null && time.toMillis() > 0) spec.addProperty("timeLimitMs", time.toMillis());
    }

    private JsonArray request(TaskRun task, TaskOptions options, Set<String> provided) {
        Map<String, Object> amounts = directives(task, provided);
        amounts.putAll(options.resources());
        Duration time = task.getConfig().getTime();
        Long timeRequest = options.timeRequestMs();
        if (timeRequest == null && settings.hasTimeRequest() && time != null) timeRequest = time.toMillis();
        List<Map<String, Object>> variants = options.variants().isEmpty() ? List.of(Map.of()) : options.variants();
        JsonArray request = new JsonArray();
        for (Map<String, Object> variant : variants) {
            Map<String, Object> all = new LinkedHashMap<>(amounts);
            all.putAll(variant);
            JsonObject resources = new JsonObject();
            all.forEach((name, amount) -> {
                if (amount instanceof Number number) resources.addProperty(name, number);
                else resources.addProperty(name, amount.toString());
            });
            JsonObject alternative = new JsonObject();
            alternative.add("resources", resources);
            if (timeRequest != null) alternative.addProperty("timeRequestMs", timeRequest);
            request.add(alternative);
        }
        return request;
    }

    private Map<String, Object> directives(TaskRun task, Set<String> provided) {
        TaskConfig config = task.getConfig();
        Map<String, Object> amounts = new LinkedHashMap<>();
        amounts.put("cpus", config.getCpus());
        addSize(amounts, "mem", config.getMemory(), "memory", provided == null || provided.contains("mem"));
        // Nobody asks for disk in vain: where workers say nothing of it, there is enough.
        if (provided != null && provided.contains("disk")) addSize(amounts, "disk", config.getDisk(), "disk", true);
        AcceleratorResource accelerator = config.getAccelerator();
        if (accelerator != null) {
            Integer count = accelerator.getRequest() != null ? accelerator.getRequest() : accelerator.getLimit();
            if (count != null && count > 0) amounts.put(gpuName(accelerator.getType(), provided), count);
        }
        return amounts;
    }

    private void addSize(Map<String, Object> amounts, String name, MemoryUnit size, String directive, boolean isProvided) {
        if (size == null || size.toBytes() <= 0) return;
        if (isProvided) amounts.put(name, Math.max(1, Math.ceil(size.toBytes() / MIB)));
        else warnings.once("no worker provides '" + name + "', so the directive " + directive + " is not taken into account when tasks are placed");
    }

    /** The type is a vendor, or the model that workers call a resource of theirs after; any other names machines of a cloud. */
    private static String gpuName(String type, Set<String> provided) {
        if (type == null) return "gpus";
        String named = "gpus/" + type.toLowerCase(Locale.ROOT);
        if (GPU_VENDORS.contains(type.toLowerCase(Locale.ROOT)) || (provided != null && provided.contains(named))) return named;
        return provided != null && provided.contains("gpus/" + type) ? "gpus/" + type : "gpus";
    }

    private static String label(String name) {
        String line = String.join(" ", name.strip().split("\\s+"));
        return line.length() <= LABEL_LIMIT ? line : line.substring(0, LABEL_LIMIT - 1) + "…";
    }
}
