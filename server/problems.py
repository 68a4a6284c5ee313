"""All error responses, as RFC 9457 problem details.

Problem
├── Malformed 400          the body is not JSON, or not text
│   ├── BrokenHttp 400     the request is not valid HTTP
│   └── UnknownEncoding 415  the content encoding is not supported
├── Invalid 400 | 422      JSON with invalid fields; names each field
│   └── BadQuery 400       invalid query parameters; names each
├── Unauthorized 401       the key is missing or invalid
├── Forbidden 403          the key lacks permission
├── NotFound 404           unknown route, project, pack or target
│   └── UnknownProject 404
│       └── UnknownSite 404  no project lists the site of a body without a key
├── MethodNotAllowed 405
├── TooSlow 408            the request did not arrive in time
├── TooLarge 413
│   └── HeadTooLarge 431   the headers are too large
├── UnknownTarget 422      the project lists its targets, and this one is missing
├── TooManyTargets 422     the project has reached its maximum number of targets
├── TooBroad 422           a query that would read too many raw events
├── Limited 429            too many requests from one address; sends Retry-After
├── Failed 500             a server error
├── Busy 503               the queue is full or the store is not writable; sends Retry-After
└── ForwardingLoop 508     the project forwarded this request, and it came back

The class determines the status. No message contains client data.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from server.event import FieldError, Refusal

CONTENT_TYPE = b"application/problem+json"


class _Document(msgspec.Struct, omit_defaults=True):
    """The members of RFC 9457. `code` and `message` repeat the problem for clients that read those, such as RudderStack's."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):
    """An error response. `errors` names fields; `retry_after` is in seconds."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"
    refusal: ClassVar[Refusal] = Refusal.FAILED

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after

    @property
    def code(self) -> int:
        """The HTTP status of this problem."""
        return self.status

    @property
    def type(self) -> str:
        """The URI reference of the problem type (RFC 9457), explained on the reference page."""
        return f"/docs#problem-{self.refusal.value.replace('_', '-')}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to this problem, besides those of every response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.code == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="footfall"'
        return headers

    def to_json(self) -> bytes:
        """Return the problem document."""
        return msgspec.json.encode(_Document(self.type, self.title, self.code, self.detail, self.refusal.value, self.detail, self.errors))


class Malformed(Problem):
    status, title, refusal = 400, "Malformed body", Refusal.MALFORMED


class BrokenHttp(Malformed):
    title = "Malformed request"


class UnknownEncoding(Malformed):
    status, title = 415, "Unsupported content encoding"
    known: ClassVar[str] = "gzip, deflate, zstd"

    def __init__(self) -> None:
        super().__init__(
            f"The Content-Encoding is not supported. Supported encodings: {self.known}.",
            errors=(FieldError("Content-Encoding", f"must be one of: {self.known}"),),
        )

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Accept-Encoding": self.known}


class Invalid(Problem):
    """Invalid fields. The status is 422 unless the dialect's clients expect 400."""

    status, title, refusal = 422, "Invalid fields", Refusal.INVALID

    def __init__(self, *errors: FieldError, status: int = 422) -> None:
        noun = "invalid field" if len(errors) == 1 else "invalid fields"
        named = ", ".join(error.path or "(body)" for error in errors)
        super().__init__(f"{len(errors)} {noun}: {named}", errors=errors)
        self._status = status

    @property
    def code(self) -> int:
        return self._status


class BadQuery(Invalid):
    """Invalid parameters of a query, in a query string or in GraphQL."""

    status, title = 400, "Invalid parameters"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(*errors, status=400)


class Unauthorized(Problem):
    status, title, refusal = 401, "Authentication required", Refusal.BAD_KEY


class Forbidden(Problem):
    status, title, refusal = 403, "Permission denied", Refusal.BAD_KEY


class NotFound(Problem):
    status, title, refusal = 404, "Not found", Refusal.UNKNOWN_ROUTE


class UnknownProject(NotFound):
    refusal = Refusal.UNKNOWN_PROJECT


class UnknownSite(UnknownProject):
    """No project lists the site that a body without a key names."""


class MethodNotAllowed(Problem):
    status, title, refusal = 405, "Method not allowed", Refusal.UNKNOWN_ROUTE

    def __init__(self, detail: str, *, allowed: str) -> None:
        super().__init__(detail)
        self.allowed = allowed

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Allow": self.allowed}


class TooSlow(Problem):
    status, title, refusal = 408, "Request timeout", Refusal.TOO_SLOW


class TooLarge(Problem):
    status, title, refusal = 413, "Body too large", Refusal.TOO_LARGE


class HeadTooLarge(TooLarge):
    status, title = 431, "Headers too large"


class UnknownTarget(Problem):
    status, title, refusal = 422, "Unknown target", Refusal.UNKNOWN_TARGET


class TooManyTargets(Problem):
    status, title, refusal = 422, "Too many targets", Refusal.TOO_MANY_TARGETS


class TooBroad(Problem):
    status, title, refusal = 422, "Query too broad", Refusal.TOO_BROAD


class Limited(Problem):
    status, title, refusal = 429, "Too many requests", Refusal.LIMITED


# Problems with what a client sent, or with its key: a retry would fail, too.
CONTENT_PROBLEMS = (Malformed, Invalid, Unauthorized, Forbidden, UnknownProject, TooLarge, UnknownTarget, TooManyTargets)


class Failed(Problem):
    status, title, refusal = 500, "Internal server error", Refusal.FAILED


class Busy(Problem):
    status, title, refusal = 503, "Service unavailable", Refusal.BUSY


class ForwardingLoop(Problem):
    status, title, refusal = 508, "Forwarding loop", Refusal.LOOP

    def __init__(self) -> None:
        super().__init__("The project already forwarded this request: the system that it forwards to is this server, or sends it back.")
