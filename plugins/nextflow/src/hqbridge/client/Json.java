package hqbridge.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

/** Fields of JSON objects that may be null or missing. */
public final class Json {
    private Json() {}

    /** @return the text of a field, null where it is null or missing */
    public static String text(JsonObject object, String field) {
        JsonElement value = object.get(field);
        return value == null || value.isJsonNull() ? null : value.getAsString();
    }

    /** @return the number of a field, null where it is null or missing */
    public static Double number(JsonObject object, String field) {
        JsonElement value = object.get(field);
        return value == null || value.isJsonNull() ? null : value.getAsDouble();
    }
}
