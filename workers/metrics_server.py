"""The small web server behind ``/metrics``: a bounded number of connections, none of them for long.

Anyone who reaches the address may open connections and send nothing. Such connections must not block threads or
scrapes.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from infra.telemetry.log import get_logger

# A scrape takes a fraction of it; a scraper gives up after about as long.
CONNECTION_MAX_S = 10.0
# One or two scrapers, and people who look.
CONNECTIONS_MAX = 8
# Those of connections that were cut and have not ended yet included.
THREADS_MAX = 2 * CONNECTIONS_MAX

log = get_logger(__name__)


class _RequestHandler(WSGIRequestHandler):
    timeout = CONNECTION_MAX_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Say nothing of single requests."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves each connection in a thread. With too many open, the oldest is cut; one that lasts too long is cut too."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, now: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError where the address cannot be served."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._now = now
        self._lock = threading.Lock()
        self._began: dict[socket.socket, float] = {}
        self._serving = 0
        super().__init__((host, port), _RequestHandler)

    @property
    def threads(self) -> int:
        """How many connections are being served, or are about to end."""
        return self._serving

    def process_request(self, request: object, client_address: object) -> None:
        """Serve a connection in a thread of its own, or close it where too many threads are still at work."""
        assert isinstance(request, socket.socket)
        with self._lock:
            if len(self._began) >= CONNECTIONS_MAX:
                self._cut(min(self._began, key=self._began.__getitem__))
            is_served = self._serving < THREADS_MAX
            if is_served:
                self._began[request] = self._now()
                self._serving += 1
        if is_served:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """The work of one thread."""
        assert isinstance(request, socket.socket)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._began.pop(request, None)
                self._serving -= 1

    def service_actions(self) -> None:
        """Cut what has lasted too long; called about twice a second."""
        with self._lock:
            for request in [one for one, began in self._began.items() if self._now() - began > CONNECTION_MAX_S]:
                self._cut(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's own
        """A broken connection needs no report."""
        log.debug("metrics_connection_broken")

    def _cut(self, request: socket.socket) -> None:
        del self._began[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
