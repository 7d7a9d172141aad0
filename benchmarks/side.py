"""One code in a process of its own: it prints what it is, then answers each line with one line of JSON."""

import json
import os
import subprocess
import sys


class Side:
    """``python`` runs ``code`` with the side's name and ``arguments``; waits until it is ready."""

    def __init__(self, name: str, python: str, code: str, *arguments: str):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [python, "-c", code, name, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        self.name = name
        self.versions = self._line()

    def ask(self, line: str):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self):
        while not (line := self.process.stdout.readline()).startswith(("[", "{")):
            if not line:
                sys.exit(f"{self.name} stopped; run its part by hand to see why")
        return json.loads(line)
