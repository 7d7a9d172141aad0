"""A weight from a pinned https address, as `requests` sees it through a loopback proxy that owns the whole internet."""

import shutil
from pathlib import Path

import pytest
from loopback.faults import Fault
from loopback.machine import NO_NETWORK, READ_ONLY

import mlzoo

NAME = "m3gnet-mp-2021.2.8-pes"
BASE = str(mlzoo.card(NAME).sources[0])
STATE = BASE + "state.pt"
SHA256 = "a9aa723705bd1a242ec8749332f137811c4a94e17995a564f8f94a9aca68061b"
SIZE = 1_228_529

LOAD = f"""
import mlzoo
model = mlzoo.load("{NAME}", verify=True)
print(model.provenance["source"], model.provenance["sha256"]["state.pt"], model.provenance["convention"])
"""


@pytest.fixture(autouse=True)
def _published(web, shared):
    for name in ("model.json", "model.pt", "state.pt"):
        web.files[BASE + name] = (shared / "weights/matgl/M3GNet-MP-2021.2.8-PES" / name).read_bytes()


def folder(machine) -> Path:
    return Path(machine.environment["HF_HOME"]) / "mlzoo/files" / BASE.removeprefix("https://")


class TestLoad:
    def test_first_from_the_commit_then_without_a_network(self, behind_web, web):
        assert f"{BASE} {SHA256} dstfix" in behind_web.python(LOAD)
        web.requests.clear()
        assert f"{BASE} {SHA256} dstfix" in behind_web.python(LOAD, before=READ_ONLY + NO_NETWORK)
        assert web.requests == []

    def test_no_token_and_no_cookie_is_sent(self, behind_web, web):
        behind_web.run("fetch", NAME, HF_TOKEN="hf_secret")
        assert {request.method for request in web.requests} == {"GET"}
        assert not any({"authorization", "cookie"} & request.headers.keys() for request in web.requests)

    def test_redirects_are_followed(self, behind_web, web):
        elsewhere = "https://objects.example.org/state.pt"
        web.files[elsewhere] = web.files.pop(STATE)
        web.redirects[STATE] = elsewhere
        assert "checked" in behind_web.run("fetch", NAME)

    def test_two_processes_at_once_fetch_each_file_once(self, behind_web, web):
        web.faults[STATE] = Fault(slow=0.05)
        both = [behind_web.start("fetch", NAME) for _ in range(2)]
        for process in both:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert [request.path for request in web.requests].count(STATE) == 1

    def test_hub_offline_holds_here_too(self, behind_web, web):
        said = behind_web.run("fetch", NAME, status=1, HF_HUB_OFFLINE="1")
        assert f"HF_HUB_OFFLINE is set, and {BASE} is not in" in said
        assert web.tunnels == []

    def test_a_revision_is_the_hubs(self, behind_web):
        said = behind_web.run("fetch", NAME, "--revision", "v1", status=1)
        assert f"{NAME} has no Hub repository whose revision could be chosen" in said


class TestRefusals:
    @pytest.mark.parametrize(
        "target", ["http://mirror.example.org/state.pt", "http://raw.githubusercontent.com/state.pt"]
    )
    def test_plain_http_is_never_asked(self, behind_web, web, target):
        web.files[target] = web.files[STATE]
        web.redirects[STATE] = target
        said = behind_web.run("fetch", NAME, status=1)
        assert f"{STATE} leads to {target}, which is not https: anybody on the way could change it. Refused." in said
        assert not any(request.path.startswith("http://") for request in web.requests)

    def test_redirects_in_a_circle(self, behind_web, web):
        web.redirects[STATE] = STATE
        assert "redirects more than 5 times" in behind_web.run("fetch", NAME, status=1)

    def test_a_size_that_is_announced_too_large(self, behind_web, web):
        web.faults[STATE] = Fault(announce=10 << 30)
        said = behind_web.run("fetch", NAME, status=1)
        assert f"{STATE} announces {10 << 30} bytes where it may have {SIZE}. Refused." in said

    def test_a_body_without_an_end(self, behind_web, web):
        fault = web.faults[STATE] = Fault(endless=True)
        said = behind_web.run("fetch", NAME, status=1)
        assert f"{STATE} does not end after the {SIZE} bytes that it may have. Refused." in said
        assert fault.sent < 64 << 20

    def test_a_web_page_in_place_of_the_file(self, behind_web, web):
        web.faults[STATE] = Fault(html=True)
        assert f"{STATE}: a web page came in place of the file" in behind_web.run("fetch", NAME, status=1)

    def test_altered_bytes_of_the_right_length(self, behind_web, web):
        web.faults[STATE] = Fault(altered=True)
        said = behind_web.run("fetch", NAME, status=1)
        assert f"state.pt of {BASE} is not what it should be: sha256 " in said
        assert f"and its card says {SHA256}. It was not used and is deleted." in said
        web.faults.clear()
        behind_web.run("fetch", NAME)

    def test_a_short_file(self, behind_web, web):
        web.faults[STATE] = Fault(short=1000)
        said = behind_web.run("fetch", NAME, status=1)
        assert f"{STATE} has 1000 bytes instead of {SIZE}: it was cut short or replaced. Refused." in said

    @pytest.mark.parametrize(("status", "reason"), [(404, "the file is not there"), (503, "Service Unavailable")])
    def test_what_the_server_refuses(self, behind_web, web, status, reason):
        web.faults[STATE] = Fault(status=status)
        said = behind_web.run("fetch", NAME, status=1)
        assert f"{STATE} answers {status}: {reason}" in said
        assert f"(Without a network: `mlzoo fetch {NAME}` and `mlzoo bundle {NAME}`" in said

    def test_a_file_that_was_changed_in_the_cache(self, behind_web):
        behind_web.run("fetch", NAME)
        state = folder(behind_web) / "state.pt"
        state.write_bytes(state.read_bytes()[:-1] + b"?")
        said = behind_web.run("fetch", NAME, status=1)
        assert f"and its card says {SHA256}. It was not used. If {state} was changed on this machine" in said
        assert state.exists()

    def test_room_on_the_disk(self, behind_web, full_disk):
        said = behind_web.run("fetch", NAME, status=1, HF_HOME=str(full_disk))
        assert "no room is left for it in" in said
        assert "(No space left on device)" in said

    def test_a_folder_that_can_be_written(self, behind_web, tmp_path):
        (tmp_path / "file").write_text("no folder")
        said = behind_web.run("fetch", NAME, status=1, HF_HOME=str(tmp_path / "file" / "cache"))
        assert "cannot be written (Not a directory). Let HF_HOME name a place that can" in said


class TestResume:
    def ranges(self, web):
        return [request.headers.get("range") for request in web.requests if request.path == STATE]

    def test_in_the_same_process(self, behind_web, web):
        web.faults[STATE] = Fault(cut_after=700_000, times=1)
        behind_web.run("fetch", NAME)
        first, then = self.ranges(web)
        assert first is None
        assert 600_000 < int(then.removeprefix("bytes=").removesuffix("-")) <= 700_000

    def test_in_a_later_process_after_a_kill(self, behind_web, web):
        fault = web.faults[STATE] = Fault(hold_after=900_000)
        arrived = behind_web.kill_midway("fetch", NAME, fault=fault, least=800_000)
        web.faults.clear()
        web.requests.clear()
        behind_web.run("fetch", NAME)
        assert self.ranges(web) == [f"bytes={arrived}-"]

    def test_from_a_server_that_cannot(self, behind_web, web):
        web.faults[STATE] = Fault(cut_after=700_000, times=1, ignore_range=True)
        behind_web.run("fetch", NAME)

    def test_behind_the_last_byte(self, behind_web, web):
        behind_web.run("fetch", NAME)
        state = folder(behind_web) / "state.pt"
        shutil.move(state, state.with_name(".state.pt.part"))
        web.requests.clear()
        behind_web.run("fetch", NAME)
        assert web.requests == []

    def test_a_connection_that_always_breaks_keeps_what_has_arrived(self, behind_web, web):
        web.faults[STATE] = Fault(truncate_to=500_000)
        said = behind_web.run("fetch", NAME, status=1)
        assert "the connection broke" in said
        assert "bytes have arrived and are kept; the same call goes on from there" in said
        web.faults.clear()
        behind_web.run("fetch", NAME)
