package hqbridge.client;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * HTTP/1.1 over one {@link Transport}, one request at a time. The JDK's own client speaks no HTTP over Unix sockets, and starting its TLS costs a
 * short run more than all its requests. For one thread, except {@link #close()}.
 */
final class HttpConnection implements AutoCloseable {
    private static final long WATCH_MS = 1_000;
    private static final Pattern STATUS_LINE = Pattern.compile("HTTP/1\\.\\d \\d{3}\\b");
    private static final String NO_HTTP = "the server answers with something that is not HTTP";
    /** Longest line of a head: far above what the server sends. */
    private static final int LINE_LIMIT_BYTES = 64 * 1024;
    /** Closes connections whose other side has fallen silent: a Unix socket has no time-outs of its own. */
    private static final ScheduledExecutorService WATCHER = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "hq-timeouts");
        thread.setDaemon(true);
        return thread;
    });

    private final Access access;
    private final Transport transport;
    private final InputStream in;
    private final ScheduledFuture<?> watch;
    private volatile long silenceLimitMs;
    private volatile long heardAt;

    /** @throws HqException when the server does not answer */
    HttpConnection(Access access) throws HqException {
        this.access = access;
        transport = Transport.connect(access);
        in = new BufferedInputStream(transport.in(), 64 * 1024);
        watch = WATCHER.scheduleWithFixedDelay(this::closeIfSilent, WATCH_MS, WATCH_MS, TimeUnit.MILLISECONDS);
    }

    /**
     * Sends a request and reads the head of the answer; its body is to be read before the next request.
     *
     * @param body JSON; null: none
     * @param limitMs longest silence, milliseconds; the connection is closed then, and reading from it fails
     */
    Response send(String method, String target, byte[] body, long limitMs) throws IOException {
        StringBuilder head = new StringBuilder(method).append(' ').append(target).append(" HTTP/1.1\r\nHost: hq\r\n");
        if (access.token() != null) head.append("Authorization: Bearer ").append(access.token()).append("\r\n");
        if (body != null) head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        heardAt = System.nanoTime();
        silenceLimitMs = limitMs;
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        request.writeBytes(head.append("\r\n").toString().getBytes(StandardCharsets.UTF_8));
        if (body != null) request.writeBytes(body);
        request.writeTo(transport.out());
        transport.out().flush();
        return readHead();
    }

    /** The answer is complete: silence means nothing until the next request. */
    void rest() {
        silenceLimitMs = 0;
    }

    @Override
    public void close() {
        watch.cancel(false);
        try {
            transport.closer().close();
        } catch (IOException error) {
            // It is gone in any case.
        }
    }

    private Response readHead() throws IOException {
        String first = readLine();
        if (!STATUS_LINE.matcher(first).lookingAt()) throw new IOException(NO_HTTP);
        Response response = new Response();
        response.status = Integer.parseInt(first.substring(9, 12));
        if (response.status == 204) response.left = 0;
        for (String line = readLine(); !line.isEmpty(); line = readLine()) {
            int colon = line.indexOf(':');
            if (colon < 0) throw new IOException(NO_HTTP);
            String value = line.substring(colon + 1).strip();
            switch (line.substring(0, colon).toLowerCase(Locale.ROOT)) {
                case "content-length" -> response.left = Long.parseLong(value);
                case "transfer-encoding" -> response.isChunked = value.equalsIgnoreCase("chunked");
                case "connection" -> response.isLast = value.equalsIgnoreCase("close");
                default -> { }
            }
        }
        return response;
    }

    private String readLine() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(80);
        for (int next = readByte(); next != '\n'; next = readByte()) {
            if (line.size() == LINE_LIMIT_BYTES) throw new IOException(NO_HTTP);
            if (next != '\r') line.write(next);
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    private int readByte() throws IOException {
        int next = in.read();
        if (next < 0) throw new EOFException("the server has closed the connection");
        heardAt = System.nanoTime();
        return next;
    }

    private void closeIfSilent() {
        long limitMs = silenceLimitMs;
        if (limitMs > 0 && System.nanoTime() - heardAt > TimeUnit.MILLISECONDS.toNanos(limitMs)) close();
    }

    /** An answer; the stream is its body. */
    final class Response extends InputStream {
        private int status;
        private boolean isChunked;
        private boolean isLast;
        /** Bytes left of the body or of the present chunk; -1: until the connection ends. */
        private long left = -1;
        private boolean isDone;

        /** @return status code of HTTP */
        int status() {
            return status;
        }

        /** @return whether the server ends the connection after this answer */
        boolean isLast() {
            return isLast || (left < 0 && !isChunked);
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int from, int length) throws IOException {
            if (isDone || (isChunked && left <= 0 && !nextChunk()) || left == 0) return -1;
            int got = in.read(target, from, left < 0 ? length : (int) Math.min(left, length));
            heardAt = System.nanoTime();
            if (got < 0 && left >= 0) throw new EOFException("the server has cut off its answer");
            if (got > 0 && left > 0) {
                left -= got;
                if (isChunked && left == 0) readLine();
            }
            return got;
        }

        private boolean nextChunk() throws IOException {
            String size = readLine();
            int end = size.indexOf(';');
            left = Long.parseLong(end < 0 ? size : size.substring(0, end), 16);
            if (left > 0) return true;
            while (!readLine().isEmpty()) continue;
            isDone = true;
            return false;
        }
    }
}
