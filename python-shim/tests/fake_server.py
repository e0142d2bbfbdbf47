"""A stand-in for the server on a Unix socket or a TCP port: each request is answered by the test's own function."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Callable, List, Optional, Tuple

Answer = Tuple[int, object]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        fake: FakeServer = self.server.fake  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers), json.loads(body) if body else None, self)
        fake.requests.append(request)
        answer = fake.answer(request)
        if answer is not None:
            self.send(*answer)

    do_GET = do_POST = do_DELETE = handle_any

    def send(self, status: int, content: object) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def start_stream(self) -> None:
        """Head of an event stream as the real server sends it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Request:
    def __init__(self, method: str, path: str, headers: dict, body: object, handler: Handler) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.handler = handler
        self.connection = id(handler)


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class FakeServer:
    """Answers `fake.answer(request)`, (status, content), or None when the test has answered. Writes an access file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: List[Request] = []
        self.answer: Callable[[Request], Optional[Answer]] = lambda _request: (200, {"ok": True})
        self.uid = "uid-1"
        self.token: Optional[str] = None
        self.server: Optional[socketserver.BaseServer] = None
        self.sockets = 0

    def __enter__(self) -> "FakeServer":
        return self.start()

    def __exit__(self, *_exc_info: object) -> None:
        self.stop()

    def start(self, tcp: bool = False) -> "FakeServer":
        self.sockets += 1
        path = self.directory / f"s{self.sockets}"
        self.server = TcpServer(("127.0.0.1", 0), Handler) if tcp else UnixServer(str(path), Handler)
        self.server.fake = self  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        port = self.server.server_address[1] if tcp else 1
        where = None if tcp else {"path": str(path), "hostname": socket.gethostname()}
        self.write_access(port, where)
        return self

    def write_access(self, port: int, where: Optional[dict]) -> None:
        access = {
            "version": "0.1.0",
            "protocol": "1.0",
            "serverUid": self.uid,
            "pid": 1,
            "hostname": socket.gethostname(),
            "startedAtMs": 0,
            "client": {"hosts": ["127.0.0.1"], "port": port, "token": self.token, "certificate": None},
            "socket": where,
        }
        (self.directory / "access.json").write_text(json.dumps(access))

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def cut(self) -> None:
        """Breaks every connection as a crash would."""
        for request in self.requests:
            with contextlib.suppress(OSError):
                request.handler.connection.shutdown(socket.SHUT_RDWR)
