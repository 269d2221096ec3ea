-- What a user's work has cost, of several pieces in one call: they end close together, and each call costs the server that
-- makes it as much as a third of a request (docs/benchmarks/web-tier.md).

-- What `public.settle` did until now (023), for a user who is known already.
create function private.settle_one(me uuid, p_id uuid, p_outcome jsonb, p_work jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
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

-- As before: see 009 for its arguments, 021 for `p_work.began_at`, 023 for the outcome's `prompts`.
-- Security definer: see public.admit.
create or replace function public.settle(p_id uuid, p_outcome jsonb, p_work jsonb default null) returns jsonb
language sql security definer set search_path = '' as $$
  select private.settle_one(private.acting_for(), p_id, p_outcome, p_work)
$$;

-- Settles each of `p_settlements`, [{"id", "outcome", "work"}], as `settle` would, and answers what it would in the same
-- order: its answer; or {"code", "message", "details"} of the error that undid this one, and no other. May be repeated.
-- More than 60 are refused: each is a subtransaction, and Postgres keeps 64 of a transaction at hand.
-- Security definer: see public.admit.
create function public.settle_many(p_settlements jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me constant uuid := private.acting_for();
  one record;
  answers jsonb := '[]';
  error_code text;
  error_message text;
  error_details text;
begin
  if jsonb_array_length(p_settlements) > 60 then
    raise sqlstate '54000' using message = 'more than 60 settlements in one call';
  end if;
  for one in
    select s.settlement
    from jsonb_array_elements(p_settlements) with ordinality as s (settlement, place)
    order by s.place
  loop
    begin
      answers := answers || private.settle_one(
        me, (one.settlement ->> 'id')::uuid, one.settlement -> 'outcome', nullif(one.settlement -> 'work', 'null')
      );
    exception when others then
      get stacked diagnostics
        error_code = returned_sqlstate, error_message = message_text, error_details = pg_exception_detail;
      answers := answers || jsonb_build_object(
        'code', error_code, 'message', error_message, 'details', error_details
      );
    end;
  end loop;
  return answers;
end
$$;

revoke all on function private.settle_one, public.settle_many from public, anon, authenticated, service_role;
grant execute on function public.settle_many to authenticated;
