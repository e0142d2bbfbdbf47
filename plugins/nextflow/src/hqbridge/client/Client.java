package hqbridge.client;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * Calls to the server of one directory (docs/http-api.md). One connection is kept and reused, and opened again after a restart of the server. Safe
 * to use from several threads; their requests go one after the other.
 */
public final class Client implements AutoCloseable {
    /** Below the 75 s after which the server closes an idle connection: no request is ever on its way into a closing one. */
    private static final long KEEP_NANOS = TimeUnit.SECONDS.toNanos(30);
    /** A submit of a hundred thousand tasks is parsed, checked and synced to disk in seconds; ten times that is a hang. */
    private static final long ANSWER_LIMIT_MS = 120_000;
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private final Path serverDir;
    private HttpConnection connection;
    private long usedAt;

    /** @param serverDir absolute directory of the server */
    public Client(Path serverDir) {
        this.serverDir = serverDir;
    }

    /** @return directory of the server */
    public Path serverDir() {
        return serverDir;
    }

    /** @return what the server says about itself (model serverInfo) */
    public JsonObject serverInfo() throws HqException {
        return call("GET", "/v1/server", null).getAsJsonObject();
    }

    /**
     * One request.
     *
     * @param target path with its query
     * @param body null: none
     * @return the answer; JSON's null where it has no content
     * @throws HqException what the server refuses
     * @throws HqException.Unavailable when none answers
     */
    public JsonElement call(String method, String target, JsonElement body) throws HqException {
        return request(method, target, body).content();
    }

    /**
     * Bytes that are no JSON.
     *
     * @param target path with its query
     * @throws HqException as {@link #call}
     */
    public byte[] download(String target) throws HqException {
        Answer answer = request("GET", target, null);
        if (answer.status() != 200) answer.content();
        return answer.data();
    }

    private synchronized Answer request(String method, String target, JsonElement body) throws HqException {
        byte[] content = body == null ? null : GSON.toJson(body).getBytes(StandardCharsets.UTF_8);
        boolean isReused = open();
        try {
            return exchange(method, target, content);
        } catch (IOException error) {
            close();
            // Only what changes nothing may be sent twice without asking.
            if (!isReused || !method.equals("GET")) throw gone(error);
        }
        open();
        try {
            return exchange(method, target, content);
        } catch (IOException error) {
            close();
            throw gone(error);
        }
    }

    /** Closes the connection; the next call opens a new one. */
    @Override
    public synchronized void close() {
        if (connection != null) connection.close();
        connection = null;
    }

    /** @return text as a part of a query or path */
    public static String quoted(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private boolean open() throws HqException {
        if (connection != null && System.nanoTime() - usedAt < KEEP_NANOS) return true;
        close();
        connection = new HttpConnection(Access.read(serverDir));
        return false;
    }

    private Answer exchange(String method, String target, byte[] content) throws IOException {
        HttpConnection.Response response = connection.send(method, target, content, ANSWER_LIMIT_MS);
        byte[] data = response.readAllBytes();
        connection.rest();
        usedAt = System.nanoTime();
        if (response.isLast()) close();
        return new Answer(response.status(), data);
    }

    private record Answer(int status, byte[] data) {
        JsonElement content() throws HqException {
            return answer(status, data);
        }
    }

    /** @throws HqException what the server answered, when the status is no success */
    static JsonElement answer(int status, byte[] data) throws HqException {
        JsonElement content;
        try {
            content = data.length == 0 ? JsonNull.INSTANCE : JsonParser.parseString(new String(data, StandardCharsets.UTF_8));
        } catch (RuntimeException error) {
            throw new HqException("HQ_E_PROTOCOL", "the server answered " + status + " with something that is not JSON", "");
        }
        if (status >= 200 && status < 300) return content;
        if (!content.isJsonObject() || !content.getAsJsonObject().has("error")) {
            throw new HqException("HQ_E_PROTOCOL", "the server answered " + status + " without an error of its own", "");
        }
        JsonObject error = content.getAsJsonObject().getAsJsonObject("error");
        String hint = Json.text(error, "hint");
        throw new HqException(Json.text(error, "code"), Json.text(error, "message"), hint == null ? "" : hint);
    }

    private static HqException.Unavailable gone(IOException error) {
        return new HqException.Unavailable("HQ_E_SERVER_GONE", "the server went away in mid-request: " + error.getMessage(), "", true);
    }
}
