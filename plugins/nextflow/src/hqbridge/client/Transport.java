package hqbridge.client;

import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * One open byte stream to a server: its Unix socket on the same host, else TLS that trusts its one certificate. Knows nothing of HTTP.
 *
 * @param in blocking
 * @param out blocking
 * @param closer closes both, also while another thread reads
 */
record Transport(InputStream in, OutputStream out, Closeable closer) {
    private static final int CONNECT_TIMEOUT_MS = 10_000;

    /**
     * Connects to the server of an access file, its Unix socket first, then every address in their order.
     *
     * @throws HqException.Unavailable HQ_E_SERVER_UNREACHABLE when none answers
     * @throws HqException HQ_E_AUTH when somebody else answers there
     */
    static Transport connect(Access access) throws HqException {
        List<String> failures = new ArrayList<>();
        if (access.socketPath() != null && hostname().equals(access.socketHostname())) {
            try {
                return overSocket(access.socketPath());
            } catch (IOException error) {
                failures.add(access.socketPath() + ": " + error.getMessage());
            }
        }
        for (String host : access.hosts()) {
            String name = host + ":" + access.port();
            try {
                return overTcp(access, host);
            } catch (SSLException | GeneralSecurityException error) {
                throw new HqException("HQ_E_AUTH", name + " is not the server of " + access.file() + ": " + error.getMessage(), "");
            } catch (IOException error) {
                failures.add(name + ": " + error.getMessage());
            }
        }
        throw new HqException.Unavailable(
                "HQ_E_SERVER_UNREACHABLE",
                "the server of " + access.file().getParent() + " does not answer (" + String.join("; ", failures) + ")",
                "Check it with: hq server info; restart it with: hq server start",
                false);
    }

    /** @return this host's name as the kernel has it, which is what servers write into access files */
    static String hostname() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException notLinux) {
            try {
                return InetAddress.getLocalHost().getHostName();
            } catch (UnknownHostException unnamed) {
                return "localhost";
            }
        }
    }

    private static Transport overSocket(String path) throws IOException {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
        return new Transport(Channels.newInputStream(channel), Channels.newOutputStream(channel), channel);
    }

    private static Transport overTcp(Access access, String host) throws IOException, GeneralSecurityException {
        Socket plain = new Socket();
        try {
            plain.connect(new InetSocketAddress(host, access.port()), CONNECT_TIMEOUT_MS);
            plain.setTcpNoDelay(true);
            Socket socket = access.certificate() == null ? plain : secured(plain, access, host);
            return new Transport(socket.getInputStream(), socket.getOutputStream(), socket);
        } catch (IOException | GeneralSecurityException error) {
            plain.close();
            throw error;
        }
    }

    private static Socket secured(Socket plain, Access access, String host) throws IOException, GeneralSecurityException {
        byte[] pem = access.certificate().getBytes(StandardCharsets.US_ASCII);
        X509Certificate pinned =
                (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Pinned(pinned)}, null);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, host, access.port(), true);
        socket.setSoTimeout(CONNECT_TIMEOUT_MS);
        socket.startHandshake();
        socket.setSoTimeout(0);
        return socket;
    }

    /** Trusts exactly one certificate; the name of the host does not matter. */
    private record Pinned(X509Certificate certificate) implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
            throw new CertificateException("this is no server");
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
            if (!Arrays.equals(chain[0].getEncoded(), certificate.getEncoded())) {
                throw new CertificateException("it shows another certificate");
            }
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
