"""Files behind a pinned https address: streamed, resumed, and kept under ``$HF_HOME/mlzoo/files/HOST/PATH``."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from mlzoo.cards import UrlSource
from mlzoo.errors import DownloadError
from mlzoo.sources import store
from mlzoo.sources.found import Found

log = logging.getLogger("mlzoo")

LARGEST = 4 << 30  # bytes, of a file whose size nobody has stated
CHUNK = 1 << 16  # bytes
ATTEMPTS = 5  # that bring nothing new, one after another
REDIRECTS = 5
TIMEOUT = (10, 60)  # s, to connect and between two pieces


def cached(source: UrlSource) -> Found | None:
    there = {name: _place(source, name) for name in source.files}
    return Found(there) if all(path.is_file() for path in there.values()) else None


def download(source: UrlSource) -> Found:
    """Fetch what is not there yet. Raises :class:`DownloadError`; what has arrived by then is kept for the next try."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise DownloadError(f"HF_HUB_OFFLINE is set, and {source.url} is not in {store.folder()}")
    for name, file in source.files.items():
        _download(source.url + name, _place(source, name), file.bytes)
    found = cached(source)
    assert found is not None
    return found


def _place(source: UrlSource, name: str) -> Path:
    parts = urlsplit(source.url)
    return store.folder() / "files" / parts.netloc / parts.path.strip("/") / name


def _download(url: str, target: Path, size: int | None) -> None:
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(store.lock_of(url)):  # a second process waits, and finds the file there
            if not target.is_file():
                part = target.with_name(f".{target.name}.part")
                _fill(url, part, size)
                part.replace(target)
    except OSError as error:
        raise DownloadError(store.explain_write(error, target.parent)) from error


def _fill(url: str, part: Path, size: int | None) -> None:
    """Append to ``part`` until it is whole; a broken connection is taken up where it broke."""
    import requests

    attempts = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _stream(url, part, before, size)
        except requests.exceptions.RequestException as error:
            arrived = part.stat().st_size if part.exists() else 0
            attempts = 1 if arrived > before else attempts + 1
            if attempts >= ATTEMPTS or isinstance(error, requests.exceptions.InvalidURL):
                raise DownloadError(
                    f"{url}: {_reason(error)}. {arrived} bytes have arrived and are kept; the same call goes on from there."
                ) from error
            log.info("%s: %s; trying again", url, _reason(error))
            time.sleep(0.2 * 2**attempts)


def _reason(error: Exception) -> str:
    text = str(error)
    for sign, words in (
        ("NameResolution", "the name of the host cannot be looked up: is there a network"),
        ("Max retries", "there is no connection: is there a network, or a proxy to be set"),
        ("IncompleteRead", "the connection broke"),
        ("Connection broken", "the connection broke"),
        ("timed out", "nothing came for a minute"),
    ):
        if sign in text:
            return words
    return text or type(error).__name__


def _stream(url: str, part: Path, begin: int, size: int | None) -> None:
    """One request, for what is missing behind the first ``begin`` bytes."""
    from huggingface_hub.utils import tqdm

    if size is not None and begin == size:
        return  # stopped between the last byte and the renaming
    with _answer(url, begin) as answer:
        begin = begin if answer.status_code == 206 else 0  # a server that does not resume sends all of it
        whole = begin + int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        _check(url, answer, whole, size)
        with (
            part.open("r+b" if begin else "wb") as file,
            tqdm(total=size or whole, initial=begin, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[1]) as bar,
        ):
            file.seek(begin)
            for piece in answer.iter_content(CHUNK):
                if file.tell() == 0 and is_html(piece):
                    raise DownloadError(_html(url))
                if file.tell() + len(piece) > (size or LARGEST):
                    raise DownloadError(
                        f"{url} does not end after the {size or LARGEST} bytes that it may have. Refused."
                    )
                file.write(piece)
                bar.update(len(piece))
    if size is not None and part.stat().st_size != size:
        arrived = part.stat().st_size
        part.unlink()  # whole for the server, and not what it should be
        raise DownloadError(f"{url} has {arrived} bytes instead of {size}: it was cut short or replaced. Refused.")


def _answer(url: str, begin: int) -> Any:
    """The server's answer after redirects, each of which must stay on https."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": "mlzoo"} | ({"Range": f"bytes={begin}-"} if begin else {})
    at = url
    for _ in range(REDIRECTS + 1):
        if urlsplit(at).scheme != "https":
            raise DownloadError(
                f"{url} leads to {at}, which is not https: anybody on the way could change it. Refused."
            )
        answer = requests.get(at, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
        if answer.status_code == 416:  # what is here is longer than the file
            return _answer(url, 0)
        if not answer.is_redirect:
            return answer
        answer.close()
        at = urljoin(at, answer.headers["Location"])
    raise DownloadError(f"{url} redirects more than {REDIRECTS} times. Refused.")


def _check(url: str, answer: Any, whole: int | None, size: int | None) -> None:
    if answer.status_code not in (200, 206):
        hint = "the file is not there" if answer.status_code in (404, 410) else f"{answer.reason}"
        raise DownloadError(f"{url} answers {answer.status_code}: {hint}.")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(_html(url))
    limit = size or LARGEST
    if whole is not None and whole > limit:
        raise DownloadError(f"{url} announces {whole} bytes where it may have {limit}. Refused.")


def is_html(beginning: bytes) -> bool:
    return beginning.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))


def _html(url: str) -> str:
    return f"{url}: a web page came in place of the file: a proxy or a login stands in between. Refused."
