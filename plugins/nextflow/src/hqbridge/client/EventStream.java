package hqbridge.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Follows the events of some jobs until it is closed (docs/http-api.md): over restarts of the server, each event once. It holds a lease, which keeps
 * an embedded server alive. Its own thread calls the listener.
 */
public final class EventStream implements AutoCloseable {
    /** Three of the server's keep-alive comments. */
    private static final long SILENCE_LIMIT_MS = 45_000;
    /** A restarted server is back within a second; a machine that reboots should not be asked all the time. */
    private static final long[] RETRY_MS = {0, 100, 200, 500, 1_000, 2_000, 5_000};
    private static final long JOIN_LIMIT_MS = 2_000;

    /** Told what happens, in order, by one thread. */
    public interface Listener {
        /** @param events model hqEvent */
        void events(JsonArray events);

        /** The connection broke and has not come back at once; the stream goes on trying. */
        void lost(HqException error);

        /** Connected again. @param isSameServer false: another server has taken its place, with other jobs */
        void resumed(boolean isSameServer);

        /** Events were missed: the state of what matters has to be read again. */
        void missed();

        /** Nothing more will be told. @param error what neither the stream nor the listener can make sense of: reading it again would not help */
        void broken(RuntimeException error);
    }

    private final Path serverDir;
    private final String query;
    private final String lease;
    private final Listener listener;
    private Thread thread;
    private volatile HttpConnection connection;
    private volatile boolean isClosed;
    private BufferedReader lines;
    private String serverUid;
    /** Number of the last event that was told; -1: none is known. */
    private long seq = -1;

    /**
     * @param jobs only their events, ids as {@code 1-10,20}
     * @param types only events of these types, separated by commas
     * @param lease name of the lease
     */
    public EventStream(Path serverDir, String jobs, String types, String lease, Listener listener) {
        this.serverDir = serverDir;
        this.query = "jobs=" + Client.quoted(jobs) + "&types=" + Client.quoted(types) + "&lease=" + Client.quoted(lease);
        this.lease = lease;
        this.listener = listener;
    }

    /**
     * Connects and starts reading: every event from now on is told.
     *
     * @throws HqException when the first connection fails
     */
    public void open() throws HqException {
        connect();
        thread = new Thread(this::run, "hq-events");
        thread.setDaemon(true);
        thread.start();
    }

    /** Ends the lease cleanly, and the reader. */
    @Override
    public void close() {
        if (isClosed) return;
        isClosed = true;
        try (Client client = new Client(serverDir)) {
            client.call("DELETE", "/v1/leases/" + Client.quoted(lease).replace("+", "%20"), null);
        } catch (HqException error) {
            // There is no server whose lease could be held.
        }
        HttpConnection open = connection;
        if (open != null) open.close();
        // Null: it has never been open.
        if (thread == null) return;
        thread.interrupt();
        try {
            thread.join(JOIN_LIMIT_MS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        try {
            while (!isClosed) {
                followToItsEnd();
                if (!isClosed) reconnect();
            }
        } catch (RuntimeException error) {
            if (!isClosed) listener.broken(error);
        }
    }

    private void followToItsEnd() {
        try {
            follow();
        } catch (IOException error) {
            // However the connection broke, the way on is the same.
        } catch (HqException error) {
            forgetPlace(error);
        }
    }

    /** Reads messages until the stream ends. */
    private void follow() throws IOException, HqException {
        String name = "";
        String data = null;
        long number = -1;
        for (String line = lines.readLine(); line != null && !isClosed; line = lines.readLine()) {
            if (line.startsWith("id: ")) number = Long.parseLong(line.substring(4));
            else if (line.startsWith("event: ")) name = line.substring(7);
            else if (line.startsWith("data: ")) data = line.substring(6);
            else if (line.isEmpty()) {
                if ("failure".equals(name) && data != null) Client.answer(500, data.getBytes(StandardCharsets.UTF_8));
                if ("batch".equals(name) && data != null) listener.events(JsonParser.parseString(data).getAsJsonArray());
                if (number >= 0) seq = number;
                name = "";
                data = null;
                number = -1;
            }
        }
    }

    /** Tries until there is a stream again or it is closed. */
    private void reconnect() {
        boolean isLost = false;
        for (int attempt = 0; !isClosed; attempt++) {
            try {
                Thread.sleep(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
                String known = serverUid;
                boolean hasPlace = seq >= 0;
                connect();
                boolean isSame = serverUid.equals(known);
                if (isLost || !isSame) listener.resumed(isSame);
                // Only now: whoever reads the state again must not miss what happens meanwhile.
                if (isSame && !hasPlace) listener.missed();
                return;
            } catch (HqException error) {
                forgetPlace(error);
                // The first failure is usually a restart that takes a moment.
                if (attempt > 0 && !isLost) {
                    isLost = true;
                    listener.lost(error);
                }
            } catch (InterruptedException closed) {
                return;
            }
        }
    }

    private void connect() throws HqException {
        Access access = Access.read(serverDir);
        // Another server counts its own events from one.
        if (serverUid != null && !serverUid.equals(access.serverUid())) seq = -1;
        HttpConnection opened = new HttpConnection(access);
        try {
            String target = "/v1/events?" + query + (seq < 0 ? "" : "&after=" + seq);
            HttpConnection.Response response = opened.send("GET", target, null, SILENCE_LIMIT_MS);
            if (response.status() != 200) Client.answer(response.status(), response.readAllBytes());
            lines = new BufferedReader(new InputStreamReader(response, StandardCharsets.UTF_8));
            serverUid = access.serverUid();
            connection = opened;
        } catch (IOException error) {
            opened.close();
            throw new HqException.Unavailable("HQ_E_SERVER_GONE", "the event stream broke: " + error.getMessage(), "", false);
        } catch (HqException error) {
            opened.close();
            throw error;
        }
        if (isClosed) opened.close();
    }

    private void forgetPlace(HqException error) {
        if (error.code().equals("HQ_E_EVENTS_GONE")) seq = -1;
    }
}
