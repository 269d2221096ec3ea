"""`python -m proofs [NAME ...]`: the named proofs, or all, one after another on one running product.

Exits 1 when one of them does not hold. Takes a machine that has nothing else to do: some of them look at the clock.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from proofs import clients, contract, faults
from proofs.endurance import proof as endurance
from proofs.hostile import proof as hostile
from proofs.product import Product, product

Proof = Callable[[Product], Awaitable[bool]]
PROOFS: dict[str, Proof] = {
    "clients": clients.prove,
    "contract": contract.prove,
    "endurance": endurance.prove,
    "faults": faults.prove,
    "hostile": hostile.prove,
}


async def main(proofs: Mapping[str, Proof]) -> int:
    """Exit status. Each proof says how long it took, and at the end all of them do."""
    results = {}
    async with product() as server:
        for name, prove in proofs.items():
            print(f"\n== {name}", flush=True)
            began = time.monotonic()
            try:
                word = "holds" if await prove(server) else "does not hold"
            except Exception:  # noqa: BLE001 - the others are still to be tried
                traceback.print_exc(file=sys.stdout)
                word = "does not hold: it broke off"
            results[name] = f"{word} ({time.monotonic() - began:.0f} s)"
            print(f"== {name}: {results[name]}", flush=True)
        if leaked := server.secrets_said():
            results["secrets"] = f"does not hold: the log has {', '.join(leaked)}"
    print("", *(f"{name:12} {result}" for name, result in results.items()), sep="\n")
    return 1 if any("not" in result for result in results.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PROOFS), metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--minutes", type=float, default=endurance.MINUTES, help="of endurance (default: %(default)g)")
    options = parser.parse_args()
    asked = options.names
    if unknown := set(asked) - PROOFS.keys():
        parser.error(f"no such proof: {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    chosen = {name: PROOFS[name] for name in asked}
    if "endurance" in chosen:
        chosen["endurance"] = partial(endurance.prove, minutes=options.minutes)
    sys.exit(asyncio.run(main(chosen)))
