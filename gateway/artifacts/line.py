"""One HTTP client for all downloads: what we accept from a server before its first byte counts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.artifacts.errors import FetchRefused
from transports.errors import TenderError

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How patient a download is; seconds, and counts.

    ``reply_timeout`` bounds the wait for the head of an answer, ``stall_timeout`` the
    wait for each next few kilobytes; there is no bound in total, since a slow line is
    no fault.  ``tries`` are rounds over all addresses that bring nothing new.
    """

    reply_timeout: float = 30.0
    stall_timeout: float = 60.0
    tries: int = 6
    backoff_first: float = 1.0
    backoff_most: float = 60.0
    redirects: int = 5
    at_once: int = 2


class Interrupted(TenderError):
    """This answer brought no more; another may.  Stays inside a download."""

    code = "fetch-interrupted"
    remedy = "Tender tries again by itself."
    retryable = True

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Line:
    """The connection to the world; proxies of the environment count only if asked for."""

    def __init__(
        self, limits: FetchLimits, *, tls: ssl.SSLContext | None = None, proxy_from_environment: bool = False
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._proxy = proxy_from_environment
        self._client: aiohttp.ClientSession | None = None

    def _session(self) -> "aiohttp.ClientSession":
        if self._client is None:
            import aiohttp

            self._client = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Tender"},
                timeout=aiohttp.ClientTimeout(total=None, sock_read=None),
                trust_env=self._proxy,
            )
        return self._client

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> "AsyncIterator[aiohttp.ClientResponse]":
        """One answer, after redirects.

        Raises:
            Interrupted: there is none, or it breaks off while it is read.
            FetchRefused: the address cannot be asked, or leads astray.
        """
        import aiohttp
        from yarl import URL

        try:
            target = URL(url, encoded=True)
            if target.scheme not in {"http", "https"} or not target.host:
                raise FetchRefused(f"{url!r} is no http or https address")
        except ValueError as error:
            raise FetchRefused(f"{url!r} is no address: {error}") from error
        try:
            async with asyncio.timeout(self._limits.reply_timeout):
                answer = await self._session().get(
                    target,
                    headers=headers,
                    max_redirects=self._limits.redirects,
                    ssl=self._tls if self._tls is not None else True,
                )
        except aiohttp.TooManyRedirects as error:
            raise FetchRefused(f"{url}: more than {self._limits.redirects} redirects") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise FetchRefused(f"{url}: leads to no address of a server: {error}") from error
        except TimeoutError as error:
            raise Interrupted(f"{url}: no answer within {self._limits.reply_timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Interrupted(f"{url}: {error}") from error
        async with answer:
            if target.scheme == "https" and answer.url.scheme != "https":
                raise FetchRefused(f"{url}: leads from https to {answer.url.scheme}")
            try:
                yield answer
            except TimeoutError as error:
                raise Interrupted(f"{url}: nothing came for {self._limits.stall_timeout:g} s") from error
            except (aiohttp.ClientError, OSError) as error:
                raise Interrupted(f"{url}: {error}") from error

    async def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
