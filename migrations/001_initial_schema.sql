-- What is stored. Who may see it is in 002_row_level_security.sql; how it is read and written, in the functions after it.
-- Postgres 17 (Supabase). Money is in US dollars, times are UTC, sizes are bounded here for whoever comes past the app.

create extension if not exists vector with schema extensions;
create extension if not exists btree_gin with schema extensions;

-- Functions that are not for callers: the API exposes `public` alone.
create schema if not exists private;

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text,
  provider text,
  provider_user_id text,
  last_login_at timestamptz,
  preferences jsonb not null default '{}'
    check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 65536),
  -- What the operator grants this user beyond the settings' defaults: {"concurrent": 16, "generations": 100}.
  limits jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table public.sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  prompt text not null check (octet_length(prompt) <= 1048576),
  status text not null default 'active' check (status in ('active', 'finalized', 'abandoned')),
  generation_status text not null default 'pending' check (generation_status in ('pending', 'complete', 'error')),
  version integer not null default 1 check (version >= 1),
  current_ir jsonb check (jsonb_typeof(current_ir) = 'object'),
  generated_code text check (octet_length(generated_code) <= 4194304),
  evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  -- Who answered which hole, in order: {"hole_id", "answer", "by", "at", "version"}.
  resolutions jsonb not null default '[]' check (jsonb_typeof(resolutions) = 'array'),
  -- Of the change that made this version, and who made it.
  change_description text not null default '' check (length(change_description) <= 1000),
  changed_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- A tsvector holds 1 MiB at most: the beginning of a long prompt is what it is found by.
  search tsvector not null generated always as (
    to_tsvector(
      'pg_catalog.english',
      left(prompt, 65536)
      || ' ' || left(coalesce(current_ir #>> '{intent,summary}', ''), 4096)
      || ' ' || left(coalesce(current_ir #>> '{signature,name}', ''), 256)
    )
  ) stored
);

-- The list of one user, newest first, by cursor; with and without a status.
create index sessions_newest_idx on public.sessions (user_id, created_at desc, id desc);
create index sessions_newest_by_status_idx on public.sessions (user_id, status, created_at desc, id desc);
-- One user's words, not everybody's: btree_gin puts the owner in front.
create index sessions_search_idx on public.sessions using gin (user_id, search);

-- Every version ever stored, whole: any of them can come back.
create table public.session_history (
  session_id uuid not null references public.sessions (id) on delete cascade,
  version integer not null,
  prompt text not null,
  status text not null,
  generation_status text not null,
  ir_snapshot jsonb,
  code_snapshot text,
  evidence_snapshot jsonb not null,
  metadata_snapshot jsonb not null,
  resolutions_snapshot jsonb not null,
  change_description text not null,
  changed_by uuid,
  created_at timestamptz not null,
  primary key (session_id, version)
);

create table public.session_members (
  session_id uuid not null references public.sessions (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null check (role in ('viewer', 'editor')),
  -- As the owner wrote it when sharing; nobody learns an address by sharing with an id.
  email text,
  invited_by uuid default auth.uid(),
  created_at timestamptz not null default now(),
  primary key (session_id, user_id)
);
create index session_members_user_idx on public.session_members (user_id, session_id);

create table public.comments (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references public.sessions (id) on delete cascade,
  author_id uuid default auth.uid() references auth.users (id) on delete set null,
  author_email text default auth.jwt() ->> 'email',
  -- The clause it is about, as a JSON pointer into the IR (RFC 6901); '' is the whole.
  pointer text not null check (length(pointer) <= 1000 and (pointer = '' or pointer like '/%')),
  version integer not null,
  body text not null check (length(body) between 1 and 10000),
  resolved_at timestamptz,
  resolved_by uuid,
  created_at timestamptz not null default now()
);
create index comments_session_idx on public.comments (session_id, created_at, id);
create index comments_author_idx on public.comments (author_id);

create table public.session_embeddings (
  session_id uuid primary key references public.sessions (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  version integer not null,
  model text not null,
  embedding extensions.vector(384) not null,
  updated_at timestamptz not null default now()
);
create index session_embeddings_user_idx on public.session_embeddings (user_id);
create index session_embeddings_cosine_idx on public.session_embeddings
  using hnsw (embedding extensions.vector_cosine_ops) with (m = 16, ef_construction = 128);

create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  name text not null check (length(name) between 1 and 200),
  key_hash bytea not null unique check (octet_length(key_hash) = 32), -- SHA-256; the key itself is never stored
  prefix text not null check (length(prefix) between 4 and 16), -- enough to recognise a key by
  scopes text[] not null check (scopes <@ '{read,generate,admin}' and cardinality(scopes) between 1 and 3),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
);
create index api_keys_user_idx on public.api_keys (user_id, created_at desc);

-- The ledger: a row is made when work is admitted (its estimate is then reserved), and completed when it has ended.
create table public.generations (
  id uuid primary key default gen_random_uuid(),
  -- Money that was spent stays in the books when users, keys and sessions are gone.
  user_id uuid references auth.users (id) on delete set null,
  key_id uuid references public.api_keys (id) on delete set null,
  session_id uuid references public.sessions (id) on delete set null,
  endpoint text not null,
  environment text not null,
  model text not null,
  gpu text not null default '',
  -- reserved -> settled | released (nothing was used) | expired (its server never came back; a late settle still counts)
  state text not null default 'reserved' check (state in ('reserved', 'settled', 'released', 'expired')),
  estimated_usd numeric(18, 8) not null check (estimated_usd >= 0),
  budget_ids bigint[] not null default '{}', -- in which the estimate was reserved, and the cost is booked
  cost_usd numeric(18, 8) not null default 0 check (cost_usd >= 0),
  prompt_tokens integer,
  cached_tokens integer,
  completion_tokens integer,
  gpu_seconds double precision,
  latency_s double precision,
  time_to_first_token_s double precision,
  finish_reason text,
  cache_hit boolean not null default false,
  error text,
  trace_id text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  settled_at timestamptz
);
create index generations_user_idx on public.generations (user_id, created_at);
create index generations_time_idx on public.generations (created_at);
create index generations_reserved_idx on public.generations (user_id, expires_at) where state = 'reserved';
create index generations_key_idx on public.generations (key_id) where key_id is not null;
create index generations_session_idx on public.generations (session_id) where session_id is not null;

-- What a user, or one of a user's keys, may spend in a day or a month, and has. A limit that is null is the settings'.
-- The sums are kept, not counted: admission takes as long at the end of a month as at its beginning.
create table public.budgets (
  id bigint generated always as identity primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  key_id uuid references public.api_keys (id) on delete cascade,
  period text not null check (period in ('day', 'month')),
  soft_limit_usd numeric(18, 8) check (soft_limit_usd >= 0),
  hard_limit_usd numeric(18, 8) check (hard_limit_usd >= 0),
  period_start date not null default '-infinity',
  spent_usd numeric(18, 8) not null default 0 check (spent_usd >= 0),
  reserved_usd numeric(18, 8) not null default 0 check (reserved_usd >= 0),
  unique nulls not distinct (user_id, key_id, period)
);
create index budgets_key_idx on public.budgets (key_id) where key_id is not null;

-- Token buckets. Unlogged: taking from one writes no log, and a crash fills them, which is what a new day would do.
create unlogged table public.rate_limits (
  subject text not null, -- 'user:<id>', 'key:<id>', 'ip:<address>'
  policy text not null,
  tokens double precision not null,
  updated_at timestamptz not null,
  primary key (subject, policy)
) with (fillfactor = 50); -- rows are rewritten in place all the time
create index rate_limits_time_idx on public.rate_limits using brin (updated_at);

create table public.idempotency_keys (
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  key text not null check (length(key) between 1 and 255),
  fingerprint text not null check (length(fingerprint) <= 128), -- of the request: the same key goes with the same one
  state text not null default 'running' check (state in ('running', 'complete')),
  response_status integer,
  response_headers jsonb,
  response_body text check (octet_length(response_body) <= 8388608),
  created_at timestamptz not null default now(),
  -- Whoever runs it is taken for dead after this.
  locked_until timestamptz not null,
  expires_at timestamptz not null,
  primary key (user_id, key)
);
create index idempotency_keys_expiry_idx on public.idempotency_keys (expires_at);

-- What happened, in order. The identity of a session's events is their order of commit: whoever reads on from the last
-- one seen misses none (see private.record_event).
create table public.analytics_events (
  id bigint generated always as identity primary key,
  session_id uuid references public.sessions (id) on delete set null,
  user_id uuid references auth.users (id) on delete set null,
  event_type text not null check (length(event_type) between 1 and 100),
  event_data jsonb not null default '{}',
  latency_ms double precision,
  created_at timestamptz not null default now()
);
create index analytics_events_session_idx on public.analytics_events (session_id, id) where session_id is not null;
create index analytics_events_user_idx on public.analytics_events (user_id) where user_id is not null;
create index analytics_events_time_idx on public.analytics_events (created_at);

create table public.alerts (
  id bigint generated always as identity primary key,
  -- One alert per crossing and window.
  dedup_key text not null unique,
  kind text not null,
  severity text not null check (severity in ('critical', 'warning', 'info')),
  message text not null,
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  resolved_at timestamptz
);
create index alerts_open_idx on public.alerts (created_at) where resolved_at is null;

create table public.job_runs (
  id bigint generated always as identity primary key,
  job text not null,
  state text not null default 'running' check (state in ('running', 'succeeded', 'failed')),
  details jsonb not null default '{}',
  error text,
  started_at timestamptz not null default now(),
  finished_at timestamptz
);
create index job_runs_job_idx on public.job_runs (job, started_at desc);
