"""Many streaming clients for minutes, and what the server holds when they are gone: `python -m proofs endurance`."""
