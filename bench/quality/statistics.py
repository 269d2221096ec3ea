"""Intervals of shares (E. B. Wilson, 1927, Journal of the American Statistical Association 22)."""

import math

_Z = 1.959964  # 95 %


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share; (0, 1) when nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, _Z * _Z / trials
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
