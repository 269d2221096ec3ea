"""The product's version, as /health and the API description show it; a test holds it equal to pyproject.toml's."""

VERSION = "0.1.0"
