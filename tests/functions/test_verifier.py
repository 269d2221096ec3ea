from collections.abc import Sequence

from functions.cache import FileStore
from functions.ir import IntermediateRepresentation
from functions.sandbox import ProcessSandbox, SandboxResult
from functions.verifier import Verifier
from infra.settings import Settings

IR = IntermediateRepresentation.model_validate(
    {
        "intent": {"summary": "Double it."},
        "signature": {"name": "f", "parameters": [{"name": "x", "type": "int"}], "returns": "int"},
        "examples": [{"arguments": ["2"], "result": "4"}],
        "assertions": [{"expression": "result == 2 * x"}],
    }
)
GOOD = "def f(x: int) -> int:\n    return 2 * x\n"


class CountingSandbox(ProcessSandbox):
    runs = 0

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        self.runs += 1
        return await super().run(code, calls)


async def test_equal_code_under_equal_checks_is_run_once(settings: Settings, store: FileStore):
    sandbox = CountingSandbox(settings.sandbox)
    first = await Verifier(sandbox, store=store).evidence(GOOD, IR)
    assert first.passed
    assert await Verifier(sandbox, store=store).evidence(GOOD, IR) == first
    assert sandbox.runs == 1
    other = IR.model_copy(update={"assertions": []})
    await Verifier(sandbox, store=store).evidence(GOOD, other)
    await Verifier(sandbox, store=store).evidence(GOOD + "\n", IR)
    assert sandbox.runs == 3


async def test_what_a_busy_machine_may_have_caused_is_not_kept(settings: Settings, store: FileStore):
    sandbox = CountingSandbox(settings.sandbox.model_copy(update={"wall_s": 0.5, "cpu_s": 1}))
    code = "def f(x: int) -> int:\n    while True: pass\n"
    for _ in range(2):
        evidence = await Verifier(sandbox, store=store).evidence(code, IR)
        assert {check.name for check in evidence.failures} >= {"runs"}
    assert sandbox.runs == 4, "each time with the calls near the examples, and without them"
