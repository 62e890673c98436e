"""HTTPRetriever: passages from a service, asked once per try, kept and asked again like a model.

What a service sends is read in the forms in use: a list of passages, or an object that has one under a usual name.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from dspex import _canon, _host
from dspex.data.example import Example
from dspex.errors import DataError, LMError, LMInvalidRequestError, SettingsError
from dspex.lm import http
from dspex.lm.cache import Cached
from dspex.lm.doors import Door
from dspex.lm.failures import (
    Caller,
    broken,
    failure,
    given,
    redirected,
    retry_after_seconds,
    timed_out,
    unreadable,
)
from dspex.lm.messages import Request, Response
from dspex.lm.meter import Meter
from dspex.lm.options import read_headers, read_key
from dspex.lm.pool import PATIENCE, Pool
from dspex.lm.pooled import Pooled
from dspex.lm.retry import Retry
from dspex.lm.secret import Secret, keys_in_url, public_url, shown_url
from dspex.lm.transport import Transport
from dspex.lm.wire import UNREADABLE
from dspex.retrieve.found import TEXT_NAMES, found_in, response_of_found
from dspex.retrieve.retriever import Retriever, whole

LIST_NAMES = ("passages", "topk", "results", "documents", "docs", "hits", "matches", "data")
"""Names under which services send their list of passages."""
Read = Callable[[Any], Any]


class HTTPRetriever(Retriever):
    """Find passages by asking a service.

    It gets the query and `k`, as JSON or in the address, and answers with a list of passages (texts, or objects with
    a `text`), or with an object that has the list as `passages`, `topk`, `results`, `documents` ... .

    Args:
        url: the service's address.
        k: how many passages.
        method: `POST` with a JSON body, or `GET` with the query in the address.
        read: finds the passages in an answer of another form: a function of the decoded JSON.
        api_key: sent as a bearer token; never shown.
        headers: further headers; their values never show.
        cache: whether answers are kept and given again; None means yes, unless `read` is given.
        num_retries: how often to ask again after an error that may pass.
        timeout: seconds for one try.
        pool: a `dspex.Pool` that says how many are asked at once; what the service takes is found by default.
        name: what events and errors call it; the host by default.
        callbacks: who is told of its calls, besides those of the settings.

    Attributes:
        pool: how it stands with the service; `pool.reset()` has the next call try at once.

    Raises:
        SettingsError: the address is none, or a value cannot be.

    Example:
        >>> HTTPRetriever("http://localhost:8893/api/search", k=5)
        HTTPRetriever('http://localhost:8893/api/search', k=5)
    """

    def __init__(
        self,
        url: str,
        k: int = 3,
        *,
        method: Literal["GET", "POST"] = "POST",
        read: Read | None = None,
        api_key: str | Secret | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        cache: bool | None = None,
        num_retries: int = 3,
        timeout: float = 30.0,
        pool: Pool | None = None,
        name: str = "",
        callbacks: Iterable[Any] | None = None,
    ) -> None:
        host = _host_of(url)
        super().__init__(None, k, name=name or host, callbacks=callbacks)
        if method not in ("GET", "POST"):
            raise SettingsError(f"`method` is `GET` or `POST`, not `{method}`.")
        if isinstance(timeout, bool) or not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
            raise SettingsError(f"`timeout` takes a number of seconds above 0, not `{timeout!r}`.")
        whole("num_retries", num_retries, 0)
        if read is not None and not callable(read):
            raise SettingsError(f"`read` is a function of the decoded answer, not a `{type(read).__name__}`.")
        if pool is not None and not isinstance(pool, Pool):
            raise SettingsError(f"`pool` takes a `dspex.Pool(...)`, not a `{type(pool).__name__}`.")
        if api_key and "@" in urlsplit(url).netloc:
            raise SettingsError(
                "`url` holds a user and a password, and api_key= another key; give one of them."
            )
        self.url = public_url(url)
        further = read_headers("headers", headers)
        key = read_key("api_key", api_key)
        if pool is not None and pool.places:
            raise SettingsError("`url` says where the service is; a `pool` for it has no endpoints.")
        asked = _Service(url, method, key, further, float(timeout), read)
        digest = _canon.digest([url, *(s.reveal() for s in asked.secrets)])
        door = Door(
            self.name,
            asked,
            lambda _: (f"{method} {self.url}", "", digest),
            provider=host,
            address=host,
            pool=pool,
        )
        self.pool = Pooled([[door]], patience=PATIENCE if pool is None else pool.patience)
        stack: Transport = Retry(self.pool, num_retries=num_retries)
        if cache if cache is not None else read is None:
            # The whole address decides the answer and may hold a key: it goes in as its hash.
            stack = Cached(stack, place=f"{method} {self.url} {_canon.digest(url)}")
        self._stack = Meter(stack, self.name)

    async def _answer(self, request: Request, query: str, k: int, options: Mapping[str, Any]) -> Response:
        return await self._stack.send(request)

    def __repr__(self) -> str:
        return f"HTTPRetriever({self.url!r}, k={self.k})"


class ColBERTv2:
    """Ask a ColBERTv2 server for passages, as DSPy does; for `dspex.configure(rm=...)` too.

    Args:
        url, port: where it is.
        post_requests: whether it wants the query as JSON and not in the address.

    Example:
        >>> ColBERTv2("http://localhost", 8893)
        ColBERTv2('http://localhost:8893')
    """

    def __init__(
        self, url: str = "http://0.0.0.0", port: str | int | None = None, post_requests: bool = False
    ) -> None:
        self.url = f"{url}:{port}" if port else url
        self.post_requests = post_requests
        self.retriever = HTTPRetriever(
            self.url, 10, method="POST" if post_requests else "GET", name="colbert"
        )

    def __call__(self, query: str, k: int = 10, simplify: bool = False) -> list[Any]:
        """Return passages: texts with `simplify`, else examples with `text`, `long_text` and what the server tells."""
        found = self.retriever(query, k=k)
        if simplify:
            return list(found.passages)
        scores, sources = found.get("scores"), found.get("sources")
        rows: list[dict[str, Any]] = []
        for place, text in enumerate(found.passages):
            row = {**(sources[place] if sources else {}), "text": text, "long_text": text}
            rows.append(row | ({"score": scores[place]} if scores else {}))
        return [Example(**row) for row in rows]

    def __repr__(self) -> str:
        return f"ColBERTv2({public_url(self.url)!r})"


class _Service:
    """A Transport to one address: one request, one answer."""

    def __init__(
        self,
        url: str,
        method: str,
        key: Secret | None,
        headers: Mapping[str, Secret],
        timeout: float,
        read: Read | None,
    ) -> None:
        self._url = Secret(url)
        self._method = method
        self._key = key
        self.secrets = (*headers.values(), self._url, *keys_in_url(url), *(() if key is None else (key,)))
        self._host = _host_of(url)
        self._headers = dict(headers)
        self._timeout = timeout
        self._read = read

    def __repr__(self) -> str:
        return f"_Service({self._host!r})"

    async def send(self, request: Request) -> Response:
        """Answer one request, once; on the host loop."""
        caller = Caller(
            model=request.model,
            provider=self._host,
            hint="pass api_key= or headers=",
            secrets=self.secrets,
        )
        return given(await self._outcome(request, caller))

    async def _outcome(self, request: Request, caller: Caller) -> Response | LMError | None:
        """Ask and read; an error is given back, for what came may quote the key and is in none of its frames then."""
        answer = await self._exchange(request, caller)
        # A `read` of the user's own may take its time, which the loop has not.
        if isinstance(answer, bytes):
            return await _host.in_worker(self._passages, answer, request, caller)
        return answer

    async def _exchange(self, request: Request, caller: Caller) -> bytes | LMError | None:
        session = await http.session()
        import aiohttp

        try:
            async with session.request(
                self._method, self._url.reveal(), **_asked(request, self._method),
                headers=self._reveal(),
                proxy=http.proxy_for(self._url.reveal()), timeout=aiohttp.ClientTimeout(total=self._timeout),
                # A redirect would carry key and query to an address nobody chose.
                allow_redirects=False,
            ) as reply:  # fmt: skip
                body, status = await http.read_all(reply), reply.status
                wait = retry_after_seconds(reply.headers.get("Retry-After"))
                location = reply.headers.get("Location", "")
        except TimeoutError:
            return timed_out(caller, self._timeout)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return broken(caller, http.why(exc))
        except asyncio.CancelledError:
            return None
        if status == 200:
            return body
        if 300 <= status < 400:
            return redirected(caller, status, location, "url=")
        said = body.decode("utf-8", "replace")
        if status == 404:
            return caller.error(
                LMInvalidRequestError, f"`{self._host}` has no such address (404)", said, status=status
            )
        return failure(caller, status, said, retry_after=wait)

    def _reveal(self) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self._key.reveal()}"} if self._key is not None else {}
        return own | {name: value.reveal() for name, value in self._headers.items()}

    def _passages(self, body: bytes, request: Request, caller: Caller) -> Response | LMError:
        k = msgspec.json.decode((request.options or {})["k"], type=int)
        try:
            value = msgspec.json.decode(body)
            if self._read is None and isinstance(value, dict) and value.get("error"):
                return failure(caller, 500, body.decode())
            rows = value if self._read is None else self._read(value)
            found = found_in(_listed(rows), request.model)[:k]
        except (*UNREADABLE, DataError) as exc:
            return unreadable(caller, str(exc))
        return response_of_found(found, request.model)


def _listed(value: Any) -> Any:
    """Return the list of passages in an answer, under whichever name it has."""
    if not isinstance(value, dict) or any(isinstance(value.get(name), str) for name in TEXT_NAMES):
        return value
    name = next((name for name in LIST_NAMES if name in value), None)
    if name is None:
        known = ", ".join(f"`{one}`" for one in LIST_NAMES)
        raise DataError(f"the answer has none of {known}; pass read= to find the passages in it")
    if name == "passages":
        return value
    return _listed(value[name]) if isinstance(value[name], dict) else value[name]


def _asked(request: Request, method: str) -> dict[str, Any]:
    """Return what goes along with a request: a body, or what follows the address."""
    told = {name: msgspec.json.decode(raw) for name, raw in (request.options or {}).items()}
    told = {"query": request.messages[-1].text, **told}
    if method == "POST":
        return {"json": told}
    return {
        "params": {
            name: value if isinstance(value, str) else _canon.canonical(value) for name, value in told.items()
        }
    }


def _host_of(url: object) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is not None and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts.netloc.rpartition("@")[2]
    except ValueError:
        url = str(url)  # a port or a bracket that is none; the words below say what to write
    raise SettingsError(
        f"`{shown_url(str(url))}` is no address; write one such as `http://localhost:8893/api/search`."
    )
