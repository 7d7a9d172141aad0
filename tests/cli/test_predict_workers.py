"""`mlzoo predict --workers`: the same table from several processes, none of which outlives the run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from ase.io import read
from cli.cells import UNKNOWN, write_crystals
from cli.test_predict_tables import assert_same, lines, rows_of, wait_for

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
WORDS = ["predict", "some/*.cif", "-o", "table.csv", "--workers", "2"]


@pytest.fixture
def some() -> Path:
    """300 CIF files, the hundredth broken."""
    write_crystals(Path("some"), 300)
    Path("some/00100.cif").write_text(UNKNOWN)
    return Path("some")


def start(*words: str) -> subprocess.Popen:
    """The command line in a process that hears Ctrl-C, which a shell's background jobs do not."""
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "mlzoo", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)


def workers_of(parent: int) -> list[int]:
    """Processes that multiprocessing has spawned for this one."""
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            status, words = (process / "status").read_text(), (process / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if f"PPid:\t{parent}\n" in status and b"spawn_main" in words:
            found.append(int(process.name))
    return found


def hears_ctrl_c(process: int) -> bool:
    (blocked,) = re.findall(r"^SigBlk:\s+(\w+)$", (PROC / str(process) / "status").read_text(), flags=re.MULTILINE)
    return not int(blocked, 16) >> (signal.SIGINT - 1) & 1


def lives(process: int) -> bool:
    try:
        return "State:\tZ" not in (PROC / str(process) / "status").read_text()
    except OSError:
        return False


def begun() -> bool:
    return Path("table.csv").exists() and lines("table.csv") > 20


def test_two_give_what_one_gives(mlzoo, some):
    two = mlzoo(*WORDS)
    one = mlzoo("predict", "some/*.cif", "-o", "one.csv")
    assert two.exit_code == one.exit_code == 1
    assert "299 structures in table.csv, 1 error:\nerror: some/00100.cif: UnsupportedElement" in two.stderr
    assert_same(rows_of("table.csv"), rows_of("one.csv"))


def test_they_write_structures_and_json_too(mlzoo, some):
    words = ["predict", "some/0000*.cif", "--json", "--properties", "energy", "-o"]
    one, two = mlzoo(*words, "one.extxyz"), mlzoo(*words, "two.extxyz", "--workers", 2)
    assert one.exit_code == two.exit_code == 0
    said = [[json.loads(line) for line in asked.stdout.splitlines()] for asked in (one, two)]
    energies = [[entry.pop("energy") for entry in entries] for entries in said]
    assert said[0] == said[1]
    assert energies[0] == pytest.approx(energies[1], rel=1e-5)
    for number, atoms in enumerate(read("two.extxyz", ":")):
        assert (atoms.info["file"], atoms.info["frame"]) == (f"some/{number:05}.cif", 0)
        assert atoms.get_potential_energy() == pytest.approx(energies[0][number], rel=1e-5)


@needs_proc
class TestEnds:
    def test_a_killed_worker_is_told_and_the_run_goes_on_with_resume(self, mlzoo, some):
        with start(*WORDS) as run:
            wait_for(begun, run)
            os.kill(workers_of(run.pid)[1], signal.SIGKILL)
            _, said = run.communicate(timeout=60)
        assert run.returncode == 2
        (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
        assert "was ended by SIGKILL. The machine may have run out of memory: try fewer --workers." in error
        rows = rows_of("table.csv")
        assert error.endswith(f"The same command with --resume goes on from {len(rows)} rows in table.csv.")
        assert 20 <= len(rows) < 300
        assert mlzoo("predict", "some/*.cif", "-o", "table.csv", "--resume").exit_code == 1
        mlzoo("predict", "some/*.cif", "-o", "whole.csv")
        assert_same(rows_of("table.csv"), rows_of("whole.csv"))

    def test_no_worker_outlives_a_parent_that_was_killed(self, some):
        with start(*WORDS) as run:
            wait_for(begun, run)
            workers = workers_of(run.pid)
            run.kill()
        assert len(workers) == 2
        until = time.monotonic() + 20
        while any(map(lives, workers)):
            assert time.monotonic() < until, "orphans"
            time.sleep(0.05)

    @pytest.mark.parametrize("number", ["1", "2"])
    def test_ctrl_c_leaves_a_table_to_go_on_with(self, some, number):
        run = start(*WORDS[:-1], number)
        wait_for(begun, run)
        workers = workers_of(run.pid)
        assert not any(map(hears_ctrl_c, workers))
        for process in [run.pid, *workers]:  # as a terminal does
            os.kill(process, signal.SIGINT)
        _, said = run.communicate(timeout=60)
        assert run.returncode == 130
        assert "Traceback" not in said
        rows = len(rows_of("table.csv"))
        assert said.splitlines()[-1] == (
            f"interrupted. The same command with --resume goes on from {rows} rows in table.csv."
        )
        assert not any(map(lives, workers))
