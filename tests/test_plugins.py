"""Plugins of third parties: found without being imported, used, removed; a broken one stops nothing."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MORSE = Path(__file__).parent / "morse_plugin"

USE_MORSE = """
import ase, mlzoo, sys
from mlzoo import registry, weights
from mlzoo.checks import make
from mlzoo.predictor import Predictor

plugin = {p.name: p for p in registry.plugins()}["morse"]
assert (plugin.package, plugin.version, plugin.problem) == ("mlzoo-morse", "1.2", None)
morse = registry.architecture("morse")
config = morse.config()
manifest = weights.Manifest("morse", plugin.package, plugin.version, "float64", config.model_dump(mode="json"), {})
Predictor(morse.build(config).double(), manifest, "copper").save(sys.argv[1])

dimer = ase.Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.87]])
dimer.calc = mlzoo.calculator(sys.argv[1], device="cpu")
x = 2.87 / 6
print(dimer.get_potential_energy() / (1 - 10 * x**3 + 15 * x**4 - 6 * x**5))
"""

LIST = """
import json
from mlzoo import registry
print(json.dumps({p.name: p.problem for p in registry.plugins()}))
"""

HOOK = """
from pydantic import BaseModel
from mlzoo.plugin import Architecture, hookimpl

@hookimpl
def mlzoo_architecture():
    return {}
"""

BROKEN = {
    "import error": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "exit at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "raising hook": (HOOK.format("1 / 0"), "ZeroDivisionError"),
    "wrong return": (HOOK.format("'odd'"), "must return one Architecture named 'odd', not ['odd']"),
    "no hook": ("", "must return one Architecture named 'odd', not []"),
    "other name": (HOOK.format("Architecture('else', BaseModel, print)"), "must return one Architecture named 'odd'"),
    "too new": (HOOK.format("Architecture('odd', BaseModel, print, api=99)"), "Update mlzoo"),
}


def run(site: Path, code: str, *arguments: str) -> str:
    """What a fresh interpreter prints that sees the distributions in ``site``."""
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def distribution(site: Path, package: str, name: str, code: str) -> None:
    """A distribution as pip leaves it: a module, and metadata with one entry point."""
    module = package.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[mlzoo]\n{name} = {module}\n")


def test_a_third_partys_distribution_is_installed_found_used_and_removed(tmp_path):
    source, site = shutil.copytree(MORSE, tmp_path / "source"), tmp_path / "site"
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", site, source], check=True, timeout=300
    )
    assert float(run(site, USE_MORSE, str(tmp_path / "weight"))) == pytest.approx(-0.34, rel=1e-6)  # the well's depth
    for installed in site.iterdir():
        shutil.rmtree(installed)
    assert "morse" not in json.loads(run(site, LIST))


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_plugin_says_why_and_stops_no_other(tmp_path, way):
    code, reason = BROKEN[way]
    distribution(tmp_path, "odd-package", "odd", code)
    problems = json.loads(run(tmp_path, LIST))
    assert reason in problems["odd"]
    assert "odd-package" in problems["odd"]
    assert problems["m3gnet"] is None


def test_on_a_clash_of_names_ours_stays_and_theirs_has_its_packages_name(tmp_path):
    distribution(tmp_path, "another-m3gnet", "m3gnet", HOOK.format("Architecture('m3gnet', BaseModel, print)"))
    packages = "from mlzoo import registry; print({p.name: p.package for p in registry.plugins()})"
    assert run(tmp_path, packages).strip() == str(
        {"another-m3gnet:m3gnet": "another-m3gnet", "m3gnet": "mlzoo", "mace": "mlzoo", "megnet": "mlzoo"}
    )
    theirs = "from mlzoo import registry; print(registry.architecture('another-m3gnet:m3gnet').build.__name__)"
    assert run(tmp_path, theirs).strip() == "print"


def test_plugins_are_listed_without_importing_any(tmp_path):
    distribution(tmp_path, "loud-package", "loud", "raise SystemExit('imported')")
    code = """
    import sys
    from mlzoo import registry
    registry.plugins()
    print([name in sys.modules for name in ("torch", "mlzoo_m3gnet", "mlzoo_megnet", "mlzoo_mace")])
    """
    assert run(tmp_path, code).strip() == "[False, False, False, False]"


@pytest.mark.parametrize("name", ["m3gnet", "megnet", "mace"])
def test_a_plugin_is_imported_without_torch(tmp_path, name):
    code = f"import sys; from mlzoo import registry; registry.architecture('{name}'); print('torch' in sys.modules)"
    assert run(tmp_path, code).strip() == "False"


def test_an_architecture_that_nobody_brings_is_named(tmp_path):
    from mlzoo import registry
    from mlzoo.errors import PluginError

    with pytest.raises(
        PluginError, match=r"no installed plugin brings the architecture 'nequip' \(installed: .*m3gnet"
    ):
        registry.architecture("nequip")
