-- The maintenance switch: while it is on, the servers of an environment take no changes. Who turned it on, why, and until
-- when; those that are over are kept.

create table public.maintenance_windows (
  id bigint generated always as identity primary key,
  environment text not null check (length(environment) between 1 and 60),
  reason text not null check (length(reason) between 1 and 500),
  began_at timestamptz not null,
  began_by text not null,
  -- It is over by itself then; null: when somebody says so.
  until timestamptz,
  ended_at timestamptz,
  ended_by text
);
-- The table is new, and small for ever.
-- squawk-ignore require-concurrent-index-creation
create unique index maintenance_windows_open_idx on public.maintenance_windows (environment) where ended_at is null;

revoke all on public.maintenance_windows from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.maintenance_windows to service_role;
grant select, insert, update on public.maintenance_windows to authenticated;
alter table public.maintenance_windows enable row level security;
create policy maintenance_windows_operators on public.maintenance_windows for all to authenticated
  using ((select private.is_operator())) with check ((select private.is_operator()));

create function private.who() returns text
language sql stable set search_path = '' as $$
  select coalesce(auth.jwt() ->> 'email', auth.uid()::text, 'the service')
$$;

-- What stands, or null. Security definer: everybody is told that changes are not taken, and why; who said so, operators.
create function public.get_maintenance(p_environment text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'reason', w.reason, 'since', w.began_at, 'until', w.until,
    'by', case when private.is_operator() then w.began_by end
  )
  from public.maintenance_windows as w
  where w.environment = p_environment and w.ended_at is null and (w.until is null or w.until > clock_timestamp())
$$;

-- For operators: turns it on, or changes why and until when. May be repeated.
create function public.begin_maintenance(p_environment text, p_reason text, p_until timestamptz default null)
returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.require_operator();
  if p_until <= clock_timestamp() then
    raise sqlstate '22023' using message = 'maintenance cannot end in the past';
  end if;
  update public.maintenance_windows as w set ended_at = w.until
  where w.environment = p_environment and w.ended_at is null and w.until <= clock_timestamp();
  insert into public.maintenance_windows as w (environment, reason, began_at, began_by, until)
  values (p_environment, p_reason, clock_timestamp(), private.who(), p_until)
  on conflict (environment) where ended_at is null do update set
    reason = excluded.reason, until = excluded.until, began_by = excluded.began_by;
  return public.get_maintenance(p_environment);
end
$$;

-- For operators: turns it off. May be repeated; answers whether it was on.
create function public.end_maintenance(p_environment text) returns boolean
language plpgsql set search_path = '' as $$
begin
  perform private.require_operator();
  update public.maintenance_windows as w set
    ended_at = least(clock_timestamp(), w.until), ended_by = case when w.until <= clock_timestamp() then null else private.who() end
  where w.environment = p_environment and w.ended_at is null;
  return found;
end
$$;

revoke all on function
  private.who, public.get_maintenance, public.begin_maintenance, public.end_maintenance
from public, anon, authenticated, service_role;
grant execute on function public.get_maintenance to anon, authenticated, service_role;
grant execute on function private.who, public.begin_maintenance, public.end_maintenance to authenticated, service_role;
