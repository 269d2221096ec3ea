-- Figures of a month must not take longer at a million generations than at a thousand: what is over is read from sums.

-- Costs by hour of the days that have been summed up.
create table public.hourly_costs (
  environment text not null,
  gpu text not null,
  hour timestamptz not null,
  estimated_usd numeric(18, 8) not null,
  warm_seconds double precision not null,
  busy_seconds double precision not null,
  idle_usd numeric(18, 8) not null,
  primary key (hour, environment, gpu)
);
revoke all on public.hourly_costs from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.hourly_costs to service_role;
alter table public.hourly_costs enable row level security;
grant select on public.hourly_costs to authenticated;
create policy hourly_costs_select on public.hourly_costs for select to authenticated
  using ((select private.is_operator()));

-- Summed up without hours so far: they are summed up again, from the first day on, and from now on without a gap.
delete from public.daily_costs;
delete from public.rolled_days;

-- Everything before this moment is in the sums.
create function private.rolled_until() returns timestamptz
language sql stable set search_path = '' as $$
  select coalesce(private.midnight((select max(r.day) + 1 from public.rolled_days as r)), '-infinity')
$$;

-- What follows reads the generations themselves: private.live_lines and private.live_hours.

create function private.live_lines(p_from timestamptz, p_until timestamptz) returns setof public.daily_costs
language sql stable set search_path = '' as $$
  select
    (g.created_at at time zone 'utc')::date, g.environment, g.endpoint, g.user_id, g.key_id, g.gpu, count(*),
    -- The function costs more than the rest, and is asked where there is something to ask.
    count(*) filter (
      where case when g.error is null then g.state = 'expired' else private.is_fault(g.state, g.error) end
    ),
    count(*) filter (where g.cache_hit),
    coalesce(sum(g.prompt_tokens), 0), coalesce(sum(g.cached_tokens), 0), coalesce(sum(g.completion_tokens), 0),
    coalesce(sum(g.gpu_seconds), 0), sum(g.cost_usd)
  from public.generations as g
  where g.created_at >= p_from and g.created_at < p_until and g.state <> 'released'
  group by 1, 2, 3, 4, 5, 6
$$;

-- By hour: estimates; seconds for which engines were up, and of these the ones in which at least one generation ran. A
-- sample counts until the next one, but not for more than 15 minutes: then nobody was looking.
create function private.live_hours(p_environment text, p_from timestamptz, p_until timestamptz)
returns setof public.hourly_costs
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
  warm as (
    select
      s.environment, s.gpu, h.hour,
      sum(s.containers * extract(epoch from
        least(s.span_end, h.hour + interval '1 hour') - greatest(s.sampled_at, h.hour)
      )) as seconds,
      sum(s.containers * s.usd_per_hour * extract(epoch from
        least(s.span_end, h.hour + interval '1 hour') - greatest(s.sampled_at, h.hour)
      )) as usd_seconds
    from spans as s
    cross join lateral generate_series(date_trunc('hour', s.sampled_at), s.span_end, interval '1 hour') as h (hour)
    where h.hour < s.span_end and h.hour >= p_from
    group by 1, 2, 3
  ),
  -- A generation of the hours before may still run: none runs for longer than a few.
  working as (
    select
      g.environment, g.gpu, h.hour,
      range_agg(tstzrange(
        greatest(g.settled_at - make_interval(secs => g.gpu_seconds), h.hour),
        least(g.settled_at, h.hour + interval '1 hour')
      )) as ranges
    from public.generations as g
    cross join lateral generate_series(
      date_trunc('hour', g.settled_at - make_interval(secs => g.gpu_seconds)), g.settled_at, interval '1 hour'
    ) as h (hour)
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from - interval '6 hours' and g.created_at < p_until and g.gpu_seconds > 0
      and h.hour >= p_from and h.hour < g.settled_at
    group by 1, 2, 3
  ),
  used as (
    select
      w.environment, w.gpu, w.hour, w.seconds, w.usd_seconds / nullif(w.seconds, 0) as usd_per_hour,
      least(
        w.seconds,
        coalesce((select sum(extract(epoch from upper(r.part) - lower(r.part))) from unnest(b.ranges) as r (part)), 0)
      ) as busy
    from warm as w
    left join working as b on b.environment = w.environment and b.gpu = w.gpu and b.hour = w.hour
  ),
  estimated as (
    select g.environment, g.gpu, date_trunc('hour', g.created_at) as hour, sum(g.cost_usd) as usd
    from public.generations as g
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from and g.created_at < p_until and g.state <> 'released'
    group by 1, 2, 3
  )
  select
    coalesce(u.environment, e.environment), coalesce(u.gpu, e.gpu), coalesce(u.hour, e.hour), coalesce(e.usd, 0),
    coalesce(u.seconds, 0)::double precision, coalesce(u.busy, 0)::double precision,
    coalesce((u.seconds - u.busy) * u.usd_per_hour / 3600, 0)::numeric
  from used as u
  full join estimated as e on e.environment = u.environment and e.gpu = u.gpu and e.hour = u.hour
$$;

-- The same by hour, from the sums as far as they go.
create function private.cost_hours(p_environment text, p_from timestamptz, p_until timestamptz)
returns setof public.hourly_costs
language sql stable set search_path = '' as $$
  select h.* from public.hourly_costs as h
  where h.hour >= p_from and h.hour < p_until and (p_environment is null or h.environment = p_environment)
    and h.hour < private.rolled_until()
  union all
  select l.* from private.live_hours(p_environment, greatest(p_from, private.rolled_until()), p_until) as l
  where p_until > private.rolled_until()
$$;

create or replace function private.engine_hours(p_environment text, p_from timestamptz, p_until timestamptz)
returns table (
  environment text, gpu text, hour timestamptz, warm_seconds double precision, busy_seconds double precision,
  idle_usd numeric
)
language sql stable set search_path = '' as $$
  select h.environment, h.gpu, h.hour, h.warm_seconds, h.busy_seconds, h.idle_usd
  from private.cost_hours(p_environment, p_from, p_until) as h
  where h.warm_seconds > 0
$$;

-- Every hour in which anything cost anything. `total_usd` is the bill as far as it goes, then the estimates.
create or replace function private.hourly_costs(p_environment text, p_from timestamptz, p_until timestamptz)
returns table (
  environment text, hour timestamptz, estimated_usd numeric, idle_usd numeric, billed_usd numeric, total_usd numeric
)
language sql stable set search_path = '' as $$
  with amounts as (
    select h.environment, h.hour, h.estimated_usd as estimated, h.idle_usd as idle, null::numeric as billed
    from private.cost_hours(p_environment, p_from, p_until) as h
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

-- The ledger's lines by day, from the sums as far as they go.
create or replace function private.ledger_lines(p_from date, p_until date)
returns setof public.daily_costs
language sql stable set search_path = '' as $$
  select d.* from public.daily_costs as d
  where d.day >= p_from and d.day < p_until and private.midnight(d.day) < private.rolled_until()
  union all
  select l.* from private.live_lines(greatest(private.midnight(p_from), private.rolled_until()), private.midnight(p_until)) as l
  where private.midnight(p_until) > private.rolled_until()
$$;

-- For a scheduled job: sums up the oldest day that needs it; 0 when none is left. A day is summed up when it has been
-- over for a day, so that what ran across midnight has ended, and again when something of it was settled even later.
-- Days follow one another without a gap: what is not summed up yet is behind all that is.
create or replace function public.roll_up_day(p_at timestamptz default now()) returns integer
language plpgsql set search_path = '' as $$
declare
  last_day constant date := (p_at at time zone 'utc')::date - 2;
  chosen date;
begin
  -- Two at once would do the same day: the second waits, and does the next one.
  perform pg_advisory_xact_lock(hashtextextended('roll_up_day', 0));
  select coalesce(
    (
      select min(r.day) from public.rolled_days as r
      where r.day between last_day - 40 and last_day and exists (
        select from public.generations as g
        where g.created_at >= private.midnight(r.day) and g.created_at < private.midnight(r.day + 1)
          and g.settled_at > r.rolled_at
      )
    ),
    (select max(r.day) + 1 from public.rolled_days as r),
    least(
      (select (min(g.created_at) at time zone 'utc')::date from public.generations as g),
      (select (min(s.sampled_at) at time zone 'utc')::date from public.engine_samples as s)
    )
  ) into chosen;
  if chosen is null or chosen > last_day then
    return 0;
  end if;
  delete from public.rolled_days as r where r.day = chosen;
  delete from public.daily_costs as d where d.day = chosen;
  delete from public.hourly_costs as h
  where h.hour >= private.midnight(chosen) and h.hour < private.midnight(chosen + 1);
  insert into public.daily_costs
  select * from private.live_lines(private.midnight(chosen), private.midnight(chosen + 1));
  insert into public.hourly_costs
  select * from private.live_hours(null, private.midnight(chosen), private.midnight(chosen + 1));
  -- What is being settled now is not seen yet.
  insert into public.rolled_days (day, rolled_at) values (chosen, p_at - interval '1 minute');
  return 1;
end
$$;

-- Of the generations of a time: how many, how fast, how well. What was refused before an engine began is `refused`, and
-- counts neither as a success nor as an error. Rates are null where there is nothing to divide by.
create or replace function private.reliability(p_environment text, p_from timestamptz, p_until timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with ended as materialized (
    select
      g.state, g.error is null and g.state = 'settled' and g.finish_reason is distinct from 'abort' as success,
      case when g.error is null then g.state = 'expired' else private.is_fault(g.state, g.error) end as fault,
      g.cache_hit or g.cached_tokens > 0 as cached, g.session_id, g.endpoint, g.latency_s, g.time_to_first_token_s,
      g.prompt_tokens, g.cached_tokens, g.completion_tokens, g.gpu_seconds, g.cost_usd
    from public.generations as g
    where (p_environment is null or g.environment = p_environment)
      and g.created_at >= p_from and g.created_at < p_until and g.state <> 'reserved'
  ),
  counted as (
    select
      count(*) filter (where e.state <> 'released' or e.fault) as generations,
      count(*) filter (where e.state = 'released' and not e.fault) as refused,
      count(*) filter (where e.success) as successes,
      count(*) filter (where e.fault) as faults,
      count(*) filter (where e.state = 'settled') as settled,
      count(*) filter (where e.state = 'settled' and e.cached) as cache_hits,
      count(*) filter (where e.session_id is not null) as of_sessions,
      coalesce(sum(e.prompt_tokens), 0) as prompt_tokens,
      coalesce(sum(e.cached_tokens), 0) as cached_tokens,
      coalesce(sum(e.completion_tokens), 0) as completion_tokens,
      coalesce(sum(e.gpu_seconds), 0) as gpu_seconds,
      coalesce(sum(e.cost_usd), 0) as cost_usd,
      percentile_cont(array[0.5, 0.95, 0.99]) within group (order by e.latency_s) filter (where e.success) as latency,
      percentile_cont(0.5) within group (order by e.time_to_first_token_s) filter (where e.success) as first_token
    from ended as e
  ),
  distinct_work as (
    select count(*) as different from (
      select distinct e.session_id, e.endpoint from ended as e where e.session_id is not null
    ) as d
  )
  select jsonb_build_object(
    'generations', c.generations, 'refused', c.refused, 'successes', c.successes, 'errors', c.faults,
    'error_rate', c.faults::double precision / nullif(c.generations, 0),
    'success_rate', c.successes::double precision / nullif(c.generations, 0),
    'cache_hit_rate', c.cache_hits::double precision / nullif(c.settled, 0),
    'retry_rate', (c.of_sessions - d.different)::double precision / nullif(c.of_sessions, 0),
    'settled', c.settled, 'of_sessions', c.of_sessions,
    'latency_p50_s', c.latency[1], 'latency_p95_s', c.latency[2], 'latency_p99_s', c.latency[3],
    'time_to_first_token_p50_s', c.first_token,
    'prompt_tokens', c.prompt_tokens, 'cached_tokens', c.cached_tokens, 'completion_tokens', c.completion_tokens,
    'gpu_seconds', c.gpu_seconds, 'estimated_usd', c.cost_usd
  )
  from counted as c cross join distinct_work as d
$$;

revoke all on function private.rolled_until, private.live_lines, private.live_hours, private.cost_hours
from public, anon, authenticated, service_role;
grant execute on function private.rolled_until, private.live_lines, private.live_hours, private.cost_hours
to authenticated, service_role;
