-- When engines are kept warm: what the policy learns from, and what it decided and why.

create table public.keep_alive_decisions (
  environment text not null,
  at timestamptz not null,
  min_containers integer not null check (min_containers >= 0),
  scaledown_window_s integer not null check (scaledown_window_s > 0),
  reason text not null check (length(reason) between 1 and 1000),
  primary key (environment, at)
);

revoke all on public.keep_alive_decisions from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.keep_alive_decisions to service_role;
alter table public.keep_alive_decisions enable row level security;
grant select on public.keep_alive_decisions to authenticated;
create policy keep_alive_decisions_select on public.keep_alive_decisions for select to authenticated
  using ((select private.is_operator()));

-- For the policy: requests that an engine worked on in the last `p_days` days, the newest `p_limit` of them, oldest
-- first, as [came, done] in seconds since 1970, and what idle engines have cost since `p_day_began`. What is running is
-- done now at the earliest; nothing is known of the end of what a dead server left.
create function public.get_demand(
  p_environment text, p_days integer, p_day_began timestamptz, p_limit integer default 10000,
  p_at timestamptz default now()
) returns jsonb
language sql stable set search_path = '' as $$
  with latest as (
    select
      g.created_at as came,
      greatest(
        case g.state when 'settled' then g.settled_at when 'reserved' then p_at else g.created_at end, g.created_at
      ) as done
    from public.generations as g
    where g.environment = p_environment and g.state <> 'released' and not g.cache_hit
      and g.created_at >= p_at - make_interval(days => p_days) and g.created_at <= p_at
    order by g.created_at desc
    limit p_limit
  )
  select jsonb_build_object(
    'arrivals', coalesce(
      (
        select jsonb_agg(
          jsonb_build_array(extract(epoch from l.came)::double precision, extract(epoch from l.done)::double precision)
          order by l.came
        )
        from latest as l
      ),
      '[]'
    ),
    'idle_usd', coalesce(
      (select sum(e.idle_usd) from private.engine_hours(p_environment, p_day_began, p_at) as e), 0
    )
  )
$$;

-- For the policy: what was decided. May be repeated.
create function public.record_keep_alive(
  p_environment text, p_min_containers integer, p_scaledown_window_s integer, p_reason text,
  p_at timestamptz default now()
) returns void
language sql set search_path = '' as $$
  insert into public.keep_alive_decisions (environment, at, min_containers, scaledown_window_s, reason)
  values (p_environment, p_at, p_min_containers, p_scaledown_window_s, p_reason)
  on conflict (environment, at) do update set
    min_containers = excluded.min_containers, scaledown_window_s = excluded.scaledown_window_s, reason = excluded.reason
$$;

-- For operators: the last `p_days` days' decisions, newest first, and of those that say to do the same as the one before
-- only the first.
create function public.list_keep_alive(
  p_days integer default 7, p_environment text default null, p_limit integer default 100, p_at timestamptz default now()
) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.require_operator();
  return coalesce(
    (
      select jsonb_agg(to_jsonb(c) - 'is_new' order by c.at desc, c.environment)
      from (
        select d.* from (
          select
            k.*,
            (k.min_containers, k.scaledown_window_s) is distinct from (
              lag(k.min_containers) over previous, lag(k.scaledown_window_s) over previous
            ) as is_new
          from public.keep_alive_decisions as k
          where (p_environment is null or k.environment = p_environment)
            and k.at >= p_at - make_interval(days => p_days) and k.at <= p_at
          window previous as (partition by k.environment order by k.at)
        ) as d
        where d.is_new
        order by d.at desc
        limit p_limit
      ) as c
    ),
    '[]'
  );
end
$$;

-- Of decisions older than `p_days` days; 0 when none is left.
create function public.forget_keep_alive(p_days integer default 90, p_limit integer default 10000, p_at timestamptz default now())
returns integer
language plpgsql set search_path = '' as $$
declare
  forgotten integer;
begin
  delete from public.keep_alive_decisions as k using (
    select o.environment, o.at from public.keep_alive_decisions as o
    where o.at < p_at - make_interval(days => p_days) limit p_limit
  ) as old
  where k.environment = old.environment and k.at = old.at;
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

revoke all on function
  public.get_demand, public.record_keep_alive, public.list_keep_alive, public.forget_keep_alive
from public, anon, authenticated, service_role;
grant execute on function public.get_demand, public.record_keep_alive, public.forget_keep_alive to service_role;
grant execute on function public.list_keep_alive to authenticated, service_role;
