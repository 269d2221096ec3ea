"""The rate of those whom nobody knows: requests to public pages, and credentials that do not hold, by address.

Counted in this process: what a stranger may do here costs a file or a refusal, and to ask the database for each would
cost more than what is protected. With several servers an address may do so often at each of them.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Scope

from functions.failures import RateLimited
from functions.ledger import RateState

POLICY = "anonymous"
WINDOW_S = 60
CAPACITY = 50_000
"""Addresses that are remembered, the latest; each costs about 300 bytes."""
_IPV6_NETWORK_BITS = 64  # what one customer is given at least: its addresses are one client's


def client_address(scope: Scope, trusted_proxies: int) -> str:
    """Who opened the connection; behind `trusted_proxies` proxies of ours, whom the outermost one of them saw.

    Each proxy adds the address it saw at the end of X-Forwarded-For; what stands further to the left is the client's
    own word. A request that did not come through all of them is its peer's.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    if trusted_proxies == 0:
        return peer
    seen = [part.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for part in line.split(",")]
    return seen[-trusted_proxies] if len(seen) >= trusted_proxies else peer


class AddressLimits:
    """A token bucket for each address: `quota` requests in a minute, refilled evenly."""

    def __init__(self, quota: int, trusted_proxies: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._trusted_proxies = trusted_proxies
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, scope: Scope) -> RateState:
        """Count one request of a stranger; the rate as it is then. Raises `RateLimited`."""
        subject, tokens = self._require(scope)
        self._buckets[subject] = (tokens - 1, self._clock())
        self._buckets.move_to_end(subject)
        while len(self._buckets) > CAPACITY:
            self._buckets.popitem(last=False)
        return RateState(
            policy=POLICY,
            quota=self._quota,
            window_s=WINDOW_S,
            remaining=math.floor(tokens - 1),
            reset_s=(self._quota - tokens + 1) * WINDOW_S / self._quota,
        )

    def require(self, scope: Scope) -> None:
        """Raises `RateLimited` when nothing more can be taken; takes nothing."""
        self._require(scope)

    def _require(self, scope: Scope) -> tuple[str, float]:
        subject = _network(client_address(scope, self._trusted_proxies))
        tokens, at = self._buckets.get(subject, (self._quota, self._clock()))
        tokens = min(self._quota, tokens + (self._clock() - at) * self._quota / WINDOW_S)
        if tokens < 1:
            wait_s = round((1 - tokens) * WINDOW_S / self._quota, 3)
            raise RateLimited(POLICY, self._quota, WINDOW_S, remaining=0, retry_after_s=wait_s)
        return subject, tokens


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
    return str(parsed)
