"""What an engine would have done: arrivals and decisions in, warm seconds and waits out.

One container, as many requests at a time as there are: what more containers do is Modal's autoscaler's. An engine is
paid for from the beginning of its start until it stops. It stops when `min_containers` is 0 and it has been idle for
the scale-down window that is set at the moment. A request that finds none starts one, and waits for it.
"""

from dataclasses import dataclass, field


@dataclass
class EngineReplay:
    """The state of the engine at `now`, and the sums so far. Calls come in the order of time.

    `waits_s` has a wait for each arrival. `idle_s` is the part of `warm_s` in which it was ready and nothing ran.
    """

    cold_start_s: float
    now: float
    min_containers: int = 0
    scaledown_window_s: float = 0.0
    warm_s: float = 0.0
    idle_s: float = 0.0
    starts: int = 0
    waits_s: list[float] = field(default_factory=list)
    is_on: bool = False
    idle_since: float = 0.0
    """When it was ready and had nothing to do; in the future while it starts or works."""
    _ready_at: float = 0.0

    def decide(self, at: float, min_containers: int, scaledown_window_s: float) -> None:
        """From `at` on these are set."""
        self.advance(at)
        self.min_containers, self.scaledown_window_s = min_containers, scaledown_window_s
        if min_containers and not self.is_on:
            self._start()

    def arrive(self, at: float, work_s: float) -> float:
        """A request that needs `work_s` of a ready engine. Returns when it is done."""
        self.advance(at)
        if not self.is_on:
            self._start()
        wait = max(self._ready_at - at, 0.0)
        self.waits_s.append(wait)
        done = at + wait + work_s
        self.idle_since = max(self.idle_since, done)
        return done

    def advance(self, until: float) -> None:
        """Let time pass: pay for it, and stop if it is time to."""
        if self.is_on:
            stops_at = float("inf")
            if not self.min_containers:
                stops_at = max(self.idle_since + self.scaledown_window_s, self.now)
            end = min(until, stops_at)
            self.warm_s += end - self.now
            self.idle_s += max(end - max(self.idle_since, self.now), 0.0)
            self.is_on = stops_at > until
        self.now = until

    def _start(self) -> None:
        self.is_on = True
        self.starts += 1
        self._ready_at = self.idle_since = self.now + self.cold_start_s
