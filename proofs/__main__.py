"""`python -m proofs [NAME ...]`: the named proofs, or all, one after another on one running product.

Exits 1 when one of them does not hold. Takes a machine that has nothing else to do: some of them look at the clock.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from proofs import clients, contract, faults
from proofs.hostile import proof as hostile
from proofs.product import Product, product

PROOFS: dict[str, Callable[[Product], Awaitable[bool]]] = {
    "clients": clients.prove,
    "contract": contract.prove,
    "faults": faults.prove,
    "hostile": hostile.prove,
}


async def main(names: Sequence[str]) -> int:
    """Exit status."""
    failed = []
    async with product() as server:
        for name in names:
            print(f"\n== {name}", flush=True)
            began = time.monotonic()
            if not await PROOFS[name](server):
                failed.append(name)
            print(f"== {name}: {'does not hold' if name in failed else 'holds'} ({time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PROOFS), metavar="NAME", help=", ".join(PROOFS))
    asked = parser.parse_args().names
    if unknown := set(asked) - PROOFS.keys():
        parser.error(f"no such proof: {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    sys.exit(asyncio.run(main(asked)))
