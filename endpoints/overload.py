"""Too much work at once is refused at the door: a quick 503 is kinder than a slow timeout for everyone."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.problems import OVERLOADED, problem_response, retry_after

RETRY_AFTER_S = 1


class OverloadMiddleware:
    """At most `limit` requests in progress, those on `exempt` paths aside; one more is answered 503 with Retry-After.

    A request counts until its response has been sent, streamed ones until the stream's end.
    """

    def __init__(self, app: ASGIApp, *, limit: int, exempt: Collection[str] = ()) -> None:
        self.app = app
        self.limit = limit
        self.exempt = frozenset(exempt)
        self.in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        if self.in_progress >= self.limit:
            detail = f"{self.limit} requests are in progress, the most this server takes; try again shortly"
            refusal = problem_response(scope, 503, detail, kind=OVERLOADED, headers=retry_after(RETRY_AFTER_S))
            await refusal(scope, receive, send)
            return
        self.in_progress += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_progress -= 1
