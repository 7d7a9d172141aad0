"""Bundles: carried to a machine without sockets, they load; tampered with, they are refused before a byte is written."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from loopback.machine import ANI, ANI_NAME, NO_NETWORK, Machine

import mlzoo

URL_NAME = "m3gnet-mp-2021.2.8-pes"


MADE: list[bytes] = []


@pytest.fixture
def carried(behind_web, web, hub, ani, shared, tmp_path) -> Path:
    """A bundle of a weight from the Hub, one from a URL, one from a repository without a card; made once."""
    bundle = tmp_path / "zoo.tar"
    if MADE:
        bundle.write_bytes(MADE[0])
        return bundle
    for source in mlzoo.card(URL_NAME).sources:
        for name in source.files:
            content = (shared / "weights/matgl/M3GNet-MP-2021.2.8-PES" / name).read_bytes()
            web.files[str(source) + name] = content
    behind_web.run("convert", "mace-xtb-organic", "-o", "organic")
    hub.commit("alice/organic", {path.name: path.read_bytes() for path in (tmp_path / "organic").iterdir()})
    said = behind_web.run("bundle", ANI_NAME, URL_NAME, "hf:alice/organic", "-o", "zoo.tar")
    assert "zoo.tar: " in said
    MADE.append(bundle.read_bytes())
    return bundle


@pytest.fixture
def island(tmp_path, hub) -> Machine:
    """A machine with an empty cache and no network."""
    (tmp_path / "island").mkdir()
    return Machine(tmp_path / "island" / "home", hub.environment(tmp_path / "island" / "home"))


def written(machine) -> list[Path]:
    home = Path(machine.environment["HF_HOME"])
    return [path for path in home.parent.rglob("*") if path.is_file() and "agent-harness" not in path.name]


def rewritten(bundle: Path, change) -> Path:
    """The bundle with its members changed: ``change`` gets and returns a list of (TarInfo, content)."""
    with tarfile.open(bundle) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    with tarfile.open(bundle, "w") as archive:
        for member, content in change(members):
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return bundle


def test_what_is_carried_loads_without_sockets(carried, island):
    said = island.run("unbundle", carried, before=NO_NETWORK)
    assert f"{ANI_NAME}: BSD 3-Clause License, from hf:{ANI}@main" in said
    code = f"""
    import mlzoo
    for name in ("{ANI_NAME}", "{URL_NAME}", "hf:alice/organic"):
        print(mlzoo.load(name, verify=True, license_policy="permissive").name)
    """
    assert f"{ANI_NAME}\n{URL_NAME}\nhf:alice/organic" in island.python(code, before=NO_NETWORK)
    licences = Path(island.environment["HF_HOME"]) / "mlzoo/licenses"
    assert "Materials Virtual Lab" in (licences / f"{URL_NAME}.txt").read_text()
    assert "cards" not in [path.name for path in licences.parent.iterdir()]  # the mlzoo there knows them all


def test_a_card_that_is_not_known_there_comes_along(carried, island):
    def renamed(members):
        files = dict(json.loads(members[0][1])["files"])
        for member, content in members[1:]:
            if member.name == f"mlzoo/cards/{URL_NAME}.md":
                content = content.replace(f"name: {URL_NAME}".encode(), b"name: newer-model")
                del files[member.name]
                member.name = "mlzoo/cards/newer-model.md"
                import hashlib

                files[member.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                page = content
        manifest = {**json.loads(members[0][1]), "files": files}
        yield members[0][0], json.dumps(manifest).encode()
        yield from ((m, page if m.name.endswith("newer-model.md") else c) for m, c in members[1:])

    island.run("unbundle", rewritten(carried, renamed))
    assert "newer-model: Universal M3GNet potential" in island.run("info", "newer-model")
    assert "newer-model" in island.python("import mlzoo; print(mlzoo.load('newer-model').name)", before=NO_NETWORK)


def test_the_sha256_that_bundle_printed_is_held_to(carried, island, behind_web):
    digest = behind_web.run("bundle", ANI_NAME, "-o", "ani.tar").split("sha256 ")[1].split()[0]
    carried_ani = carried.with_name("ani.tar")
    island.run("unbundle", carried_ani, "--sha256", digest)
    said = island.run("unbundle", carried_ani, "--sha256", "0" * 64, status=2)
    assert f"has sha256 {digest}, not {'0' * 64}. It was damaged or replaced on its way." in said


def altered(members):
    return [
        (member, b"?" + content[1:] if member.name.endswith("state.pt") else content) for member, content in members
    ]


def altered_and_announced(members):
    """Whoever changes a file can change the manifest too: then the card that is installed here must tell."""
    import hashlib

    manifest = json.loads(members[0][1])
    changed = altered(members)
    for member, content in changed[1:]:
        digest = hashlib.sha256(content).hexdigest()
        manifest["files"][member.name]["sha256"] = digest
        if member.name.endswith("state.pt") and "mlzoo/files" in member.name:
            manifest["models"][URL_NAME]["sha256"]["state.pt"] = digest
    return [(members[0][0], json.dumps(manifest).encode()), *changed[1:]]


def shortened(members):
    return members[:-1]


def extended(members):
    return [*members, (tarfile.TarInfo("mlzoo/files/surprise"), b"x")]


def outside(place):
    def change(members):
        import hashlib

        manifest = json.loads(members[0][1])
        manifest["files"][place] = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
        return [(members[0][0], json.dumps(manifest).encode()), *members[1:], (tarfile.TarInfo(place), b"x")]

    return change


def linked(members):
    member, _ = members[-1]
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return members


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (altered, "and the bundle announces"),
        (altered_and_announced, "and on this machine it is known with a9aa723705bd1a242ec8749332f137811c4a94e1"),
        (shortened, "lacks mlzoo/"),
        (extended, "holds 'mlzoo/files/surprise', which is not announced. Refused"),
        (linked, "which is no regular file. Refused"),
        (outside("../../escaped"), "would write to '../../escaped', outside the caches. Refused"),
        (outside("/escaped"), "would write to '/escaped', outside the caches. Refused"),
        (outside("mlzoo/files/../../escaped"), "outside the caches. Refused"),
        (outside("mlzoo/seen/escaped.json"), "outside the caches. Refused"),
    ],
)
def test_a_tampered_bundle_is_refused_and_nothing_is_written(carried, island, change, sentence):
    said = island.run("unbundle", rewritten(carried, change), status=2)
    assert sentence in said
    assert written(island) == []


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10240])
def test_a_file_that_is_no_bundle(island, tmp_path, content):
    (tmp_path / "zoo.tar").write_bytes(content)
    said = island.run("unbundle", tmp_path / "zoo.tar", status=2)
    assert "is no bundle that `mlzoo bundle` wrote, or it is damaged" in said


def test_a_bundle_cut_short(carried, island):
    carried.write_bytes(carried.read_bytes()[:-3_000_000])
    assert "zoo.tar" in island.run("unbundle", carried, status=2)
    assert written(island) == []


def test_what_is_here_with_other_bytes_is_not_overwritten(carried, island):
    island.run("unbundle", carried)
    (state,) = (Path(island.environment["HF_HOME"]) / "hub").rglob("state.pt")
    state.write_bytes(b"mine")
    assert "is here already with other bytes than" in island.run("unbundle", carried, status=2)
    assert state.read_bytes() == b"mine"


def test_a_path_is_not_bundled(island, tmp_path):
    (tmp_path / "weight").mkdir()
    said = island.run("bundle", tmp_path / "weight", "-o", "zoo.tar", status=2)
    assert "weight is a path. Copy it as it is" in said
