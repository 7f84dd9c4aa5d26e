from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scmog.datasets import _fetch, _loaders, fetch
from scmog.datasets._catalogue import PublicDataset, parse_dataset

CONTENT = bytes(range(256)) * 40


class Server:
    """Files on 127.0.0.1, with a note of each request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.announced: dict[str, int] = {}  # a length that is not that of the file
        self.requests: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers["User-Agent"]))
                body = outer.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(outer.announced.get(self.path, len(body))))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=partial(self._server.serve_forever, poll_interval=0.01))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone, and no proxy between it and its server."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCMOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


ROW = {
    "title": "A test",
    "technology": "none",
    "species": "human",
    "build": "GRCh38",
    "licence": "CC0",
    "reference": "Nobody 2023",
    "page": "https://example.org/page",
    "reader": "cell_ranger_h5",
}
Publish = Callable[..., PublicDataset]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Put one data set into the table."""

    def put(files: list[dict[str, Any]], name: str = "tiny", **row: Any) -> PublicDataset:
        # by way of YAML, as in the package
        entry = parse_dataset(name, yaml.safe_load(yaml.safe_dump({**ROW, **row, "files": files})))
        monkeypatch.setattr("scmog.datasets._catalogue.catalogue", lambda: {name: entry})
        return entry

    return put


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(sha256(CONTENT), id="sha256"),
        pytest.param(f"md5:{hashlib.md5(CONTENT).hexdigest()}", id="md5"),
        pytest.param(None, id="unknown"),
    ],
)
def test_a_file_is_downloaded_once(
    known: str | None, server: Server, publish: Publish, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.files["/a/counts.h5"] = CONTENT
    publish([{"url": f"{server.url}/a/counts.h5", "hash": known}])
    with caplog.at_level(logging.INFO, logger="scmog"):
        paths = fetch("tiny", progress=False)
    assert paths == [cache / "tiny" / "counts.h5"]
    assert paths[0].read_bytes() == CONTENT
    assert (sha256(CONTENT) in caplog.text) == (known is None)
    assert f"downloading {server.url}/a/counts.h5" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="scmog"):
        assert fetch("tiny", progress=False) == paths
    assert caplog.text == ""
    (request,) = server.requests
    assert request[0] == "/a/counts.h5"
    assert request[1].startswith("scmog/")


def test_where_files_go(
    server: Server, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    server.files["/get?acc=1&file=x.gz"] = CONTENT  # %2E is a dot
    publish([{"url": f"{server.url}/get?acc=1&file=x%2Egz", "hash": None, "name": "x.gz"}])
    assert fetch("tiny", progress=False) == [cache / "tiny" / "x.gz"]
    assert fetch("tiny", cache=tmp_path / "mine", progress=False) == [tmp_path / "mine" / "tiny" / "x.gz"]
    monkeypatch.delenv("SCMOG_CACHE")
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "os" / project)
    assert fetch("tiny", progress=False) == [tmp_path / "os" / "scmog" / "tiny" / "x.gz"]
    monkeypatch.setenv("SCMOG_CACHE", "")
    assert fetch("tiny", progress=False) == [tmp_path / "os" / "scmog" / "tiny" / "x.gz"]
    assert len(server.requests) == 3


def test_several_files_come_in_order(server: Server, publish: Publish) -> None:
    for name in "ba":
        server.files[f"/{name}.txt"] = name.encode()
    publish([{"url": f"{server.url}/{name}.txt", "hash": None, "role": name} for name in "ba"])
    assert [path.read_text() for path in fetch("tiny", progress=False)] == ["b", "a"]


def test_progress(server: Server, publish: Publish, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["/a.h5"] = CONTENT
    publish([{"url": f"{server.url}/a.h5", "hash": None}])
    fetch("tiny", progress=True)
    captured = capsys.readouterr()
    assert "100%" in captured.err
    assert captured.out == ""


def test_another_file_than_published_is_not_kept(server: Server, publish: Publish, cache: Path) -> None:
    server.files["/a.h5"] = CONTENT[:-1]
    publish([{"url": f"{server.url}/a.h5", "hash": sha256(CONTENT)}])
    with pytest.raises(ValueError, match=r"/a\.h5 sends is not the file that was published.*Nothing was kept"):
        fetch("tiny", progress=False)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_changed_file_in_the_cache_is_replaced(server: Server, publish: Publish) -> None:
    server.files["/a.h5"] = CONTENT
    publish([{"url": f"{server.url}/a.h5", "hash": sha256(CONTENT)}])
    (path,) = fetch("tiny", progress=False)
    path.write_bytes(b"changed")
    assert fetch("tiny", progress=False)[0].read_bytes() == CONTENT


def test_part_of_a_file_is_not_kept(server: Server, publish: Publish, cache: Path) -> None:
    server.files["/a.h5"] = CONTENT
    server.announced["/a.h5"] = 2 * len(CONTENT)
    publish([{"url": f"{server.url}/a.h5", "hash": None}])
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        fetch("tiny", progress=False)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("known", [None, sha256(CONTENT)], ids=["unknown", "sha256"])
def test_offline(known: str | None, server: Server, publish: Publish, cache: Path) -> None:
    url = f"{server.url}/a.h5"
    server.files["/a.h5"] = CONTENT
    publish([{"url": url, "hash": known}])
    server.stop()
    with pytest.raises(ConnectionError) as caught:
        fetch("tiny", progress=False)
    path = cache / "tiny" / "a.h5"
    for part in (url, f"put it at {path}", "SCMOG_CACHE", "ConnectionError"):
        assert part in str(caught.value)
    path.write_bytes(CONTENT)  # by hand, as the message says
    assert fetch("tiny", progress=False) == [path]
    server._thread.join()


def test_a_page_that_is_gone(server: Server, publish: Publish, cache: Path) -> None:
    publish([{"url": f"{server.url}/a.h5", "hash": None}])
    with pytest.raises(ConnectionError, match="404"):
        fetch("tiny", progress=False)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_pooch_is_quiet_and_its_logger_left_as_it_was(
    server: Server, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    import pooch

    before = pooch.get_logger().level
    server.files["/a.h5"] = CONTENT
    publish([{"url": f"{server.url}/a.h5", "hash": None}])
    fetch("tiny", progress=False)
    assert pooch.get_logger().level == before
    assert capsys.readouterr().err == ""


def test_unknown_name() -> None:
    with pytest.raises(KeyError, match="no public data set is called 'pbmc'.*pbmc_multiome_10k"):
        fetch("pbmc")


def test_a_set_without_address(server: Server) -> None:
    with pytest.raises(ValueError, match="no file at a fixed address: get its files from https://.*GSE160148"):
        fetch("colo320_multiome")
    assert server.requests == []


def test_a_set_is_read_and_names_its_source(server: Server, publish: Publish, multiome: Any, tmp_path: Path) -> None:
    server.files["/a.h5"] = multiome.write_h5(tmp_path / "a.h5").read_bytes()
    entry = publish([{"url": f"{server.url}/a.h5", "hash": None}], name="pbmc_multiome_3k")
    mdata = _loaders.pbmc_multiome("3k", progress=False)
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), multiome.of("Peaks"))
    assert mdata.uns["dataset"] == {
        "name": "pbmc_multiome_3k",
        **{key: ROW[key] for key in ("title", "species", "build", "licence", "reference")},
    }
    assert entry.files[0].role == "counts"
    assert _fetch.CACHE_VARIABLE == "SCMOG_CACHE"
