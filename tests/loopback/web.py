"""The rest of the internet: a proxy on 127.0.0.1 that answers for any https:// or http:// address itself.

A client that honours HTTPS_PROXY asks it for a tunnel to the host; it ends TLS right there, with a certificate of its
own authority, so the real client, the real addresses and the real checks of certificates are what is tested.
"""

import hashlib
import os
import ssl
import tempfile
import threading
from pathlib import Path

import trustme
from loopback.faults import Fault, meet, send_file
from loopback.server import Handler, Loopback


class _WebHandler(Handler):
    origin = ""  # https://host once a tunnel is open

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        self.site.tunnels.append(self.path)
        self.send_response(200, "Connection established")
        self.end_headers()
        self.server.connections.discard(self.connection)
        self.connection = self.site.tls(host).wrap_socket(self.connection, server_side=True)
        self.server.connections.add(self.connection)
        self.rfile = self.connection.makefile("rb")
        self.wfile = _Writer(self.connection)
        self.origin = f"https://{host}" if port == "443" else f"https://{host}:{port}"
        self.close_connection = False  # CONNECT comes as HTTP/1.0, the requests inside do not

    def do_GET(self):
        url = self.origin + self.path  # without a tunnel, the path is the whole http:// address
        self.note(url)
        if url in self.site.redirects:
            self.reply(302, headers={"Location": self.site.redirects[url]})
        elif url in self.site.files or url in self.site.faults:
            content = self.site.files.get(url, b"")
            fault = meet(self.site.faults.get(url), self.command)
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Content-Type": "application/octet-stream"}
            send_file(self, fault.spoil(content), headers, fault)
        else:
            self.reply(404, f"404: nothing at {url}")

    do_HEAD = do_GET

    def finish(self):
        super().finish()
        if self.origin:
            self.connection.close()  # the server closes the socket it accepted, which TLS has taken over


class _Writer:
    """Every write goes out whole and at once, as it does before the tunnel is open."""

    closed = False

    def __init__(self, connection):
        self.write = connection.sendall

    def flush(self):
        pass

    def close(self):
        pass


class Web(Loopback):
    """Serves ``files``, by their whole address, to clients that run with ``environment()``.

    >>> with Web() as web:
    ...     web.files["https://raw.githubusercontent.com/owner/repo/sha/file"] = b"weights"
    ...     web.environment()["HTTPS_PROXY"] == web.url
    True
    """

    handler = _WebHandler

    def __init__(self):
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}  # 302 to any address, also a plain http:// one
        self.faults: dict[str, Fault] = {}
        self.tunnels: list[str] = []  # host:port of every tunnel that was asked for, trusted in the end or not
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._issuing = threading.Lock()

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.certificate = Path(self._folder.name) / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.certificate))
        return super().__enter__()

    def stop(self):
        super().stop()
        self._folder.cleanup()

    def tls(self, host: str) -> ssl.SSLContext:
        with self._issuing:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def environment(self) -> dict[str, str]:
        """Variables to add to those of a process, so that all it asks of the network is asked here.

        127.0.0.1 is reached directly: ``{**hub.environment(home), **web.environment()}`` has both.
        """
        proxies = "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"
        bundles = "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"
        return {
            **dict.fromkeys(proxies, self.url),
            **dict.fromkeys(bundles, os.fspath(self.certificate)),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
        }
