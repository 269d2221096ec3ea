-- Which versions of prompts a piece of work was asked by, and what came of each: two that are served by weight are compared
-- by what they do in service.

-- [{"version", "outcome": "made" | "passed" | "failed" | "cut", "tokens", "seconds"}]; null where no prompt of ours was used.
alter table public.generations add column prompts jsonb;

-- As in 021, and it keeps the outcome's `prompts`.
-- Security definer: see public.admit.
create or replace function public.settle(p_id uuid, p_outcome jsonb, p_work jsonb default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  released constant boolean := coalesce((p_outcome ->> 'released')::boolean, false);
  cost constant numeric := case when released then 0 else coalesce((p_outcome ->> 'cost_usd')::numeric, 0) end;
  moment constant timestamptz := clock_timestamp();
  late constant timestamptz := least(
    greatest((p_work ->> 'began_at')::timestamptz, moment - interval '30 days'), moment
  );
  -- Of nulls, `greatest` and `least` take no notice.
  began constant timestamptz := case when p_work ->> 'began_at' is not null then late end;
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
      p_work ->> 'trace_id', coalesce(began, moment), moment
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
    prompts = nullif(p_outcome -> 'prompts', '[]'),
    -- The session may have been made by this very work, or deleted during it.
    session_id = (
      select s.id from public.sessions as s
      where s.id = coalesce((p_outcome ->> 'session_id')::uuid, g.session_id)
        and (s.user_id = me or s.id in (select private.sessions_shared_with_me(array['viewer', 'editor'])))
    ),
    -- Not now: the engine was not busy until now.
    settled_at = case
      when began is null then moment
      else least(began + make_interval(secs => coalesce((p_outcome ->> 'latency_s')::double precision, 0)), moment)
    end
  where g.id = p_id;
  if began is not null then
    update public.rolled_days as r set rolled_at = '-infinity'
    where r.day = (reserved.created_at at time zone 'utc')::date;
  end if;
  return jsonb_build_object('state', case when released then 'released' else 'settled' end, 'cost_usd', cost);
end
$$;

-- By version: how often it was used and what came of it; tokens and seconds of what came to its end.
create function private.prompt_figures(p_environment text, p_from timestamptz, p_until timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with uses as (
    select u.version, u.outcome, u.tokens, u.seconds
    from public.generations as g
    cross join lateral jsonb_to_recordset(g.prompts)
      as u (version text, outcome text, tokens integer, seconds double precision)
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from and g.created_at < p_until and g.prompts is not null
  ),
  versions as (
    select
      u.version, count(*) as uses,
      count(*) filter (where u.outcome in ('made', 'passed')) as successes,
      count(*) filter (where u.outcome = 'failed') as failed,
      count(*) filter (where u.outcome = 'cut') as cut,
      avg(u.tokens)::double precision as tokens,
      percentile_cont(array[0.5, 0.95]) within group (order by u.seconds) as latency
    from uses as u
    group by u.version
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'version', v.version, 'uses', v.uses, 'successes', v.successes, 'failed', v.failed, 'cut', v.cut,
        'success_rate', v.successes::double precision / v.uses, 'completion_tokens_mean', v.tokens,
        'latency_p50_s', v.latency[1], 'latency_p95_s', v.latency[2]
      )
      order by v.version
    ),
    '[]'
  )
  from versions as v
$$;

create or replace function public.get_metrics(p_days integer default 7, p_environment text default null, p_at timestamptz default now())
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  days constant integer := least(greatest(p_days, 1), 92);
  first_day constant date := private.period_start('day', p_at) - (days - 1);
begin
  perform private.require_operator();
  return private.reliability(p_environment, private.midnight(first_day), p_at)
    || private.activity(private.midnight(first_day), p_at)
    || jsonb_build_object(
      'from', first_day, 'until', p_at,
      'prompts', private.prompt_figures(p_environment, private.midnight(first_day), p_at),
      'days', (
        select jsonb_agg(
          private.reliability(p_environment, private.midnight(d.day), least(private.midnight(d.day + 1), p_at))
          || private.activity(private.midnight(d.day), least(private.midnight(d.day + 1), p_at))
          || jsonb_build_object('day', d.day)
          order by d.day
        )
        from (select first_day + n as day from generate_series(0, days - 1) as n) as d
      )
    );
end
$$;

revoke all on function private.prompt_figures from public, anon, authenticated, service_role;
grant execute on function private.prompt_figures to authenticated, service_role;
