package hqbridge.client;

import java.util.Arrays;
import java.util.Collection;
import java.util.function.LongConsumer;

/** Ids as texts like {@code 1-10,20}. */
public final class TaskIds {
    private TaskIds() {}

    /** @return the shortest text of these ids */
    public static String text(Collection<Long> ids) {
        long[] sorted = ids.stream().mapToLong(Long::longValue).sorted().distinct().toArray();
        StringBuilder text = new StringBuilder();
        for (int from = 0, next; from < sorted.length; from = next) {
            next = from + 1;
            while (next < sorted.length && sorted[next] == sorted[next - 1] + 1) next += 1;
            text.append(text.length() == 0 ? "" : ",").append(sorted[from]);
            if (next - from > 1) text.append('-').append(sorted[next - 1]);
        }
        return text.toString();
    }

    /** Calls for every id of a text, {@code 1-10:3} included. */
    public static void each(String text, LongConsumer use) {
        for (String part : text.split(",")) {
            long[] bounds = Arrays.stream(part.strip().split("[-:]")).mapToLong(Long::parseLong).toArray();
            long last = bounds.length > 1 ? bounds[1] : bounds[0];
            long step = bounds.length > 2 ? bounds[2] : 1;
            for (long id = bounds[0]; id <= last; id += step) use.accept(id);
        }
    }
}
