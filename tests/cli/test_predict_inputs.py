"""Which files a pattern is about, and what is said of one that is about none."""

import json
from pathlib import Path

import pytest
from cli.cells import crystal, write_crystals

from mlzoo.cli.inputs import expand

TREE = ("b.cif", "a.cif", "deep/c.cif", "deep/er/d.cif", "deep/er/d.xyz", "odd[1].cif")


@pytest.fixture(autouse=True)
def _tree():
    for name in TREE:
        (Path("data") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("data") / name).write_text(crystal(0))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["data/?.cif"], ["data/a.cif", "data/b.cif"]),
        (["data/**/*.cif"], [f"data/{name}" for name in sorted(TREE) if name.endswith("cif")]),
        (["data/deep/*"], ["data/deep/c.cif"]),  # not the folder in it
        (["data/b.cif", "data/?.cif"], ["data/b.cif", "data/a.cif"]),
        (["./data/b.cif", "data/b.cif", "data/deep/../b.cif"], ["./data/b.cif"]),
        (["data/odd[1].cif"], ["data/odd[1].cif"]),  # a path that is there is no pattern
    ],
)
def test_paths_and_patterns(words, found):
    assert expand(words) == found


def test_a_path_may_be_absolute():
    here = str(Path.cwd())
    assert expand([f"{here}/data/?.cif", "data/a.cif"]) == [f"{here}/data/a.cif", f"{here}/data/b.cif"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data/*.vasp", "the pattern 'data/*.vasp' matches no file. Check it."),
        ("data/dee*", "the pattern 'data/dee*' matches only folders, data/deep for one."),
        ("data", "data is a folder: name its files, 'data/*' for all of them"),
        ("data/e.cif", "data/e.cif is no file. Check the path."),
    ],
)
def test_what_names_no_file_is_told_before_a_model_is_loaded(mlzoo, word, message):
    refused = mlzoo("predict", "data/a.cif", word, "--model", "never/loaded")
    assert refused.exit_code == 2
    assert message in refused.stderr


def test_a_table_beside_its_inputs_is_none_of_them(mlzoo):
    write_crystals(Path("few"), 3)
    for _ in range(2):
        assert mlzoo("predict", "few/*", "-o", "few/table.csv", "--resume").exit_code == 0
    assert len(Path("few/table.csv").read_text().splitlines()) == 4


def test_hundreds_of_thousands(monkeypatch):
    monkeypatch.setattr("glob.glob", lambda *_, **__: [f"far/{number:06}.cif" for number in range(200_000)])
    found = expand(["far/*.cif"])
    assert (len(found), found[0], found[-1]) == (200_000, "far/000000.cif", "far/199999.cif")


def test_without_a_table_the_first_rows_say_which_file(mlzoo):
    write_crystals(Path("few"), 23)
    Path("few/00003.cif").write_text("hello")
    asked = mlzoo("predict", "few/*.cif")
    assert asked.exit_code == 1
    title, *rows, last = asked.stdout.splitlines()
    assert title.split()[:4] == ["file", "frame", "formula", "atoms"]
    assert [row.split()[0] for row in rows] == [f"few/{seed:05}.cif" for seed in range(21) if seed != 3]
    assert last == "... and 2 more"
    assert "error: few/00003.cif: UnreadableFile: " in asked.stderr


def test_json_says_which_file(mlzoo):
    write_crystals(Path("few"), 2)
    said = [json.loads(line) for line in mlzoo("predict", "few/*.cif", "--json").stdout.splitlines()]
    assert [(entry["file"], entry["index"]) for entry in said] == [("few/00000.cif", 0), ("few/00001.cif", 0)]


def test_a_line_break_in_a_name_does_not_fit_into_csv(mlzoo):
    Path("two\nlines.cif").write_text(crystal(1))
    refused = mlzoo("predict", "*.cif", "-o", "table.csv")
    assert refused.exit_code == 2
    assert "does not fit into a line of table.csv. Rename it, or write table.jsonl" in refused.stderr
    assert mlzoo("predict", "*.cif", "-o", "table.jsonl").exit_code == 0
    assert json.loads(Path("table.jsonl").read_text())["file"] == "two\nlines.cif"


def test_a_file_that_may_not_be_read_is_a_named_error(mlzoo):
    Path("nowhere.cif").symlink_to("gone.cif")
    asked = mlzoo("predict", "data/a.cif", "nowhere.cif", "-o", "table.csv")
    assert asked.exit_code == 1
    assert (
        "1 structure in table.csv, 1 error:\nerror: nowhere.cif: UnreadableFile: nowhere.cif is no file" in asked.stderr
    )
