-- Limits, budgets and the ledger. One call before the work (`admit`), one after (`settle`).
--
-- Locks: whatever changes a user's money takes the user's own budget rows first, in one order, then reservations, then
-- buckets. Admissions of one user therefore follow one another, and no two wait for each other.

-- The user for whom this server acts. A user's own token is not enough: what `admit` and `settle` are told is believed.
-- The claim is the "act" of RFC 8693, section 4.1, in tokens that the server signs for itself.
create function private.acting_for() returns uuid
language plpgsql stable set search_path = '' as $$
begin
  if auth.jwt() #>> '{act,sub}' is distinct from 'lift-sys' or auth.uid() is null then
    raise sqlstate '42501' using message = 'this is for the server to do, on behalf of a user';
  end if;
  return auth.uid();
end
$$;

-- When a period began, in UTC.
create function private.period_start(period text, moment timestamptz) returns date
language sql immutable set search_path = '' as $$
  select date_trunc(period, moment at time zone 'utc')::date
$$;

-- Takes a token from a bucket that holds `quota` and is refilled evenly within `window_s` seconds; PT429 when it is empty.
-- Answers with the bucket's state, as the RateLimit headers tell it.
create function private.take_token(subject text, policy text, quota integer, window_s integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  moment constant timestamptz := clock_timestamp();
  rate constant double precision := quota::double precision / window_s;
  remaining double precision;
begin
  insert into public.rate_limits as r (subject, policy, tokens, updated_at)
  values (take_token.subject, take_token.policy, quota - 1, moment)
  on conflict on constraint rate_limits_pkey do update set
    tokens = least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) - 1,
    updated_at = greatest(moment, r.updated_at)
  where least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) >= 1
  returning tokens into remaining;
  if not found then
    select least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) into remaining
    from public.rate_limits as r where r.subject = take_token.subject and r.policy = take_token.policy;
    raise sqlstate 'PT429' using
      message = format('more than %s requests in %s s', quota, window_s),
      detail = jsonb_build_object(
        'policy', policy, 'quota', quota, 'window_s', window_s, 'remaining', 0,
        'retry_after_s', round(((1 - remaining) / rate)::numeric, 3)
      )::text;
  end if;
  return jsonb_build_object(
    'policy', policy, 'quota', quota, 'window_s', window_s, 'remaining', floor(remaining),
    'reset_s', round(((quota - remaining) / rate)::numeric, 3)
  );
end
$$;

-- Takes from every policy in `policies` ([{"policy", "quota", "window_s"}]) for a user (whose own quotas, if the
-- operator gave any, go before), and for an address where one is given.
create function private.take_tokens(user_id uuid, address text, policies jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  own constant jsonb := (select p.limits from public.profiles as p where p.id = take_tokens.user_id);
  wanted record;
  taken jsonb := '[]';
begin
  for wanted in
    select policy, quota, window_s
    from jsonb_to_recordset(policies) as p (policy text, quota integer, window_s integer)
    order by policy
  loop
    taken := taken || private.take_token(
      format('user:%s', user_id), wanted.policy, coalesce((own ->> wanted.policy)::integer, wanted.quota), wanted.window_s
    );
    if address is not null then
      perform private.take_token(format('ip:%s', address), wanted.policy, wanted.quota, wanted.window_s);
    end if;
  end loop;
  return taken;
end
$$;

-- Locks the budgets of a user, and of one of the user's keys where it has any; those of the user are made at first.
-- A period that has ended begins anew: what was reserved in it is settled against nothing.
create function private.lock_budgets(user_id uuid, key_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  if not exists (
    select from public.budgets as b
    where b.user_id = lock_budgets.user_id and b.key_id is null and b.period = 'month'
  ) then
    insert into public.budgets (user_id, period) values (lock_budgets.user_id, 'day'), (lock_budgets.user_id, 'month')
    on conflict do nothing;
  end if;
  perform from public.budgets as b
  where b.user_id = lock_budgets.user_id and (b.key_id is null or b.key_id = lock_budgets.key_id)
  order by b.key_id nulls first, b.period
  for no key update;
  update public.budgets as b set
    period_start = private.period_start(b.period, clock_timestamp()), spent_usd = 0, reserved_usd = 0
  where b.user_id = lock_budgets.user_id and (b.key_id is null or b.key_id = lock_budgets.key_id)
    and b.period_start < private.period_start(b.period, clock_timestamp());
end
$$;

-- Moves money of one reservation in the budgets that it was made in, unless their period is over.
create function private.book(g public.generations, reserved numeric, spent numeric) returns void
language sql set search_path = '' as $$
  update public.budgets as b set reserved_usd = b.reserved_usd + reserved, spent_usd = b.spent_usd + spent
  where b.id = any (g.budget_ids) and b.period_start = private.period_start(b.period, g.created_at)
$$;

-- Gives back what reservations hold that nobody came back for. The user's budgets are locked already.
create function private.release_expired(of_user uuid) returns integer
language plpgsql set search_path = '' as $$
declare
  stale public.generations;
  released integer := 0;
begin
  for stale in
    update public.generations as g set state = 'expired'
    where g.user_id = of_user and g.state = 'reserved' and g.expires_at < clock_timestamp()
    returning g.*
  loop
    perform private.book(stale, -stale.estimated_usd, 0);
    released := released + 1;
  end loop;
  return released;
end
$$;

-- May this work begin? Reserves its estimate; answers {"limits": [...], "soft_limits_crossed": [...]}.
--   p_work    {"endpoint", "environment", "model", "gpu", "estimated_usd", "expires_in_s", "key_id", "session_id",
--             "trace_id", "address"}
--   p_limits  the settings' defaults: {"daily_budget_usd", "monthly_budget_usd", "concurrent",
--             "policies": [{"policy", "quota", "window_s"}]}
-- PT429: too fast, or too many at once. PT402: a budget does not cover the estimate. Nothing is taken then.
-- Security definer: nobody but this and its siblings writes budgets, buckets and the ledger. For the acting user alone.
create function public.admit(p_id uuid, p_work jsonb, p_limits jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  key constant uuid := (p_work ->> 'key_id')::uuid;
  session constant uuid := (p_work ->> 'session_id')::uuid;
  estimate constant numeric := (p_work ->> 'estimated_usd')::numeric;
  at_once integer;
  running integer;
  moment timestamptz;
  budget record;
  budget_ids bigint[] := '{}';
  crossed jsonb := '[]';
  taken jsonb;
  made public.generations;
begin
  if session is not null and not exists (
    select from public.sessions as s
    where s.id = session
      and (s.user_id = me or s.id in (select private.sessions_shared_with_me(array['viewer', 'editor'])))
  ) then
    perform private.refuse_not_found('session');
  end if;

  perform private.lock_budgets(me, key);
  perform private.release_expired(me);
  moment := clock_timestamp();

  at_once := coalesce(
    (select (p.limits ->> 'concurrent')::integer from public.profiles as p where p.id = me),
    (p_limits ->> 'concurrent')::integer
  );
  select count(*) into running from public.generations as g where g.user_id = me and g.state = 'reserved';
  if running >= at_once then
    raise sqlstate 'PT429' using
      message = format('%s generations are running', running),
      detail = jsonb_build_object(
        'policy', 'concurrent', 'quota', at_once, 'window_s', 0, 'remaining', 0, 'retry_after_s', 1
      )::text;
  end if;

  for budget in
    select
      b.id, b.period, b.spent_usd + b.reserved_usd as used, b.soft_limit_usd, b.key_id,
      case
        when b.hard_limit_usd is not null or b.key_id is not null then b.hard_limit_usd
        when b.period = 'day' then (p_limits ->> 'daily_budget_usd')::numeric
        else (p_limits ->> 'monthly_budget_usd')::numeric
      end as hard_limit_usd
    from public.budgets as b
    where b.user_id = me and (b.key_id is null or b.key_id = key)
    order by b.key_id nulls first, b.period
  loop
    if budget.used + estimate > budget.hard_limit_usd then
      raise sqlstate 'PT402' using
        message = format('the budget of this %s is used up', budget.period),
        detail = jsonb_build_object(
          'period', budget.period, 'limit_usd', budget.hard_limit_usd, 'spent_usd', budget.used
        )::text;
    end if;
    if budget.used + estimate > budget.soft_limit_usd then
      crossed := crossed || jsonb_build_object(
        'period', budget.period, 'of_key', budget.key_id is not null, 'limit_usd', budget.soft_limit_usd
      );
    end if;
    budget_ids := budget_ids || budget.id;
  end loop;

  insert into public.generations (
    id, user_id, key_id, session_id, endpoint, environment, model, gpu, estimated_usd, budget_ids, trace_id,
    created_at, expires_at
  ) values (
    p_id, me, key, session, p_work ->> 'endpoint', p_work ->> 'environment', p_work ->> 'model',
    coalesce(p_work ->> 'gpu', ''), estimate, budget_ids, p_work ->> 'trace_id', moment,
    moment + make_interval(secs => (p_work ->> 'expires_in_s')::double precision)
  ) returning * into made;
  perform private.book(made, estimate, 0);

  taken := private.take_tokens(me, p_work ->> 'address', p_limits -> 'policies');
  return jsonb_build_object('limits', taken, 'soft_limits_crossed', crossed);
end
$$;

-- What came of it. May be repeated: the first answer stands. One that comes after its reservation expired still counts.
--   p_outcome {"cost_usd", "prompt_tokens", "cached_tokens", "completion_tokens", "gpu_seconds", "latency_s",
--             "time_to_first_token_s", "finish_reason", "cache_hit", "error", "session_id", "released"}
--   released: nothing was used; the reservation is given back whole.
-- Security definer: see public.admit.
create function public.settle(p_id uuid, p_outcome jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  released constant boolean := coalesce((p_outcome ->> 'released')::boolean, false);
  cost constant numeric := case when released then 0 else coalesce((p_outcome ->> 'cost_usd')::numeric, 0) end;
  reserved public.generations;
begin
  select g.* into reserved from public.generations as g where g.id = p_id and g.user_id = me;
  if not found then
    perform private.refuse_not_found('reservation');
  end if;
  perform private.lock_budgets(me, reserved.key_id);
  select g.* into reserved from public.generations as g where g.id = p_id for no key update;
  if reserved.state in ('settled', 'released') then
    return jsonb_build_object('state', reserved.state, 'cost_usd', reserved.cost_usd);
  end if;
  perform private.book(reserved, case reserved.state when 'reserved' then -reserved.estimated_usd else 0 end, cost);
  update public.generations as g set
    state = case when released then 'released' else 'settled' end,
    cost_usd = cost,
    prompt_tokens = (p_outcome ->> 'prompt_tokens')::integer,
    cached_tokens = (p_outcome ->> 'cached_tokens')::integer,
    completion_tokens = (p_outcome ->> 'completion_tokens')::integer,
    gpu_seconds = (p_outcome ->> 'gpu_seconds')::double precision,
    latency_s = (p_outcome ->> 'latency_s')::double precision,
    time_to_first_token_s = (p_outcome ->> 'time_to_first_token_s')::double precision,
    finish_reason = p_outcome ->> 'finish_reason',
    cache_hit = coalesce((p_outcome ->> 'cache_hit')::boolean, false),
    error = p_outcome ->> 'error',
    -- The session may have been made by this very work, or deleted during it.
    session_id = (
      select s.id from public.sessions as s
      where s.id = coalesce((p_outcome ->> 'session_id')::uuid, g.session_id)
        and (s.user_id = me or s.id in (select private.sessions_shared_with_me(array['viewer', 'editor'])))
    ),
    settled_at = clock_timestamp()
  where g.id = p_id;
  return jsonb_build_object('state', case when released then 'released' else 'settled' end, 'cost_usd', cost);
end
$$;

-- Rate limits alone, for requests that cost nothing. Writes no log.
-- Security definer: see public.admit.
create function public.limit_rate(p_policies jsonb, p_address text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  return jsonb_build_object('limits', private.take_tokens(private.acting_for(), p_address, p_policies));
end
$$;

-- For a scheduled job: releases what servers that died had reserved. A user's next admission does it for that user.
-- Each user is a transaction's worth of locks, so a call does at most `p_users` of them; 0 means that none is left.
create function public.sweep_stale_reservations(p_users integer default 100) returns integer
language plpgsql set search_path = '' as $$
declare
  stale_user uuid;
  released integer := 0;
begin
  for stale_user in
    select distinct g.user_id from public.generations as g
    where g.state = 'reserved' and g.expires_at < now() and g.user_id is not null
    order by g.user_id
    limit p_users
  loop
    perform private.lock_budgets(stale_user, null);
    released := released + private.release_expired(stale_user);
  end loop;
  return released;
end
$$;

-- The caller's own figures: sums by day (UTC), today's last, and the state of the budgets.
create function public.get_usage(p_days integer default 30) returns jsonb
language sql stable set search_path = '' as $$
  with days as (
    select
      (g.created_at at time zone 'utc')::date as day,
      count(*) as generations,
      count(*) filter (where g.state = 'reserved') as running,
      count(*) filter (where g.error is not null) as failed,
      count(*) filter (where g.cache_hit) as cache_hits,
      coalesce(sum(g.prompt_tokens), 0) as prompt_tokens,
      coalesce(sum(g.cached_tokens), 0) as cached_tokens,
      coalesce(sum(g.completion_tokens), 0) as completion_tokens,
      coalesce(sum(g.gpu_seconds), 0) as gpu_seconds,
      sum(g.cost_usd) as cost_usd
    from public.generations as g
    where g.user_id = (select auth.uid())
      and g.created_at >= (private.period_start('day', now()) - (least(greatest(p_days, 1), 366) - 1))::timestamp
        at time zone 'utc'
      and g.state <> 'released'
    group by 1
  )
  select jsonb_build_object(
    'days', coalesce((select jsonb_agg(to_jsonb(days) order by days.day) from days), '[]'),
    'budgets', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'key_id', b.key_id, 'period', b.period,
            'soft_limit_usd', b.soft_limit_usd, 'hard_limit_usd', b.hard_limit_usd,
            'spent_usd', case when b.period_start = private.period_start(b.period, now()) then b.spent_usd else 0 end,
            'reserved_usd', case when b.period_start = private.period_start(b.period, now()) then b.reserved_usd else 0 end
          )
          order by b.key_id nulls first, b.period
        )
        from public.budgets as b where b.user_id = (select auth.uid())
      ),
      '[]'
    )
  )
$$;

-- Limits of a user (for operators) or of one of one's own keys. Null: the settings' default for a user, none for a key.
create function public.set_budget(
  p_user_id uuid, p_period text, p_hard_limit_usd numeric, p_soft_limit_usd numeric default null, p_key_id uuid default null
) returns void
language plpgsql set search_path = '' as $$
begin
  if p_key_id is not null and not exists (
    select from public.api_keys as k where k.id = p_key_id and k.user_id = p_user_id
  ) then
    perform private.refuse_not_found('API key');
  end if;
  insert into public.budgets (user_id, key_id, period, soft_limit_usd, hard_limit_usd)
  values (p_user_id, p_key_id, p_period, p_soft_limit_usd, p_hard_limit_usd)
  on conflict (user_id, key_id, period) do update set
    soft_limit_usd = excluded.soft_limit_usd, hard_limit_usd = excluded.hard_limit_usd;
end
$$;

-- What an operator grants a user beyond the defaults: {"concurrent": 16, "<policy>": quota}.
-- Security definer: `profiles.limits` is granted to nobody, or users would raise their own.
create function public.set_user_limits(p_user_id uuid, p_limits jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if not private.is_operator() then
    raise sqlstate '42501' using message = 'this is for operators';
  end if;
  if exists (select from jsonb_each(p_limits) as l where jsonb_typeof(l.value) <> 'number' or l.value < '1') then
    raise sqlstate '22023' using message = 'limits are positive numbers';
  end if;
  update public.profiles as p set limits = p_limits where p.id = p_user_id;
  if not found then
    perform private.refuse_not_found('user');
  end if;
end
$$;

revoke all on function
  private.acting_for, private.period_start, private.take_token, private.take_tokens, private.lock_budgets, private.book,
  private.release_expired,
  public.admit, public.settle, public.limit_rate, public.sweep_stale_reservations, public.get_usage, public.set_budget,
  public.set_user_limits
from public, anon, authenticated, service_role;

grant execute on function
  private.period_start,
  public.admit, public.settle, public.limit_rate, public.get_usage, public.set_budget, public.set_user_limits
to authenticated;
grant execute on function
  private.period_start, private.lock_budgets, private.book, private.release_expired, public.sweep_stale_reservations
to service_role;
