"""A small HTTP server on 127.0.0.1, a thread for each connection, that remembers what was asked of it."""

import contextlib
import json
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str  # as sent, with its query; a whole URL in the log of `Web`
    headers: dict[str, str]  # names in lower case: clients do not agree on their spelling


class Loopback:
    """A server while it is entered: ``with Hub() as hub: ...``. Whatever it needs to know are its attributes."""

    handler: type["Handler"]

    def __init__(self):
        self.requests: list[Request] = []

    def __enter__(self):
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # A short interval, because leaving waits for the loop to look up.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        """Go away, as a network does; may be called before the end too."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()


class _Server(socketserver.ThreadingTCPServer):
    """Not http.server's own, which asks the name service for the name of 127.0.0.1 before it starts."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, site: Loopback):
        super().__init__(("127.0.0.1", 0), site.handler)
        self.site = site
        self.connections: set = set()

    def get_request(self):
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def hang_up(self):
        """End the connections that clients keep open: a server that has gone does not answer on them."""
        for connection in list(self.connections):
            close(connection)

    def handle_error(self, request, client_address):
        """A client that hung up is what many tests are about; anything else is a mistake in this folder."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """What every site does with a request: read it, note it, answer it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait 40 ms

    @property
    def site(self):
        return self.server.site

    def log_message(self, *args):
        pass

    def finish(self):
        super().finish()
        self.server.connections.discard(self.connection)

    def note(self, path: str):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.requests.append(Request(self.command, path, headers))

    def body(self) -> bytes:
        """The request's body, which clients send chunked when they do not know how long it gets."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def reply(self, status: int, content: bytes | str | dict | list = b"", headers: dict[str, str] | None = None):
        if isinstance(content, str):
            content, kind = content.encode(), "text/plain"
        elif isinstance(content, bytes):
            kind = "application/octet-stream"
        else:
            content, kind = json.dumps(content).encode(), "application/json"
        self.send_head(status, {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_head(self, status: int, headers: dict[str, str]):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def close(connection):
    """Close so that the other side sees it at once, also while another thread waits on this connection."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
