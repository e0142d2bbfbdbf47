package hqbridge.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Content of an {@code access.json} (docs/http-api.md): where a server is and how it is reached. Read again at every connect, because a restarted
 * server may have another port.
 *
 * @param file where this was read
 * @param hosts addresses of the TLS listener, to be tried in this order
 * @param token null: the server asks for none
 * @param certificate PEM; null: the listener has no TLS
 * @param socketPath Unix socket; null: there is none
 * @param socketHostname the only host on which the socket works
 */
record Access(
        Path file, String serverUid, List<String> hosts, int port, String token, String certificate, String socketPath, String socketHostname) {
    private static final String CURRENT_LINK = "hq-current";
    private static final String FILE = "access.json";
    private static final String UID = "serverUid";

    /**
     * Reads the access file of a server directory.
     *
     * @throws HqException.Unavailable HQ_E_NO_SERVER when there is none
     * @throws HqException HQ_E_ACCESS_FILE when it cannot be read or understood
     */
    static Access read(Path serverDir) throws HqException {
        Path current = serverDir.resolve(CURRENT_LINK);
        Path file = (Files.isDirectory(current) ? current : serverDir).resolve(FILE);
        try {
            JsonObject content = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
            if (!content.has(UID)) {
                throw new HqException("HQ_E_ACCESS_FILE", "the access file " + file + " is that of another HyperQueue",
                        "Set HQ_SERVER_DIR, or hq.serverDir in nextflow.config, to a directory of this one");
            }
            return parse(file, content);
        } catch (NoSuchFileException error) {
            throw new HqException.Unavailable(
                    "HQ_E_NO_SERVER", "no running server was found at " + serverDir, "Start one with: hq server start", false);
        } catch (IOException | RuntimeException error) {
            // Gson reports every kind of malformed text by its own unchecked exceptions.
            throw new HqException("HQ_E_ACCESS_FILE", "the access file " + file + " cannot be used: " + error, "");
        }
    }

    private static Access parse(Path file, JsonObject content) {
        JsonObject client = content.getAsJsonObject("client");
        List<String> hosts = new ArrayList<>();
        client.getAsJsonArray("hosts").forEach(host -> hosts.add(host.getAsString()));
        JsonObject socket = content.get("socket").isJsonNull() ? new JsonObject() : content.getAsJsonObject("socket");
        return new Access(
                file,
                content.get(UID).getAsString(),
                hosts,
                client.get("port").getAsInt(),
                Json.text(client, "token"),
                Json.text(client, "certificate"),
                Json.text(socket, "path"),
                Json.text(socket, "hostname"));
    }
}
