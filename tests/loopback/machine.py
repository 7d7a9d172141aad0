"""One user's machine in a process of its own: an empty home, and requests that all end on loopback."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from loopback.faults import Fault

ANI = "materialyze/M3GNet-PES-ANI-1x-Subset"
ANI_NAME = "m3gnet-pes-ani-1x-subset"

NO_NETWORK = """
import sys
def no_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise RuntimeError(f"the network was asked: {event} {arguments}")
sys.addaudithook(no_network)
"""

READ_ONLY = """
import os, sys
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
def read_only(event, arguments):
    writes = event == "open" and (set(str(arguments[1] or "")) & set("wax+") or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
    if (writes or event in CHANGES) and str(arguments[0]).startswith(os.environ["HF_HOME"]):
        raise PermissionError(13, "Permission denied", str(arguments[0]))
sys.addaudithook(read_only)
"""

COMMAND_LINE = "import sys; sys.argv = ['mlzoo', *sys.argv[1:]]; from mlzoo.cli import main; main()"


class Machine:
    """One user's machine: what it caches lies in ``home``, and all its requests end on loopback."""

    def __init__(self, home: Path, environment: dict[str, str]):
        self.home = home
        self.environment = environment | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def start(self, *words: object, before: str = "", code: str = COMMAND_LINE, **environment: str) -> subprocess.Popen:
        command = [sys.executable, "-c", textwrap.dedent(before) + textwrap.dedent(code), *map(str, words)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment | environment, cwd=self.home.parent, **streams)

    def run(self, *words: object, status: int = 0, **options: str) -> str:
        """What the command line prints, both streams after each other."""
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=240)
        assert process.returncode == status, out + err
        return err + out

    def python(self, code: str, *words: object, **options: str) -> str:
        """What lines of Python print."""
        return self.run(*words, code=code, **options)

    def kill_midway(self, *words: object, fault: Fault, least: int) -> int:
        """Kill a command while the server holds its answer, once ``least`` bytes are on disk; how many there are."""
        process = self.start(*words)
        assert fault.held.wait(60)
        part = self._part(least)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        fault.release.set()
        return part.stat().st_size

    def _part(self, least: int) -> Path:
        for _ in range(600):
            for part in Path(self.environment["HF_HOME"]).rglob("*.part"):
                if part.stat().st_size >= least:
                    return part
            time.sleep(0.05)
        raise AssertionError("nothing arrived")
