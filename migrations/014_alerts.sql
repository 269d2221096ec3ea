-- Alerts, and the outbox through which they are told. What has changed and what is to be sent about it are written in
-- one transaction: whatever dies afterwards, nothing is lost, and nothing is said twice.

alter table public.alerts
  add column environment text not null default '',
  -- The day or month that the alert is about; null where it is about no calendar's window.
  add column scope text,
  add column crossings integer not null default 1;
-- One alert of a rule stands at a time. The table is small, and waits for nobody.
-- squawk-ignore require-concurrent-index-creation
create unique index alerts_standing_idx on public.alerts (environment, kind) where resolved_at is null;

create table public.alert_deliveries (
  id bigint generated always as identity primary key,
  alert_id bigint not null references public.alerts (id) on delete cascade,
  destination text not null check (destination in ('slack', 'pagerduty', 'webhook')),
  action text not null check (action in ('trigger', 'resolve')),
  -- pending -> delivered | abandoned (after so many attempts that somebody has to look)
  state text not null default 'pending' check (state in ('pending', 'delivered', 'abandoned')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  leased_until timestamptz,
  last_error text check (length(last_error) <= 1000),
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  unique (alert_id, destination, action)
);
create index alert_deliveries_due_idx on public.alert_deliveries (next_attempt_at) where state = 'pending';

revoke all on public.alert_deliveries from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.alert_deliveries to service_role;
alter table public.alert_deliveries enable row level security;
grant select on public.alert_deliveries to authenticated;
create policy alert_deliveries_select on public.alert_deliveries for select to authenticated
  using ((select private.is_operator()));

create function private.tell(alert public.alerts, wanted text, destinations text[], moment timestamptz) returns void
language sql set search_path = '' as $$
  insert into public.alert_deliveries (alert_id, destination, action, next_attempt_at)
  select alert.id, d.name, wanted, moment from unnest(destinations) as d (name)
  on conflict (alert_id, destination, action) do nothing
$$;

create function private.resolve_alert(standing public.alerts, moment timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  update public.alerts as a set resolved_at = moment where a.id = standing.id;
  perform private.tell(
    standing, 'resolve',
    array(select d.destination from public.alert_deliveries as d where d.alert_id = standing.id and d.action = 'trigger'),
    moment
  );
end
$$;

-- What the rules have seen at a moment; whatever has changed by it is written together with what is to be sent.
--   p_observations [{"rule", "scope", "severity", "message", "details", "crossed", "cleared"}]; between crossed and
--                  cleared lies what changes nothing. A rule that could not be observed is left out.
--   p_destinations {"critical": ["pagerduty", "slack"], ...}
-- May be repeated. Answers {"opened": [ids], "resolved": [ids]}. What was seen before the last change is not believed.
-- A window that has passed takes its alert with it; within a window an alert is sent once, however often it crosses.
create function public.observe_alerts(
  p_environment text, p_at timestamptz, p_observations jsonb, p_destinations jsonb
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  seen record;
  standing public.alerts;
  opened jsonb := '[]';
  resolved jsonb := '[]';
begin
  perform pg_advisory_xact_lock(hashtextextended('alerts of ' || p_environment, 0));
  for seen in
    select * from jsonb_to_recordset(p_observations) as o (
      rule text, scope text, severity text, message text, details jsonb, crossed boolean, cleared boolean
    )
    order by o.rule
  loop
    continue when exists (
      select from public.alerts as a
      where a.environment = p_environment and a.kind = seen.rule and greatest(a.created_at, a.resolved_at) > p_at
    );
    select a.* into standing from public.alerts as a
    where a.environment = p_environment and a.kind = seen.rule and a.resolved_at is null;
    if standing.id is not null and (standing.scope is distinct from seen.scope or seen.cleared) then
      perform private.resolve_alert(standing, p_at);
      resolved := resolved || to_jsonb(standing.id);
      standing := null;
    end if;
    if standing.id is null and seen.crossed then
      insert into public.alerts as a (environment, kind, scope, severity, message, details, created_at, dedup_key)
      values (
        p_environment, seen.rule, seen.scope, seen.severity, seen.message, seen.details, p_at,
        format(
          '%s:%s:%s', p_environment, seen.rule,
          coalesce(seen.scope, to_char(p_at at time zone 'utc', 'YYYYMMDD"T"HH24MISSUS"Z"'))
        )
      )
      on conflict (dedup_key) do update set resolved_at = null, crossings = a.crossings + 1
      returning a.* into standing;
      perform private.tell(
        standing, 'trigger', array(select jsonb_array_elements_text(p_destinations -> seen.severity)), p_at
      );
      opened := opened || to_jsonb(standing.id);
    end if;
  end loop;
  return jsonb_build_object('opened', opened, 'resolved', resolved);
end
$$;

-- Something to tell that is no state: it is resolved as it is made, and sent once. May be repeated.
create function public.announce(
  p_environment text, p_kind text, p_scope text, p_message text, p_details jsonb, p_destinations text[], p_at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  made public.alerts;
begin
  insert into public.alerts (environment, kind, scope, severity, message, details, created_at, resolved_at, dedup_key)
  values (
    p_environment, p_kind, p_scope, 'info', p_message, p_details, p_at, p_at,
    format('%s:%s:%s', p_environment, p_kind, p_scope)
  )
  on conflict (dedup_key) do nothing
  returning * into made;
  if made.id is not null then
    perform private.tell(made, 'trigger', p_destinations, p_at);
  end if;
end
$$;

-- An alert about a time in which nothing could be written here. `p_told` have been told that it began; everybody is told
-- that it is over. May be repeated.
create function public.record_outage(
  p_environment text, p_dedup_key text, p_kind text, p_message text, p_details jsonb, p_began timestamptz,
  p_ended timestamptz, p_told text[], p_destinations text[]
) returns void
language plpgsql set search_path = '' as $$
declare
  made public.alerts;
begin
  insert into public.alerts (environment, kind, severity, message, details, created_at, resolved_at, dedup_key)
  values (p_environment, p_kind, 'critical', p_message, p_details, p_began, p_ended, p_dedup_key)
  on conflict (dedup_key) do nothing
  returning * into made;
  if made.id is null then
    return;
  end if;
  perform private.tell(made, 'trigger', p_destinations, p_ended);
  update public.alert_deliveries as d set state = 'delivered', attempts = 1, delivered_at = p_began
  where d.alert_id = made.id and d.destination = any (p_told);
  perform private.tell(made, 'resolve', p_destinations, p_ended);
end
$$;

-- Takes what is due, for `p_lease_s` seconds: if whoever takes it dies, somebody else gets it after that. That an alert is
-- over is not told before it was told that there is one.
create function public.claim_alert_deliveries(
  p_environment text, p_at timestamptz, p_lease_s double precision, p_limit integer default 10
) returns jsonb
language sql set search_path = '' as $$
  with due as (
    select d.id
    from public.alert_deliveries as d join public.alerts as a on a.id = d.alert_id
    where d.state = 'pending' and a.environment = p_environment and d.next_attempt_at <= p_at
      and (d.leased_until is null or d.leased_until <= p_at)
      and (
        d.action = 'trigger'
        or not exists (
          select from public.alert_deliveries as t
          where t.alert_id = d.alert_id and t.destination = d.destination and t.action = 'trigger'
            and t.state = 'pending'
        )
      )
    order by d.next_attempt_at, d.id
    limit p_limit
    for update of d skip locked
  ),
  taken as (
    update public.alert_deliveries as d set
      attempts = d.attempts + 1, leased_until = p_at + make_interval(secs => p_lease_s)
    from due where d.id = due.id
    returning d.*
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', t.id, 'destination', t.destination, 'action', t.action, 'attempt', t.attempts,
        'alert', jsonb_build_object(
          'dedup_key', a.dedup_key, 'environment', a.environment, 'rule', a.kind, 'severity', a.severity,
          'message', a.message, 'details', a.details, 'opened_at', a.created_at, 'resolved_at', a.resolved_at
        )
      )
      order by t.id
    ),
    '[]'
  )
  from taken as t join public.alerts as a on a.id = t.alert_id
$$;

-- How an attempt ended: without an error, it was delivered; else it is tried again at `p_retry_at`, or, where that is
-- null, no more. Says whether the attempt was still this caller's to end. May be repeated.
create function public.finish_alert_delivery(
  p_id bigint, p_attempt integer, p_at timestamptz, p_error text default null, p_retry_at timestamptz default null
) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.alert_deliveries as d set
    state = case when p_error is null then 'delivered' when p_retry_at is null then 'abandoned' else 'pending' end,
    delivered_at = case when p_error is null then p_at end,
    last_error = left(p_error, 1000),
    next_attempt_at = coalesce(p_retry_at, d.next_attempt_at),
    leased_until = null
  where d.id = p_id and d.attempts = p_attempt and d.state = 'pending';
  return found;
end
$$;

-- For operators: the alerts that stand, and those of the last days, newest first.
create function public.list_alerts(p_days integer default 7, p_environment text default null) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require_operator();
  return coalesce(
    (
      select jsonb_agg(to_jsonb(listed) order by listed.opened_at desc, listed.id desc)
      from (
        select
          a.id, a.environment, a.kind as rule, a.scope, a.severity, a.message, a.details, a.crossings,
          a.created_at as opened_at, a.resolved_at,
          coalesce(
            (
              select jsonb_agg(
                jsonb_build_object(
                  'destination', d.destination, 'action', d.action, 'state', d.state, 'attempts', d.attempts,
                  'last_error', d.last_error, 'delivered_at', d.delivered_at
                )
                order by d.id
              )
              from public.alert_deliveries as d where d.alert_id = a.id
            ),
            '[]'
          ) as deliveries
        from public.alerts as a
        where (p_environment is null or a.environment = p_environment)
          and (a.resolved_at is null or a.created_at >= now() - make_interval(days => p_days))
        order by a.created_at desc, a.id desc
        limit 500
      ) as listed
    ),
    '[]'
  );
end
$$;

revoke all on function
  private.tell, private.resolve_alert,
  public.observe_alerts, public.announce, public.record_outage, public.claim_alert_deliveries,
  public.finish_alert_delivery, public.list_alerts
from public, anon, authenticated, service_role;
grant execute on function public.list_alerts to authenticated, service_role;
grant execute on function
  private.tell, private.resolve_alert,
  public.observe_alerts, public.announce, public.record_outage, public.claim_alert_deliveries,
  public.finish_alert_delivery
to service_role;
