-- Idempotency keys: a request that is sent again is answered as it was, and its work is done once.
-- https://docs.stripe.com/api/idempotent_requests; kept for 24 hours at least.

-- Answers {"lease": ...}: do the work, and give the lease back with the answer; or {"answer": {...}}: it was done.
-- PT422: the key came with another request. PT409: the first is still running.
create function public.begin_idempotent(
  p_key text, p_fingerprint text, p_lease_s double precision, p_keep_s double precision default 86400
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  me constant uuid := auth.uid();
  lease constant timestamptz := clock_timestamp() + make_interval(secs => p_lease_s);
  stored public.idempotency_keys;
begin
  loop
    insert into public.idempotency_keys (key, fingerprint, locked_until, expires_at)
    values (p_key, p_fingerprint, lease, lease + make_interval(secs => p_keep_s))
    on conflict (user_id, key) do nothing;
    if found then
      return jsonb_build_object('lease', lease);
    end if;
    select k.* into stored from public.idempotency_keys as k where k.user_id = me and k.key = p_key for update;
    exit when found; -- else it was released meanwhile, and may be had
  end loop;
  if stored.expires_at > clock_timestamp() then
    if stored.fingerprint <> p_fingerprint then
      raise sqlstate 'PT422' using message = 'this Idempotency-Key was sent with another request before';
    elsif stored.state = 'complete' then
      return jsonb_build_object(
        'answer', jsonb_build_object(
          'status', stored.response_status, 'headers', stored.response_headers, 'body', stored.response_body
        )
      );
    elsif stored.locked_until > clock_timestamp() then
      raise sqlstate 'PT409' using
        message = 'the first request with this Idempotency-Key is still running',
        detail = jsonb_build_object('idempotency', 'running')::text;
    end if;
  end if;
  -- The key is too old to count, or whoever ran it is dead.
  update public.idempotency_keys as k set
    fingerprint = p_fingerprint, state = 'running', response_status = null, response_headers = null,
    response_body = null, created_at = now(), locked_until = lease, expires_at = lease + make_interval(secs => p_keep_s)
  where k.user_id = me and k.key = p_key;
  return jsonb_build_object('lease', lease);
end
$$;

-- Keeps the answer, unless somebody else has taken the key over; says whether it did. May be repeated.
create function public.complete_idempotent(p_key text, p_lease timestamptz, p_status integer, p_headers jsonb, p_body text)
returns boolean language plpgsql set search_path = '' as $$
begin
  update public.idempotency_keys as k set
    state = 'complete', response_status = p_status, response_headers = p_headers, response_body = p_body
  where k.user_id = (select auth.uid()) and k.key = p_key and k.locked_until = p_lease;
  return found;
end
$$;

-- Nothing was done, and the next one may. May be repeated.
create function public.release_idempotent(p_key text, p_lease timestamptz) returns void
language sql set search_path = '' as $$
  delete from public.idempotency_keys as k
  where k.user_id = (select auth.uid()) and k.key = p_key and k.locked_until = p_lease and k.state = 'running'
$$;

-- For a scheduled job: forgets what is too old, at most `p_limit` at a time; 0 means that none is left.
create function public.forget_idempotency_keys(p_limit integer default 10000) returns integer
language plpgsql set search_path = '' as $$
declare
  forgotten integer;
begin
  delete from public.idempotency_keys as k using (
    select old.user_id, old.key from public.idempotency_keys as old where old.expires_at < now() limit p_limit
  ) as old
  where k.user_id = old.user_id and k.key = old.key and k.expires_at < now();
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

revoke all on function
  public.begin_idempotent, public.complete_idempotent, public.release_idempotent, public.forget_idempotency_keys
from public, anon, authenticated, service_role;

grant execute on function public.begin_idempotent, public.complete_idempotent, public.release_idempotent to authenticated;
grant execute on function public.forget_idempotency_keys to service_role;
