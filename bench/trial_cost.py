"""What the trial of an artifact costs: for the validator's limited processes."""

import time

from functions.constraints.trial import try_artifact


def trial_seconds(kind: str, source: str) -> float:
    """Processor seconds of llguidance's building, its first mask and the three short ways, as in every compilation."""
    started = time.thread_time()
    try_artifact(kind, source)
    return time.thread_time() - started
