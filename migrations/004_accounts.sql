-- Who somebody is: profiles and API keys.

-- Answers whoever asks, so that reachability can be measured from outside.
create function public.ping() returns boolean
language sql stable set search_path = '' as $$ select true $$;

-- Profiles follow the authentication service's users. Security definer: users may read none of its tables.
create function private.store_profile(account auth.users) returns void
language sql security definer set search_path = '' as $$
  insert into public.profiles (id, email, provider, provider_user_id, last_login_at)
  values (
    account.id,
    account.email,
    account.raw_app_meta_data ->> 'provider',
    coalesce(account.raw_user_meta_data ->> 'provider_id', account.raw_user_meta_data ->> 'sub'),
    account.last_sign_in_at
  )
  on conflict (id) do update set
    email = excluded.email,
    provider = excluded.provider,
    provider_user_id = excluded.provider_user_id,
    last_login_at = excluded.last_login_at,
    updated_at = now()
$$;

-- Security definer: it runs as the authentication service, which has no business in `public`.
create function private.follow_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.store_profile(new);
  return null;
end
$$;

create trigger follow_user
  after insert or update of email, last_sign_in_at, raw_app_meta_data, raw_user_meta_data on auth.users
  for each row execute function private.follow_user();

select private.store_profile(u) from auth.users as u;

-- Security definer: see private.store_profile; for the caller alone. Makes the profile of a user who has none.
create function private.ensure_own_profile() returns void
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from public.profiles as p where p.id = auth.uid()) then
    perform private.store_profile(u) from auth.users as u where u.id = auth.uid();
  end if;
end
$$;

create function private.profile_json(p public.profiles) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p.id,
    'email', p.email,
    'provider', p.provider,
    'provider_user_id', p.provider_user_id,
    'last_login_at', p.last_login_at,
    'preferences', p.preferences,
    'operator', private.is_operator(),
    'created_at', p.created_at,
    'updated_at', p.updated_at
  )
$$;

create function public.get_profile() returns jsonb
language plpgsql set search_path = '' as $$
declare
  own public.profiles;
begin
  perform private.ensure_own_profile();
  select p.* into own from public.profiles as p where p.id = (select auth.uid());
  if not found then
    perform private.refuse_not_found('user');
  end if;
  return private.profile_json(own);
end
$$;

create function public.update_profile(p_preferences jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  own public.profiles;
begin
  perform private.ensure_own_profile();
  update public.profiles as p set preferences = p_preferences, updated_at = now()
  where p.id = (select auth.uid())
  returning p.* into own;
  if not found then
    perform private.refuse_not_found('user');
  end if;
  return private.profile_json(own);
end
$$;

-- API keys. They are made outside: the database is told a hash, and never sees a key.

create function private.api_key_json(
  id uuid, name text, prefix text, scopes text[], expires_at timestamptz, last_used_at timestamptz,
  revoked_at timestamptz, created_at timestamptz
) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'id', id, 'name', name, 'prefix', prefix, 'scopes', scopes, 'expires_at', expires_at,
    'last_used_at', last_used_at, 'revoked_at', revoked_at, 'created_at', created_at
  )
$$;

create function public.create_api_key(
  p_name text, p_key_hash text, p_prefix text, p_scopes text[], p_expires_at timestamptz default null
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  answer jsonb;
begin
  if (
    select count(*) from public.api_keys as k where k.user_id = (select auth.uid()) and k.revoked_at is null
  ) >= 100 then
    raise sqlstate 'PT409' using message = 'there are 100 keys in force; revoke one first', detail = '{}';
  end if;
  insert into public.api_keys (name, key_hash, prefix, scopes, expires_at)
  values (p_name, decode(p_key_hash, 'hex'), p_prefix, p_scopes, p_expires_at)
  returning private.api_key_json(id, name, prefix, scopes, expires_at, last_used_at, revoked_at, created_at) into answer;
  return answer;
end
$$;

-- Latest first, the revoked ones among them. A hundred are in force at most.
create function public.list_api_keys() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(
    jsonb_agg(
      private.api_key_json(
        k.id, k.name, k.prefix, k.scopes, k.expires_at, k.last_used_at, k.revoked_at, k.created_at
      )
      order by k.created_at desc, k.id
    ),
    '[]'
  )
  from (
    select id, name, prefix, scopes, expires_at, last_used_at, revoked_at, created_at
    from public.api_keys where user_id = (select auth.uid())
    order by created_at desc, id limit 500
  ) as k
$$;

create function public.revoke_api_key(p_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update public.api_keys as k set revoked_at = now() where k.id = p_id and k.revoked_at is null;
  if not found then
    perform private.refuse_not_found('API key');
  end if;
end
$$;

-- Whose key this is, or null when it is not in force.
-- Security definer, and open to strangers: this is how a caller who has but a key becomes a user. Whoever can give the
-- SHA-256 of a key of 256 random bits had the key, or this table.
create function public.lookup_api_key(p_key_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  key public.api_keys;
  account auth.users;
begin
  if p_key_hash !~ '^[0-9a-f]{64}$' then
    return null;
  end if;
  select k.* into key from public.api_keys as k
  where k.key_hash = decode(p_key_hash, 'hex') and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now());
  if not found then
    return null;
  end if;
  select u.* into account from auth.users as u
  where u.id = key.user_id and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now());
  if not found then
    return null;
  end if;
  -- To the minute is enough to know a key by, and no more than a write a minute. `skip locked`: nobody waits for it.
  update public.api_keys as k set last_used_at = now()
  where k.id in (
    select used.id from public.api_keys as used
    where used.id = key.id and (used.last_used_at is null or used.last_used_at < now() - interval '1 minute')
    for no key update skip locked
  );
  return jsonb_build_object(
    'key_id', key.id, 'user_id', key.user_id, 'scopes', key.scopes, 'expires_at', key.expires_at, 'email', account.email
  );
end
$$;

revoke all on function
  private.store_profile, private.follow_user, private.ensure_own_profile, private.profile_json, private.api_key_json,
  public.ping, public.get_profile, public.update_profile, public.create_api_key, public.list_api_keys,
  public.revoke_api_key, public.lookup_api_key
from public, anon, authenticated, service_role;

grant execute on function
  private.ensure_own_profile, private.profile_json, private.api_key_json,
  public.get_profile, public.update_profile, public.create_api_key, public.list_api_keys, public.revoke_api_key
to authenticated;
grant execute on function public.ping, public.lookup_api_key to anon, authenticated, service_role;
