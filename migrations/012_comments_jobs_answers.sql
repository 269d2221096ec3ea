-- Comments are changed within their session; jobs run one at a time; answers are events with their latency.

-- Comments. Clients of the old functions fit the new ones, which take their places in this same transaction.

-- squawk-ignore ban-drop-function
drop function public.resolve_comment(uuid, boolean);
-- squawk-ignore ban-drop-function
drop function public.delete_comment(uuid);
-- squawk-ignore ban-drop-function
drop function private.refuse_comment_write(uuid);

-- Raises what a caller is to be told whose write of a comment changed nothing.
create function private.refuse_comment_write(id uuid, of_session uuid) returns void
language plpgsql stable set search_path = '' as $$
begin
  if exists (
    select from public.comments as c
    where c.id = refuse_comment_write.id and c.session_id = coalesce(of_session, c.session_id)
  ) then
    raise sqlstate '42501' using message = 'this comment is not the caller''s to change';
  end if;
  perform private.refuse_not_found('comment');
end
$$;

-- By its author, the session's owner and its editors. p_id: the session that it must belong to.
create function public.resolve_comment(p_comment_id uuid, p_resolved boolean default true, p_id uuid default null)
returns jsonb language plpgsql set search_path = '' as $$
declare
  changed public.comments;
begin
  update public.comments as c set
    resolved_at = case when p_resolved then clock_timestamp() end,
    resolved_by = case when p_resolved then auth.uid() end
  where c.id = p_comment_id and c.session_id = coalesce(p_id, c.session_id)
  returning * into changed;
  if not found then
    perform private.refuse_comment_write(p_comment_id, p_id);
  end if;
  return private.comment_json(changed);
end
$$;

-- By its author and the session's owner. p_id: the session that it must belong to.
create function public.delete_comment(p_comment_id uuid, p_id uuid default null) returns void
language plpgsql set search_path = '' as $$
begin
  delete from public.comments as c where c.id = p_comment_id and c.session_id = coalesce(p_id, c.session_id);
  if not found then
    perform private.refuse_comment_write(p_comment_id, p_id);
  end if;
end
$$;

-- Jobs. Connections are shared, so that no lock outlives a call: a run that has begun and not ended is the lock.

-- Begins a run and answers its id; null while another run of the job goes on. One that began `p_lease_s` ago is taken
-- for dead.
create function public.start_job(p_job text, p_lease_s double precision default 7200) returns bigint
language plpgsql set search_path = '' as $$
declare
  started bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('job:' || p_job, 0));
  update public.job_runs as r set state = 'failed', error = 'it never ended', finished_at = now()
  where r.job = p_job and r.state = 'running' and r.started_at < now() - make_interval(secs => p_lease_s);
  if not exists (select from public.job_runs as r where r.job = p_job and r.state = 'running') then
    insert into public.job_runs (job) values (p_job) returning id into started;
  end if;
  return started;
end
$$;

-- How a run ended: with an error it failed. May be repeated; the first end stands.
create function public.finish_job(p_id bigint, p_details jsonb default '{}', p_error text default null) returns void
language sql set search_path = '' as $$
  update public.job_runs as r set
    state = case when p_error is null then 'succeeded' else 'failed' end,
    details = p_details, error = left(p_error, 2000), finished_at = now()
  where r.id = p_id and r.state = 'running'
$$;

-- Answers. Written with the settlement that they belong to: by the server alone, and in no call of their own.

-- Security definer: nobody may write events. See public.settle, which is the only one to settle.
create function private.record_answer() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.analytics_events (session_id, user_id, event_type, event_data, latency_ms)
  values (
    new.session_id, new.user_id, 'answer.' || left(new.endpoint, 90),
    jsonb_build_object(
      'model', new.model, 'finish_reason', new.finish_reason, 'error', new.error, 'cache_hit', new.cache_hit,
      'completion_tokens', new.completion_tokens, 'time_to_first_token_ms', new.time_to_first_token_s * 1000
    ),
    new.latency_s * 1000
  );
  return null;
end
$$;

create trigger record_answer after update on public.generations
  for each row when (new.state = 'settled' and old.state is distinct from 'settled')
  execute function private.record_answer();

-- Events with a number greater than p_after, in order: what happened to the session itself. Answers are left out: they
-- are numbered without its lock, so that a reader could miss one.
create or replace function public.list_session_events(p_id uuid, p_after bigint default 0, p_limit integer default 100)
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
        where e.session_id = p_id and e.id > p_after and e.event_type not like 'answer.%'
        order by e.id
        limit least(greatest(p_limit, 1), 1000)
      ) as e
    ),
    '[]'
  );
end
$$;

-- Where a session's events stand: what who watches it from now on begins with.
create or replace function public.get_session_position(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  answer jsonb := (
    select jsonb_build_object(
      'version', s.version,
      'last_event_id', coalesce(
        (
          select e.id from public.analytics_events as e
          where e.session_id = s.id and e.event_type not like 'answer.%' order by e.id desc limit 1
        ), 0
      )
    )
    from public.sessions as s where s.id = p_id
  );
begin
  if answer is null then
    perform private.refuse_not_found('session');
  end if;
  return answer;
end
$$;

revoke all on function
  private.refuse_comment_write, private.record_answer,
  public.resolve_comment, public.delete_comment, public.start_job, public.finish_job
from public, anon, authenticated, service_role;
grant execute on function private.refuse_comment_write, public.resolve_comment, public.delete_comment to authenticated;
grant execute on function public.start_job, public.finish_job to service_role;
