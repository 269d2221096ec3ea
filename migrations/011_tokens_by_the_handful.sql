-- Several tokens of a bucket at once, so that a server asks the database once for several requests that cost nothing.

-- Its callers are replaced in this same transaction.
-- squawk-ignore ban-drop-function
drop function private.take_token(text, text, integer, integer);

-- Takes `wanted` tokens from a bucket that holds `quota` and is refilled evenly within `window_s` seconds, or one when
-- there are not as many; PT429 when it is empty.
-- Answers with the bucket's state, as the RateLimit headers tell it, and how many were taken.
create function private.take_token(subject text, policy text, quota integer, window_s integer, wanted integer)
returns jsonb language plpgsql set search_path = '' as $$
declare
  moment constant timestamptz := clock_timestamp();
  rate constant double precision := quota::double precision / window_s;
  remaining double precision;
  taken integer;
begin
  foreach taken in array case when least(wanted, quota) > 1 then array[least(wanted, quota), 1] else array[1] end loop
    insert into public.rate_limits as r (subject, policy, tokens, updated_at)
    values (take_token.subject, take_token.policy, quota - taken, moment)
    on conflict on constraint rate_limits_pkey do update set
      tokens = least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) - taken,
      updated_at = greatest(moment, r.updated_at)
    where least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) >= taken
    returning tokens into remaining;
    exit when found;
  end loop;
  if remaining is null then
    select least(quota, r.tokens + greatest(extract(epoch from moment - r.updated_at), 0) * rate) into remaining
    from public.rate_limits as r where r.subject = take_token.subject and r.policy = take_token.policy;
    raise sqlstate 'PT429' using
      message = format('more than %s requests in %s s', quota, window_s),
      detail = jsonb_build_object(
        'policy', policy, 'quota', quota, 'window_s', window_s, 'remaining', 0,
        'retry_after_s', round(((1 - remaining) / rate)::numeric, 3)
      )::text;
  end if;
  return jsonb_build_object(
    'policy', policy, 'quota', quota, 'window_s', window_s, 'remaining', floor(remaining),
    'reset_s', round(((quota - remaining) / rate)::numeric, 3), 'taken', taken
  );
end
$$;

-- Takes from every policy in `policies` ([{"policy", "quota", "window_s", "tokens"}]) for a user (whose own quotas, if
-- the operator gave any, go before), and for an address where one is given. Without `tokens`: one.
create or replace function private.take_tokens(user_id uuid, address text, policies jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  own constant jsonb := (select p.limits from public.profiles as p where p.id = take_tokens.user_id);
  wanted record;
  taken jsonb := '[]';
begin
  for wanted in
    select policy, quota, window_s, coalesce(tokens, 1) as tokens
    from jsonb_to_recordset(policies) as p (policy text, quota integer, window_s integer, tokens integer)
    order by policy
  loop
    taken := taken || private.take_token(
      format('user:%s', user_id), wanted.policy, coalesce((own ->> wanted.policy)::integer, wanted.quota),
      wanted.window_s, wanted.tokens
    );
    if address is not null then
      perform private.take_token(
        format('ip:%s', address), wanted.policy, wanted.quota, wanted.window_s, wanted.tokens
      );
    end if;
  end loop;
  return taken;
end
$$;

revoke all on function private.take_token, private.take_tokens from public, anon, authenticated, service_role;
