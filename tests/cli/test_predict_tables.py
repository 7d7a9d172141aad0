"""`mlzoo predict -o table`: a row for each of thousands of structures, whatever some of them are and whatever ends the run."""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from cli.cells import DISORDERED, OVERLAPPING, TRUNCATED, UNKNOWN, write_crystals
from typer.testing import CliRunner

import mlzoo as library
from mlzoo.cli import app
from mlzoo.predictor import Predictor

COLUMNS = [
    *("file", "frame", "formula", "atoms", "energy", "energy_unit", "max_force", "max_force_unit"),
    *("pressure", "pressure_unit", "model", "error"),
]
NUMBERS = ("energy", "max_force", "pressure")
FORMATS = ("csv", "jsonl", "parquet")
BROKEN = {"00007.cif": TRUNCATED, "00803.cif": UNKNOWN, "01999.cif": OVERLAPPING}
SAID = {
    "00007.cif": "holds no structure that can be read",
    "00803.cif": "UnsupportedElement: the structure contains Fe, but mace-xtb-organic knows only",
    "01999.cif": "InvalidStructure: atoms 0 (C) and 1 (C) overlap",
}


def rows_of(table) -> list[dict]:
    """What a reader of the table sees, whichever format it is in; None where there is nothing."""
    path = Path(table)
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {"frame": int, "atoms": int} | dict.fromkeys(NUMBERS, float)
    return [{name: kinds.get(name, str)(cell) if cell else None for name, cell in row.items()} for row in rows]


def assert_same(one: list[dict], other: list[dict]) -> None:
    """The same rows in the same order; numbers to the rounding of float32, which depends on what shares a batch."""
    numbers = [np.array([[row[name] or 0.0 for name in NUMBERS] for row in rows]) for rows in (one, other)]
    np.testing.assert_allclose(*numbers, rtol=1e-5, atol=1e-5)
    without = [[{**row, **{name: row[name] is None for name in NUMBERS}} for row in rows] for rows in (one, other)]
    assert without[0] == without[1]


@pytest.fixture(scope="module")
def thousands(tmp_path_factory) -> Path:
    """2,000 CIF files, of which three cannot be answered."""
    folder = tmp_path_factory.mktemp("thousands")
    write_crystals(folder, 2000)
    for name, text in BROKEN.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def whole(thousands, tmp_path_factory):
    """What a run that nothing disturbs says, and its rows."""
    table = tmp_path_factory.mktemp("whole") / "table.csv"
    asked = CliRunner().invoke(app, ["predict", f"{thousands}/*.cif", "-o", str(table)], catch_exceptions=False)
    return asked, rows_of(table), table


@pytest.fixture
def few() -> Path:
    """Six CIF files, the third broken."""
    write_crystals(Path("few"), 6)
    Path("few/00002.cif").write_text(UNKNOWN)
    return Path("few")


class TestThousands:
    def test_each_has_a_value_or_a_named_error(self, thousands, whole):
        asked, rows, _ = whole
        assert asked.exit_code == 1
        assert [row["file"] for row in rows] == [str(thousands / f"{seed:05}.cif") for seed in range(2000)]
        valued = [row for row in rows if row["error"] is None]
        assert len(valued) == 1997
        assert all(math.isfinite(row[name]) for row in valued for name in NUMBERS)
        failed = {Path(row["file"]).name: row for row in rows if row["error"]}
        assert failed.keys() == BROKEN.keys()
        for name, row in failed.items():
            assert SAID[name] in row["error"]
            assert [row[number] for number in NUMBERS] == [None] * 3

    def test_the_last_lines_sum_up(self, thousands, whole):
        asked, _, table = whole
        *_, pace, summary, first, second, third = asked.stderr.splitlines()
        assert pace.startswith("2000 structures in ")
        assert pace.endswith(" a second.")
        assert summary == f"1997 structures in {table}, 3 errors:"
        for line, (name, said) in zip((first, second, third), SAID.items(), strict=True):
            assert line.startswith(f"error: {thousands / name}: ")
            assert said in line
        assert asked.stdout == ""
        assert any(line.startswith("predict ") and " of 2000 " in line for line in asked.stderr.splitlines())

    def test_killed_and_resumed_it_is_the_same_table(self, thousands, whole, mlzoo):
        words = ["predict", f"{thousands}/*.cif", "-o", "table.csv"]
        run = subprocess.Popen([sys.executable, "-m", "mlzoo", *words], stderr=subprocess.DEVNULL)
        wait_for(lambda: Path("table.csv").exists() and lines("table.csv") > 500, run)
        run.send_signal(signal.SIGKILL)
        run.wait(60)
        there = lines("table.csv")
        assert 500 < there < 2000
        asked = mlzoo(*words, "--resume")
        assert asked.exit_code == 1
        assert "going on from" in asked.stderr
        assert "1997 structures in table.csv, 3 errors:" in asked.stderr
        assert_same(rows_of("table.csv"), whole[1])


def lines(path) -> int:
    return Path(path).read_bytes().count(b"\n")


def wait_for(what, run: subprocess.Popen) -> None:
    for _ in range(6000):
        if what():
            return
        assert run.poll() is None, "it ended too early"
        time.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.parametrize("ending", FORMATS)
class TestFormats:
    @pytest.fixture(autouse=True)
    def _with_pyarrow(self, ending):
        if ending == "parquet":
            pytest.importorskip("pyarrow")

    def test_a_row_is_what_the_library_predicts(self, mlzoo, few, ending):
        asked = mlzoo("predict", "few/*.cif", "-o", f"table.{ending}")
        assert asked.exit_code == 1
        rows = rows_of(f"table.{ending}")
        model = library.load("mace-xtb-organic")
        for seed, row in enumerate(rows):
            assert list(row) == COLUMNS
            assert (row["file"], row["frame"]) == (f"few/{seed:05}.cif", 0)
            assert (row["energy_unit"], row["max_force_unit"], row["pressure_unit"]) == ("eV", "eV/Å", "GPa")
            assert row["model"].startswith("mace-xtb-organic float32 ")
            if seed == 2:
                assert (row["formula"], row["atoms"], row["energy"]) == ("CFe", 2, None)
                assert row["error"].startswith("UnsupportedElement: ")
                continue
            atoms = read(row["file"])
            said = model.predict(atoms)
            assert (row["formula"], row["atoms"], row["error"]) == (atoms.get_chemical_formula(), len(atoms), None)
            assert row["energy"] == pytest.approx(said["energy"], rel=1e-5, abs=1e-5)
            assert row["max_force"] == pytest.approx(np.linalg.norm(said["forces"], axis=1).max(), rel=1e-4, abs=1e-5)
            # 1 eV/Å³ is 160.2176634 GPa (CODATA 2018)
            assert row["pressure"] == pytest.approx(-said["stress"][:3].mean() * 160.2176634, rel=1e-4, abs=1e-3)

    def test_a_finished_table_takes_new_files_and_repeats_nothing(self, mlzoo, few, ending):
        table = f"table.{ending}"
        assert mlzoo("predict", "few/0000[0-2].cif", "-o", table).exit_code == 1
        before = rows_of(table)
        asked = mlzoo("predict", "few/*.cif", "few/00000.cif", "-o", table, "--resume")
        assert asked.exit_code == 1  # of the third, which is not tried again
        assert "going on from 3 rows" in asked.stderr
        assert "3 structures in " in asked.stderr
        assert f"5 structures in {table}, 1 error:\nerror: few/00002.cif: UnsupportedElement" in asked.stderr
        after = rows_of(table)
        assert after[:3] == before
        assert [row["file"] for row in after] == [f"few/{seed:05}.cif" for seed in range(6)]

    def test_it_is_not_deleted_unasked(self, mlzoo, few, ending):
        words = ["predict", "few/*.cif", "-o", f"table.{ending}"]
        mlzoo(*words)
        before = Path(f"table.{ending}").read_bytes()
        refused = mlzoo(*words, "--model", "never/loaded")
        assert refused.exit_code == 2
        assert f"table.{ending} is there already: --resume goes on with it, --overwrite starts anew" in refused.stderr
        assert Path(f"table.{ending}").read_bytes() == before
        assert mlzoo("predict", "few/00000.cif", "-o", f"table.{ending}", "--overwrite").exit_code == 0
        assert len(rows_of(f"table.{ending}")) == 1

    def test_another_model_or_other_columns_are_refused(self, mlzoo, few, ending):
        table = f"table.{ending}"
        mlzoo("predict", "few/0000[01].cif", "-o", table)
        there = Path(table).read_bytes()
        for option, message in [
            (["--dtype", "float64"], "has rows of mace-xtb-organic float32"),
            (["--properties", "energy"], "has the columns file, frame, formula, atoms, energy, energy_unit, max_force"),
        ]:
            refused = mlzoo("predict", "few/*.cif", "-o", table, "--resume", *option)
            assert refused.exit_code == 2
            assert message in refused.stderr
        assert mlzoo("predict", "few/0000[01].cif", "-o", table, "--resume").exit_code == 0
        if ending != "parquet":
            assert Path(table).read_bytes() == there


class TestTornLines:
    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    @pytest.mark.parametrize("lost", [1, 40])
    def test_the_last_one_is_cut_off_and_answered_again(self, mlzoo, few, ending, lost):
        table = f"table.{ending}"
        mlzoo("predict", "few/*.cif", "-o", table)
        whole = rows_of(table)
        with Path(table).open("r+b") as file:
            file.truncate(Path(table).stat().st_size - lost)
        asked = mlzoo("predict", "few/*.cif", "-o", table, "--resume")
        assert f"warning: the last line of {table} is torn" in asked.stderr
        assert_same(rows_of(table), whole)

    def test_a_header_cut_short(self, mlzoo, few):
        Path("table.csv").write_text("file,frame,for")
        assert mlzoo("predict", "few/00000.cif", "-o", "table.csv", "--resume").exit_code == 0
        assert len(rows_of("table.csv")) == 1

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    @pytest.mark.parametrize("text", ["notes of mine", "notes of mine\n", "notes\nof mine\n"])
    def test_what_is_no_table_is_left_alone(self, mlzoo, few, ending, text):
        Path(f"table.{ending}").write_text(text)
        refused = mlzoo("predict", "few/00000.cif", "-o", f"table.{ending}", "--resume")
        assert refused.exit_code == 2
        assert Path(f"table.{ending}").read_text() == text

    def test_a_broken_line_in_the_middle_is_told(self, mlzoo, few):
        mlzoo("predict", "few/*.cif", "-o", "table.jsonl")
        first, _, *others = Path("table.jsonl").read_text().splitlines(keepends=True)
        Path("table.jsonl").write_text("".join([first, "{oops\n", *others]))
        refused = mlzoo("predict", "few/*.cif", "-o", "table.jsonl", "--resume")
        assert refused.exit_code == 2
        assert "line 2 of table.jsonl is no row of a table" in refused.stderr


def test_parquet_goes_on_from_the_rows_that_a_killed_run_left(mlzoo, few):
    pytest.importorskip("pyarrow")
    mlzoo("predict", "few/*.cif", "-o", "table.jsonl")
    kept = Path("table.jsonl").read_bytes()[:-30]
    Path("table.parquet.part.jsonl").write_bytes(kept)
    refused = mlzoo("predict", "few/*.cif", "-o", "table.parquet")
    assert "table.parquet.part.jsonl is there already" in refused.stderr
    mlzoo("predict", "few/*.cif", "-o", "table.parquet", "--resume")
    assert_same(rows_of("table.parquet"), rows_of("table.jsonl"))
    assert not Path("table.parquet.part.jsonl").exists()


def test_parquet_without_pyarrow_is_refused_before_any_work(mlzoo, few, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refused = mlzoo("predict", "few/*.cif", "-o", "table.parquet", "--model", "never/loaded")
    assert refused.exit_code == 2
    assert "`pip install mlzoo[parquet]`" in refused.stderr


def test_each_frame_of_each_file_has_a_row(mlzoo, few):
    frames = [bulk("C", a=3.5 + 0.05 * n) for n in range(5)]
    frames[3].positions[0, 0] = np.nan
    write("frames.extxyz", frames)
    mlzoo("predict", "few/00000.cif", "frames.extxyz", "-o", "table.csv", "--index", ":2")
    mlzoo("predict", "frames.extxyz", "few/00000.cif", "-o", "table.csv", "--resume")
    assert [(row["file"], row["frame"]) for row in rows_of("table.csv")] == [
        ("few/00000.cif", 0),
        *[("frames.extxyz", frame) for frame in range(5)],
    ]
    failed = [row for row in rows_of("table.csv") if row["error"]]
    assert [(row["frame"], row["atoms"], row["energy"]) for row in failed] == [(3, 2, None)]
    assert failed[0]["error"].startswith("InvalidStructure: position 0 is [nan, ")


class TestBatchesThatFail:
    @pytest.fixture(autouse=True)
    def _with_a_problem(self, monkeypatch, few):
        evaluate = Predictor.evaluate

        def fails(predictor, graph, names):
            if graph.n_atoms >= 32:
                raise RuntimeError(self.problem)
            return evaluate(predictor, graph, names)

        monkeypatch.setattr(Predictor, "evaluate", fails)
        write("few/00003.cif", bulk("C", cubic=True) * 2)

    def test_for_want_of_memory_cost_the_large_structure_only(self, mlzoo, few):
        self.problem = "DefaultCPUAllocator: not enough memory: you tried to allocate 8000000000000 bytes."
        mlzoo("predict", "few/*.cif", "-o", "table.csv")
        failed = {row["file"]: row["error"] for row in rows_of("table.csv") if row["error"]}
        assert failed.keys() == {"few/00002.cif", "few/00003.cif"}
        assert failed["few/00003.cif"] == f"RuntimeError: {self.problem}"

    def test_for_a_device_that_fails_end_the_run_and_are_no_row(self, mlzoo, few):
        self.problem = "CUDA error: an illegal memory access was encountered"
        mlzoo("predict", "few/0000[01].cif", "-o", "table.csv")
        with pytest.raises(RuntimeError, match="illegal memory access"):
            mlzoo("predict", "few/*.cif", "-o", "table.csv", "--resume")
        assert "few/00003.cif" not in {row["file"] for row in rows_of("table.csv")}


def test_disorder_is_a_named_error(mlzoo):
    Path("mixed.cif").write_text(DISORDERED)
    asked = mlzoo("predict", "mixed.cif", "-o", "table.csv")
    assert asked.exit_code == 1
    (row,) = rows_of("table.csv")
    assert row["error"].startswith("InvalidStructure: site 0 is disordered (C:0.6, N:0.4)")
    assert f"0 structures in table.csv, 1 error:\nerror: mixed.cif: {row['error']}" in asked.stderr


def test_of_many_errors_the_first_twenty_are_named(mlzoo):
    for number in range(32):
        Path(f"{number:02}.cif").write_text(TRUNCATED)
    asked = mlzoo("predict", "*.cif", "-o", "table.csv")
    assert asked.stderr.count("error: ") == 20
    assert asked.stderr.endswith("... and 12 more, in the table's column error\n")


def test_what_is_not_one_number_a_structure_has_no_table(mlzoo, few):
    refused = mlzoo("predict", "few/*.cif", "-o", "table.csv", "--properties", "virial,energies")
    assert refused.exit_code == 2
    assert "write table.extxyz" in refused.stderr
    assert not Path("table.csv").exists()


def test_two_runs_do_not_write_one_table(mlzoo, few):
    fcntl = pytest.importorskip("fcntl")
    mlzoo("predict", "few/00000.cif", "-o", "table.csv")
    with Path("table.csv").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused = mlzoo("predict", "few/*.cif", "-o", "table.csv", "--resume")
    assert refused.exit_code == 2
    assert "table.csv is being written by another run" in refused.stderr
