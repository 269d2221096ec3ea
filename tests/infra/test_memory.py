"""What a large request took is given back to the system: measured in processes of their own."""

import subprocess
import sys

MEASURED = """
import gc
from infra.memory import give_back_what_was_large

if {given_back}:
    give_back_what_was_large()
first = b"x" * (24 << 20)  # when it is freed, glibc takes blocks of this size from its heaps from now on
del first
large, between = [], []
for _ in range(40):
    large.append(b"x" * (3 << 20))
    between.append(bytes(1000))
del large
gc.collect()
resident = int(open("/proc/self/statm").read().split()[1]) * 4096
print(resident >> 20)
"""


def resident_mib(*, given_back: bool) -> int:
    program = MEASURED.format(given_back=given_back)
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return int(done.stdout)


def test_large_blocks_go_back_to_the_system_when_they_are_freed():
    assert resident_mib(given_back=True) < resident_mib(given_back=False) - 60
