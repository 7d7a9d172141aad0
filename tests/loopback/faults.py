"""Files over HTTP, whole or by range, and what may go wrong with them on the way."""

import re
import threading
import time
from dataclasses import dataclass, field

from loopback.server import Handler, close

PIECE = 64 * 1024  # bytes sent at a time
PAGE = b"<!DOCTYPE html><html><body><h1>Please log in to this network</h1></body></html>"
ENDLESS = 4 * 1024**3  # bytes: no test reads as far, and a client that never stops does not fill the disk


@dataclass
class Fault:
    """What goes wrong when one file is asked for. Several may be combined; headers are the right file's unless said."""

    times: int | None = None  # the first requests meet the fault, later ones the right file; None: every request
    head: bool = False  # a HEAD meets it too; without, HEAD tells the truth

    status: int | None = None  # this answer in place of the file
    html: bool = False  # a page, with 200, in place of the file
    altered: bool = False  # one byte in the middle has another value
    short: int | None = None  # the file is this many bytes long, and Content-Length says so
    truncate_to: int | None = None  # nothing past this offset in the file ever comes, whatever Content-Length says
    cut_after: int | None = None  # the connection ends after this many bytes of a body
    announce: int | None = None  # Content-Length
    endless: bool = False  # no Content-Length, and zeros after the file until the client hangs up
    ignore_range: bool = False  # the whole file with 200, whatever part was asked for
    headers: dict[str, str | None] = field(default_factory=dict)  # added or replaced; None: left out

    slow: float = 0.0  # s, before every 64 KiB
    hold_after: int | None = None  # bytes of a body, after which the server waits for `release`
    held: threading.Event = field(default_factory=threading.Event)  # set when the server waits
    release: threading.Event = field(default_factory=threading.Event)

    met: int = 0  # requests that met the fault
    sent: int = 0  # bytes of bodies that left the server meanwhile

    def spoil(self, content: bytes) -> bytes:
        if self.html:
            return PAGE
        if self.altered:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
        return content if self.short is None else content[: self.short]


_counting = threading.Lock()


def meet(fault: Fault | None, method: str) -> Fault:
    """The fault if this request meets it, else one that does nothing."""
    if fault is None or (method == "HEAD" and not fault.head):
        return Fault()
    with _counting:
        if fault.times is not None and fault.met >= fault.times:
            return Fault()
        fault.met += 1
    return fault


def send_file(handler: Handler, content: bytes, headers: dict[str, str], fault: Fault) -> None:
    """Answer with ``content``, which the fault has spoiled already, or with the range of it that was asked for."""
    if fault.status is not None:
        headers = {name: value for name, value in fault.headers.items() if value is not None}
        handler.reply(fault.status, f"the server answers {fault.status}", headers)
        return
    if fault.html:
        headers = {"Content-Type": "text/html"}
    start, stop = 0, len(content)
    status = 200
    if not fault.html and not fault.ignore_range and (asked := _range(handler, headers.get("ETag"), len(content))):
        start, stop = asked
        if start >= stop:
            handler.reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
            return
        status = 206
        headers = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}

    length = {} if fault.endless else {"Content-Length": str(stop - start)}
    if fault.announce is not None:
        length = {"Content-Length": str(fault.announce)}
    if fault.endless or fault.announce is not None:
        length["Connection"] = "close"  # the end of the body is the end of the connection
    headers = {"Accept-Ranges": "bytes", **headers, **length, **fault.headers}
    handler.send_head(status, {name: value for name, value in headers.items() if value is not None})
    if handler.command != "HEAD":
        _send_body(handler, memoryview(content)[start:stop], start, fault)


def _range(handler: Handler, etag: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, or None where the whole file is wanted."""
    if handler.headers.get("If-Range", etag) != etag:
        return None  # the client has a part of another file
    if not (asked := re.fullmatch(r"bytes=(\d*)-(\d*)", handler.headers.get("Range", ""))):
        return None
    first, last = asked.groups()
    if not first:
        return (max(size - int(last), 0), size) if last else None
    return int(first), min(int(last) + 1, size) if last else size


def _send_body(handler: Handler, body: memoryview, start: int, fault: Fault) -> None:
    stop = len(body)
    if fault.truncate_to is not None:
        stop = min(stop, max(fault.truncate_to - start, 0))
    if fault.cut_after is not None:
        stop = min(stop, fault.cut_after)
    position = 0
    while position < stop:
        if position == fault.hold_after:
            _hold(fault)
        until = min(position + PIECE, stop)
        if fault.hold_after is not None and position < fault.hold_after:
            until = min(until, fault.hold_after)
        _send(handler, body[position:until], fault)
        position = until
    while fault.endless and position < ENDLESS:
        _send(handler, bytes(PIECE), fault)
        position += PIECE
    if stop < len(body) or fault.announce is not None or fault.endless:
        handler.close_connection = True
        close(handler.connection)


def _send(handler: Handler, piece, fault: Fault) -> None:
    if fault.slow:
        time.sleep(fault.slow)
    handler.wfile.write(piece)
    fault.sent += len(piece)


def _hold(fault: Fault) -> None:
    fault.held.set()
    fault.release.wait(timeout=60)
