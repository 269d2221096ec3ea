"""One large import at a time in a process.

vLLM and transformers import each other's parts lazily and in circles. Two threads on the way round such a circle are
let pass by Python with half of a module, and what failed then stays failed: each takes this lock for its turn.
"""

import threading

IMPORTING = threading.Lock()
