"""``hf:owner/repository``: any repository of the Hub, in our layout or in one that a reader knows."""

import shutil
from pathlib import Path

import pytest
from loopback.machine import NO_NETWORK

import mlzoo

REPO = "bob/model"
LOAD = """
import mlzoo, sys
model = mlzoo.load(sys.argv[1], device="cpu")
print(model.name, model.card.license, model.provenance["commit"], model.provenance.get("format"))
"""


@pytest.fixture
def ours(tmp_path) -> dict[str, bytes]:
    saved = mlzoo.load("mace-xtb-organic", device="cpu").save(tmp_path / "ours")
    return {path.name: path.read_bytes() for path in saved.iterdir()}


@pytest.fixture
def nabh(shared) -> dict[str, bytes]:
    folder = shared / "weights/matgl/M3GNet-r2SCAN-NaBH"
    return {name: (folder / name).read_bytes() for name in ("model.json", "model.pt", "state.pt")}


def test_our_layout_with_its_card(machine, hub, ours):
    commit = hub.commit(REPO, ours)
    assert f"hf:{REPO} mit {commit}" in machine.python(LOAD, f"hf:{REPO}")
    hub.requests.clear()
    assert f"hf:{REPO} mit {commit}" in machine.python(LOAD, f"hf:{REPO}", before=NO_NETWORK)
    assert hub.requests == []


def test_a_foreign_layout_with_the_licence_of_its_page(machine, hub, nabh):
    page = b"---\nlicense: cc-by-nc-4.0\n---\n# A model\n"
    commit = hub.commit(REPO, {**nabh, "README.md": page, "curve.png": b"a picture"})
    for before in ("", NO_NETWORK):
        said = machine.python(LOAD, f"hf:{REPO}", before=before)
        assert f"hf:{REPO} is under the Creative Commons Attribution-NonCommercial 4.0" in said
        assert f"hf:{REPO} cc-by-nc-4.0 {commit} matgl" in said
    assert not any("curve.png" in path for _, path in hub.asked(REPO))


def test_at_a_tag(machine, hub, ours):
    first = hub.commit(REPO, ours)
    hub.tag(REPO, "v1")
    hub.commit(REPO, {"config.json": b"{}"})
    assert first in machine.python(LOAD, f"hf:{REPO}@v1")
    assert first in machine.python(LOAD, f"hf:{REPO}@{first}")


def test_one_file_of_it(machine, hub, ours):
    hub.commit(REPO, {**ours, "other.bin": b"x" * 100})
    said = machine.run("fetch", f"hf:{REPO}/other.bin")
    assert said.rstrip().endswith("other.bin")
    assert not any("model.safetensors" in path for _, path in hub.asked(REPO))


def test_a_restricted_licence_is_refused_before_a_weight_is_asked_for(machine, hub, nabh):
    hub.commit(REPO, {**nabh, "README.md": b"---\nlicense: cc-by-nc-4.0\n---\n"})
    said = machine.run("fetch", f"hf:{REPO}", "--license-policy", "permissive", status=1)
    assert "the policy 'permissive' refuses it" in said
    assert not any("state.pt" in path or "model.pt" in path for _, path in hub.asked(REPO))


def test_what_is_no_weight(machine, hub):
    hub.commit(REPO, {"README.md": b"# A data set\n"})
    said = machine.run("fetch", f"hf:{REPO}", status=1)
    assert f"hf:{REPO}@main holds no file that could be a weight (README.md" in said


@pytest.mark.parametrize("name", ["hf:model", "hf:a/b/c/../d", "hf:a/b@", "hf:", "hf:a b/c"])
def test_what_is_no_repository(machine, hub, name):
    said = machine.run("fetch", name, status=1)
    assert f"{name} is not of the form hf:owner/repository[/file][@revision]" in said
    assert hub.requests == []


def test_it_may_be_locked(machine, hub, ours, tmp_path):
    commit = hub.commit(REPO, ours)
    machine.run("lock", f"hf:{REPO}")
    hub.commit(REPO, {"config.json": b"{}"})
    shutil.rmtree(Path(machine.environment["HF_HOME"]))
    lock = str(tmp_path / "mlzoo.lock")
    assert commit in machine.python(LOAD, f"hf:{REPO}", MLZOO_LOCK=lock)
    said = machine.python(LOAD, "mace-xtb-organic", status=1, MLZOO_LOCK=lock)
    assert "mace-xtb-organic is not in the lock" in said
