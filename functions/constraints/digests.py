"""The name of a compilation: a digest over all that its result depends on, and the set itself as it is kept."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from functions.constraints.model import ConstraintSet, Language


def compilation_digest(content: bytes, tokenizer_digest: str) -> str:
    """SHA-256, hexadecimal, over what `packed` gave, and the versions of what compiles it."""
    made_by = [compiler_version(), _llguidance_version(), tokenizer_digest]
    return hashlib.sha256(json.dumps(made_by).encode() + b"\0" + content).hexdigest()


def packed(stated: ConstraintSet, language: Language, *, is_code: bool, optimize: bool) -> bytes:
    """The set and its options as bytes; the same for equal ones."""
    options = {"language": language, "is_code": is_code, "optimize": optimize}
    constraints = stated.model_dump(mode="json", by_alias=True)
    return json.dumps({**options, "set": constraints}, ensure_ascii=False).encode(errors="surrogatepass")


def unpacked(content: bytes) -> tuple[ConstraintSet, Language, bool, bool]:
    """What `packed` was given: the set, the language, whether the text is code, and whether to optimize."""
    kept = json.loads(content.decode(errors="surrogatepass"))
    return ConstraintSet.model_validate(kept["set"]), kept["language"], kept["is_code"], kept["optimize"]


@cache
def _llguidance_version() -> str:
    return version("llguidance")


@cache
def compiler_version() -> str:
    """A digest over this package's own files: any change of the compiler is another compiler."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in {".py", ".lark"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
