-- A session's own tests: source text that says of its function what must hold. They belong to the specification: every
-- version has those that it had, and a closed session's do not change.

alter table public.sessions add column tests text check (length(tests) <= 50000);
grant insert (tests), update (tests) on public.sessions to authenticated;
alter table public.session_history add column tests_snapshot text;

create or replace function private.prepare_session() returns trigger
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
    and (new.prompt, new.current_ir, new.tests) is distinct from (old.prompt, old.current_ir, old.tests)
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

-- Security definer: history is written here and nowhere else.
create or replace function private.record_version() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.session_history (
    session_id, version, prompt, status, generation_status, ir_snapshot, code_snapshot, evidence_snapshot,
    metadata_snapshot, resolutions_snapshot, tests_snapshot, change_description, changed_by, created_at
  ) values (
    new.id, new.version, new.prompt, new.status, new.generation_status, new.current_ir, new.generated_code, new.evidence,
    new.metadata, new.resolutions, new.tests, new.change_description, new.changed_by, new.updated_at
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

create or replace function private.session_json(s public.sessions) returns jsonb
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
    'tests', s.tests,
    'evidence', s.evidence,
    'metadata', s.metadata,
    'created_at', s.created_at,
    'updated_at', s.updated_at
  )
$$;

create or replace function private.version_json(h public.session_history) returns jsonb
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
    'tests', h.tests_snapshot,
    'evidence', h.evidence_snapshot,
    'metadata', h.metadata_snapshot,
    'change_description', h.change_description,
    'changed_by', h.changed_by,
    'created_at', h.created_at
  )
$$;

-- Clients of the old function fit the new one, which takes its place in this same transaction.
-- squawk-ignore ban-drop-function
drop function public.create_session(text, jsonb, text, text, jsonb, jsonb, text, uuid);

create function public.create_session(
  p_prompt text,
  p_current_ir jsonb default null,
  p_generated_code text default null,
  p_generation_status text default 'pending',
  p_evidence jsonb default '{}',
  p_metadata jsonb default '{}',
  p_description text default 'created',
  p_id uuid default null,
  p_tests text default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  created public.sessions;
begin
  insert into public.sessions (
    id, prompt, current_ir, generated_code, generation_status, evidence, metadata, tests, change_description
  ) values (
    coalesce(p_id, gen_random_uuid()), p_prompt, nullif(p_current_ir, 'null'), p_generated_code, p_generation_status,
    p_evidence, p_metadata, p_tests, p_description
  ) returning * into created;
  return private.session_json(created);
end
$$;

-- p_changes: the columns to change and their values; null clears current_ir, generated_code and tests.
create or replace function public.save_session(p_id uuid, p_expected_version integer, p_changes jsonb, p_description text default '')
returns jsonb language plpgsql set search_path = '' as $$
declare
  unknown text := (
    select min(key) from jsonb_object_keys(p_changes) as key
    where key not in ('prompt', 'current_ir', 'generated_code', 'generation_status', 'evidence', 'metadata', 'tests')
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
    tests = case when p_changes ? 'tests' then p_changes ->> 'tests' else s.tests end,
    change_description = p_description
  where s.id = p_id and s.version = p_expected_version
  returning s.* into saved;
  if not found then
    perform private.refuse_write(p_id, p_expected_version);
  end if;
  return private.session_json(saved);
end
$$;

-- The content of an earlier version as a new one; a closed session is open again.
create or replace function public.rollback_session(p_id uuid, p_expected_version integer, p_to_version integer) returns jsonb
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
    tests = target.tests_snapshot,
    change_description = format('rolled back to version %s', p_to_version)
  where s.id = p_id and s.version = p_expected_version
  returning s.* into saved;
  if not found then
    perform private.refuse_write(p_id, p_expected_version);
  end if;
  return private.session_json(saved);
end
$$;

revoke all on function public.create_session from public, anon, authenticated, service_role;
grant execute on function public.create_session to authenticated;
