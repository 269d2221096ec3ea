-- What scheduled jobs do to old data. Each does a bounded part at a time, and answers with how much; 0 when none is left.

create table public.monthly_reports (
  environment text not null,
  month date not null check (extract(day from month) = 1),
  report jsonb not null check (jsonb_typeof(report) = 'object'),
  created_at timestamptz not null default now(),
  primary key (environment, month)
);
revoke all on public.monthly_reports from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.monthly_reports to service_role;
alter table public.monthly_reports enable row level security;
grant select on public.monthly_reports to authenticated;
create policy monthly_reports_select on public.monthly_reports for select to authenticated
  using ((select private.is_operator()));

-- squawk-ignore require-concurrent-index-creation
create index sessions_idle_idx on public.sessions (updated_at) where status = 'active';

-- Sessions that nobody has touched for `p_days` days are abandoned, as their owners could have done themselves.
create function public.abandon_idle_sessions(
  p_days integer default 30, p_limit integer default 200, p_at timestamptz default now()
) returns integer
language plpgsql set search_path = '' as $$
declare
  abandoned integer;
begin
  update public.sessions as s set status = 'abandoned', change_description = format('idle for %s days', p_days)
  where s.id in (
    select i.id from public.sessions as i
    where i.status = 'active' and i.updated_at < p_at - make_interval(days => p_days)
    order by i.updated_at limit p_limit
    for update skip locked
  ) and s.status = 'active';
  get diagnostics abandoned = row_count;
  return abandoned;
end
$$;

-- Sessions with an order (which says how far to go: `until`) that has been "pending" for `p_hours` hours: whatever worked
-- on it is dead.
create function public.fail_abandoned_generations(
  p_hours integer default 4, p_limit integer default 200, p_at timestamptz default now()
) returns integer
language plpgsql set search_path = '' as $$
declare
  failed integer;
begin
  update public.sessions as s set
    generation_status = 'error', change_description = 'interrupted',
    evidence = s.evidence || '{"failure": {"kind": "Interrupted", "reason": "the work was interrupted"}}'
  where s.id in (
    select i.id from public.sessions as i
    where i.generation_status = 'pending' and i.status = 'active' and i.metadata ? 'until' and i.updated_at < p_at - make_interval(hours => p_hours)
    order by i.updated_at limit p_limit
    for update skip locked
  ) and s.generation_status = 'pending';
  get diagnostics failed = row_count;
  return failed;
end
$$;

-- Events older than `p_days` days, the oldest first.
create function public.forget_events(
  p_days integer default 90, p_limit integer default 10000, p_at timestamptz default now()
) returns integer
language plpgsql set search_path = '' as $$
declare
  forgotten integer;
begin
  delete from public.analytics_events as e using (
    select o.id from public.analytics_events as o
    where o.created_at < p_at - make_interval(days => p_days) order by o.created_at limit p_limit
  ) as old
  where e.id = old.id;
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- Buckets that have been full for a day, which is how a new one begins: users and addresses that are gone.
create function public.forget_rate_limits(p_limit integer default 10000) returns integer
language plpgsql set search_path = '' as $$
declare
  forgotten integer;
begin
  delete from public.rate_limits as r using (
    select o.subject, o.policy from public.rate_limits as o where o.updated_at < now() - interval '1 day' limit p_limit
  ) as old
  where r.subject = old.subject and r.policy = old.policy and r.updated_at < now() - interval '1 day';
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- Alerts that were resolved, samples of engines and runs of jobs from more than `p_days` days ago.
create function public.forget_operation(
  p_days integer default 400, p_limit integer default 10000, p_at timestamptz default now()
) returns integer
language plpgsql set search_path = '' as $$
declare
  before constant timestamptz := p_at - make_interval(days => p_days);
  forgotten integer;
  total integer := 0;
begin
  delete from public.alerts as a using (
    select o.id from public.alerts as o where o.resolved_at < before limit p_limit
  ) as old
  where a.id = old.id;
  get diagnostics forgotten = row_count;
  total := total + forgotten;
  delete from public.engine_samples as e where e.sampled_at < before;
  get diagnostics forgotten = row_count;
  total := total + forgotten;
  delete from public.job_runs as j using (
    select o.id from public.job_runs as o where o.started_at < before and o.state <> 'running' limit p_limit
  ) as old
  where j.id = old.id;
  get diagnostics forgotten = row_count;
  return total + forgotten;
end
$$;

-- Tables of which much is dead rows, and indexes that nobody has used: what an operator may look at. Changes nothing.
create function public.vacuum_hints() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'tables', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'table', t.relname, 'rows', t.n_live_tup, 'dead_rows', t.n_dead_tup,
            'last_vacuum_at', greatest(t.last_vacuum, t.last_autovacuum)
          )
          order by t.n_dead_tup desc
        )
        from pg_catalog.pg_stat_user_tables as t
        where t.schemaname = 'public' and t.n_dead_tup > 10000 and t.n_dead_tup > t.n_live_tup / 5
      ),
      '[]'
    ),
    'unused_indexes', coalesce(
      (
        select jsonb_agg(i.indexrelname order by pg_catalog.pg_relation_size(i.indexrelid) desc)
        from pg_catalog.pg_stat_user_indexes as i join pg_catalog.pg_index as x on x.indexrelid = i.indexrelid
        where i.schemaname = 'public' and i.idx_scan = 0 and not x.indisunique
          and pg_catalog.pg_relation_size(i.indexrelid) > 10485760
      ),
      '[]'
    )
  )
$$;

-- The report of a month, once it is over: made once, and told once, in one transaction. Says whether it was made now.
create function public.store_monthly_report(
  p_environment text, p_month date, p_report jsonb, p_message text, p_destinations text[], p_at timestamptz
) returns boolean
language plpgsql set search_path = '' as $$
begin
  insert into public.monthly_reports (environment, month, report, created_at)
  values (p_environment, p_month, p_report, p_at)
  on conflict (environment, month) do nothing;
  if not found then
    return false;
  end if;
  perform public.announce(
    p_environment, 'monthly-report', to_char(p_month, 'YYYY-MM'), p_message, p_report, p_destinations, p_at
  );
  return true;
end
$$;

-- For operators: the reports, the latest month first.
create function public.list_monthly_reports(p_environment text default null) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require_operator();
  return coalesce(
    (
      select jsonb_agg(to_jsonb(r) order by r.month desc, r.environment)
      from public.monthly_reports as r where p_environment is null or r.environment = p_environment
    ),
    '[]'
  );
end
$$;

revoke all on function
  public.abandon_idle_sessions, public.fail_abandoned_generations, public.forget_events, public.forget_rate_limits,
  public.forget_operation, public.vacuum_hints, public.store_monthly_report, public.list_monthly_reports
from public, anon, authenticated, service_role;
grant execute on function public.list_monthly_reports to authenticated, service_role;
-- The trigger on sessions asks it, with the rights of whoever writes.
grant execute on function private.open_holes to service_role;
grant execute on function
  public.abandon_idle_sessions, public.fail_abandoned_generations, public.forget_events, public.forget_rate_limits,
  public.forget_operation, public.vacuum_hints, public.store_monthly_report
to service_role;
