"""Ask a running service, as a command does: briefly, without an event loop, quick to import.

It uses the standard library's HTTP over a Unix socket, since importing anything larger
would take longer than the question and its answer.
"""

import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

from transports.errors import TenderError

_BLOCK = 1 << 20
REPLY_TIMEOUT = 120.0
"""Seconds for an answer: a probe may wait for a node's boot."""


class ServiceNotRunning(TenderError):
    """Nobody answers at the socket."""

    code = "service-not-running"
    remedy = "Start it (`systemctl start tender`, or `tender serve --config FILE`), or name its --socket."


class ServiceDenied(TenderError):
    """You may not open the service's socket."""

    code = "service-denied"
    remedy = "Become a member of the socket's group (see `ls -l` on it), or use sudo."


class ServiceLost(TenderError):
    """The service went away in the middle of the answer."""

    code = "service-lost"
    remedy = "Ask again; what was begun goes on when the service is back (`tender attempts`)."
    retryable = True


class Refused(TenderError):
    """The service answered with an error; code and remedy are the service's own."""

    def __init__(self, code: str, message: str, remedy: str, *, retryable: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        # Of this very answer, and not of a class.
        self.code = code  # type: ignore[misc]
        self.retryable = retryable  # type: ignore[misc]


class Client:
    """Questions to the service behind one socket; each is a connection of its own."""

    def __init__(self, path: Path, *, reply_timeout: float = REPLY_TIMEOUT) -> None:
        self._path = path
        self._reply_timeout = reply_timeout

    def get(self, *place: str, **query: str) -> Any:
        """What is at this place: a view as JSON gives it, or a list of views.

        Raises:
            Refused: with the service's own code.
            ServiceNotRunning, ServiceDenied, ServiceLost: there was no answer.
        """
        return self._ask("GET", _path(place, query))

    def find(self, place: str, query: Sequence[tuple[str, str]]) -> Any:
        """What of this place meets the query; a key may come several times.  Raises as :meth:`get`."""
        asked = f"?{urlencode(query)}" if query else ""
        return self._ask("GET", _path((place,), {}) + asked)

    def post(self, *place: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask for something to be done.  Raises as :meth:`get`."""
        return self._ask("POST", _path(place, {}), json.dumps(body or {}).encode())

    def upload(self, file: Path, *place: str, **query: str) -> Any:
        """Send a file.

        Raises:
            OSError: the file cannot be read.
            Refused, ServiceNotRunning, ServiceDenied, ServiceLost: as for :meth:`get`.
        """
        with file.open("rb") as stream:
            headers = {"Content-Length": str(file.stat().st_size)}
            return self._ask("POST", _path(place, query), stream, headers)

    def download(self, file: BinaryIO, *place: str, body: Mapping[str, object]) -> int:
        """Ask for something that is answered by a file, and write it; the answer is its size.

        Raises:
            OSError: the file cannot be written.
            Refused, ServiceNotRunning, ServiceDenied, ServiceLost: as for :meth:`get`; what was
                written by then is not all of it.
        """
        connection = self._connect()
        size = 0
        try:
            response = self._send(connection, "POST", _path(place, {}), json.dumps(body).encode(), {})
            if response.status >= 400:
                raise _refused(json.loads(response.read()), response.status)
            while block := response.read(_BLOCK):
                file.write(block)
                size += len(block)
        except (http.client.HTTPException, ValueError, ConnectionError) as error:
            raise ServiceLost(f"{self._path}: {str(error) or 'it closed the connection'}") from error
        except TimeoutError as error:
            raise ServiceLost(f"no answer within {self._reply_timeout:g} s") from error
        finally:
            connection.close()
        if response.length:
            raise ServiceLost(f"{self._path}: {response.length} bytes did not come")
        return size

    def watch(self) -> "Watching":
        """Everything from now on; the connection is made at once, so that nothing is missed.

        Raises:
            ServiceNotRunning, ServiceDenied: there was no answer.
        """
        connection = self._connect()
        response = self._send(connection, "GET", "/v1/watch", None, {})
        if response.status >= 400:
            answer = json.loads(response.read())
            connection.close()
            raise _refused(answer, response.status)
        connection.sock.settimeout(None)
        return Watching(connection, response)

    def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        connection = self._connect()
        try:
            response = self._send(connection, method, path, body, headers or {})
            answer = json.loads(response.read())
        except (http.client.HTTPException, ValueError, ConnectionError) as error:
            raise ServiceLost(f"{self._path}: {str(error) or 'it closed the connection'}") from error
        except TimeoutError as error:
            raise ServiceLost(f"no answer within {self._reply_timeout:g} s") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise _refused(answer, response.status)
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=self._reply_timeout)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.settimeout(self._reply_timeout)
        try:
            unix.connect(str(self._path))
        except PermissionError as error:
            unix.close()
            raise ServiceDenied(f"{self._path}: permission denied") from error
        except OSError as error:
            unix.close()
            raise ServiceNotRunning(f"nobody answers at {self._path}") from error
        connection.sock = unix
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, body=body, headers=dict(headers))
        except BrokenPipeError:
            pass  # it answered before it had heard everything, and the answer says why
        return connection.getresponse()


def _path(place: tuple[str, ...], query: Mapping[str, str]) -> str:
    path = "/".join(["", "v1", *(quote(part, safe="") for part in place)])
    return f"{path}?{urlencode(query)}" if query else path


def _refused(answer: Any, status: int) -> Refused:
    error = answer["error"]
    # 409: somebody holds it just now; 5xx: the trouble is not with what was asked.
    passing = status == 409 or status >= 500
    return Refused(error["code"], error["message"], error["remedy"], retryable=passing)


class Watching:
    """What happens, one by one: ``{"event": …}`` or ``{"progress": …}``; ended by :meth:`close`."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        """Wait for the next one.

        Raises:
            ServiceLost: the service has stopped.
        """
        try:
            while line := self._response.readline():
                if line.strip():
                    happened: dict[str, Any] = json.loads(line)
                    return happened
        except (http.client.HTTPException, ValueError, ConnectionError) as error:
            raise ServiceLost(str(error)) from error
        raise ServiceLost("the service has stopped")

    def close(self) -> None:
        """Let go; allowed more than once."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
