"""Published models: downloaded once, checked, and with a way on where there is no network."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from src_models import RDN, RRDN, describe_model, load_model, model_names, upscale
from src_models.errors import DownloadError, InvalidInputError, ModelFileError
from src_models.models import download as download_module
from src_models.models.config import RDNConfig
from src_models.models.download import FOLDER_VARIABLE, cache_folder, fetch, find_cached
from src_models.models.isr_config import with_overrides
from src_models.models.published import PUBLISHED, Published
from src_models.models.registry import is_available_offline

CONFIG = RDNConfig(C=2, D=2, G=4, G0=6, x=2)


class Server:
    """A web server with a good file, a corrupt one, a broken line, silence, and nothing else."""

    def __init__(self, content: bytes) -> None:
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                if self.path == "/silent":
                    outer.stopped.wait(5)
                    return
                if self.path not in ("/good", "/corrupt", "/cut"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.path == "/cut":
                    self.wfile.write(content[: len(content) // 2])
                    return
                self.wfile.write(content if self.path == "/good" else content[::-1])

            def log_message(self, *_: Any) -> None:
                pass

        self.stopped = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def content(write: Any) -> bytes:
    return write("rdn-x2")[0].read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[Server]:
    running = Server(content)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: Any) -> None:
    """Keep the user's own folders out of the tests."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(download_module, "_TIMEOUT_S", (1.0, 1.0))


@pytest.fixture
def publish(server: Server, content: bytes, monkeypatch: Any) -> Any:
    """Let the small file be published as psnr-small, at the given places of the server."""

    def at(*places: str) -> Published:
        published = replace(
            PUBLISHED["psnr-small"],
            description=replace(PUBLISHED["psnr-small"].description, config=CONFIG),
            urls=tuple(server.url(place) for place in places),
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        monkeypatch.setitem(PUBLISHED, "psnr-small", published)
        return published

    return at


def test_isr_networks_are_in_the_list_with_two_sources_each() -> None:
    names = ["psnr-small", "psnr-large", "noise-cancel", "gans"]
    assert model_names()[-4:] == names
    for name in names:
        model = PUBLISHED[name]
        bucket, github = model.urls
        assert bucket.startswith("https://public-asai-dl-models.s3.eu-central-1.amazonaws.com/ISR/")
        assert github.startswith("https://media.githubusercontent.com/media/idealo/")
        assert {u.rsplit("/", 1)[1] for u in model.urls} == {model.filename}
        assert len(bytes.fromhex(model.sha256)) == 32
        # The weights, and at most a tenth of names and such around them.
        assert 0 <= model.size / (4 * model.description.config.num_parameters) - 1 < 0.1


def test_a_model_is_described_without_a_download(publish: Any, server: Server) -> None:
    publish("good")
    assert not is_available_offline("psnr-small")
    description = describe_model("psnr-small")
    assert description.config == CONFIG
    assert "Downloaded on first use (0 MB)." in description.in_words
    assert server.requests == []


def test_a_model_is_downloaded_on_first_use_and_never_again(
    publish: Any, server: Server, photo: Any
) -> None:
    publish("good")
    rdn = RDN(weights="psnr-small")
    assert rdn.config == CONFIG
    assert rdn.description.name == "psnr-small"
    assert "first use" not in describe_model("psnr-small").summary
    again = load_model("psnr-small")
    assert again.description == rdn.description
    assert np.array_equal(upscale(photo, "psnr-small"), rdn.predict(photo))
    assert server.requests == ["/good"]
    assert [path.name for path in cache_folder().iterdir()] == [PUBLISHED["psnr-small"].filename]


@pytest.mark.parametrize("first", ["missing", "corrupt", "cut", "silent"])
def test_the_second_source_stands_in_for_the_first(
    publish: Any, server: Server, content: bytes, first: str
) -> None:
    assert fetch(publish(first, "good")).read_bytes() == content
    assert server.requests == [f"/{first}", "/good"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing", "the server answered 404"),
        ("corrupt", "the file that came is not the published one"),
        ("cut", "the connection broke"),
        ("silent", "no answer any more"),
    ],
)
def test_a_failed_download_says_what_is_wanted_where_from_and_where_to_put_it(
    publish: Any, server: Server, place: str, reason: str
) -> None:
    model = publish(place, "missing")
    with pytest.raises(DownloadError) as caught:
        load_model("psnr-small")
    message = str(caught.value)
    for wanted in (model.filename, *model.urls, reason, str(cache_folder()), "'psnr-small'"):
        assert wanted in message
    assert "\n" not in message
    assert list(cache_folder().iterdir()) == []  # nothing half done stays behind


def test_without_a_network_the_sentence_is_the_same(publish: Any, monkeypatch: Any) -> None:
    model = replace(publish("good"), urls=("http://127.0.0.1:9/a", "http://nowhere.invalid/b"))
    monkeypatch.setitem(PUBLISHED, "psnr-small", model)
    with pytest.raises(DownloadError, match=r"127.0.0.1:9/a \(no connection\) nor from .*invalid"):
        RDN(weights="psnr-small")


def test_a_cache_folder_that_cannot_be_written_is_named(
    publish: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "a file"))
    with pytest.raises(DownloadError, match="a file"):
        fetch(publish("good"))


def test_after_a_failure_the_next_try_starts_afresh(
    publish: Any, server: Server, content: bytes
) -> None:
    with pytest.raises(DownloadError):
        fetch(publish("cut"))
    assert fetch(publish("good")).read_bytes() == content


@pytest.mark.parametrize("name", [PUBLISHED["psnr-small"].filename, "psnr-small.hdf5"])
def test_a_file_put_into_the_cache_by_hand_is_used(
    publish: Any, server: Server, content: bytes, name: str
) -> None:
    publish("good")
    cache_folder().mkdir()
    (cache_folder() / name).write_bytes(content)
    assert is_available_offline("psnr-small")
    assert load_model("psnr-small").description.name == "psnr-small"
    assert server.requests == []


def test_a_file_put_there_that_is_not_the_published_one_is_used_and_told_of(
    publish: Any, maker: Any, photo: Any, caplog: Any
) -> None:
    publish("good")
    cache_folder().mkdir()
    layers = maker.SMALL["rdn-x2"]
    tensors = maker.random_tensors(layers, seed=5)
    maker.write(cache_folder() / "psnr-small.hdf5", layers, tensors)
    with caplog.at_level(logging.WARNING):
        model = load_model("psnr-small")
    assert "is not the file that was published as psnr-small" in caplog.text
    output = np.asarray(model.model.predict_on_batch(np.float32(photo[None] / 255)))[0]
    assert np.abs(output - maker.output(tensors, photo / 255)).max() < 1e-4


def test_a_file_put_there_that_holds_another_network_is_refused(publish: Any, maker: Any) -> None:
    publish("good")
    cache_folder().mkdir()
    layers = maker.SMALL["rdn-x4"]
    maker.write(cache_folder() / "psnr-small.hdf5", layers, maker.random_tensors(layers))
    with pytest.raises(ModelFileError, match=r"'psnr-small.hdf5' do not fit the network"):
        load_model("psnr-small")


def test_what_isr_itself_downloaded_is_used(
    publish: Any, server: Server, content: bytes, tmp_path: Path
) -> None:
    model = publish("good")
    path = tmp_path / "keras" / "datasets" / model.filename
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:-1])
    assert find_cached(model) is None  # a download that broke off
    path.write_bytes(content)
    assert load_model("psnr-small").config == CONFIG
    assert server.requests == []


def test_a_published_file_is_known_by_its_content_wherever_it_lies(
    publish: Any, content: bytes, tmp_path: Path
) -> None:
    model = publish("good")
    path = tmp_path / "renamed.hdf5"
    path.write_bytes(content)
    assert load_model(path).description == model.description


def test_a_network_of_the_other_kind_is_refused(publish: Any) -> None:
    publish("good")
    with pytest.raises(ModelFileError, match=r"kind RDN: use RDN\(weights=...\)"):
        RRDN(weights="psnr-small")


def test_a_setting_the_published_network_lacks_is_refused(publish: Any) -> None:
    publish("good")
    with pytest.raises(InvalidInputError, match="RDN has no setting beta"):
        load_model("psnr-small", beta=0.3)
    assert with_overrides(PUBLISHED["gans"].description.config, beta=0.3).beta == 0.3  # type: ignore[union-attr]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelFileError, match=r"one of the names \[.*'psnr-small'.*'psnr-tiny'"):
        load_model("psnr-tiny")


def test_the_cache_folder_is_the_systems_unless_it_is_chosen(
    monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert "napari-isr" in str(cache_folder())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
