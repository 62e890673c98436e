"""Laws of Image, Audio and File: what they take, what they never touch, how they show."""

from __future__ import annotations

import base64
import io
import threading
import wave
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import ContentError
from dspex.types import Audio, File, Image
from dspex.types.media import decoded, shown_uri

CAT = "https://example.org/cat.png"
PNG = b"\x89PNG\r\n\x1a\nrest"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
MEDIA = [Image, Audio, File]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A web server on loopback with a picture, a page, a large file and a redirect to a local file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kinds = {
                "/cat.png": ("image/png", PNG),
                "/a.wav": ("audio/x-wav", b"RIFF"),
                "/page": ("text/html", b"x"),
            }
            if self.path == "/local":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            elif self.path in kinds:
                mime, body = kinds[self.path]
                self.send_response(200)
                self.send_header("Content-Type", mime)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


# ---- text never reads a file or opens a connection


@given(
    st.text()
    | st.sampled_from(["/etc/passwd", "cat.png", "file:///etc/passwd", "../a", "~/a.png", "ftp://h/a.png"])
)
def test_text_is_an_address_a_data_uri_or_refused(text: str):
    """A str is passed on or refused with our error, whatever it says."""
    for kind in MEDIA:
        for read in (kind, kind.model_validate):
            try:
                value = read(text)
            except ValueError:
                continue
            assert text.strip()[:5].lower() == "data:" or value.url == text.strip()


def test_no_text_opens_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Paths in text, in objects and in JSON are refused even where the file is there."""
    (tmp_path / "cat.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "cat.png")
    for bad in (path, "cat.png", f"file://{path}"):
        with pytest.raises(ContentError, match="from_path"):
            Image(bad)
        with pytest.raises(ContentError):
            Image(url=bad)
        for kind in MEDIA:
            with pytest.raises(pydantic.ValidationError):
                kind.model_validate(bad)
            with pytest.raises(pydantic.ValidationError):
                kind.model_validate(Path(bad))
        with pytest.raises(pydantic.ValidationError):
            Image.model_validate_json(f'{{"url": "{bad}"}}')


def test_an_address_in_data_is_never_fetched(server: str):
    """`download` works as a positional call's option alone: keys of a dict cannot start a download."""
    url = f"{server}/cat.png"
    with pytest.raises(ValueError, match="positional"):
        Image.model_validate({"url": url, "download": True})
    with pytest.raises(ContentError, match="positional"):
        Image(url=url, download=True)
    assert Image(url).url == Image.model_validate({"url": url}).url == url


def test_a_path_object_is_the_users_own_word(tmp_path: Path):
    """A `pathlib.Path` cannot come out of text, so the constructors read it."""
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert Image(tmp_path / "cat.png") == Image.from_path(tmp_path / "cat.png")
    assert Audio(tmp_path / "a.wav").audio_format == "wav"
    assert File(tmp_path / "cat.png").filename == "cat.png"


# ---- downloads that were asked for


def test_from_url_downloads(server: str):
    """`from_url` and `download=True` fetch the content."""
    assert Image.from_url(f"{server}/cat.png") == Image(PNG) == Image(f"{server}/cat.png", download=True)
    assert Audio.from_url(f"{server}/a.wav") == Audio(b"RIFF", audio_format="wav")


@pytest.mark.parametrize("path", ["/none", "/local"])
def test_a_failed_download_says_so(server: str, path: str):
    """A missing page and a redirect to a local file end in our error."""
    with pytest.raises(ContentError, match="`http://127"):
        Image.from_url(server + path)


def test_from_url_refuses_other_schemes_types_and_sizes(server: str, monkeypatch: pytest.MonkeyPatch):
    """Only http and https, only sounds as sounds, and never more than the limit."""
    for bad in ("file:///etc/passwd", "ftp://127.0.0.1/x", "cat.png"):
        with pytest.raises(ContentError, match="http or https"):
            Image.from_url(bad)
    with pytest.raises(ContentError, match="no sound"):
        Audio.from_url(f"{server}/page")
    monkeypatch.setattr(Image, "max_bytes", 5)
    with pytest.raises(ContentError, match=r"Image\.max_bytes"):
        Image.from_url(f"{server}/cat.png")


# ---- what is taken


def test_an_image_is_taken_as_it_is():
    """Addresses and data URIs are kept; bytes are recognized and not written anew; no PIL is needed."""
    assert Image(CAT).format() == [{"type": "image_url", "image_url": {"url": CAT}}]
    assert Image("gs://bucket/cat.png").url == "gs://bucket/cat.png"
    assert Image({"url": CAT}) == Image(url=CAT) == Image(Image(CAT)) == Image(f" {CAT} ")
    assert decoded(Image(PNG).url.partition(",")[2]) == PNG
    assert hash(Image(CAT)) == hash(Image(CAT))
    with pytest.raises(ContentError, match="could not be identified"):
        Image(b"hello")


def test_an_image_of_pil_is_known_by_what_it_can_do():
    """An object that saves itself as PIL's images do is encoded in its own format."""

    class Picture:
        size, mode, format = (1, 1), "RGB", None

        def getbands(self) -> tuple[str, ...]:
            return ("R", "G", "B")

        def save(self, file: io.BytesIO, format: str) -> None:
            file.write(PNG if format == "PNG" else b"?")

    assert Image(Picture()) == Image(PNG) == Image.from_PIL(Picture())


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
def test_an_array_becomes_a_png(shape: tuple[int, ...]):
    """The PNG holds the array's own pixels."""
    array = numpy.arange(numpy.prod(shape), dtype="uint8").reshape(shape)
    png = decoded(Image(array).url.partition(",")[2])
    assert int.from_bytes(png[16:20], "big") == 3
    assert int.from_bytes(png[20:24], "big") == 2
    start = png.index(b"IDAT") + 4
    rows = zlib.decompress(png[start : png.index(b"IEND") - 8])
    width = len(rows) // 2
    assert rows[0] == rows[width] == 0
    assert rows[1:width] + rows[width + 1 :] == array.tobytes()
    assert Image(array / 255) == Image(array)


def test_an_array_of_another_form_is_refused():
    """What is no picture says which forms are."""
    with pytest.raises(ContentError, match=r"height, width"):
        Image(numpy.zeros((2, 3, 5)))


def test_samples_become_a_wav():
    """An array of fractions is written as 16-bit sound at its rate."""
    sound = Audio(numpy.array([0.0, 1.0, -1.0, 2.0]), sampling_rate=8000)
    with wave.open(io.BytesIO(base64.b64decode(sound.data))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 4)
        assert numpy.frombuffer(file.readframes(4), "<i2").tolist() == [0, 32767, -32767, 32767]
    with pytest.raises(ContentError, match="`wav`"):
        Audio(numpy.zeros(3), audio_format="flac")


def test_a_sound_is_taken_as_it_is():
    """All forms of one sound are equal, and its format is told in the provider's words."""
    sound = Audio("data:audio/x-wav;base64,UklGRg==")
    assert sound == Audio(b"RIFF") == Audio(data="UklGRg==", audio_format="wav") == Audio(sound)
    assert Audio(data="UklGRg==", audio_format="mpeg").format()[0]["input_audio"]["format"] == "mp3"


def test_a_file_is_taken_as_it_is():
    """Bytes, data URIs, ids and objects make files; what is not given is not sent."""
    assert File(b"hi").format() == [
        {"type": "file", "file": {"file_data": "data:application/octet-stream;base64,aGk="}}
    ]
    assert File({"file_id": "f1"}) == File.from_file_id("f1") == File(file_id="f1")
    assert File("data:text/plain;base64,aGk=", filename="a.txt").filename == "a.txt"


def test_from_path_reads(tmp_path: Path):
    """The type is the name's, for an image without one the content's."""
    for name in ("cat.png", "cat", "a.pdf", "a.mp3", "a.unknown"):
        (tmp_path / name).write_bytes(PNG)
    assert Image.from_path(tmp_path / "cat") == Image.from_path(str(tmp_path / "cat.png"))
    assert Image.from_path(tmp_path / "a.pdf").url.startswith("data:application/pdf;base64,")
    assert Audio.from_path(tmp_path / "a.mp3").audio_format == "mpeg"
    assert File.from_path(tmp_path / "a.unknown").file_data.startswith("data:application/octet-stream")
    named = File.from_path(tmp_path / "a.pdf", filename="b.txt", mime_type="text/plain")
    assert (named.filename, named.file_data[:15]) == ("b.txt", "data:text/plain")


@pytest.mark.parametrize("kind", MEDIA)
def test_from_path_says_what_is_wrong(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A missing file, a folder and a file that is too large are told apart."""
    for bad in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(ContentError, match="File not found"):
            kind.from_path(bad)
    (tmp_path / "a.wav").write_bytes(b"x" * 2048)
    monkeypatch.setattr(kind, "max_bytes", 2000)
    with pytest.raises(ContentError, match=rf"2\.0 KiB.*{kind.__name__}\.max_bytes"):
        kind.from_path(tmp_path / "a.wav")


@pytest.mark.parametrize("kind", MEDIA)
def test_content_above_the_limit_is_refused(kind: Any, monkeypatch: pytest.MonkeyPatch):
    """The limit holds for bytes and for `data:` URIs."""
    monkeypatch.setattr(kind, "max_bytes", 100)
    with pytest.raises(ContentError, match="limit is 100 bytes"):
        kind(PNG * 20)
    with pytest.raises(ContentError, match="limit is 100 bytes"):
        kind(f"data:audio/wav;base64,{'A' * 200}")


@pytest.mark.parametrize(
    "uri",
    [
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,@@@",
        "data:audio/wav;base64,a b",
        "data:x;base64,AA",
    ],
)
def test_a_broken_data_uri_is_refused(uri: str):
    """A `data:` URI is checked before a provider sees it."""
    for kind in MEDIA:
        with pytest.raises(ContentError):
            kind(uri)


@given(st.binary(max_size=300))
def test_bytes_survive(content: bytes):
    """What goes in as bytes comes out of the base64 text."""
    assert decoded(File(content).file_data.partition(",")[2]) == content
    assert decoded(Audio(content).data) == content
    assert decoded(base64.urlsafe_b64encode(content).decode().rstrip("=")) == content


def test_one_source_is_enough():
    """Two sources, or options that do not fit the source, are named."""
    for make in (
        lambda: Image(CAT, url=CAT),
        lambda: Audio(b"x", data="eA=="),
        lambda: Audio("data:audio/wav;base64,UklGRg==", audio_format="mp3"),
        lambda: Audio(b"x", sampling_rate=8000),
        lambda: File(b"x", file_data=PIXEL),
        lambda: File({"other": 1}),
        lambda: Image(3),
        lambda: Audio(3),
        lambda: File(3),
    ):
        with pytest.raises(ContentError):
            make()


@pytest.mark.parametrize("kind", MEDIA)
def test_values_are_frozen_and_closed(kind: Any):
    """A value cannot change, and unknown fields are refused."""
    value = kind("data:audio/wav;base64,UklGRg==")
    with pytest.raises(pydantic.ValidationError):
        setattr(value, next(iter(kind.model_fields)), "x")
    with pytest.raises((pydantic.ValidationError, ContentError)):
        kind(PNG, unknown=1)


def test_a_repr_is_short():
    """No repr holds the content."""
    content = PNG + b"\xff" * 100_000
    for value in (
        Image(content),
        Audio(content),
        File(content, filename="a.png"),
        Image(f"{CAT}?{'x' * 5000}"),
    ):
        assert len(repr(value)) < 200
        assert len(str(value)) < 200
        assert "////" not in repr(value)
    assert shown_uri(PIXEL) == "data:image/png;base64,<12 characters>"
