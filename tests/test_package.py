"""What is shipped: importing is free, and the wheel stands on its own, outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk

ROOT = Path(__file__).parents[1]
METHANE = -113.610  # eV, by tblite 0.8.0 with GFN2-xTB, in the geometry of ase.build.molecule


def run(*command: str | Path, **options) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class TestImport:
    """In processes of their own, without bytecode files, which are Python's and not ours."""

    def test_it_takes_less_than_a_tenth_of_a_second(self):
        def seconds(code: str) -> float:
            start = time.perf_counter()
            run(sys.executable, "-B", "-c", code)
            return time.perf_counter() - start

        bare, ours = [], []
        for _ in range(20):  # five would do on an idle machine; on a busy one the minimum needs a few more
            bare.append(seconds("pass"))
            ours.append(seconds("import mlzoo"))
            if len(ours) >= 5 and min(ours) - min(bare) < 0.1:
                break
        assert min(ours) - min(bare) < 0.1

    def test_it_brings_in_nothing_heavy_writes_no_file_and_opens_no_socket(self):
        code = """
import os, sys

seen = []
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "subprocess.Popen"}

def watch(event, arguments):
    if event.startswith("socket.") or event in CHANGES:
        seen.append((event, str(arguments)))
    elif event == "open" and (set(arguments[1] or "") & set("wax+") or (arguments[2] or 0) & WRITE):
        seen.append((event, str(arguments)))

sys.addaudithook(watch)
import mlzoo

heavy = {"torch", "numpy", "ase", "pydantic", "numba", "mlzoo_m3gnet", "socket"} & sys.modules.keys()
found = list(seen)
open(os.devnull, "w").close()  # the watchman is awake
os.close(os.open(os.devnull, os.O_WRONLY))
import socket
socket.socket().close()
assert [event for event, _ in seen[len(found):]] == ["open", "open", "socket.__new__"], seen
import json
print(json.dumps([sorted(heavy), found]))
"""
        assert json.loads(run(sys.executable, "-B", "-c", code)) == [[], []]

    def test_its_names_are_there_and_stay_what_they_are(self):
        """`mlzoo.calculator` is a function, also after the module of that name has been imported."""
        code = """
import mlzoo
assert {"load", "calculator"} <= set(dir(mlzoo))
for _ in range(2):
    print(type(mlzoo.calculator("mace-xtb-organic", device="cpu")).__name__)
"""
        assert run(sys.executable, "-c", code).split() == ["MlzooCalculator"] * 2


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """A wheel from the checkout, an sdist, and the wheel that the sdist makes."""
    direct, through_sdist = tmp_path_factory.mktemp("direct"), tmp_path_factory.mktemp("through_sdist")
    build = [sys.executable, "-m", "build", "--no-isolation"]
    run(*build, "--wheel", "--outdir", direct, ROOT)
    run(*build, "--outdir", through_sdist, ROOT)  # `build` makes this wheel from the unpacked sdist
    (wheel,), (sdist,), (again,) = direct.glob("*.whl"), through_sdist.glob("*.tar.gz"), through_sdist.glob("*.whl")
    return {"wheel": wheel, "sdist": sdist, "wheel of the sdist": again}


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestWheel:
    def test_it_holds_what_a_user_needs_and_nothing_else(self, built):
        files = contents(built["wheel"])
        top = {name.split("/")[0] for name in files}
        metadata = next(name for name in top if name.endswith(".dist-info"))
        assert top == {"mlzoo", "mlzoo_m3gnet", "mlzoo_megnet", "mlzoo_mace", metadata}
        needed = {"__init__.py", "embedded/mace-xtb-organic/model.safetensors", "model_cards/mace-xtb-organic.md"}
        assert {f"mlzoo/{name}" for name in needed} < files.keys()
        assert "mlzoo_m3gnet/model.py" in files
        assert files[f"{metadata}/licenses/LICENSE"].startswith(b"MIT License")
        entry_points = files[f"{metadata}/entry_points.txt"].decode()
        assert "[mlzoo]\nm3gnet = mlzoo_m3gnet\nmace = mlzoo_mace\nmegnet = mlzoo_megnet" in entry_points
        assert "mlzoo = mlzoo.cli:main" in entry_points
        stray = ("__pycache__", "test_", "conftest", ".pyc", ".nbi", ".nbc", ".log")
        assert not [name for name in files if any(part in name for part in stray)]
        assert built["wheel"].stat().st_size < 4_000_000

    def test_the_sdist_builds_the_same_wheel(self, built):
        assert built["wheel"].name == built["wheel of the sdist"].name
        assert contents(built["wheel"]) == contents(built["wheel of the sdist"])

    def test_the_sdist_holds_its_sources(self, built):
        with tarfile.open(built["sdist"]) as archive:
            names = {name.split("/", 1)[1] for name in archive.getnames()}
        assert {"pyproject.toml", "LICENSE", "README.md", "model_cards/mace-xtb-organic.md"} < names
        assert {"mlzoo/zoo.py", "plugins/mlzoo_m3gnet/model.py"} < names


class Installation:
    """A virtual environment that holds the wheel, beside the running environment's other packages; and a new user."""

    def __init__(self, folder: Path, wheel: Path):
        self.folder, self.bin, self.home, self.work = (folder / name for name in ("env", "env/bin", "home", "work"))
        self.home.mkdir()
        self.work.mkdir()
        run(sys.executable, "-m", "venv", "--without-pip", self.folder)
        python = self.bin / "python"
        offline = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check"]
        run(sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
        self.site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        self._borrow_dependencies(folder / "dependencies")

    def _borrow_dependencies(self, folder: Path) -> None:
        """Links to all that is installed here but mlzoo: downloading torch again would take minutes."""
        folder.mkdir()
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for package in Path(place).iterdir():
                if "mlzoo" not in package.name and package.suffix != ".pth":
                    (folder / package.name).symlink_to(package)
        (self.site / "dependencies.pth").write_text(f"{folder}\n")

    def run(self, program: str, *arguments: str | Path, **environment: str) -> str:
        """In an empty folder, with nothing of our own environment."""
        clean = {"PATH": os.defpath, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        single = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
        return run(self.bin / program, *arguments, cwd=self.work, env=clean | single | environment)

    def files(self) -> set[Path]:
        return set(self.site.rglob("*"))


@pytest.fixture(scope="module")
def installation(tmp_path_factory, built) -> Installation:
    return Installation(tmp_path_factory.mktemp("outside"), built["wheel"])


PREDICT = """
import mlzoo, mlzoo_mace
from ase.build import molecule
model = mlzoo.load("mace-xtb-organic")
print(mlzoo.__file__)
print(mlzoo_mace.__file__)
print(model.provenance["kernels"])
print(model.predict(molecule("CH4"))["energy"])
"""


class TestInstallation:
    def test_the_embedded_model_answers_outside_the_checkout(self, installation):
        core, plugin, _, energy = installation.run("python", "-c", PREDICT).splitlines()
        assert Path(core).is_relative_to(installation.site)
        assert Path(plugin).is_relative_to(installation.site)
        assert float(energy) == pytest.approx(METHANE, abs=0.1)
        assert not any(installation.work.iterdir())

    def test_the_command_line_works(self, installation, built):
        plugins = [line.split() for line in installation.run("mlzoo", "plugins").splitlines()]
        assert ["m3gnet", "mlzoo", built["wheel"].name.split("-")[1], "ok"] in plugins
        ase.io.write(installation.work / "diamond.xyz", [bulk("C"), bulk("C", cubic=True)])
        installation.run("mlzoo", "predict", "diamond.xyz", "-o", "answers.extxyz")
        primitive, cubic = ase.io.read(installation.work / "answers.extxyz", index=":")
        assert cubic.get_potential_energy() == pytest.approx(4 * primitive.get_potential_energy(), abs=1e-5)
        assert cubic.get_forces() == pytest.approx(0, abs=1e-4)
        for file in installation.work.iterdir():
            file.unlink()

    def test_it_works_where_its_folder_cannot_be_written(self, locked):
        """Numba caches compiled loops beside their file, or else in the user's cache folder."""
        before = locked.files()
        assert float(locked.run("python", "-c", PREDICT).splitlines()[-1]) == pytest.approx(METHANE, abs=0.1)
        assert locked.files() == before
        assert list((locked.home / "cache").rglob("*.nbi"))

    def test_it_works_where_nothing_can_be_written(self, locked):
        """As in a container of a user without a home; compiled loops are then cached nowhere."""
        before = locked.files()
        said = locked.run("python", "-c", PREDICT, HOME=os.devnull, XDG_CACHE_HOME=os.devnull)
        assert float(said.splitlines()[-1]) == pytest.approx(METHANE, abs=0.1)
        assert locked.files() == before


@pytest.fixture
def locked(tmp_path, built):
    """An installation that cannot be written to. Permissions do not stop root, so a file stands where caches would."""
    installation = Installation(tmp_path, built["wheel"])
    folders = [path for path in installation.site.rglob("*") if path.is_dir()]
    for folder in folders:
        (folder / "__pycache__").write_text("not a folder\n")
        folder.chmod(0o555)
    yield installation
    for folder in folders:
        folder.chmod(0o755)
