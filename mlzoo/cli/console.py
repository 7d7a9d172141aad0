"""What the person at the terminal sees on stderr: messages, notices of the library, progress."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@functools.cache
def console() -> Console:
    """The one console on stderr, so that messages and a live progress bar do not overwrite each other."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def tell(text: str) -> None:
    """One message to the user; stdout stays for results."""
    console().print(text, markup=False, soft_wrap=True)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; into a file or a pipe each row is one line, as long as it needs."""
    from rich.console import Console
    from rich.table import Table

    out = Console(highlight=False)
    out = out if out.is_terminal else Console(highlight=False, width=10_000)
    drawn = Table(box=None, pad_edge=False)
    for index, title in enumerate(titles):
        drawn.add_column(title, no_wrap=index == 0)
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn)


class _Notices(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._told:
            self._told.add(text)
            tell(text if record.levelno == logging.INFO else f"{record.levelname.lower()}: {text}")


@contextmanager
def notices() -> Iterator[None]:
    """Show what the library logs, each notice once."""
    logger, handler = logging.getLogger("mlzoo"), _Notices()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Progress:
    """A bar on a terminal; elsewhere one line of text for every ``every`` steps (``None``: no lines).

    Steps are counted up to ``total``, where it is known. ``seldom``: a line for each tenth of it, but not two a second,
    and at least one in half a minute.
    """

    def __init__(self, what: str, total: int | None, every: int | None = None, seldom: bool = False):
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._what, self._total, self._every = what, total, every
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bar = Bar(
            *columns, TextColumn("{task.fields[text]}"), console=console(), disable=not console().is_terminal
        )
        self._task = self._bar.add_task(what, total=total, text="")
        self._seldom, self._tenths, self._told = seldom, 0, time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()

    def show(self, step: int, text: str = "") -> None:
        self._bar.update(self._task, completed=step, text=text)
        if self._every and not console().is_terminal and (step % self._every == 0 or step == self._total):
            tell(f"{self._what} {step:6d}  {text}")
        if self._seldom and self._total and not console().is_terminal and step < self._total:
            tenths, passed = step * 10 // self._total, time.monotonic() - self._told
            if (tenths > self._tenths and passed > 0.5) or passed > 30:
                self._tenths, self._told = tenths, time.monotonic()
                tell(f"{self._what} {step} of {self._total}  {text}".rstrip())
