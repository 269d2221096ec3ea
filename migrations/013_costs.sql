-- What it costs: what the platform has billed, what the ledger estimates, what warm engines cost while nobody uses them.

-- The platform's own report, by hour and object. An hour that is reported again is overwritten, never added to.
create table public.billed_costs (
  interval_start timestamptz not null,
  object_id text not null, -- Modal's: an app
  environment text not null, -- ours: the tag that the app carries
  description text not null default '',
  tags jsonb not null default '{}' check (jsonb_typeof(tags) = 'object'),
  cost_usd numeric(18, 8) not null, -- below zero where the platform gives something back
  cost_by_resource jsonb not null default '{}' check (jsonb_typeof(cost_by_resource) = 'object'),
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (interval_start, object_id)
);
create index billed_costs_environment_idx on public.billed_costs (environment, interval_start);

-- How many engines ran when somebody looked, and what one cost: between two looks they are taken to be as many.
create table public.engine_samples (
  environment text not null,
  gpu text not null,
  sampled_at timestamptz not null,
  containers integer not null check (containers >= 0),
  usd_per_hour numeric(18, 8) not null check (usd_per_hour >= 0),
  primary key (environment, sampled_at, gpu)
);

-- The ledger by day (UTC). Of users, keys and sessions that are gone the sums stay, so that nothing is referred to.
create table public.daily_costs (
  day date not null,
  environment text not null,
  endpoint text not null,
  user_id uuid,
  key_id uuid,
  gpu text not null,
  generations bigint not null,
  failed bigint not null,
  cache_hits bigint not null,
  prompt_tokens bigint not null,
  cached_tokens bigint not null,
  completion_tokens bigint not null,
  gpu_seconds double precision not null,
  cost_usd numeric(18, 8) not null,
  unique nulls not distinct (day, environment, endpoint, user_id, key_id, gpu)
);

-- Which days have been summed up, and when: a generation that was settled after that makes its day be summed up again.
create table public.rolled_days (
  day date primary key,
  rolled_at timestamptz not null
);

revoke all on public.billed_costs, public.engine_samples, public.daily_costs, public.rolled_days
from public, anon, authenticated, service_role;
grant select, insert, update, delete on
  public.billed_costs, public.engine_samples, public.daily_costs, public.rolled_days
to service_role;
alter table public.billed_costs enable row level security;
alter table public.engine_samples enable row level security;
alter table public.daily_costs enable row level security;
alter table public.rolled_days enable row level security;
grant select on public.billed_costs, public.engine_samples, public.daily_costs, public.rolled_days to authenticated;
create policy billed_costs_select on public.billed_costs for select to authenticated
  using ((select private.is_operator()));
create policy engine_samples_select on public.engine_samples for select to authenticated
  using ((select private.is_operator()));
create policy daily_costs_select on public.daily_costs for select to authenticated
  using ((select private.is_operator()));
create policy rolled_days_select on public.rolled_days for select to authenticated
  using ((select private.is_operator()));

-- For operators and scheduled jobs. What follows would show others their own rows alone, and sums that mean nothing.
create function private.require_operator() returns void
language plpgsql stable set search_path = '' as $$
begin
  if not (private.is_operator() or auth.role() = 'service_role') then
    raise sqlstate '42501' using message = 'this is for operators';
  end if;
end
$$;

create function private.midnight(day date) returns timestamptz
language sql immutable set search_path = '' as $$
  select day::timestamp at time zone 'utc'
$$;

-- Of a generation's end: was it the service's fault? Not where the caller's input was refused, or the model had too few
-- tokens, or the caller went away (no error, finish_reason "abort").
create function private.is_fault(state text, error text) returns boolean
language sql immutable set search_path = '' as $$
  select state = 'expired' or coalesce(error not in ('Refused', 'ConstraintRefused', 'PromptTooLong', 'GenerationCut'), false)
$$;

-- Seconds for which engines were up, and of these the ones in which at least one generation ran, by hour. A sample
-- counts until the next one, but not for more than 15 minutes: then nobody was looking.
create function private.engine_hours(p_environment text, p_from timestamptz, p_until timestamptz)
returns table (
  environment text, gpu text, hour timestamptz, warm_seconds double precision, busy_seconds double precision,
  idle_usd numeric
)
language sql stable set search_path = '' as $$
  with spans as (
    select
      s.environment, s.gpu, s.containers, s.usd_per_hour, s.sampled_at,
      least(
        lead(s.sampled_at, 1, p_until) over (partition by s.environment, s.gpu order by s.sampled_at),
        s.sampled_at + interval '15 minutes', p_until
      ) as span_end
    from public.engine_samples as s
    where (p_environment is null or s.environment = p_environment)
      and s.sampled_at >= p_from - interval '15 minutes' and s.sampled_at < p_until
  ),
  pieces as (
    select
      s.environment, s.gpu, h.hour, s.usd_per_hour, s.containers,
      extract(epoch from least(s.span_end, h.hour + interval '1 hour') - greatest(s.sampled_at, h.hour)) as seconds
    from spans as s
    cross join lateral generate_series(date_trunc('hour', s.sampled_at), s.span_end, interval '1 hour') as h (hour)
    where h.hour < s.span_end and h.hour >= p_from
  ),
  warm as (
    select
      p.environment, p.gpu, p.hour, sum(p.containers * p.seconds) as seconds,
      sum(p.containers * p.seconds * p.usd_per_hour) / nullif(sum(p.containers * p.seconds), 0) as usd_per_hour
    from pieces as p
    group by 1, 2, 3
  ),
  working as (
    select
      g.environment, g.gpu,
      range_agg(tstzrange(g.settled_at - make_interval(secs => g.gpu_seconds), g.settled_at)) as ranges
    from public.generations as g
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from - interval '1 day' and g.created_at < p_until and g.gpu_seconds > 0
    group by 1, 2
  ),
  used as (
    select
      w.environment, w.gpu, w.hour, w.seconds, w.usd_per_hour,
      least(
        w.seconds,
        coalesce(
          (
            select sum(extract(epoch from upper(r.part) - lower(r.part)))
            from unnest(b.ranges * tstzmultirange(tstzrange(w.hour, w.hour + interval '1 hour'))) as r (part)
          ),
          0
        )
      ) as busy
    from warm as w
    left join working as b on b.environment = w.environment and b.gpu = w.gpu
  )
  select
    u.environment, u.gpu, u.hour, u.seconds::double precision, u.busy::double precision,
    coalesce((u.seconds - u.busy) * u.usd_per_hour / 3600, 0)::numeric
  from used as u
$$;

-- Every hour in which anything cost anything. `total_usd` is the bill as far as it goes, then the estimates.
create function private.hourly_costs(p_environment text, p_from timestamptz, p_until timestamptz)
returns table (
  environment text, hour timestamptz, estimated_usd numeric, idle_usd numeric, billed_usd numeric, total_usd numeric
)
language sql stable set search_path = '' as $$
  with amounts as (
    select g.environment, date_trunc('hour', g.created_at) as hour, g.cost_usd as estimated, 0::numeric as idle,
      null::numeric as billed
    from public.generations as g
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from and g.created_at < p_until and g.state <> 'released'
    union all
    select e.environment, e.hour, 0, e.idle_usd, null from private.engine_hours(p_environment, p_from, p_until) as e
    union all
    select b.environment, b.interval_start, 0, 0, b.cost_usd from public.billed_costs as b
    where (p_environment is null or b.environment = p_environment)
      and b.interval_start >= p_from and b.interval_start < p_until
  ),
  hours as (
    select a.environment, a.hour, sum(a.estimated) as estimated, sum(a.idle) as idle, sum(a.billed) as billed
    from amounts as a group by 1, 2
  ),
  -- An hour without a bill between two that have theirs cost nothing.
  complete as (
    select
      b.environment, min(b.interval_start) as billed_from, max(b.interval_start) + interval '1 hour' as billed_until
    from public.billed_costs as b group by 1
  )
  select
    h.environment, h.hour, h.estimated, h.idle,
    case when h.hour >= c.billed_from and h.hour < c.billed_until then coalesce(h.billed, 0) end,
    case
      when h.hour >= c.billed_from and h.hour < c.billed_until then coalesce(h.billed, 0)
      else h.estimated + h.idle
    end
  from hours as h
  left join complete as c on c.environment = h.environment
$$;

-- The ledger's lines: from the days that were summed up, and for the others from the generations themselves.
create function private.ledger_lines(p_from date, p_until date)
returns setof public.daily_costs
language sql stable set search_path = '' as $$
  select d.* from public.daily_costs as d where d.day >= p_from and d.day < p_until
  union all
  select
    (g.created_at at time zone 'utc')::date, g.environment, g.endpoint, g.user_id, g.key_id, g.gpu, count(*),
    count(*) filter (where private.is_fault(g.state, g.error)), count(*) filter (where g.cache_hit),
    coalesce(sum(g.prompt_tokens), 0), coalesce(sum(g.cached_tokens), 0), coalesce(sum(g.completion_tokens), 0),
    coalesce(sum(g.gpu_seconds), 0), sum(g.cost_usd)
  from public.generations as g
  where g.created_at >= private.midnight(p_from) and g.created_at < private.midnight(p_until) and g.state <> 'released'
    and not exists (select from public.rolled_days as r where r.day = (g.created_at at time zone 'utc')::date)
  group by 1, 2, 3, 4, 5, 6
$$;

-- For operators: costs of the days from `p_from` until before `p_until` (UTC), the estimates by whatever `p_by` names
-- among day, endpoint, user, key, gpu and environment; the bill, and what idle engines cost, by day and environment.
create function public.get_costs(p_from date, p_until date, p_by text[] default '{day}', p_environment text default null)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  unknown constant text := (
    select w.word from unnest(p_by) as w (word)
    where w.word <> all ('{day,endpoint,user,key,gpu,environment}'::text[]) limit 1
  );
  answer jsonb;
begin
  perform private.require_operator();
  if unknown is not null then
    raise sqlstate '22023' using message = format('costs are not kept by %s', unknown);
  end if;
  with lines as (
    select
      case when 'day' = any (p_by) then l.day end as day,
      case when 'endpoint' = any (p_by) then l.endpoint end as endpoint,
      case when 'user' = any (p_by) then l.user_id end as user_id,
      case when 'key' = any (p_by) then l.key_id end as key_id,
      case when 'gpu' = any (p_by) then l.gpu end as gpu,
      case when 'environment' = any (p_by) then l.environment end as environment,
      sum(l.generations) as generations, sum(l.prompt_tokens) as prompt_tokens, sum(l.cached_tokens) as cached_tokens,
      sum(l.completion_tokens) as completion_tokens, sum(l.gpu_seconds) as gpu_seconds, sum(l.cost_usd) as estimated_usd
    from private.ledger_lines(p_from, p_until) as l
    where p_environment is null or l.environment = p_environment
    group by 1, 2, 3, 4, 5, 6
  ),
  bills as (
    select
      (b.interval_start at time zone 'utc')::date as day, b.environment, b.object_id, b.description,
      sum(b.cost_usd) as billed_usd, max(b.interval_start) + interval '1 hour' as billed_until
    from public.billed_costs as b
    where b.interval_start >= private.midnight(p_from) and b.interval_start < private.midnight(p_until)
      and (p_environment is null or b.environment = p_environment)
    group by 1, 2, 3, 4
  ),
  resources as (
    select
      (b.interval_start at time zone 'utc')::date as day, b.environment, r.key as resource,
      sum(r.value::numeric) as billed_usd
    from public.billed_costs as b cross join lateral jsonb_each_text(b.cost_by_resource) as r
    where b.interval_start >= private.midnight(p_from) and b.interval_start < private.midnight(p_until)
      and (p_environment is null or b.environment = p_environment)
    group by 1, 2, 3
  ),
  engines as (
    select
      (e.hour at time zone 'utc')::date as day, e.environment, e.gpu, sum(e.warm_seconds) as warm_seconds,
      sum(e.busy_seconds) as busy_seconds, sum(e.idle_usd) as idle_usd
    from private.engine_hours(p_environment, private.midnight(p_from), private.midnight(p_until)) as e
    group by 1, 2, 3
  ),
  totals as (
    select
      coalesce(sum(h.estimated_usd), 0) as estimated_usd, coalesce(sum(h.idle_usd), 0) as idle_usd,
      sum(h.billed_usd) as billed_usd, coalesce(sum(h.total_usd), 0) as total_usd
    from private.hourly_costs(p_environment, private.midnight(p_from), private.midnight(p_until)) as h
  )
  select jsonb_build_object(
    'estimated', coalesce(
      (
        select jsonb_agg(
          to_jsonb(l)
          order by l.day, l.environment, l.endpoint, l.gpu, l.user_id, l.key_id
        )
        from lines as l
      ),
      '[]'
    ),
    'billed', coalesce((select jsonb_agg(to_jsonb(b) order by b.day, b.environment, b.object_id) from bills as b), '[]'),
    'billed_by_resource', coalesce(
      (select jsonb_agg(to_jsonb(r) order by r.day, r.environment, r.resource) from resources as r), '[]'
    ),
    'engines', coalesce((select jsonb_agg(to_jsonb(e) order by e.day, e.environment, e.gpu) from engines as e), '[]'),
    'totals', (select to_jsonb(t) from totals as t)
  ) into answer;
  return answer;
end
$$;

-- For operators: the sums by day (UTC), for forecasts and for months. Days without any cost are left out.
create function public.get_daily_costs(p_from date, p_until timestamptz, p_environment text default null) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require_operator();
  return coalesce(
    (
      select jsonb_agg(to_jsonb(d) order by d.day)
      from (
        select
          (h.hour at time zone 'utc')::date as day, sum(h.estimated_usd) as estimated_usd, sum(h.idle_usd) as idle_usd,
          sum(h.billed_usd) as billed_usd, sum(h.total_usd) as total_usd
        from private.hourly_costs(p_environment, private.midnight(p_from), p_until) as h
        group by 1
      ) as d
    ),
    '[]'
  );
end
$$;

-- For the hourly job: [{"interval_start", "object_id", "environment", "description", "tags", "cost_usd",
-- "cost_by_resource"}]. May be repeated: what comes last stands. Answers with how many lines are new or changed.
create function public.store_billed_costs(p_items jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  changed integer;
begin
  insert into public.billed_costs as b (
    interval_start, object_id, environment, description, tags, cost_usd, cost_by_resource
  )
  select
    i.interval_start, i.object_id, i.environment, coalesce(i.description, ''), coalesce(i.tags, '{}'), i.cost_usd,
    coalesce(i.cost_by_resource, '{}')
  from jsonb_to_recordset(p_items) as i (
    interval_start timestamptz, object_id text, environment text, description text, tags jsonb, cost_usd numeric,
    cost_by_resource jsonb
  )
  order by i.interval_start, i.object_id
  on conflict (interval_start, object_id) do update set
    environment = excluded.environment, description = excluded.description, tags = excluded.tags,
    cost_usd = excluded.cost_usd, cost_by_resource = excluded.cost_by_resource, recorded_at = clock_timestamp()
  where (b.cost_usd, b.environment, b.tags, b.cost_by_resource)
    is distinct from (excluded.cost_usd, excluded.environment, excluded.tags, excluded.cost_by_resource);
  get diagnostics changed = row_count;
  return changed;
end
$$;

-- For a scheduled job: how many engines run now. May be repeated.
create function public.record_engine_sample(
  p_environment text, p_gpu text, p_containers integer, p_usd_per_hour numeric, p_at timestamptz default now()
) returns void
language sql set search_path = '' as $$
  insert into public.engine_samples (environment, gpu, sampled_at, containers, usd_per_hour)
  values (p_environment, p_gpu, p_at, p_containers, p_usd_per_hour)
  on conflict (environment, sampled_at, gpu) do update set
    containers = excluded.containers, usd_per_hour = excluded.usd_per_hour
$$;

-- For a scheduled job: sums up the oldest day that needs it; 0 when none is left. A day is summed up when it has been
-- over for a day, so that what ran across midnight has ended, and again when something of it was settled even later.
create function public.roll_up_day(p_at timestamptz default now()) returns integer
language plpgsql set search_path = '' as $$
declare
  last_day constant date := (p_at at time zone 'utc')::date - 2;
  chosen date;
begin
  -- Two at once would do the same day: the second waits, and does the next one.
  perform pg_advisory_xact_lock(hashtextextended('roll_up_day', 0));
  select d.day into chosen from (
    select min(g.created_at at time zone 'utc')::date as day from public.generations as g
    where g.created_at >= coalesce(private.midnight((select max(r.day) + 1 from public.rolled_days as r)), '-infinity')
    union all
    select r.day from public.rolled_days as r
    where exists (
      select from public.generations as g
      where g.created_at >= private.midnight(r.day) and g.created_at < private.midnight(r.day + 1)
        and g.settled_at > r.rolled_at
    ) and r.day > last_day - 40
  ) as d
  where d.day <= last_day
  order by d.day limit 1;
  if chosen is null then
    return 0;
  end if;
  delete from public.rolled_days as r where r.day = chosen;
  delete from public.daily_costs as d where d.day = chosen;
  insert into public.daily_costs select * from private.ledger_lines(chosen, chosen + 1);
  insert into public.rolled_days (day, rolled_at) values (chosen, p_at - interval '1 minute'); -- what is being settled now is not seen yet
  return 1;
end
$$;

revoke all on function
  private.require_operator, private.midnight, private.is_fault, private.engine_hours, private.hourly_costs,
  private.ledger_lines,
  public.get_costs, public.get_daily_costs, public.store_billed_costs, public.record_engine_sample, public.roll_up_day
from public, anon, authenticated, service_role;
grant execute on function
  private.require_operator, private.midnight, private.is_fault, private.engine_hours, private.hourly_costs,
  private.ledger_lines, public.get_costs, public.get_daily_costs
to authenticated, service_role;
grant execute on function public.store_billed_costs, public.record_engine_sample, public.roll_up_day to service_role;
