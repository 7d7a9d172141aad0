"""The command line as a whole: what it says when asked nothing, and when asked wrongly."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from mlzoo import registry
from mlzoo.cli import COMMANDS
from mlzoo.errors import PluginError

NAMES = [command.__name__.rstrip("_") for command in COMMANDS]
AS_JSON = {
    "list": [],
    "info": ["mace-xtb-organic"],
    "licenses": [],
    "predict": ["diamond.extxyz"],
    "verify": ["mace-xtb-organic"],
    "plugins": [],
}


def test_without_arguments_it_prints_its_help(mlzoo):
    asked = mlzoo()
    assert asked.exit_code == 0
    assert all(f"\n  {command} " in asked.stdout for command in NAMES)


def test_the_help_says_what_an_exit_status_means(mlzoo):
    said = " ".join(mlzoo("--help").stdout.split())
    for meaning in (
        "0 when all went well",
        "1 when something did not",
        "2 for a mistake in the command",
        "130 after Ctrl-C",
    ):
        assert meaning in said


def test_version(mlzoo):
    assert mlzoo("--version").stdout == f"mlzoo {version('mlzoo')}\n"


def test_python_m_mlzoo_is_light():
    """Torch and ASE take seconds to import; help and version need neither."""
    heavy = {"torch", "ase", "numpy", "pymatgen"}
    code = f"import sys, mlzoo.cli; sys.exit(' '.join({heavy} & sys.modules.keys()) or None)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""
    said = subprocess.run([sys.executable, "-m", "mlzoo", "--version"], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, f"mlzoo {version('mlzoo')}\n")


@pytest.mark.parametrize("command", NAMES)
def test_each_command_has_help(mlzoo, command):
    asked = mlzoo(command, "--help")
    assert asked.exit_code == 0
    assert "Usage: " in asked.stdout


@pytest.mark.parametrize("command", NAMES)
def test_json_is_json_and_nothing_else(mlzoo, diamond, command):
    assert ("--json" in mlzoo(command, "--help").stdout) == (command in AS_JSON)
    if command in AS_JSON:
        asked = mlzoo(command, *AS_JSON[command], "--json")
        assert (asked.exit_code, asked.stderr) == (0, "")
        assert json.loads(asked.stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bogus"], "error: No such command 'bogus'."),
        (["predict"], "error: Missing argument 'FILE'."),
        (["predict", "none.cif"], "error: none.cif is no file. Check the path."),
        (["relax", "none.cif", "-o", "out.cif"], "error: none.cif is no file. Check the path."),
        (["md", "x.cif", "-o", "x.cif.gz", "--ensemble", "nve", "--steps", "1"], "is not a trajectory"),
        (
            ["md", "x.cif", "-o", "x.traj", "--ensemble", "nve", "--steps", "1", "--timestep", "nan"],
            "not a finite number",
        ),
        (["relax", "x.cif", "-o", "missing/out.cif"], "there is no folder missing"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(mlzoo, words, message):
    asked = mlzoo(*words)
    assert asked.exit_code == 2
    assert message in asked.stderr
    assert "Traceback" not in asked.stderr


def test_an_unknown_model_or_device_is_one_line(mlzoo, diamond):
    for option, message in [
        ("--model", "no model is called 'nope'"),
        ("--device", "device='nope' is unknown to PyTorch"),
    ]:
        asked = mlzoo("predict", diamond, option, "nope")
        assert asked.exit_code == 2
        assert message in asked.stderr


class TestPlugins:
    def test_table(self, mlzoo):
        lines = [line.split() for line in mlzoo("plugins").stdout.splitlines()]
        assert ["m3gnet", "mlzoo", version("mlzoo"), "ok"] in lines

    def test_a_broken_and_a_too_new_one_stand_beside_the_others(self, mlzoo, monkeypatch):
        class Bad(registry.Plugin):
            def load(self):
                raise PluginError(self.version)

        installed = registry.plugins()
        broken = Bad("morse", "mlzoo-morse", "plugin 'morse' is broken: ImportError", installed[0].entry_point)
        newer = Bad(
            "buck", "mlzoo-buck", "plugin 'buck' (from mlzoo-buck) is too new: interface 9", installed[0].entry_point
        )
        monkeypatch.setattr(registry, "plugins", lambda: [*installed, broken, newer])
        rows = {row["name"]: row for row in json.loads(mlzoo("plugins", "--json").stdout)}
        assert rows["m3gnet"]["state"] == "ok"
        assert rows["m3gnet"]["why"] is None
        assert rows["morse"]["state"] == "broken"
        assert rows["buck"]["state"] == "too new"
        assert "ImportError" in mlzoo("plugins").stdout
