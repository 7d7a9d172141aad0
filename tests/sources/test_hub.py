"""A weight from the Hub, through the real client and a loopback server: fetched once, checked, never asked for again."""

import json
import random
import shutil
import time
from pathlib import Path

import pytest
from loopback.faults import Fault
from loopback.hub import Hub
from loopback.machine import ANI, ANI_NAME, NO_NETWORK, READ_ONLY, Machine

LOAD = f"""
import mlzoo
model = mlzoo.load("{ANI_NAME}", verify=True)
print(model.provenance["commit"], model.provenance["source"], model.provenance["license"])
"""

LARGE = random.Random(1).randbytes(23 << 20)
LARGE_REPO = "alice/large"


def gets(hub, repository=ANI):
    return [path for method, path in hub.asked(repository) if method == "GET"]


class TestLoad:
    def test_first_from_the_hub_then_without_a_network(self, machine, hub, ani):
        said = machine.python(LOAD)
        assert f"{ani} hf:{ANI}@main BSD 3-Clause License" in said
        hub.requests.clear()
        assert f"{ani} hf:{ANI}@main" in machine.python(LOAD, before=NO_NETWORK)
        assert hub.requests == []

    def test_a_revision_by_name_and_by_sha(self, machine, hub, ani):
        hub.tag(ANI, "v1")
        hub.commit(ANI, {"notes.md": b"nothing to do with the weight"})
        for revision in ("v1", ani):
            said = machine.run("fetch", ANI_NAME, "--revision", revision)
            assert f"hf:{ANI}@{revision}, checked" in said
            assert f"/snapshots/{ani}" in said
        hub.requests.clear()
        for revision in ("v1", ani):
            machine.run("fetch", ANI_NAME, "--revision", revision, before=NO_NETWORK)
        assert hub.requests == []

    def test_a_read_only_cache_is_enough_once_it_is_filled(self, machine, ani):
        machine.run("fetch", ANI_NAME)
        assert f"hf:{ANI}@main" in machine.python(LOAD, before=READ_ONLY + NO_NETWORK)

    def test_hub_offline_means_what_it_means_elsewhere(self, machine, hub, ani):
        said = machine.run("fetch", ANI_NAME, status=1, HF_HUB_OFFLINE="1")
        assert f"HF_HUB_OFFLINE is set, and model.json of hf:{ANI}@main is not in" in said
        assert "`mlzoo bundle" in said
        assert hub.requests == []
        machine.run("fetch", ANI_NAME)
        machine.run("fetch", ANI_NAME, HF_HUB_OFFLINE="1")

    def test_an_endpoint_is_a_mirror(self, machine, ani, tmp_path):
        with Hub() as mirror:
            mirror.commit(ANI, {name: Path(path).read_bytes() for name, path in fetched(machine).items()})
            other = Machine(tmp_path / "other", mirror.environment(tmp_path / "other"))
            assert "checked" in other.run("fetch", ANI_NAME)
            assert {path for path in gets(mirror) if "resolve" in path}

    def test_two_processes_at_once_fetch_each_file_once(self, machine, hub, ani):
        hub.faults[ANI, "state.pt"] = Fault(slow=0.05)
        both = [machine.start("fetch", ANI_NAME) for _ in range(2)]
        for process in both:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert "checked" in out
        assert gets(hub).count(f"/{ANI}/resolve/{ani}/state.pt") == 1

    def test_policy_refuses_before_any_request(self, machine, hub):
        restricted = "m3gnet-pes-matpes-pbe-2025.2"
        for said in (
            machine.run("fetch", restricted, status=1, MLZOO_LICENSE_POLICY="permissive"),
            machine.run("fetch", restricted, "--license-policy", "permissive", status=1),
        ):
            assert "is under no licence that anybody has stated, which counts as a restricted one" in said
            assert "the policy 'permissive' refuses it, and nothing was downloaded" in said
        assert hub.requests == []


def fetched(machine) -> dict[str, str]:
    code = f"""
    import json
    from mlzoo.obtain import obtain
    print(json.dumps({{name: str(path) for name, path in obtain("{ANI_NAME}").fetched.files.items()}}))
    """
    return json.loads(machine.python(code).splitlines()[-1])


class TestTokens:
    def test_a_token_goes_to_the_hub_and_nowhere_else(self, tmp_path, shared):
        folder = shared / "weights/matgl/M3GNet-ANI-1x-Subset-PES"
        with Hub(cdn=True) as hub:
            hub.tokens["hf_secret"] = "bob"
            hub.commit(ANI, {name: (folder / name).read_bytes() for name in ("model.json", "model.pt", "state.pt")})
            hub.commit(LARGE_REPO, {"weights.bin": LARGE})
            machine = Machine(tmp_path / "home", hub.environment(tmp_path / "home"))
            machine.run("fetch", ANI_NAME, f"hf:{LARGE_REPO}", HF_TOKEN="hf_secret")
            assert any(request.headers.get("authorization") == "Bearer hf_secret" for request in hub.requests)
            assert hub.cdn.requests
            assert not any("authorization" in request.headers for request in hub.cdn.requests)

    def test_a_gated_repository_opens_with_a_token(self, machine, hub, ani):
        hub.gated.add(ANI)
        hub.tokens["hf_secret"] = "bob"
        hub.granted.add(("bob", ANI))
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"hf:{ANI}@main is gated. Accept its terms at" in said
        assert "then set HF_TOKEN or run `hf auth login`" in said
        machine.run("fetch", ANI_NAME, HF_TOKEN="hf_secret")


class TestWhatIsNotThere:
    def test_repository(self, machine, hub):
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"/{ANI} does not exist, or it is private and needs HF_TOKEN" in said

    def test_revision(self, machine, ani):
        said = machine.run("fetch", ANI_NAME, "--revision", "v9", status=1)
        assert f"/{ANI} has no revision 'v9'" in said

    def test_file(self, machine, hub, ani):
        hub.commit(ANI, {"state.pt": None})
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"/{ANI} has no file state.pt at revision 'main'" in said

    def test_hub(self, machine, hub):
        hub.stop()
        begin = time.perf_counter()
        said = machine.run("fetch", "hf:alice/any", status=1)
        assert "cannot be reached" in said
        assert "Is there a network? HF_ENDPOINT names a mirror." in said
        assert time.perf_counter() - begin < 15

    def test_the_next_source_is_asked_and_both_answers_are_told(self, behind_web):
        said = behind_web.run("fetch", ANI_NAME, status=1)
        assert f"/{ANI} does not exist" in said
        assert "And: https://raw.githubusercontent.com/materialsvirtuallab/matgl/" in said
        assert "answers 404: the file is not there" in said

    def test_room_on_the_disk(self, machine, ani, full_disk):
        said = machine.run("fetch", ANI_NAME, status=1, HF_HOME=str(full_disk))
        assert f"no room is left for it in {full_disk}/hub (No space left on device)" in said
        assert "let HF_HOME name another place" in said

    def test_a_folder_that_can_be_written(self, machine, ani, tmp_path):
        (tmp_path / "file").write_text("no folder")
        said = machine.run("fetch", ANI_NAME, status=1, HF_HOME=str(tmp_path / "file" / "cache"))
        assert "cannot be written (Not a directory). Let HF_HOME name a place that can" in said


class TestWhatIsNotWhatItWas:
    def test_a_truncated_file(self, machine, hub, ani):
        hub.faults[ANI, "state.pt"] = Fault(short=1000)
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"state.pt of hf:{ANI}@main was cut short: 1000 of 1164446 bytes arrived. Fetch it again." in said
        hub.faults.clear()
        machine.run("fetch", ANI_NAME)

    def test_altered_bytes_of_the_right_length(self, machine, hub, ani):
        hub.faults[ANI, "state.pt"] = Fault(altered=True)
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"state.pt of hf:{ANI}@main is not what it should be: sha256 " in said
        assert "and the server states 4efa3b11dfb1f6c6d0ae562e470e617ebf0aae23749381a097e39dbe6738a304" in said
        assert "It was not used and is deleted" in said
        hub.faults.clear()
        machine.run("fetch", ANI_NAME)

    def test_altered_bytes_of_a_small_file(self, machine, hub, ani):
        hub.faults[ANI, "model.json"] = Fault(altered=True)
        assert "model.json of hf:" in machine.run("fetch", ANI_NAME, status=1)

    def test_a_web_page_in_place_of_a_file(self, machine, hub, ani):
        hub.faults[ANI, "state.pt"] = Fault(html=True)
        said = machine.run("fetch", ANI_NAME, status=1)
        assert "state.pt" in said
        assert "cut short" in said or "it is a web page" in said
        hub.faults[ANI, "state.pt"] = Fault(html=True, head=True)
        said = machine.run("fetch", ANI_NAME, status=1)
        assert "does not answer as a Hub does: a proxy or a login stands in between" in said

    def test_a_file_that_was_another_one_when_it_was_first_seen(self, machine, hub, ani, shared):
        machine.run("fetch", ANI_NAME)
        shutil.rmtree(Path(machine.environment["HF_HOME"]) / "hub")
        hub.commit(ANI, {"state.pt": b"retrained"})
        said = machine.run("fetch", ANI_NAME, status=1)
        assert "and this machine saw first 4efa3b11dfb1f6c6d0ae562e470e617ebf0aae23749381a097e39dbe6738a304" in said
        assert "The source has changed: choose the revision you mean, or ask its authors" in said
        machine.run("fetch", ANI_NAME, "--revision", ani)

    def test_a_file_that_was_changed_in_the_cache(self, machine, ani):
        state = Path(fetched(machine)["state.pt"])
        content = bytearray(state.read_bytes())
        content[5000] ^= 1
        state.resolve().write_bytes(content)
        said = machine.run("fetch", ANI_NAME, status=1)
        assert f"It was not used. If {state} was changed on this machine, delete it" in said
        assert state.exists()


class TestResume:
    """A file above 10 MiB, which is where the client's own resuming begins."""

    @pytest.fixture(autouse=True)
    def _large(self, hub):
        hub.commit(LARGE_REPO, {"weights.bin": LARGE})

    def ranges(self, hub):
        asked = [each for each in hub.requests if each.method == "GET" and each.path.endswith("weights.bin")]
        return [each.headers.get("range") for each in asked]

    def test_in_the_same_process(self, machine, hub):
        hub.faults[LARGE_REPO, "weights.bin"] = Fault(cut_after=15 << 20, times=1)
        machine.run("fetch", f"hf:{LARGE_REPO}")
        assert self.ranges(hub) == [None, f"bytes={10 << 20}-"]

    def test_in_a_later_process_after_a_kill(self, machine, hub):
        fault = hub.faults[LARGE_REPO, "weights.bin"] = Fault(hold_after=21 << 20)
        arrived = machine.kill_midway("fetch", f"hf:{LARGE_REPO}", fault=fault, least=20 << 20)
        hub.faults.clear()
        hub.requests.clear()
        machine.run("fetch", f"hf:{LARGE_REPO}")
        assert self.ranges(hub) == [f"bytes={arrived}-"]
        (blob,) = (Path(machine.environment["HF_HOME"]) / "hub/models--alice--large/blobs").glob("*")
        assert blob.read_bytes() == LARGE


class TestPush:
    def test_a_converted_weight_is_pushed_and_loaded_back(self, machine, hub, shared, tmp_path):
        hub.tokens["hf_alice"] = "alice"
        folder = tmp_path / "nabh"
        said = machine.run("convert", shared / "weights/matgl/M3GNet-r2SCAN-NaBH", "-o", folder)
        assert "under BSD 3-Clause License; read back, largest deviation" in said
        said = machine.run("push", folder, "alice/nabh", status=2)
        assert "does not let you write to alice/nabh. Set HF_TOKEN to a token with write access" in said
        said = machine.run("push", folder, "alice/nabh", HF_TOKEN="hf_alice")
        commit = hub.repositories["alice/nabh"].resolve("main")
        assert f'published: mlzoo.load("hf:alice/nabh@{commit}")' in said

        other = Machine(tmp_path / "other", hub.environment(tmp_path / "other"))
        code = """
        import mlzoo, json
        model = mlzoo.load("hf:alice/nabh", verify=True, license_policy="permissive")
        print(json.dumps([model.provenance["commit"], model.provenance["made_from"], model.card.license, model.card.base_model]))
        """
        loaded, made_from, license, base = json.loads(other.python(code).splitlines()[-1])
        assert loaded == commit
        assert made_from["sha256"]["state.pt"].startswith("6dbaaeb1")
        assert (license, base) == ("bsd-3-clause", "m3gnet-r2scan-nabh")
        hub.requests.clear()
        other.python(code, before=NO_NETWORK)
        assert hub.requests == []

    def test_what_may_not_be_published_is_refused_before_a_request(self, machine, hub, tmp_path, shared):
        said = machine.run("push", shared / "weights/matgl/M3GNet-r2SCAN-NaBH", "alice/nabh", status=2)
        assert "is not in mlzoo's layout. `mlzoo convert" in said
        folder = tmp_path / "weight"
        machine.run("convert", "mace-xtb-organic", "-o", folder)
        page = folder / "README.md"
        page.write_text(page.read_text().replace("license: mit", "license: unknown"))
        assert "states no licence, so nobody could use the weight" in machine.run("push", folder, "a/b", status=2)
        (folder / "LICENSE").unlink()
        assert "lacks LICENSE" in machine.run("push", folder, "a/b", status=2)
        assert hub.requests == []
