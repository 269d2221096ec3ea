-- How it is doing: the figures that operators look at, and those by which the rules of alerts are judged.

-- Active users and sessions of a time. Security definer: operators see how many sessions there are, and none of them.
create function private.activity(p_from timestamptz, p_until timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_operator();
  return jsonb_build_object(
    'sessions', (
      select count(*) from public.sessions as s where s.created_at >= p_from and s.created_at < p_until
    ),
    'active_users', (
      select count(*) from (
        select s.user_id from public.sessions as s where s.created_at >= p_from and s.created_at < p_until
        union
        select g.user_id from public.generations as g
        where g.created_at >= p_from and g.created_at < p_until and g.user_id is not null
      ) as people
    )
  );
end
$$;

-- Of the generations of a time: how many, how fast, how well. What was refused before an engine began is `refused`, and
-- counts neither as a success nor as an error. Rates are null where there is nothing to divide by.
create function private.reliability(p_environment text, p_from timestamptz, p_until timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with ended as (
    select
      g.*,
      private.is_fault(g.state, g.error) as fault,
      g.state = 'settled' and g.error is null and g.finish_reason is distinct from 'abort' as success,
      g.session_id is not null
      and row_number() over (partition by g.session_id, g.endpoint order by g.created_at, g.id) > 1 as repeated
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
      count(*) filter (where e.state = 'settled' and (e.cache_hit or e.cached_tokens > 0)) as cache_hits,
      count(*) filter (where e.session_id is not null) as of_sessions,
      count(*) filter (where e.repeated) as repeated,
      coalesce(sum(e.prompt_tokens), 0) as prompt_tokens,
      coalesce(sum(e.cached_tokens), 0) as cached_tokens,
      coalesce(sum(e.completion_tokens), 0) as completion_tokens,
      coalesce(sum(e.gpu_seconds), 0) as gpu_seconds,
      coalesce(sum(e.cost_usd), 0) as cost_usd,
      percentile_cont(array[0.5, 0.95, 0.99]) within group (order by e.latency_s) filter (where e.success) as latency,
      percentile_cont(0.5) within group (order by e.time_to_first_token_s) filter (where e.success) as first_token
    from ended as e
  )
  select jsonb_build_object(
    'generations', c.generations, 'refused', c.refused, 'successes', c.successes, 'errors', c.faults,
    'error_rate', c.faults::double precision / nullif(c.generations, 0),
    'success_rate', c.successes::double precision / nullif(c.generations, 0),
    'cache_hit_rate', c.cache_hits::double precision / nullif(c.settled, 0),
    'retry_rate', c.repeated::double precision / nullif(c.of_sessions, 0),
    'settled', c.settled, 'of_sessions', c.of_sessions,
    'latency_p50_s', c.latency[1], 'latency_p95_s', c.latency[2], 'latency_p99_s', c.latency[3],
    'time_to_first_token_p50_s', c.first_token,
    'prompt_tokens', c.prompt_tokens, 'cached_tokens', c.cached_tokens, 'completion_tokens', c.completion_tokens,
    'gpu_seconds', c.gpu_seconds, 'estimated_usd', c.cost_usd
  )
  from counted as c
$$;

-- For operators: the last `p_days` days up to now, and by day (UTC).
create function public.get_metrics(p_days integer default 7, p_environment text default null, p_at timestamptz default now())
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

-- Jobs as they are: the last run of each, the last one that succeeded, and whether the last one that ended has failed.
create function private.jobs() returns table (
  job text, state text, started_at timestamptz, finished_at timestamptz, error text, last_success_at timestamptz,
  last_failed boolean
)
language sql stable set search_path = '' as $$
  select distinct on (r.job)
    r.job, r.state, r.started_at, r.finished_at, r.error,
    (select max(s.finished_at) from public.job_runs as s where s.job = r.job and s.state = 'succeeded'),
    coalesce(
      (
        select e.state = 'failed' from public.job_runs as e
        where e.job = r.job and e.state <> 'running' order by e.started_at desc, e.id desc limit 1
      ),
      false
    )
  from public.job_runs as r
  where r.started_at >= now() - interval '70 days'
  order by r.job, r.started_at desc, r.id desc
$$;

-- For the job that judges the rules of alerts: every figure, with how much it rests on where that matters.
--   p_expected {"job": seconds}: a job that has not succeeded for so long is late, once it has run at all.
create function public.alert_figures(
  p_environment text, p_at timestamptz, p_window_s double precision default 900, p_expected jsonb default '{}'
) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'recent', private.reliability(p_environment, p_at - make_interval(secs => p_window_s), p_at),
    'day', private.reliability(p_environment, p_at - interval '1 day', p_at),
    'generation_day_usd', coalesce(
      (
        select sum(g.cost_usd) from public.generations as g
        where g.environment = p_environment and g.state <> 'released'
          and g.created_at >= date_trunc('day', p_at, 'utc') and g.created_at <= p_at
      ),
      0
    ),
    'failed_jobs', coalesce((select jsonb_agg(j.job order by j.job) from private.jobs() as j where j.last_failed), '[]'),
    'late_jobs', coalesce(
      (
        select jsonb_agg(j.job order by j.job)
        from private.jobs() as j join jsonb_each_text(p_expected) as e on e.key = j.job
        where coalesce(j.last_success_at, '-infinity') < p_at - make_interval(secs => e.value::double precision)
      ),
      '[]'
    )
  )
$$;

-- For operators: figures by month (UTC), the latest last, for the triggers of scale.
create function public.get_months(p_months integer default 12, p_environment text default null, p_at timestamptz default now())
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  first_month constant date := private.period_start('month', p_at) - make_interval(months => p_months - 1);
begin
  perform private.require_operator();
  return (
    select jsonb_agg(
      jsonb_build_object(
        'month', m.month,
        'requests', (
          select coalesce(sum(l.generations), 0) from private.ledger_lines(m.month, m.next) as l
          where p_environment is null or l.environment = p_environment
        ),
        'billed_usd', (
          select sum(b.cost_usd) from public.billed_costs as b
          where b.interval_start >= private.midnight(m.month) and b.interval_start < private.midnight(m.next)
            and (p_environment is null or b.environment = p_environment)
        ),
        'longest_outage_s', (
          select max(extract(epoch from coalesce(a.resolved_at, p_at) - a.created_at)) from public.alerts as a
          where a.kind in ('database-unreachable', 'error-rate')
            and (p_environment is null or a.environment = p_environment)
            and a.created_at >= private.midnight(m.month) and a.created_at < private.midnight(m.next)
        )
      )
      order by m.month
    )
    from (
      select s.month::date as month, (s.month + interval '1 month')::date as next
      from generate_series(first_month::timestamp, p_at at time zone 'utc', interval '1 month') as s (month)
    ) as m
  );
end
$$;

-- For operators: what the database knows of how the rest is doing.
create function public.get_operation(p_environment text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require_operator();
  return jsonb_build_object(
    'jobs', coalesce((select jsonb_agg(to_jsonb(j) order by j.job) from private.jobs() as j), '[]'),
    'day', private.reliability(p_environment, now() - interval '1 day', now()),
    'running', (
      select count(*) from public.generations as g where g.environment = p_environment and g.state = 'reserved'
    ),
    'standing_alerts', (
      select count(*) from public.alerts as a where a.environment = p_environment and a.resolved_at is null
    ),
    'deliveries', (
      select jsonb_build_object(
        'pending', count(*) filter (where d.state = 'pending'),
        'abandoned', count(*) filter (where d.state = 'abandoned' and d.created_at > now() - interval '7 days'),
        'oldest_pending_at', min(d.created_at) filter (where d.state = 'pending')
      )
      from public.alert_deliveries as d join public.alerts as a on a.id = d.alert_id
      where a.environment = p_environment
    ),
    'billed_until', (
      select max(b.interval_start) + interval '1 hour' from public.billed_costs as b where b.environment = p_environment
    ),
    'connections', (select count(*) from pg_catalog.pg_stat_activity as c where c.datname = current_database()),
    'max_connections', current_setting('max_connections')::integer
  );
end
$$;

revoke all on function
  private.activity, private.reliability, private.jobs,
  public.get_metrics, public.alert_figures, public.get_months, public.get_operation
from public, anon, authenticated, service_role;
grant execute on function
  private.activity, private.reliability, private.jobs, public.get_metrics, public.get_months, public.get_operation
to authenticated, service_role;
grant execute on function public.alert_figures to service_role;
