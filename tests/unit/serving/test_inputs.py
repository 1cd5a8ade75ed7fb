"""Images that are fetched by URL."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from instageo.serving.errors import HTTPProblem
from instageo.serving.inputs import fetch_url
from instageo.serving.settings import RequestLimits


@pytest.fixture
def site():
    """A web server of this machine: /file has a file, /on redirects to it, /away elsewhere, /round to itself."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            location = {"/away": "http://10.0.0.1/", "/round": "/round", "/on": "/file"}.get(self.path)
            self.send_response(302 if location else 200 if self.path == "/file" else 404)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            if self.path == "/file":
                self.wfile.write(b"x" * 2_000_000)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ALLOWED = RequestLimits(allow_urls=True, allow_private_urls=True)


def test_an_image_is_fetched(site, tmp_path):
    fetch_url(f"{site}/on", tmp_path / "image.tif", ALLOWED)
    assert (tmp_path / "image.tif").read_bytes() == b"x" * 2_000_000


@pytest.mark.parametrize(
    ("path", "limits", "status", "message"),
    [
        ("/file", RequestLimits(allow_urls=True, allow_private_urls=True, upload_mb=1), 413, "larger than 1 MB"),
        ("/none", ALLOWED, 422, "returned the status 404"),
        ("/round", ALLOWED, 422, "redirects more than 3 times"),
        ("/file", RequestLimits(allow_urls=True), 403, "private network"),
        ("/file", RequestLimits(), 403, "does not accept URLs"),
    ],
)
def test_urls_beyond_the_limits_are_refused(site, tmp_path, path, limits, status, message):
    with pytest.raises(HTTPProblem, match=message) as caught:
        fetch_url(f"{site}{path}", tmp_path / "image.tif", limits)
    assert caught.value.status == status


def test_a_redirect_into_a_private_network_is_not_followed(site, tmp_path, monkeypatch):
    from instageo.serving import inputs

    real = inputs.ipaddress.ip_address
    monkeypatch.setattr(inputs.ipaddress, "ip_address", lambda text: real("1.1.1.1" if text == "127.0.0.1" else text))
    with pytest.raises(HTTPProblem, match="private network"):
        fetch_url(f"{site}/away", tmp_path / "image.tif", RequestLimits(allow_urls=True))
