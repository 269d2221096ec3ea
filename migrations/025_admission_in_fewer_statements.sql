-- Admission in ten statements instead of fourteen: an answer waits for all of them (docs/benchmarks/web-tier.md). What is decided,
-- and in which order it is locked, stays.

-- As before (005): locks the budgets of a user, and of one of the user's keys where it has any; those of the user are
-- made at first. A period that has ended begins anew. Both are seldom, and cost nothing where they are not needed.
create or replace function private.lock_budgets(user_id uuid, key_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  of_user integer;
  ended boolean;
begin
  loop
    select
      count(*) filter (where l.key_id is null),
      bool_or(l.period_start < private.period_start(l.period, clock_timestamp()))
    into of_user, ended
    from (
      select b.key_id, b.period, b.period_start
      from public.budgets as b
      where b.user_id = lock_budgets.user_id and (b.key_id is null or b.key_id = lock_budgets.key_id)
      order by b.key_id nulls first, b.period
      for no key update
    ) as l;
    exit when of_user >= 2;
    insert into public.budgets (user_id, period) values (lock_budgets.user_id, 'day'), (lock_budgets.user_id, 'month')
    on conflict do nothing;
  end loop;
  if ended then
    update public.budgets as b set
      period_start = private.period_start(b.period, clock_timestamp()), spent_usd = 0, reserved_usd = 0
    where b.user_id = lock_budgets.user_id and (b.key_id is null or b.key_id = lock_budgets.key_id)
      and b.period_start < private.period_start(b.period, clock_timestamp());
  end if;
end
$$;

-- As before: see 009 for its arguments, its answer and its refusals.
-- Security definer: nobody but this and its siblings writes budgets, buckets and the ledger. For the acting user alone.
create or replace function public.admit(p_id uuid, p_work jsonb, p_limits jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  key constant uuid := (p_work ->> 'key_id')::uuid;
  session constant uuid := (p_work ->> 'session_id')::uuid;
  estimate constant numeric := (p_work ->> 'estimated_usd')::numeric;
  moment timestamptz;
  at_once integer;
  running integer;
  has_expired boolean;
  budget record;
  budget_ids bigint[] := '{}';
  crossed jsonb := '[]';
  taken jsonb;
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
  moment := clock_timestamp();
  select
    count(*),
    coalesce(bool_or(g.expires_at < moment), false),
    coalesce(
      (select (p.limits ->> 'concurrent')::integer from public.profiles as p where p.id = me),
      (p_limits ->> 'concurrent')::integer
    )
  into running, has_expired, at_once
  from public.generations as g where g.user_id = me and g.state = 'reserved';
  if has_expired then
    running := running - private.release_expired(me);
  end if;
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
  );
  -- As `private.book` does.
  update public.budgets as b set reserved_usd = b.reserved_usd + estimate
  where b.id = any (budget_ids) and b.period_start = private.period_start(b.period, moment);

  taken := private.take_tokens(me, p_work ->> 'address', p_limits -> 'policies');
  return jsonb_build_object('limits', taken, 'soft_limits_crossed', crossed);
end
$$;
