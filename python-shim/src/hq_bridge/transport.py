"""One HTTP/1.1 connection to the server: over its Unix socket on the same host, else over TLS with its one certificate.

Used by the client for requests and by the event stream. Knows nothing of routes.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from typing import Dict, Iterator, List, Optional, Tuple

from .access import Access
from .errors import HqError, ServerUnavailable

CONNECT_TIMEOUT_S = 10.0
# The server sends pieces of about this size.
PIECE_BYTES = 64 * 1024


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            self.sock = None
            raise


class PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to a server that shows exactly the given certificate (PEM); its host name is not checked."""

    def __init__(self, host: str, port: int, certificate: str, timeout: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=certificate)
        super().__init__(host, port, timeout=timeout, context=context)
        self._pinned = ssl.PEM_cert_to_DER_cert(certificate)

    def connect(self) -> None:
        super().connect()
        # The pinned certificate is an authority for the check above, so that one signed by it would pass, too.
        if self.sock.getpeercert(binary_form=True) != self._pinned:
            self.close()
            raise ssl.SSLCertVerificationError("it shows another certificate")


def connect(access: Access, timeout_s: float) -> http.client.HTTPConnection:
    """Connects to the server of an access file, its Unix socket first, then every address in their order.

    :param timeout_s: longest silence while an answer is awaited, seconds; connecting has a shorter limit of its own
    :raises ServerUnavailable: HQ_E_SERVER_UNREACHABLE when none answers
    :raises HqError: HQ_E_AUTH when somebody else answers there
    """
    failures: List[str] = []
    for name, connection in _candidates(access):
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            detail = error.reason or error.args[0]
            raise HqError("HQ_E_AUTH", f"{name} is not the server of {access.path}: {detail}") from error
        except OSError as error:
            failures.append(f"{name}: {error.strerror or error}")
            continue
        connection.sock.settimeout(timeout_s)
        if connection.sock.family != socket.AF_UNIX:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise ServerUnavailable(
        "HQ_E_SERVER_UNREACHABLE",
        f"the server of {access.path.parent} does not answer ({'; '.join(failures)})",
        "Check it with: hq server info; restart it with: hq server start",
    )


def headers(access: Access) -> Dict[str, str]:
    """Headers that every request needs."""
    return {} if access.token is None else {"Authorization": f"Bearer {access.token}"}


def pieces_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """An answer as it arrives, in pieces of at most `PIECE_BYTES`; ends with it."""
    return iter(lambda: response.read1(PIECE_BYTES), b"")


def is_stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed an idle connection: nothing can arrive on it except its end."""
    sock: Optional[socket.socket] = connection.sock
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def _candidates(access: Access) -> Iterator[Tuple[str, http.client.HTTPConnection]]:
    """Made one by one: over the socket, no time goes into reading a certificate."""
    if access.socket_path is not None and access.socket_hostname == socket.gethostname():
        yield access.socket_path, UnixConnection(access.socket_path, CONNECT_TIMEOUT_S)
    for host in access.hosts:
        name = f"{host}:{access.port}"
        if access.certificate is None:
            yield name, http.client.HTTPConnection(host, access.port, timeout=CONNECT_TIMEOUT_S)
        else:
            yield name, PinnedConnection(host, access.port, access.certificate, CONNECT_TIMEOUT_S)
