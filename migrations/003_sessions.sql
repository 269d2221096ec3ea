-- Sessions: what the database keeps true of them whoever writes, and the functions that the app calls.
-- A session that does not exist and one that is not the caller's are the same: PT404 (HTTP 404).

create function private.refuse_not_found(what text) returns void
language plpgsql set search_path = '' as $$
begin
  raise sqlstate 'PT404' using
    message = format('there is no such %s', what),
    detail = jsonb_build_object('what', what)::text;
end
$$;

-- A hole is open until it has an answer.
create function private.open_holes(ir jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_path_query_array(ir, '$.holes[*] ? (!(exists (@.answer ? (@ != null))))'), '[]')
$$;

-- Versions: each write of a session makes the next one, and leaves a row of history and an event, in its transaction.

create function private.prepare_session() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.changed_by := auth.uid();
  if tg_op = 'INSERT' then
    new.version := 1;
    new.updated_at := new.created_at;
    return new;
  end if;
  -- clock_timestamp(): of two writers, the one that waited for the other comes later.
  new.version := old.version + 1;
  new.updated_at := clock_timestamp();
  if old.status <> 'active' and new.status = old.status
    and (new.prompt, new.current_ir) is distinct from (old.prompt, old.current_ir)
  then
    raise sqlstate 'PT409' using
      message = format('the session is %s: its specification is closed', old.status),
      detail = jsonb_build_object('status', old.status)::text,
      hint = 'Roll back to a version to open it again.';
  end if;
  if new.status <> 'active' and old.status not in ('active', new.status) then
    raise sqlstate 'PT409' using
      message = format('the session is %s already', old.status),
      detail = jsonb_build_object('status', old.status)::text;
  end if;
  if new.status = 'finalized' and old.status = 'active'
    and (new.current_ir is null or private.open_holes(new.current_ir) <> '[]')
  then
    raise sqlstate 'PT409' using
      message = case
        when new.current_ir is null then 'the session has no specification yet'
        else 'the specification has open holes'
      end,
      detail = jsonb_build_object(
        'holes', jsonb_path_query_array(private.open_holes(new.current_ir), '$[*].id')
      )::text;
  end if;
  return new;
end
$$;

-- Security definer: nobody may write events but through what they are about.
create function private.record_event(about uuid, type text, data jsonb, latency double precision default null)
returns void language plpgsql security definer set search_path = '' as $$
begin
  -- Whoever writes an event holds its session until commit. Numbers are drawn under that lock, so that they become
  -- visible in their order: a reader that has seen one will not be shown a smaller one later.
  perform from public.sessions as s where s.id = about for no key update;
  if found then -- else it is being deleted, with all that hangs on it
    insert into public.analytics_events (session_id, user_id, event_type, event_data, latency_ms)
    values (about, auth.uid(), type, data, latency);
  end if;
end
$$;

-- Security definer: history is written here and nowhere else.
create function private.record_version() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.session_history (
    session_id, version, prompt, status, generation_status, ir_snapshot, code_snapshot, evidence_snapshot,
    metadata_snapshot, resolutions_snapshot, change_description, changed_by, created_at
  ) values (
    new.id, new.version, new.prompt, new.status, new.generation_status, new.current_ir, new.generated_code, new.evidence,
    new.metadata, new.resolutions, new.change_description, new.changed_by, new.updated_at
  );
  perform private.record_event(
    new.id,
    case when tg_op = 'INSERT' then 'session.created' else 'session.changed' end,
    jsonb_build_object(
      'version', new.version, 'status', new.status, 'generation_status', new.generation_status,
      'description', new.change_description
    )
  );
  return null;
end
$$;

-- Security definer: see private.record_event.
create function private.record_comment() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  comment public.comments := case when tg_op = 'DELETE' then old else new end;
begin
  perform private.record_event(
    comment.session_id,
    case tg_op when 'INSERT' then 'comment.added' when 'DELETE' then 'comment.deleted' else 'comment.changed' end,
    jsonb_build_object('id', comment.id, 'pointer', comment.pointer, 'resolved', comment.resolved_at is not null)
  );
  return null;
end
$$;

create trigger prepare_session before insert or update on public.sessions
  for each row execute function private.prepare_session();
create trigger record_version after insert or update on public.sessions
  for each row execute function private.record_version();
create trigger record_comment after insert or update or delete on public.comments
  for each row execute function private.record_comment();

-- Shapes

create function private.session_json(s public.sessions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', s.id,
    'user_id', s.user_id,
    'role', case
      when s.user_id = (select auth.uid()) then 'owner'
      else (
        select m.role from public.session_members as m where m.session_id = s.id and m.user_id = (select auth.uid())
      )
    end,
    'prompt', s.prompt,
    'status', s.status,
    'generation_status', s.generation_status,
    'version', s.version,
    'current_ir', s.current_ir,
    'generated_code', s.generated_code,
    'holes', private.open_holes(s.current_ir),
    'resolutions', s.resolutions,
    'evidence', s.evidence,
    'metadata', s.metadata,
    'created_at', s.created_at,
    'updated_at', s.updated_at
  )
$$;

create function private.version_json(h public.session_history) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'session_id', h.session_id,
    'version', h.version,
    'prompt', h.prompt,
    'status', h.status,
    'generation_status', h.generation_status,
    'ir_snapshot', h.ir_snapshot,
    'code_snapshot', h.code_snapshot,
    'holes', private.open_holes(h.ir_snapshot),
    'resolutions', h.resolutions_snapshot,
    'evidence', h.evidence_snapshot,
    'metadata', h.metadata_snapshot,
    'change_description', h.change_description,
    'changed_by', h.changed_by,
    'created_at', h.created_at
  )
$$;

-- Why an UPDATE or DELETE of a session found no row: raises what its caller is to be told.
create function private.refuse_write(id uuid, expected_version integer) returns void
language plpgsql set search_path = '' as $$
declare
  current_version integer := (select s.version from public.sessions as s where s.id = refuse_write.id);
begin
  if current_version is null then
    perform private.refuse_not_found('session');
  elsif current_version is distinct from coalesce(expected_version, current_version) then
    raise sqlstate 'PT412' using
      message = format('the session is at version %s, not %s', current_version, expected_version),
      detail = jsonb_build_object('current', current_version)::text;
  else
    raise sqlstate '42501' using message = 'this session is shared with you, not for this';
  end if;
end
$$;

-- Reading

-- The page of one's own sessions that match `words`, or all.
-- Security definer: `@@` is not leakproof, so that under row-level security no index serves it. It answers for the
-- caller's own sessions alone, with their ids; the rows are then read under the policies.
create function private.own_session_page(
  page_limit integer, before_created_at timestamptz, before_id uuid, wanted_status text, words text
) returns setof uuid
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
  select s.id
  from public.sessions as s
  where s.user_id = auth.uid()
    and (wanted_status is null or s.status = wanted_status)
    and (words is null or s.search @@ websearch_to_tsquery('pg_catalog.english', words))
    and (before_created_at is null or (s.created_at, s.id) < (before_created_at, before_id))
  order by s.created_at desc, s.id desc
  limit page_limit
$$;

create function public.get_session(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  found_session public.sessions;
begin
  select s.* into found_session from public.sessions as s where s.id = p_id;
  if not found then
    perform private.refuse_not_found('session');
  end if;
  return private.session_json(found_session);
end
$$;

-- One page, newest first: {"items": [...], "next": {"created_at", "id"} | null}. `next` goes back in as p_before_*.
-- p_shared: the sessions that others share with the caller, instead of the caller's own.
create function public.list_sessions(
  p_limit integer default 50,
  p_before_created_at timestamptz default null,
  p_before_id uuid default null,
  p_status text default null,
  p_q text default null,
  p_shared boolean default false
) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
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
  elsif p_q is not null then
    select jsonb_agg(private.session_json(page.s)) into items
    from (
      select s from public.sessions as s
      where s.id in (
        select private.own_session_page(page_limit + 1, p_before_created_at, p_before_id, p_status, p_q)
      )
      order by s.created_at desc, s.id desc
    ) as page;
  else
    select jsonb_agg(private.session_json(page.s)) into items
    from (
      select s from public.sessions as s
      where s.user_id = (select auth.uid())
        and (p_status is null or s.status = p_status)
        and (p_before_created_at is null or (s.created_at, s.id) < (p_before_created_at, p_before_id))
      order by s.created_at desc, s.id desc
      limit page_limit + 1
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

-- p_before: a version; the page holds older ones, latest first.
create function public.list_versions(p_id uuid, p_limit integer default 50, p_before integer default null)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  page_limit constant integer := least(greatest(p_limit, 1), 200);
  items jsonb;
begin
  select jsonb_agg(
    jsonb_build_object(
      'version', h.version, 'status', h.status, 'generation_status', h.generation_status,
      'change_description', h.change_description, 'changed_by', h.changed_by, 'created_at', h.created_at
    )
  ) into items
  from (
    select * from public.session_history as h
    where h.session_id = p_id and (p_before is null or h.version < p_before)
    order by h.version desc
    limit page_limit + 1
  ) as h;
  if items is null and not exists (select from public.sessions as s where s.id = p_id) then
    perform private.refuse_not_found('session');
  end if;
  items := coalesce(items, '[]');
  return jsonb_build_object(
    'items', items - page_limit,
    'next', case when jsonb_array_length(items) > page_limit then items -> (page_limit - 1) -> 'version' end
  );
end
$$;

create function public.get_version(p_id uuid, p_version integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  found_version public.session_history;
begin
  select h.* into found_version from public.session_history as h where h.session_id = p_id and h.version = p_version;
  if not found then
    perform private.refuse_not_found('version of the session');
  end if;
  return private.version_json(found_version);
end
$$;

-- Events with a number greater than p_after, in order.
create function public.list_session_events(p_id uuid, p_after bigint default 0, p_limit integer default 100)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from public.sessions as s where s.id = p_id) then
    perform private.refuse_not_found('session');
  end if;
  return coalesce(
    (
      select jsonb_agg(
        jsonb_build_object('id', e.id, 'type', e.event_type, 'data', e.event_data, 'created_at', e.created_at)
      )
      from (
        select * from public.analytics_events as e
        where e.session_id = p_id and e.id > p_after
        order by e.id
        limit least(greatest(p_limit, 1), 1000)
      ) as e
    ),
    '[]'
  );
end
$$;

-- Writing. Each takes the version that it was made from, and answers with the session as it then is.

create function public.create_session(
  p_prompt text,
  p_current_ir jsonb default null,
  p_generated_code text default null,
  p_generation_status text default 'pending',
  p_evidence jsonb default '{}',
  p_metadata jsonb default '{}',
  p_description text default 'created',
  p_id uuid default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  created public.sessions;
begin
  insert into public.sessions (
    id, prompt, current_ir, generated_code, generation_status, evidence, metadata, change_description
  ) values (
    coalesce(p_id, gen_random_uuid()), p_prompt, nullif(p_current_ir, 'null'), p_generated_code, p_generation_status,
    p_evidence, p_metadata, p_description
  ) returning * into created;
  return private.session_json(created);
end
$$;

-- p_changes: the columns to change and their values; null clears current_ir and generated_code.
create function public.save_session(p_id uuid, p_expected_version integer, p_changes jsonb, p_description text default '')
returns jsonb language plpgsql set search_path = '' as $$
declare
  unknown text := (
    select min(key) from jsonb_object_keys(p_changes) as key
    where key not in ('prompt', 'current_ir', 'generated_code', 'generation_status', 'evidence', 'metadata')
  );
  saved public.sessions;
begin
  if unknown is not null then
    raise sqlstate '22023' using message = format('a session has no field %s that can be changed', quote_ident(unknown));
  end if;
  update public.sessions as s set
    prompt = case when p_changes ? 'prompt' then p_changes ->> 'prompt' else s.prompt end,
    current_ir = case when p_changes ? 'current_ir' then nullif(p_changes -> 'current_ir', 'null') else s.current_ir end,
    generated_code = case
      when p_changes ? 'generated_code' then p_changes ->> 'generated_code' else s.generated_code
    end,
    generation_status = coalesce(p_changes ->> 'generation_status', s.generation_status),
    evidence = coalesce(p_changes -> 'evidence', s.evidence),
    metadata = coalesce(p_changes -> 'metadata', s.metadata),
    change_description = p_description
  where s.id = p_id and s.version = p_expected_version
  returning s.* into saved;
  if not found then
    perform private.refuse_write(p_id, p_expected_version);
  end if;
  return private.session_json(saved);
end
$$;

create function public.delete_session(p_id uuid, p_expected_version integer default null) returns void
language plpgsql set search_path = '' as $$
begin
  delete from public.sessions as s
  where s.id = p_id and (p_expected_version is null or s.version = p_expected_version);
  if not found then
    perform private.refuse_write(p_id, p_expected_version);
  end if;
end
$$;

-- The content of an earlier version as a new one; a closed session is open again.
create function public.rollback_session(p_id uuid, p_expected_version integer, p_to_version integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  target public.session_history;
  saved public.sessions;
begin
  select h.* into target from public.session_history as h where h.session_id = p_id and h.version = p_to_version;
  if not found then
    perform private.refuse_not_found(
      case when exists (select from public.sessions as s where s.id = p_id)
        then 'version of the session' else 'session' end
    );
  end if;
  update public.sessions as s set
    prompt = target.prompt,
    status = 'active',
    generation_status = target.generation_status,
    current_ir = target.ir_snapshot,
    generated_code = target.code_snapshot,
    evidence = target.evidence_snapshot,
    metadata = target.metadata_snapshot,
    resolutions = target.resolutions_snapshot,
    change_description = format('rolled back to version %s', p_to_version)
  where s.id = p_id and s.version = p_expected_version
  returning s.* into saved;
  if not found then
    perform private.refuse_write(p_id, p_expected_version);
  end if;
  return private.session_json(saved);
end
$$;

-- The answer is written into the hole, and kept with who gave it. p_current_ir: the IR with the answer worked in.
create function public.resolve_hole(
  p_id uuid, p_expected_version integer, p_hole_id text, p_answer jsonb, p_current_ir jsonb default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  saved public.sessions;
begin
  if coalesce(p_answer, 'null') = 'null' then
    raise sqlstate '22023' using message = 'null is no answer';
  end if;
  update public.sessions as s set
    current_ir = jsonb_set(
      given.ir,
      '{holes}',
      (
        select coalesce(
          jsonb_agg(
            case when hole ->> 'id' = p_hole_id then hole || jsonb_build_object('answer', p_answer) else hole end
            order by position
          ),
          '[]'
        )
        from jsonb_array_elements(coalesce(given.ir -> 'holes', '[]')) with ordinality as holes (hole, position)
      )
    ),
    resolutions = s.resolutions || jsonb_build_object(
      'hole_id', p_hole_id, 'answer', p_answer, 'by', auth.uid(), 'at', clock_timestamp(), 'version', s.version + 1
    ),
    change_description = left(format('resolved %s', p_hole_id), 1000)
  from (
    select current.id, coalesce(nullif(p_current_ir, 'null'), current.current_ir) as ir
    from public.sessions as current where current.id = p_id
  ) as given
  where s.id = given.id and s.version = p_expected_version
    and jsonb_path_exists(
      private.open_holes(s.current_ir), '$[*] ? (@.id == $id)', jsonb_build_object('id', p_hole_id)
    )
  returning s.* into saved;
  if not found then
    if exists (select from public.sessions as s where s.id = p_id and s.version = p_expected_version) then
      perform private.refuse_not_found('open hole');
    end if;
    perform private.refuse_write(p_id, p_expected_version);
  end if;
  return private.session_json(saved);
end
$$;

create function private.close_session(id uuid, expected_version integer, new_status text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  saved public.sessions;
begin
  update public.sessions as s set status = new_status, change_description = new_status
  where s.id = close_session.id and s.version = expected_version and s.status <> new_status
  returning s.* into saved;
  if not found then
    -- Closing what is closed in the same way changes nothing.
    select s.* into saved from public.sessions as s
    where s.id = close_session.id and s.version = expected_version and s.status = new_status;
  end if;
  if saved.id is null then
    perform private.refuse_write(id, expected_version);
  end if;
  return private.session_json(saved);
end
$$;

-- PT409 names the holes that are still open.
create function public.finalize_session(p_id uuid, p_expected_version integer) returns jsonb
language sql set search_path = '' as $$
  select private.close_session(p_id, p_expected_version, 'finalized')
$$;

create function public.abandon_session(p_id uuid, p_expected_version integer) returns jsonb
language sql set search_path = '' as $$
  select private.close_session(p_id, p_expected_version, 'abandoned')
$$;

revoke all on function
  private.refuse_not_found, private.open_holes, private.prepare_session, private.record_event, private.record_version,
  private.record_comment, private.session_json, private.version_json, private.refuse_write, private.own_session_page,
  private.close_session,
  public.get_session, public.list_sessions, public.list_versions, public.get_version, public.list_session_events,
  public.create_session, public.save_session, public.delete_session, public.rollback_session, public.resolve_hole,
  public.finalize_session, public.abandon_session
from public, anon, authenticated, service_role;

grant execute on function
  private.refuse_not_found, private.open_holes, private.session_json, private.version_json, private.refuse_write, private.own_session_page,
  private.close_session,
  public.get_session, public.list_sessions, public.list_versions, public.get_version, public.list_session_events,
  public.create_session, public.save_session, public.delete_session, public.rollback_session, public.resolve_hole,
  public.finalize_session, public.abandon_session
to authenticated;
