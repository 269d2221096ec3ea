"""How much of real TypeScript the grammar accepts: `python bench/typescript_completeness.py` (needs npm).

Functions and methods of five npm packages that ship their sources, after `prettier` with its default options; nested at
most six deep, of at most 200 lines. Prints one table and writes it to bench/results/typescript_completeness.json.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from llguidance import LLMatcher, LLTokenizer  # noqa: E402 - the project's own modules are found from here on

from functions.constraints.bounds import Bounds  # noqa: E402
from functions.constraints.requirements import Requirements  # noqa: E402
from functions.constraints.typescript_check import typescript_violations  # noqa: E402
from functions.constraints.typescript_grammar import typescript_grammar  # noqa: E402
from functions.constraints.typescript_tree import parsed  # noqa: E402

PACKAGES = ("rxjs@7.8.2", "zod@4.6.7", "mobx@7.1.3", "@reduxjs/toolkit@2.14.0", "effect@4.1.0")
PRETTIER = "prettier@3"
MOST_LINES, DEEPEST, MOST_OF_A_PACKAGE, TIMED = 200, 6, 1_000, 20
TIMEOUT_S = 300


def sources(package: str, directory: Path) -> list[Path]:
    """The package's own TypeScript, formatted."""
    packed = _run(["npm", "pack", "--silent", package], directory).strip().splitlines()[-1]
    _run(["tar", "xzf", packed], directory)
    files = [
        file
        for file in (directory / "package").rglob("*.ts")
        if not file.name.endswith(".d.ts") and "test" not in file.name and "node_modules" not in file.parts
    ]
    _run(["npx", "--yes", PRETTIER, "--write", "--log-level", "silent", *map(str, files)], directory)
    return files


def _run(command: list[str], directory: Path) -> str:
    # Fixed commands; prettier's status says that a file did not parse, which leaves that file as it was.
    done = subprocess.run(  # noqa: S603 - as above
        command, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    return done.stdout


def functions(file: Path) -> Iterator[str]:
    """Each on its own: a method in a class of its own."""
    source = file.read_bytes()
    limit = Requirements(max_nesting=(DEEPEST, ""))
    waiting = [parsed(source)]
    while waiting:
        node = waiting.pop()
        waiting += node.named_children
        text = source[node.start_byte : node.end_byte].decode(errors="replace")
        value = node.named_children[0].child_by_field_name("value") if node.named_children else None
        if node.has_error or text.count("\n") > MOST_LINES:
            continue
        if node.type == "method_definition" and node.parent is not None and node.parent.type == "class_body":
            text = f"class Wrapped extends Base {{\n  {text}\n}}"
        elif node.type == "lexical_declaration" and len(node.named_children) == 1:
            if value is None or value.type not in {"arrow_function", "function_expression"}:
                continue
        elif node.type not in {"function_declaration", "generator_function_declaration"}:
            continue
        if not typescript_violations(text, limit):
            yield text


def main() -> None:
    tokenizer = LLTokenizer((ROOT / ".local" / "model" / "tokenizer.json").read_text())
    grammar = typescript_grammar(Requirements(), Bounds(statements=None, sizes=False)).source
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar))
    rows: dict[str, Any] = {}
    refused: Counter[str] = Counter()
    seconds: list[float] = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as directory:
            texts = [text for file in sources(package, Path(directory)) for text in functions(file)]
        texts = texts[:: max(1, len(texts) // MOST_OF_A_PACKAGE)]
        accepted = 0
        for number, text in enumerate(texts):
            tokens = tokenizer.tokenize_str(text)
            here = matcher.deep_copy()
            taken = here.try_consume_tokens(tokens)
            if taken == len(tokens) and here.is_accepting():
                accepted += 1
            else:
                before = tokenizer.decode_str(tokens[max(0, taken - 6) : taken])
                refused[f"{before} ⟂ {tokenizer.decode_str(tokens[taken : taken + 2])}"] += 1
            if number < TIMED:
                seconds += _mask_times(matcher, tokens)
        rows[package] = {"functions": len(texts), "accepted": round(accepted / max(1, len(texts)), 4)}
        print(f"{package:28}{len(texts):>8}{rows[package]['accepted']:>9.2%}")
    seconds.sort()
    rows["masks"] = {f"p{p}_ms": round(seconds[len(seconds) * p // 100] * 1e3, 3) for p in (50, 99)}
    print(f"{'mask p50, p99':28}{rows['masks']['p50_ms']:>8} ms{rows['masks']['p99_ms']:>8} ms")
    for place, count in refused.most_common(15):
        print(f"  refused {count} x: {place!r}")
    target = ROOT / "bench" / "results" / "typescript_completeness.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({**rows, "refused": refused.most_common(50)}, indent=2, ensure_ascii=False))


def _mask_times(matcher: LLMatcher, tokens: list[int]) -> list[float]:
    """Processor time of each token's mask: what else runs on the machine does not count."""
    here = matcher.deep_copy()
    seconds = []
    for token in tokens:
        began = time.thread_time()
        here.compute_bitmask()
        seconds.append(time.thread_time() - began)
        if not here.consume_token(token):
            break
    return seconds


if __name__ == "__main__":
    main()
