-- Lists and searches eight times as fast: `plan_cache_mode` set on a function holds for all that it calls, so that each
-- row's `session_json` was planned anew. It is set now where the choice of an index depends on the arguments, alone.

-- The page of one's own sessions that match `words`, or all.
-- Security definer: `@@` is not leakproof, so that under row-level security no index serves it. It answers for the
-- caller's own sessions alone, with their ids; the rows are then read under the policies.
-- A plan for each call: which index is best depends on what is asked for.
create or replace function private.own_session_page(
  page_limit integer, before_created_at timestamptz, before_id uuid, wanted_status text, words text
) returns setof uuid
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
  select s.id
  from public.sessions as s
  where s.user_id = (select auth.uid())
    and (wanted_status is null or s.status = wanted_status)
    and (words is null or s.search @@ websearch_to_tsquery('pg_catalog.english', words))
    and (before_created_at is null or (s.created_at, s.id) < (before_created_at, before_id))
  order by s.created_at desc, s.id desc
  limit page_limit
$$;

-- One page, newest first: {"items": [...], "next": {"created_at", "id"} | null}. `next` goes back in as p_before_*.
-- p_shared: the sessions that others share with the caller, instead of the caller's own.
create or replace function public.list_sessions(
  p_limit integer default 50,
  p_before_created_at timestamptz default null,
  p_before_id uuid default null,
  p_status text default null,
  p_q text default null,
  p_shared boolean default false
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  page_limit constant integer := least(greatest(p_limit, 1), 200);
  items jsonb;
begin
  -- One row more than asked for shows whether there is a next page.
  if p_shared then
    select jsonb_agg(private.session_json(page.s)) into items
    from (
      select s from public.sessions as s
      where s.id in (select private.sessions_shared_with_me(array['viewer', 'editor']))
        and (p_status is null or s.status = p_status)
        and (p_q is null or s.search @@ websearch_to_tsquery('pg_catalog.english', p_q))
        and (p_before_created_at is null or (s.created_at, s.id) < (p_before_created_at, p_before_id))
      order by s.created_at desc, s.id desc
      limit page_limit + 1
    ) as page;
  else
    select jsonb_agg(private.session_json(page.s)) into items
    from (
      select s from public.sessions as s
      where s.id in (
        select private.own_session_page(page_limit + 1, p_before_created_at, p_before_id, p_status, p_q)
      )
      order by s.created_at desc, s.id desc
    ) as page;
  end if;
  items := coalesce(items, '[]');
  return jsonb_build_object(
    'items', items - page_limit,
    'next', case when jsonb_array_length(items) > page_limit then
      jsonb_build_object(
        'created_at', items -> (page_limit - 1) -> 'created_at', 'id', items -> (page_limit - 1) -> 'id'
      )
    end
  );
end
$$;

create or replace function public.search_sessions(
  p_embedding jsonb, p_model text, p_limit integer default 10, p_exact_up_to integer default 5000
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  me constant uuid := auth.uid();
  asked constant extensions.vector := private.embedding(p_embedding);
  page_limit constant integer := least(greatest(p_limit, 1), 100);
  found_items jsonb;
begin
  if (
    select count(*) from (
      select from public.session_embeddings as e where e.user_id = me limit p_exact_up_to + 1
    ) as own
  ) <= p_exact_up_to then
    with own as materialized (
      select e.session_id, e.embedding operator(extensions.<=>) asked as distance
      from public.session_embeddings as e where e.user_id = me and e.model = p_model
    ), nearest as (
      select own.session_id, own.distance from own order by own.distance, own.session_id limit page_limit
    )
    select jsonb_agg(
      jsonb_build_object('session', private.session_json(s), 'similarity', 1 - n.distance) order by n.distance, s.id
    ) into found_items
    from nearest as n join public.sessions as s on s.id = n.session_id;
  else
    perform set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'strict_order', true);
    with nearest as materialized (
      select e.session_id, e.embedding operator(extensions.<=>) asked as distance
      from public.session_embeddings as e where e.user_id = me and e.model = p_model
      order by e.embedding operator(extensions.<=>) asked limit page_limit
    )
    select jsonb_agg(
      jsonb_build_object('session', private.session_json(s), 'similarity', 1 - n.distance) order by n.distance, s.id
    ) into found_items
    from nearest as n join public.sessions as s on s.id = n.session_id;
  end if;
  return coalesce(found_items, '[]');
end
$$;
