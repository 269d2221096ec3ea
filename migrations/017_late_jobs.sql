-- A job is late when it should have succeeded by now: one that has just begun to run, and failed, is not late as well.

-- For the job that judges the rules of alerts: every figure, with how much it rests on where that matters.
--   p_expected {"job": seconds}: a job that has not succeeded for so long, or since its first run, is late.
create or replace function public.alert_figures(
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
        where coalesce(
          j.last_success_at, (select min(r.started_at) from public.job_runs as r where r.job = j.job)
        ) < p_at - make_interval(secs => e.value::double precision)
      ),
      '[]'
    )
  )
$$;
