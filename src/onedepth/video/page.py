"""A page on this machine that shows the newest picture: motion JPEG over HTTP."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    import av

HOST = "127.0.0.1"
DEFAULT_PORT = 8642
_BOUNDARY = "onedepth-frame"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>onedepth</title>
<style>body{margin:0;background:#121418;color:#969ca5;font:14px sans-serif;text-align:center}
img{max-width:100vw;max-height:calc(100vh - 3em)}</style>
<img src="stream" alt="live depth in colours, with a legend in metres"><p id="said">&nbsp;</p>
<script>setInterval(async()=>{try{said.textContent=(await(await fetch("status")).json()).text}
catch{said.textContent="ended"}},500)</script></html>"""


class Page:
    """A server on 127.0.0.1, which only this machine can reach.

    Attributes:
        address: where a browser finds the page.
    """

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        """Begin to serve.

        Args:
            port: 0 takes a free one.

        Raises:
            OnedepthError: the port is taken.
        """
        self._changed = threading.Condition()
        self._jpeg, self._number, self._text, self._over = b"", 0, "", False
        handler = type("Handler", (_Handler,), {"page": self})
        try:
            self._server = ThreadingHTTPServer((HOST, port), handler)
        except OSError as error:
            raise OnedepthError(
                f"--port {port}: cannot be used ({error.strerror}); another one, or 0 for any that is free"
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://{HOST}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def show(self, frame: av.VideoFrame, text: str) -> None:
        """Put a picture in the place of the last one, with a line below it."""
        buffer = io.BytesIO()
        frame.to_image().save(buffer, "JPEG", quality=85)
        with self._changed:
            self._jpeg, self._text = buffer.getvalue(), text
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def closed(self) -> bool:
        """Whether the user has closed it; a page never says so."""
        return False

    def newer(self, than: int) -> tuple[int, bytes] | None:
        """Number and JPEG of the newest picture once there is one after `than`; None when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > than or self._over)
            return None if self._over else (self._number, self._jpeg)

    @property
    def text(self) -> str:
        """The line below the picture."""
        return self._text


class _Handler(BaseHTTPRequestHandler):
    page: Page

    def do_GET(self) -> None:
        # Another host's name that was made to lead here (DNS rebinding) gets nothing.
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in {HOST, "localhost"}:
            self.send_error(403)
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", _PAGE.encode())
        elif self.path == "/status":
            self._answer("application/json", json.dumps({"text": self.page.text}).encode())
        elif self.path == "/stream":
            self._stream()
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error is for the one line of status."""

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = 0
        try:
            while (newest := self.page.newer(number)) is not None:
                number, jpeg = newest
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:
            return  # the browser has gone
