"""A lock holds source, commit, bytes and plugin version; under it nothing else is loaded."""

import json

import pytest

import mlzoo
from mlzoo import locks
from mlzoo.errors import LockMismatch, UnreadableFile
from mlzoo.locks import Held


@pytest.fixture
def lock(tmp_path):
    predictor = mlzoo.load("mace-xtb-organic", device="cpu")
    path = tmp_path / "mlzoo.lock"
    locks.write(path, {"mace-xtb-organic": Held.of("mace", predictor.manifest.provenance)})
    return path


def edited(lock, **changes):
    said = json.loads(lock.read_text())
    said["models"]["mace-xtb-organic"] |= changes
    lock.write_text(json.dumps(said))
    return lock


def test_what_was_locked_loads(lock, monkeypatch):
    assert mlzoo.load("mace-xtb-organic", lock=lock, device="cpu").name == "mace-xtb-organic"
    monkeypatch.setenv("MLZOO_LOCK", str(lock))
    assert mlzoo.load("mace-xtb-organic", device="cpu").name == "mace-xtb-organic"


def test_other_bytes_are_refused(lock):
    here = json.loads(lock.read_text())["models"]["mace-xtb-organic"]["sha256"]
    sentence = rf"model\.safetensors of .* sha256 {here['model.safetensors']}, and the lock says 0{{64}}"
    with pytest.raises(ValueError, match=sentence):
        mlzoo.load("mace-xtb-organic", lock=edited(lock, sha256=here | {"model.safetensors": "0" * 64}))


def test_another_plugin_version_is_refused(lock):
    with pytest.raises(LockMismatch, match=r"holds version of mlzoo at 0\.0\.1, and here it is .* Install or fetch"):
        mlzoo.load("mace-xtb-organic", lock=edited(lock, version="0.0.1"))


def test_a_source_that_the_card_no_longer_has_is_refused(lock):
    with pytest.raises(
        LockMismatch, match=r"comes from hf:a/b@main in the lock .*, and its card knows only package:mlzoo"
    ):
        mlzoo.load("mace-xtb-organic", lock=edited(lock, source="hf:a/b@main"))


def test_under_a_lock_nothing_else_is_loaded(lock, tmp_path):
    with pytest.raises(
        LockMismatch, match=r"m3gnet-r2scan-nabh is not in the lock .* `mlzoo lock m3gnet-r2scan-nabh -o"
    ):
        mlzoo.load("m3gnet-r2scan-nabh", lock=lock)
    weight = mlzoo.load("mace-xtb-organic", device="cpu").save(tmp_path / "weight")
    with pytest.raises(LockMismatch, match=r"weight is not in the lock"):
        mlzoo.load(weight, lock=lock)


def test_a_path_can_be_locked_too(lock, tmp_path):
    predictor = mlzoo.load(mlzoo.load("mace-xtb-organic", device="cpu").save(tmp_path / "weight"))
    locks.write(lock, {str(tmp_path / "weight"): Held.of("mace", predictor.manifest.provenance)})
    mlzoo.load(tmp_path / "weight", lock=lock)
    config = tmp_path / "weight" / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(LockMismatch, match=r"holds sha256 of config\.json at"):
        mlzoo.load(tmp_path / "weight", lock=lock)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{}", r"is no lock of version 1\. `mlzoo lock NAME -o .*` writes one"),
        ('{"mlzoo_lock": 1, "models": {"a": {}}}', "is a damaged lock"),
        ("[", "is not JSON"),
    ],
)
def test_a_file_that_is_no_lock(tmp_path, content, sentence):
    (tmp_path / "mlzoo.lock").write_text(content)
    with pytest.raises((LockMismatch, UnreadableFile), match=sentence):
        mlzoo.load("mace-xtb-organic", lock=tmp_path / "mlzoo.lock")


def test_a_lock_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableFile, match=r"none\.lock cannot be read: No such file"):
        mlzoo.load("mace-xtb-organic", lock=tmp_path / "none.lock")
