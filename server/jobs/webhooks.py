"""Delivers alerts to webhooks: signed, with retries, to allowed addresses only.

The receiver checks the header `Footfall-Signature: t=1795219200,v1=5257a8…`:

1. `t` is the time of this attempt, in seconds since 1970. If it is more than five minutes away from now, reject the request as a replay.
2. `v1` is the hex HMAC-SHA256 of `t`, a dot and the raw body, keyed with the rule's secret. Compare in constant time.

The `id` in the body is the same in each attempt. A receiver that has already processed it should answer 200 and do nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass

import httpx
import stamina

from server import __version__
from server.jobs.addresses import CheckedTransport, Refused, Resolver, Unresolved, check_url, lookup
from server.jobs.exchange import ANSWER_BYTES

HEADER = "Footfall-Signature"
TOLERANCE = 300  # seconds
TIMEOUT = 10.0  # seconds for one attempt in total
ATTEMPTS = 3  # per round; the job retries in later runs
_FIRST_WAIT = 0.5  # seconds, doubled after each attempt

_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a delivery. `answered` is the last HTTP status, `error` is the reason for a failure, and `again` is true if a retry may help."""

    attempts: int
    answered: int | None = None
    error: str | None = None
    again: bool = False


class _Trouble(Exception):
    """An attempt failed. `answered` and `again` as in Delivered."""

    def __init__(self, message: str, *, answered: int | None = None, again: bool) -> None:
        super().__init__(message)
        self.answered = answered
        self.again = again


def sign(secret: str, body: bytes, at: int) -> str:
    """The value of the signature header for a body sent at a time (seconds since 1970)."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def verify(secret: str, body: bytes, header: str, now: int) -> bool:
    """Verify a signature as a receiver does: the sender knows the secret, and `now` (seconds since 1970) is close to the time of sending."""
    match = _SIGNATURE.fullmatch(header)
    if match is None or abs(now - int(match[1])) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, body, int(match[1])), header)


class Webhooks:
    """Sends alerts. `private` allows private networks; `resolver` and `first_wait` (seconds) are for tests."""

    def __init__(self, *, private: bool, resolver: Resolver = lookup, first_wait: float = _FIRST_WAIT) -> None:
        self._private = private
        self._resolver = resolver
        self._first_wait = first_wait

    async def deliver(self, url: str, secret: str, body: bytes, now: int, *, attempts: int = ATTEMPTS) -> Delivered:
        """Post a body until it is accepted, at most `attempts` times. `now` is in seconds since 1970."""
        made, status, loop = 0, None, asyncio.get_running_loop()
        began = loop.time()
        try:
            async for attempt in stamina.retry_context(
                on=lambda error: isinstance(error, _Trouble) and error.again,
                attempts=attempts,
                timeout=None,
                wait_initial=self._first_wait,
                wait_jitter=self._first_wait / 2,
                wait_max=10.0,
            ):
                with attempt:
                    made += 1
                    status = await self._post(url, secret, body, now + int(loop.time() - began))
        except _Trouble as trouble:
            return Delivered(made, trouble.answered, str(trouble), trouble.again)
        return Delivered(made, status)

    async def _post(self, url: str, secret: str, body: bytes, at: int) -> int:
        headers = {"Content-Type": "application/json", "User-Agent": f"Footfall/{__version__}", HEADER: sign(secret, body, at)}
        transport = CheckedTransport(private=self._private, resolver=self._resolver)
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                httpx.AsyncClient(transport=transport, trust_env=False, timeout=TIMEOUT) as client,
                client.stream("POST", check_url(url), content=body, headers=headers, follow_redirects=False) as response,
            ):
                status = response.status_code
        except Refused as refused:
            raise _Trouble(str(refused), again=isinstance(refused, Unresolved)) from None
        except TimeoutError:
            raise _Trouble(f"no answer in {TIMEOUT:g} seconds", again=True) from None
        except httpx.HTTPError as error:
            # Only the kind of the error: its message may contain the URL, which may hold a secret.
            raise _Trouble(_KINDS.get(type(error).__name__, "the connection failed"), again=True) from None
        if not 200 <= status < 300:
            raise _Trouble(_status_message(status), answered=status, again=status >= 500 or status in _PASSING)
        return status


_KINDS = {
    "ConnectError": "no connection: the port is closed, or its certificate is not valid",
    "ConnectTimeout": "the connection timed out",
    "ReadTimeout": "the response timed out",
    "RemoteProtocolError": "the response is not HTTP",
    "ReadError": f"no status in the first {ANSWER_BYTES >> 10} KiB of the response",
}


def _status_message(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; use the URL that it redirects to"
    return f"answered {status}"
