"""Random state that is a process's own: what a memory snapshot holds, every container that starts from it would share.

`os.urandom`, and with it `secrets` and `uuid.uuid4`, ask the system each time, and need nothing.
"""

import os
import random
import ssl
import sys

_FOR_OPENSSL_BYTES = 32


def seed_from_the_system() -> None:
    """Draws of this process, of any library that it has loaded, are no other's from here on."""
    random.seed()
    ssl.RAND_add(os.urandom(_FOR_OPENSSL_BYTES), _FOR_OPENSSL_BYTES)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # of those who use its one global state
    if (torch := sys.modules.get("torch")) is not None:
        torch.seed()  # of every device
