package hqbridge.nextflow;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import hqbridge.client.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import nextflow.trace.TraceRecord;

/**
 * What a worker has measured of a task (model taskUsage).
 *
 * @param wallMs milliseconds
 * @param cpuMs user and system time of all processes, milliseconds; null: unknown
 * @param peakBytes memory of all processes together at its highest; null: unknown
 */
record Usage(long wallMs, Double cpuMs, Long peakBytes) {
    /** @return null where nothing was measured */
    static Usage of(JsonElement value) {
        if (value == null || !value.isJsonObject()) return null;
        JsonObject usage = value.getAsJsonObject();
        Double user = Json.number(usage, "userMs");
        Double system = Json.number(usage, "systemMs");
        Double peak = Json.number(usage, "peakMemBytes");
        if (peak == null) peak = Json.number(usage, "maxRssBytes");
        return new Usage(
                Math.round(usage.get("wallMs").getAsDouble()),
                user == null || system == null ? null : user + system,
                peak == null ? null : peak.longValue());
    }

    /** Puts it into Nextflow's record of the task, in bytes, milliseconds and percent of one CPU. */
    void addTo(TraceRecord record) {
        record.put("realtime", wallMs);
        if (cpuMs != null && wallMs > 0) record.put("%cpu", (float) (Math.round(cpuMs * 1_000 / wallMs) / 10.0));
        if (peakBytes != null) {
            record.put("rss", peakBytes);
            record.put("peak_rss", peakBytes);
        }
    }

    /** @return lines of Nextflow's {@code .command.trace}, version 2: milliseconds, tenths of a percent, KiB */
    String traceLines() {
        Map<String, Long> fields = new LinkedHashMap<>();
        fields.put("realtime", wallMs);
        if (cpuMs != null && wallMs > 0) fields.put("%cpu", Math.round(cpuMs * 1_000 / wallMs));
        if (peakBytes != null) {
            fields.put("rss", peakBytes / 1_024);
            fields.put("peak_rss", peakBytes / 1_024);
        }
        StringBuilder lines = new StringBuilder();
        fields.forEach((name, value) -> lines.append(name).append('=').append(value).append('\n'));
        return lines.toString();
    }
}
