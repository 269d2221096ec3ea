"""Too much work at once is refused at the door: a quick 503 is kinder than a slow timeout for everyone.

Before a server is full, who has many of its places is refused: whoever has few still finds one, however many the others
ask for. Those who are in ask again the moment they are answered, and would take each place before who was told to wait.
"""

from collections import Counter
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.problems import problem_for
from functions.callers import Caller
from functions.failures import Overloaded

SHARE = 4
"""A user may have so many times as many places as are free: one alone four fifths, a hundred one or two each."""
KEPT = 20
"""This part of the places is for users who have none."""
RETRY_AFTER_S = 1.0

_PLACE = "place"


class OverloadMiddleware:
    """At most `limit` requests in progress, those on `exempt` paths aside; one more is answered 503 with Retry-After.

    A request counts until its response has been sent, streamed ones until the stream's end.
    """

    def __init__(self, app: ASGIApp, *, limit: int, exempt: Collection[str] = ()) -> None:
        self.app = app
        self.limit = limit
        self.exempt = frozenset(exempt)
        self.in_progress = 0
        self.users: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        if self.in_progress >= self.limit:
            reason = f"{self.limit} requests are in progress, the most this server takes; try again shortly"
            refusal = problem_for(Overloaded("the server", reason, RETRY_AFTER_S)).response(scope)
            await refusal(scope, receive, send)
            return
        self.in_progress += 1
        place = _Place(self)
        scope.setdefault("state", {})[_PLACE] = place
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_progress -= 1
            place.leave()


class _Place:
    """Of one request, and of a user's once it is known whose it is."""

    def __init__(self, server: OverloadMiddleware) -> None:
        self._server = server
        self._user_id: str | None = None

    def take(self, user_id: str) -> None:
        """Raises `Overloaded` where the user has as many as they may have while so few are free."""
        server = self._server
        has = server.users[user_id]
        free = server.limit - server.in_progress + 1 - server.limit // KEPT
        if has and has >= SHARE * free:
            reason = f"{has} of your requests are in progress on this server, which is nearly full; try again shortly"
            raise Overloaded("the server", reason, RETRY_AFTER_S)
        server.users[user_id] += 1
        self._user_id = user_id

    def leave(self) -> None:
        """The request has been answered."""
        if self._user_id is not None:
            users = self._server.users
            users[self._user_id] -= 1
            if not users[self._user_id]:
                del users[self._user_id]


def require_share(scope: Scope, caller: Caller) -> None:
    """Count the request's place as the caller's. Raises `Overloaded` where their share of the places is taken."""
    place = scope.get("state", {}).get(_PLACE)
    if place is not None:
        place.take(caller.user_id)
