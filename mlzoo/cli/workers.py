"""The same work in several processes, rows still in the order of the files.

                 ┌──► worker: model, chunk ──► rows ──┐
chunks of files ─┤                                    ├──► in order ──► rows
                 └──► worker: model, chunk ──► rows ──┘
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from mlzoo.errors import MlzooError

if TYPE_CHECKING:
    from mlzoo.cli.answers import Job, Row
    from mlzoo.cli.inputs import Input

TOGETHER = 64  # rows that travel in one message
AHEAD = 4  # chunks a worker that may wait for their turn
HELD = 50_000  # rows that may do so


class WorkerDied(MlzooError, RuntimeError):
    """A process that was doing part of the work is gone, or cannot go on."""


@dataclass(frozen=True)
class Failure:
    """Why a worker cannot go on."""

    why: str


# In the parent


def in_processes(
    job: Job, chunks: Iterable[list[Input]], number: int, threads: int
) -> Generator[list[Row], None, None]:
    """Rows of the chunks in order, from ``number`` processes with ``threads`` threads each.

    Raises :class:`WorkerDied`. Whatever ends it, the processes end too.
    """
    workers = [Worker(job, threads) for _ in range(number)]
    try:
        for worker in workers:
            worker.start()
        yield from _in_order(workers, chunks)
    finally:
        for worker in workers:
            worker.end()


def _in_order(workers: list[Worker], chunks: Iterable[list[Input]]) -> Iterator[list[Row]]:
    coming = enumerate(chunks)
    idle, busy = list(workers), dict[Any, tuple[Worker, int]]()
    held: dict[int, list[Row]] = {}  # of chunks that are begun, until it is their turn
    finished: set[int] = set()
    turn = 0
    while True:
        while idle and len(held) < AHEAD * len(workers):
            try:
                number, chunk = next(coming)
            except StopIteration:
                break
            worker = idle.pop(0)
            worker.send(chunk)
            busy[worker.connection] = worker, number
            held[number] = []
        if not held:
            return
        full = sum(map(len, held.values())) > HELD
        for connection in wait([each for each, (_, number) in busy.items() if number == turn or not full]):
            worker, number = busy[connection]
            rows = worker.receive()
            if rows is None:
                finished.add(number)
                idle.append(worker)
                del busy[connection]
            else:
                held[number] += rows
        while turn in held:
            if held[turn]:
                yield held[turn]
            held[turn] = []
            if turn not in finished:
                break
            del held[turn]
            turn += 1


class Worker:
    """A process with a model of its own, as its parent sees it."""

    def __init__(self, job: Job, threads: int):
        context = get_context("spawn")
        self.connection, self._theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=work, args=(self._theirs, job, threads), daemon=True)

    def start(self) -> None:
        with _no_ctrl_c():
            self._process.start()
        self._theirs.close()  # the end of the process is then the end of the pipe

    def send(self, chunk: list[Input]) -> None:
        try:
            self.connection.send(chunk)
        except OSError:
            raise self._died() from None

    def receive(self) -> list[Row] | None:
        """Rows; None when the chunk is done."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(said, Failure):
            raise WorkerDied(f"a worker (process {self._process.pid}) cannot go on: {said.why}")
        return said

    def end(self) -> None:
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()
        self.connection.close()

    def _died(self) -> WorkerDied:
        self._process.join(5)
        code = self._process.exitcode
        how = f"with exit status {code}"
        if code is not None and code < 0:
            how = f"by {signal.Signals(-code).name}"
        hint = " The machine may have run out of memory: try fewer --workers." if code == -signal.SIGKILL else ""
        return WorkerDied(f"a worker (process {self._process.pid}) was ended {how}.{hint}")


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """A process started here never hears Ctrl-C, of which the parent decides what it means; the parent hears it after."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # the first process of all starts it, which would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In the worker


def work(connection: Connection, job: Job, threads: int) -> None:
    """Answer chunk after chunk; ``None`` behind the rows of each."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    import torch

    from mlzoo.cli.answers import Answerer
    from mlzoo.cli.console import notices

    torch.set_num_threads(threads)
    with suppress(EOFError, BrokenPipeError), notices():
        try:
            answerer = Answerer(job)
            while True:
                rows = answerer.rows(connection.recv())
                while together := list(islice(rows, TOGETHER)):
                    connection.send(together)
                connection.send(None)
        except (EOFError, BrokenPipeError):
            raise
        except MlzooError as error:
            connection.send(Failure(str(error)))
        except Exception as error:
            connection.send(Failure(f"{type(error).__name__}: {error}"))
            raise


def _end_with_parent() -> None:
    """However the parent ends, also where nobody could tell this process."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
