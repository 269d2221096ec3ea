"""JSON schemas that other people wrote, and what becomes of them here: `python -m bench.schemas`."""
