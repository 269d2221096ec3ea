-- A generation waits for the disk once, when it is settled, and no longer a second time when it is admitted.

-- May this work begin? Reserves its estimate; answers {"limits": [...], "soft_limits_crossed": [...]}.
--   p_work    {"endpoint", "environment", "model", "gpu", "estimated_usd", "expires_in_s", "key_id", "session_id",
--             "trace_id", "address"}
--   p_limits  the settings' defaults: {"daily_budget_usd", "monthly_budget_usd", "concurrent",
--             "policies": [{"policy", "quota", "window_s"}]}
-- It does not wait for the disk: a reservation that a crash forgets is no money yet, and `settle` makes up for it.
-- PT429: too fast, or too many at once. PT402: a budget does not cover the estimate. Nothing is taken then.
-- Security definer: nobody but this and its siblings writes budgets, buckets and the ledger. For the acting user alone.
create or replace function public.admit(p_id uuid, p_work jsonb, p_limits jsonb) returns jsonb
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
  perform set_config('synchronous_commit', 'off', true);
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

-- Clients of the old one fit the new one, which takes its place in this same transaction.
-- squawk-ignore ban-drop-function
drop function public.settle(uuid, jsonb);

-- What came of it. May be repeated: the first answer stands. One that comes after its reservation expired still counts.
--   p_outcome {"cost_usd", "prompt_tokens", "cached_tokens", "completion_tokens", "gpu_seconds", "latency_s",
--             "time_to_first_token_s", "finish_reason", "cache_hit", "error", "session_id", "released"}
--   p_work    what was admitted, as `admit` was told it; by it, work whose reservation a crash has forgotten is booked.
--   released: nothing was used; the reservation is given back whole.
-- Security definer: see public.admit.
create function public.settle(p_id uuid, p_outcome jsonb, p_work jsonb default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  released constant boolean := coalesce((p_outcome ->> 'released')::boolean, false);
  cost constant numeric := case when released then 0 else coalesce((p_outcome ->> 'cost_usd')::numeric, 0) end;
  reserved public.generations;
begin
  select g.* into reserved from public.generations as g where g.id = p_id and g.user_id = me;
  if not found and p_work is null then
    perform private.refuse_not_found('reservation');
  end if;
  perform private.lock_budgets(me, coalesce(reserved.key_id, (p_work ->> 'key_id')::uuid));
  if reserved.id is null then
    insert into public.generations (
      id, user_id, key_id, endpoint, environment, model, gpu, estimated_usd, budget_ids, trace_id, created_at, expires_at
    ) values (
      p_id, me, (p_work ->> 'key_id')::uuid, p_work ->> 'endpoint', p_work ->> 'environment', p_work ->> 'model',
      coalesce(p_work ->> 'gpu', ''), 0,
      array(
        select b.id from public.budgets as b
        where b.user_id = me and (b.key_id is null or b.key_id = (p_work ->> 'key_id')::uuid)
      ),
      p_work ->> 'trace_id', clock_timestamp(), clock_timestamp()
    )
    on conflict (id) do nothing; -- an id of somebody else's: what follows finds nothing of the caller's
  end if;
  select g.* into reserved from public.generations as g where g.id = p_id and g.user_id = me for no key update;
  if not found then
    perform private.refuse_not_found('reservation');
  end if;
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

revoke all on function public.settle from public, anon, authenticated, service_role;
grant execute on function public.settle to authenticated;
