"""The example in the help of each command is a command that works, also where it needs a network."""

import functools
import shlex
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from loopback.hub import Hub
from loopback.machine import NO_NETWORK, Machine
from loopback.web import Web
from typer.testing import CliRunner

from mlzoo.catalogue import card
from mlzoo.cli import COMMANDS, app

NAMES = [command.__name__.rstrip("_") for command in COMMANDS]
ELSEWHERE = {"fetch", "convert", "bundle", "push", "unbundle"}
MANUAL = Path(__file__).parents[2] / "docs" / "cli.md"
BEFORE = {"push": "convert", "unbundle": "bundle", "evaluate": "predict"}
PUBLISHED = "m3gnet-mp-2021.2.8-pes"


def example(command: str) -> list[str]:
    """The words after ``mlzoo`` in the example that ``mlzoo COMMAND --help`` prints."""
    _, found, words = CliRunner().invoke(app, [command, "--help"]).stdout.partition("Example: mlzoo ")
    assert found
    return shlex.split(words)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, shared):
    """Runs an example in a process, and before it the one that it builds on; the folder in which it ran.

    The Hub there knows a user called owner, the network has the files of the published weight, and a bundle is opened
    where nothing was fetched and no network is.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    base = str(card(PUBLISHED).sources[0])
    with Hub() as hub, Web() as web:
        hub.tokens["hf_owner"] = "owner"
        for file in (shared / "weights/matgl" / base.strip("/").rsplit("/", 1)[1]).iterdir():
            web.files[base + file.name] = file.read_bytes()
        environment = {**hub.environment(folder / "home"), **web.environment(), "HF_TOKEN": "hf_owner"}
        machine = Machine(folder / "home", environment)
        bare = {"before": NO_NETWORK, "HF_HOME": str(folder / "bare")}

        @functools.cache
        def run(command: str) -> Path:
            if command in BEFORE:
                run(BEFORE[command])
            machine.run(*example(command), **(bare if command == "unbundle" else {}))
            return folder

        yield run


def here(command: str) -> Path:
    if command in BEFORE:
        here(BEFORE[command])
    write("structures.xyz", [bulk("C"), bulk("C", cubic=True)])
    write("structure.cif", bulk("C", a=3.7, cubic=True))
    ran = CliRunner().invoke(app, example(command), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return Path.cwd()


@pytest.mark.parametrize("command", NAMES)
def test_the_example_in_the_help_works(request, command):
    words = example(command)
    folder = (request.getfixturevalue("elsewhere") if command in ELSEWHERE else here)(command)
    assert "-o" not in words or (folder / words[words.index("-o") + 1]).exists()


@pytest.mark.parametrize("command", NAMES)
def test_the_manual_has_the_same_example(command):
    (line,) = [line for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{command}` |")]
    assert line.endswith(f"| `mlzoo {shlex.join(example(command))}` |")
