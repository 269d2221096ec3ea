# make serve | make test | make check | make bench : each sets up what it needs. `make help` lists them all.
PYTHON ?= python3
PORT ?= 8000
export PORT
RUN := .venv/bin/python

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

.PHONY: setup
setup: ## install everything into .venv (no account, no GPU; about 2.6 GB)
	@$(PYTHON) infra/local/set_up.py

.PHONY: serve
serve: setup ## the whole product on this machine: http://127.0.0.1:8000 (PORT overrides)
	@exec $(RUN) -m infra.local.serve

.PHONY: test
test: setup ## all tests, on the real engine and the real database
	@$(RUN) -m infra.local.model
	@$(RUN) -m pytest

.PHONY: check
check: setup ## lint, format, strict types, import layers, migration lint
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/squawk migrations/*.sql

.PHONY: migrate
migrate: setup ## apply the migrations that are missing to DATABASE_URL
	@$(RUN) -m infra.migrations

.PHONY: bench
bench: bench-engine bench-constraints bench-database bench-generations bench-typescript bench-keep-alive ## every benchmark, one after another

.PHONY: bench-engine bench-constraints bench-database bench-generations bench-typescript bench-keep-alive
bench-engine: setup ## tokens/s of 16 streams through our engine against bare vLLM
	@$(RUN) -m infra.local.model
	@$(RUN) bench/engine.py
bench-constraints: setup ## soundness, completeness and speed of the compiled grammars
	@$(RUN) -m infra.local.model
	@$(RUN) bench/constraints.py
bench-generations: setup ## 200 functions by the real engine under mixed constraint sets
	@$(RUN) -m infra.local.model
	@$(RUN) bench/constrained_generations.py
bench-typescript: setup ## how much of five npm packages the TypeScript grammar accepts
	@$(RUN) -m infra.local.model
	@$(RUN) bench/typescript_completeness.py
bench-database: setup ## lists at 1,000,000 sessions, the client's transports, admission
	@$(RUN) bench/database.py
bench-keep-alive: setup ## what policies of keeping an engine warm would have cost, on traces (AZURE_TRACES: Azure's)
	@$(RUN) bench/keep_alive.py

.PHONY: bench-web bench-telemetry
bench-web: setup ## the web tier alone against litellm's proxy with its mock response and bare FastAPI (10 min)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.web_tier $(BENCH)
bench-telemetry: setup ## what traces and metrics cost the web tier (5 min)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.web_tier.telemetry $(BENCH)

.PHONY: bench-serving
bench-serving: setup ## ours over HTTP against vllm serve and litellm's proxy (10 to 15 min; BENCH=--quick: 2)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.serving $(BENCH)

.PHONY: bench-forced-tokens
bench-forced-tokens: setup ## what taking the tokens that a grammar forces in one step gains (10 min)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.forced_tokens $(BENCH)

.PHONY: bench-quality
bench-quality: setup ## how often the code is right, in four arms (long; not part of bench)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.quality

.PHONY: bench-schemas
bench-schemas: setup ## real JSON schemas out of public packages: what compiling refuses (FOLDERS: more of them)
	@$(RUN) -m infra.local.model
	@$(RUN) -m bench.schemas $(FOLDERS)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: setup ## inputs that Atheris makes up, for everything that reads constraints (FUZZ_SECONDS=60)
	@$(RUN) -m infra.local.model
	@test -d .local/fuzz/packages || $(PYTHON) -m pip install --quiet --target .local/fuzz/packages atheris==3.0.0
	@PYTHONPATH=.local/fuzz/packages $(RUN) -m bench.fuzz $(FUZZ_SECONDS)

.PHONY: prove prove-clients prove-contract prove-endurance prove-faults prove-hostile audit
prove: setup ## the running product against its description, load, hostile input and faults of what it stands on
	@$(RUN) -m infra.local.model
	@$(RUN) -m proofs.dependencies || [ $$? = 2 ] # 2: the service that knows could not be asked
	@$(RUN) -m proofs
prove-clients prove-contract prove-endurance prove-faults prove-hostile: setup
	@$(RUN) -m infra.local.model
	@$(RUN) -m proofs $(@:prove-%=%)
audit: setup ## known vulnerabilities of what is pinned, and a list of it (.local/sbom.json, CycloneDX)
	@$(RUN) -m proofs.dependencies

MUTATE = PYTHONPATH=.local/mutants/packages $(RUN) -m proofs.mutants $(GROUPS)
.PHONY: prove-mutants coverage mutants-tools
prove-mutants: mutants-tools ## would the tests notice if the code were wrong? sampled mutants (GROUPS=auth: those alone)
	@$(MUTATE) --write
coverage: mutants-tools ## branches that tests take, of the modules that must not be wrong (GROUPS=auth: those alone)
	@$(MUTATE) --coverage
mutants-tools: setup
	@$(RUN) -m infra.local.model
	@test -d .local/mutants/packages || $(PYTHON) -m pip install --quiet --no-deps --target .local/mutants/packages \
		coverage==7.17.3 libcst==1.9.0 mutmut==3.8.1 pyyaml==6.0.3

GPU_ENVIRONMENT ?= production
.PHONY: bench-boundary bench-gpu bench-gpu-reduced
bench-boundary: setup ## what the way between two of Modal's containers costs, on loopback
	@$(RUN) bench/modal_boundary.py
bench-gpu: ## cold starts and tokens/s on this machine's GPU, as an environment has it (GPU_ENVIRONMENT=production)
	@test -d .local/gpu || $(PYTHON) -m venv .local/gpu
	@.local/gpu/bin/pip install --quiet --no-deps -r infra/requirements/engine.lock
	@.local/gpu/bin/python bench/gpu.py --environment $(GPU_ENVIRONMENT)
bench-gpu-reduced: setup ## that bench/gpu.py works, without a GPU
	@$(RUN) -m infra.local.model
	@$(RUN) bench/gpu.py --reduced
