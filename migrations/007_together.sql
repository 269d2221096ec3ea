-- Sharing, comments, and search by meaning.

-- Security definer: nobody may read the authentication service's users. Of a confirmed address alone: whoever signs up
-- with somebody else's gets nothing that is shared with it. That an address has an account is told to who asks for it
-- by sharing a session; the product has no invitations.
create function private.user_by_email(address text) returns uuid
language sql stable security definer set search_path = '' as $$
  select u.id from auth.users as u
  where u.email = lower(trim(address)) and not u.is_sso_user
    and u.email_confirmed_at is not null and u.deleted_at is null
$$;

-- Raises what a caller is to be told who is not the owner of the session.
create function private.require_owner(id uuid) returns void
language plpgsql stable set search_path = '' as $$
declare
  owner uuid := (select s.user_id from public.sessions as s where s.id = require_owner.id);
begin
  if owner is null then
    perform private.refuse_not_found('session');
  elsif owner <> auth.uid() then
    raise sqlstate '42501' using message = 'this is for the owner of the session';
  end if;
end
$$;

create function private.share_json(m public.session_members) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('user_id', m.user_id, 'email', m.email, 'role', m.role, 'created_at', m.created_at)
$$;

-- With a user, by id or by address; or changes that user's role. Holds from the next statement on.
create function public.share_session(p_id uuid, p_role text, p_user_id uuid default null, p_email text default null)
returns jsonb language plpgsql set search_path = '' as $$
declare
  invited uuid := coalesce(p_user_id, private.user_by_email(p_email));
  shared public.session_members;
begin
  perform private.require_owner(p_id);
  if invited is null then
    perform private.refuse_not_found('user with this address');
  elsif invited = auth.uid() then
    raise sqlstate 'PT409' using message = 'the session is yours already', detail = '{}';
  end if;
  begin
    insert into public.session_members (session_id, user_id, role, email)
    values (p_id, invited, p_role, case when p_user_id is null then lower(trim(p_email)) end)
    on conflict (session_id, user_id) do update set role = excluded.role
    returning * into shared;
  exception when foreign_key_violation then
    perform private.refuse_not_found('user');
  end;
  return private.share_json(shared);
end
$$;

-- All of them for the owner; for others, their own.
create function public.list_shares(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from public.sessions as s where s.id = p_id) then
    perform private.refuse_not_found('session');
  end if;
  return coalesce(
    (
      select jsonb_agg(private.share_json(m) order by m.created_at, m.user_id)
      from public.session_members as m where m.session_id = p_id
    ),
    '[]'
  );
end
$$;

-- By the owner, or by the member, who leaves.
create function public.revoke_share(p_id uuid, p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  delete from public.session_members as m where m.session_id = p_id and m.user_id = p_user_id;
  if not found then
    perform private.refuse_not_found('share');
  end if;
end
$$;

create function private.comment_json(c public.comments) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'id', c.id, 'session_id', c.session_id, 'author_id', c.author_id, 'author_email', c.author_email,
    'pointer', c.pointer, 'version', c.version, 'body', c.body,
    'resolved_at', c.resolved_at, 'resolved_by', c.resolved_by, 'created_at', c.created_at
  )
$$;

-- On a clause of the current version's IR, by JSON pointer; '' is the whole.
create function public.add_comment(p_id uuid, p_pointer text, p_body text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  current_version integer := (select s.version from public.sessions as s where s.id = p_id);
  added public.comments;
begin
  if current_version is null then
    perform private.refuse_not_found('session');
  end if;
  insert into public.comments (session_id, pointer, version, body) values (p_id, p_pointer, current_version, p_body)
  returning * into added;
  return private.comment_json(added);
end
$$;

-- Oldest first: {"items": [...], "next": {"created_at", "id"} | null}. `next` goes back in as p_after_*.
create function public.list_comments(
  p_id uuid, p_limit integer default 100, p_after_created_at timestamptz default null, p_after_id uuid default null
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  page_limit constant integer := least(greatest(p_limit, 1), 200);
  items jsonb;
begin
  if not exists (select from public.sessions as s where s.id = p_id) then
    perform private.refuse_not_found('session');
  end if;
  select jsonb_agg(private.comment_json(page.c)) into items
  from (
    select c from public.comments as c
    where c.session_id = p_id
      and (p_after_created_at is null or (c.created_at, c.id) > (p_after_created_at, p_after_id))
    order by c.created_at, c.id
    limit page_limit + 1
  ) as page;
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

create function private.refuse_comment_write(id uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if exists (select from public.comments as c where c.id = refuse_comment_write.id) then
    raise sqlstate '42501' using message = 'this comment is not the caller''s to change';
  end if;
  perform private.refuse_not_found('comment');
end
$$;

-- By its author, the session's owner and its editors.
create function public.resolve_comment(p_comment_id uuid, p_resolved boolean default true) returns jsonb
language plpgsql set search_path = '' as $$
declare
  changed public.comments;
begin
  update public.comments as c set
    resolved_at = case when p_resolved then clock_timestamp() end,
    resolved_by = case when p_resolved then auth.uid() end
  where c.id = p_comment_id
  returning * into changed;
  if not found then
    perform private.refuse_comment_write(p_comment_id);
  end if;
  return private.comment_json(changed);
end
$$;

-- By its author and the session's owner.
create function public.delete_comment(p_comment_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  delete from public.comments as c where c.id = p_comment_id;
  if not found then
    perform private.refuse_comment_write(p_comment_id);
  end if;
end
$$;

-- Search by meaning.

-- An embedding as it comes: a JSON array of 384 numbers.
create function private.embedding(numbers jsonb) returns extensions.vector
language plpgsql immutable set search_path = '' as $$
begin
  if numbers is null or jsonb_typeof(numbers) <> 'array' or jsonb_array_length(numbers) <> 384 then
    raise sqlstate '22023' using message = 'an embedding is an array of 384 numbers';
  end if;
  return numbers::text::extensions.vector;
end
$$;

-- What a version means; an older version than the one known changes nothing.
create function public.set_session_embedding(p_id uuid, p_version integer, p_model text, p_embedding jsonb)
returns void language plpgsql set search_path = '' as $$
begin
  insert into public.session_embeddings (session_id, user_id, version, model, embedding)
  select s.id, s.user_id, p_version, p_model, private.embedding(p_embedding)
  from public.sessions as s where s.id = p_id
  on conflict (session_id) do update set
    version = excluded.version, model = excluded.model, embedding = excluded.embedding, updated_at = now()
  where session_embeddings.version <= excluded.version or session_embeddings.model <> excluded.model;
  if not found and not exists (select from public.sessions as s where s.id = p_id) then
    perform private.refuse_not_found('session');
  end if;
end
$$;

-- Up to this many of a user's embeddings are all compared: exact, and faster than a graph of everybody's. Beyond, the
-- graph is walked until enough of the user's own were met (pgvector's iterative scan).
create function public.search_sessions(
  p_embedding jsonb, p_model text, p_limit integer default 10, p_exact_up_to integer default 5000
) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
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

-- For a scheduled job: what has no embedding of its current version, latest first.
create function public.list_sessions_to_embed(p_model text, p_limit integer default 100) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', page.id, 'version', page.version, 'prompt', page.prompt, 'summary', page.summary
      )
    ),
    '[]'
  )
  from (
    select s.id, s.version, s.prompt, s.current_ir #>> '{intent,summary}' as summary
    from public.sessions as s
    left join public.session_embeddings as e on e.session_id = s.id
    where e.session_id is null or e.version < s.version or e.model <> p_model
    order by s.updated_at desc
    limit least(greatest(p_limit, 1), 1000)
  ) as page
$$;

revoke all on function
  private.user_by_email, private.require_owner, private.share_json, private.comment_json, private.refuse_comment_write,
  private.embedding,
  public.share_session, public.list_shares, public.revoke_share, public.add_comment, public.list_comments,
  public.resolve_comment, public.delete_comment, public.set_session_embedding, public.search_sessions,
  public.list_sessions_to_embed
from public, anon, authenticated, service_role;

grant execute on function
  private.user_by_email, private.require_owner, private.share_json, private.comment_json, private.refuse_comment_write,
  private.embedding,
  public.share_session, public.list_shares, public.revoke_share, public.add_comment, public.list_comments,
  public.resolve_comment, public.delete_comment, public.set_session_embedding, public.search_sessions
to authenticated;
grant execute on function private.refuse_not_found, private.embedding, public.set_session_embedding, public.list_sessions_to_embed
to service_role;
