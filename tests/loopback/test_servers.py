"""The servers under the real clients: huggingface_hub in processes of its own, since it reads HF_* at import."""

import json
import os
import random
import subprocess
import sys
import textwrap

import pytest
import requests
from loopback.faults import ENDLESS, Fault
from loopback.hub import Hub
from loopback.web import Web

LARGE = random.Random(0).randbytes(21 * 1024**2)  # the client writes 10 MiB at a time, and resumes after those
FILES = {"config.json": b'{"cutoff": 5.0}', "weights/state.pt": LARGE}
REPO = "alice/model"


@pytest.fixture
def hub():
    with Hub() as hub:
        hub.commit(REPO, FILES)
        yield hub


@pytest.fixture
def web(monkeypatch):
    with Web() as web:
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)
        yield web


@pytest.fixture
def run(tmp_path):
    """Run lines of Python against a Hub; their ``answer`` comes back."""

    def run(hub, lines, **environment):
        code = "import json\nfrom pathlib import Path\nfrom huggingface_hub import *\nfrom huggingface_hub.errors import *\n"
        code += "def kind(call, *args, **options):\n    try:\n        return call(*args, **options)\n"
        code += "    except Exception as error:\n        return type(error).__name__\n"
        code += textwrap.dedent(lines) + "\nprint(json.dumps(answer))"
        environment = {**hub.environment(tmp_path / "home"), **environment}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class TestDownload:
    def test_files_arrive_by_branch_tag_and_sha(self, hub, run):
        first = hub.repositories[REPO].resolve("main")
        hub.tag(REPO, "v1")
        hub.commit(REPO, {"config.json": b'{"cutoff": 6.0}'})
        answer = run(
            hub,
            f"""
            read = lambda revision: Path(hf_hub_download("{REPO}", "config.json", revision=revision)).read_text()
            answer = [read("main"), read("v1"), read("{first}"), sorted(list_repo_files("{REPO}"))]
            """,
        )
        assert answer == ['{"cutoff": 6.0}', '{"cutoff": 5.0}', '{"cutoff": 5.0}', ["config.json", "weights/state.pt"]]

    def test_what_is_cached_by_its_sha_asks_for_nothing(self, hub, run):
        sha = hub.repositories[REPO].resolve("main")
        download = f'answer = hf_hub_download("{REPO}", "config.json", revision="{sha}")'
        path = run(hub, download)
        hub.requests.clear()
        assert run(hub, download) == path
        assert hub.requests == []

    def test_snapshot_has_every_file(self, hub, run):
        folder = run(hub, f'answer = snapshot_download("{REPO}")')
        for path, content in FILES.items():
            with open(os.path.join(folder, path), "rb") as file:
                assert file.read() == content

    def test_large_file_resumes_by_range_after_a_cut(self, hub, run):
        fault = hub.faults[REPO, "weights/state.pt"] = Fault(cut_after=15 * 1024**2, times=1)
        path = run(hub, f'answer = hf_hub_download("{REPO}", "weights/state.pt")')
        with open(path, "rb") as file:
            assert file.read() == LARGE
        ranges = [request.headers.get("range") for request in hub.requests if request.method == "GET"]
        assert f"bytes={10 * 1024**2}-" in ranges
        assert fault.met == 1

    def test_the_client_notices_a_short_file_and_a_page_but_not_an_altered_byte(self, hub, run):
        for name, fault in {"a.pt": Fault(short=9), "b.pt": Fault(html=True), "c.pt": Fault(altered=True)}.items():
            hub.commit(REPO, {name: name.encode() * 10})
            hub.faults[REPO, name] = fault
        kinds = run(hub, f'answer = [kind(hf_hub_download, "{REPO}", name) for name in ("a.pt", "b.pt", "c.pt")]')
        assert kinds[:2] == ["OSError", "OSError"]
        with open(kinds[2], "rb") as file:
            assert file.read() == b"c.pt" * 5 + bytes([ord("c") ^ 0xFF]) + (b"c.pt" * 5)[1:]

    def test_errors_are_those_of_the_hub(self, hub, run):
        hub.tokens = {"hf_bob": "bob", "hf_carol": "carol"}
        hub.gated.add(REPO)
        hub.granted.add(("carol", REPO))
        hub.commit("alice/open", {"config.json": b"{}"})
        hub.commit("alice/hers", {"config.json": b"{}"})
        hub.private.add("alice/hers")
        answer = run(
            hub,
            f"""
            get = lambda *args, **options: kind(hf_hub_download, *args, **options)
            answer = [
                get("{REPO}", "config.json"),
                get("{REPO}", "config.json", token="hf_bob"),
                get("alice/nothing", "config.json"),
                get("alice/hers", "config.json", token="hf_bob"),
                get("alice/open", "config.json", revision="v9"),
                get("alice/open", "nothing.json"),
                Path(get("{REPO}", "config.json", token="hf_carol")).name,
            ]
            """,
        )
        assert answer == [
            *["GatedRepoError"] * 2,
            *["RepositoryNotFoundError"] * 2,
            "RevisionNotFoundError",
            "RemoteEntryNotFoundError",
            "config.json",
        ]

    def test_a_redirected_large_file_comes_without_the_token(self, run):
        with Hub(cdn=True) as hub:
            hub.tokens = {"hf_alice": "alice"}
            hub.commit(REPO, FILES)
            path = run(hub, f'answer = hf_hub_download("{REPO}", "weights/state.pt")', HF_TOKEN="hf_alice")
            with open(path, "rb") as file:
                assert file.read() == LARGE
            sent = {request.headers.get("authorization") for request in hub.requests if REPO in request.path}
            assert sent == {"Bearer hf_alice"}
            assert [request.method for request in hub.cdn.requests] == ["GET"]
            assert "authorization" not in hub.cdn.requests[0].headers


class TestPush:
    def test_a_pushed_folder_is_served(self, tmp_path, run):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
        (folder / "state.pt").write_bytes(b"weights" * 1000)
        with Hub() as hub:
            hub.tokens = {"hf_alice": "alice"}
            answer = run(
                hub,
                f"""
                api = HfApi(token="hf_alice")
                url = api.create_repo("{REPO}", private=True, exist_ok=True)
                info = api.upload_folder(repo_id=url.repo_id, folder_path="{folder}")
                path = api.hf_hub_download("{REPO}", "state.pt")
                again = api.upload_folder(repo_id=url.repo_id, folder_path="{folder}")
                anonymous = kind(hf_hub_download, "{REPO}", "README.md", token=False)
                answer = [info.oid, path, again.oid, anonymous, api.whoami()["name"]]
                """,
            )
            sha = hub.repositories[REPO].resolve("main")
            assert answer == [sha, answer[1], sha, "RepositoryNotFoundError", "alice"]
            with open(answer[1], "rb") as file:
                assert file.read() == b"weights" * 1000
            (put,) = [request for request in hub.requests if request.method == "PUT"]
            assert "authorization" not in put.headers

    def test_writing_needs_a_token_of_the_owner(self, hub, run):
        hub.tokens = {"hf_bob": "bob"}
        answer = run(
            hub,
            f"""
            write = dict(path_or_fileobj=b"x", path_in_repo="x", repo_id="{REPO}")
            statuses = []
            for token in (False, "hf_bob", "hf_nobody"):
                try:
                    HfApi(token=token).upload_file(**write)
                except HfHubHTTPError as error:
                    statuses.append(error.response.status_code)
            answer = statuses
            """,
        )
        assert answer == [401, 403, 401]


class TestWeb:
    url = "https://raw.githubusercontent.com/owner/repo/0123abc/model.pt"

    def test_requests_gets_a_file_and_follows_a_redirect(self, web):
        web.files[self.url] = b"weights"
        web.redirects["https://github.com/owner/repo/raw/model.pt"] = self.url
        response = requests.get("https://github.com/owner/repo/raw/model.pt", timeout=10)
        assert (response.content, response.url) == (b"weights", self.url)
        assert [request.path for request in web.requests] == ["https://github.com/owner/repo/raw/model.pt", self.url]
        assert web.tunnels == ["github.com:443", "raw.githubusercontent.com:443"]
        assert requests.get("https://github.com/other", timeout=10).status_code == 404

    def test_resumes_by_range_after_a_cut(self, web):
        web.files[self.url] = LARGE
        web.faults[self.url] = Fault(cut_after=1_000_000, times=1)
        part = requests.get(self.url, stream=True, timeout=10).raw.read(1_000_000)
        rest = requests.get(self.url, headers={"Range": f"bytes={len(part)}-"}, timeout=10)
        assert rest.status_code == 206
        assert part + rest.content == LARGE
        assert requests.get(self.url, headers={"Range": f"bytes={len(LARGE)}-"}, timeout=10).status_code == 416

    @pytest.mark.parametrize("fault", [Fault(cut_after=3), Fault(truncate_to=3), Fault(announce=10**12)])
    def test_a_body_that_ends_early_is_an_error_to_requests(self, web, fault):
        web.files[self.url] = b"weights"
        web.faults[self.url] = fault
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(self.url, timeout=10)

    def test_status_headers_and_times(self, web):
        web.files[self.url] = b"weights"
        web.faults[self.url] = Fault(status=503, headers={"Retry-After": "1"}, times=1)
        assert requests.head(self.url, timeout=10).headers["Content-Length"] == "7"  # a HEAD does not meet it
        first, second = requests.get(self.url, timeout=10), requests.get(self.url, timeout=10)
        assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
        assert second.content == b"weights"

    def test_a_part_of_another_file_is_not_continued(self, web):
        web.files[self.url] = b"weights"
        etag = requests.head(self.url, timeout=10).headers["ETag"]
        resume = {"Range": "bytes=3-", "If-Range": etag}
        assert requests.get(self.url, headers=resume, timeout=10).content == b"ghts"
        web.files[self.url] = b"WEIGHTS"
        assert requests.get(self.url, headers=resume, timeout=10).content == b"WEIGHTS"

    def test_a_server_may_ignore_the_range(self, web):
        web.files[self.url] = b"weights"
        web.faults[self.url] = Fault(ignore_range=True)
        response = requests.get(self.url, headers={"Range": "bytes=3-"}, timeout=10)
        assert (response.status_code, response.content) == (200, b"weights")

    def test_an_endless_file_ends_when_the_client_hangs_up(self, web):
        web.files[self.url] = b"weights"
        fault = web.faults[self.url] = Fault(endless=True)
        with requests.get(self.url, stream=True, timeout=10) as response:
            assert "Content-Length" not in response.headers
            assert len(next(response.iter_content(10**6))) == 10**6
        assert fault.sent < ENDLESS

    def test_plain_http_is_answered_and_noted(self, web):
        web.files["http://example.org/model.pt"] = b"weights"
        web.redirects[self.url] = "http://example.org/model.pt"
        assert requests.get(self.url, timeout=10).content == b"weights"
        assert web.requests[-1].path == "http://example.org/model.pt"

    def test_a_client_that_does_not_know_the_authority_refuses(self, web, monkeypatch):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        web.files[self.url] = b"weights"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(self.url, timeout=10)
        assert web.requests == []


def test_the_client_reaches_the_hub_and_nothing_else(hub, web, run):
    """With both servers around it, whatever the client asks of other hosts would be seen."""
    run(hub, f'answer = hf_hub_download("{REPO}", "config.json")', **web.environment())
    assert hub.asked(REPO) == [(method, f"/{REPO}/resolve/main/config.json") for method in ("HEAD", "GET")]
    assert (web.tunnels, web.requests) == ([], [])


def test_a_held_file_waits_and_a_server_that_left_does_not_answer(hub):
    fault = hub.faults[REPO, "weights/state.pt"] = Fault(hold_after=1_000_000)
    session = requests.Session()
    response = session.get(f"{hub.url}/{REPO}/resolve/main/weights/state.pt", stream=True, timeout=10)
    assert fault.held.wait(10)
    assert fault.sent == 1_000_000
    fault.release.set()
    assert response.content == LARGE
    hub.stop()
    with pytest.raises(requests.ConnectionError):
        session.get(f"{hub.url}/api/models/{REPO}", timeout=10)
