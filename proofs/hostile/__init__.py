"""Requests made to hurt, each with what must become of it: `python -m proofs hostile`."""
