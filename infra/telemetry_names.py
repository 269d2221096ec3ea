"""Every name that leaves this project by OpenTelemetry: spans, attributes, events, metrics, and labels' values.

The GenAI semantic conventions are still in development and move between releases: they are followed here alone.
Labels of metrics take values of closed sets only (a model, a route's template, a kind of failure), never a caller's.
"""

from typing import Final

SCOPE: Final = "lift_sys"

# --- Of all conventions.
ERROR_TYPE: Final = "error.type"
CANCELLED: Final = "cancelled"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
OTHER_METHOD: Final = "_OTHER"
DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
POSTGRESQL: Final = "postgresql"

# --- GenAI: https://github.com/open-telemetry/semantic-conventions-genai
OPERATION_NAME: Final = "gen_ai.operation.name"
CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
PROVIDER_NAME: Final = "gen_ai.provider.name"
PROVIDER: Final = "lift_sys"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_CHOICES: Final = "gen_ai.request.choice.count"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a name, no password
INPUT: Final = "input"
OUTPUT: Final = "output"
# Only where the operator has switched `telemetry.record_content` on.
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

# --- Our own attributes, under one prefix.
CONSTRAINT_KIND: Final = "lift_sys.constraint.kind"
CONSTRAINTS: Final = "lift_sys.constraints"
CACHE: Final = "lift_sys.cache.name"
HIT: Final = "lift_sys.cache.hit"
ENDPOINT: Final = "lift_sys.endpoint"
COST_USD: Final = "lift_sys.cost_usd"
TIME_TO_FIRST_TOKEN_S: Final = "lift_sys.time_to_first_token_s"  # noqa: S105 - a name, no password
WAITING: Final = "lift_sys.engine.waiting"
ATTEMPTS: Final = "lift_sys.attempts"
REFUSAL: Final = "lift_sys.refusal"
PERIOD: Final = "lift_sys.budget.period"
SANDBOX_ENDED: Final = "lift_sys.sandbox.ended"
SANDBOX_CALLS: Final = "lift_sys.sandbox.calls"
CHECKS_PASSED: Final = "lift_sys.checks.passed"
CHECKS_FAILED: Final = "lift_sys.checks.failed"
PROMPT_VERSION: Final = "lift_sys.prompt.version"
PROMPT_OUTCOME: Final = "lift_sys.prompt.outcome"
SIGNAL: Final = "lift_sys.telemetry.signal"

# --- Spans, those of HTTP requests (`{method} {route}`), generations (`{operation} {model}`) and the database (its
# function's name) aside.
JOB: Final = "job {}"
ADMISSION: Final = "admission"
VALIDATE: Final = "validate constraint"
COMPILE: Final = "compile constraints"
ENGINE_CALL: Final = "engine call"
QUEUE: Final = "queue"
PREFILL: Final = "prefill"
DECODE: Final = "decode"
VERIFY: Final = "verify"
SANDBOX: Final = "sandbox"

# --- Events on spans.
CONTAINER_TOOK_IT: Final = "a container took the call"
CALL_LOST: Final = "the call was lost"

# --- Metrics.
HTTP_DURATION: Final = "http.server.request.duration"
GENERATION_DURATION: Final = "gen_ai.server.request.duration"
TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105 - a name, no password
TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"  # noqa: S105 - a name, no password
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - a name, no password
COST: Final = "lift_sys.cost"
CACHE_LOOKUPS: Final = "lift_sys.cache.lookups"
PREFIX_TOKENS: Final = "lift_sys.prefix_cache.tokens"
REFUSALS: Final = "lift_sys.refusals"
BUDGET_REJECTIONS: Final = "lift_sys.budget.rejections"
QUEUE_DEPTH: Final = "lift_sys.engine.queue_depth"
ENGINE_START: Final = "lift_sys.engine.start.duration"
PROMPT_OUTCOMES: Final = "lift_sys.prompt.outcomes"
PROMPT_TOKENS: Final = "lift_sys.prompt.output_tokens"
PROMPT_DURATION: Final = "lift_sys.prompt.duration"
EXPORT_FAILURES: Final = "lift_sys.telemetry.export_failures"

# Caches, as `CACHE` names them.
VERDICTS: Final = "constraint_verdicts"
COMPILED_SETS: Final = "compiled_sets"
ANSWERS: Final = "answers"
