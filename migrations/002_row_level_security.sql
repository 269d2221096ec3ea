-- Who may see and change what. Row-level security decides for every role but `service_role` (scheduled jobs);
-- what a policy lets through is narrowed further by the columns that are granted.
-- `(select auth.uid())` is evaluated once a statement, `auth.uid()` would be once a row.

-- Nothing is for everybody: what projects granted by default, now or in earlier years, is taken back first.
revoke all on
  public.profiles, public.sessions, public.session_history, public.session_members, public.comments,
  public.session_embeddings, public.api_keys, public.generations, public.budgets, public.rate_limits,
  public.idempotency_keys, public.analytics_events, public.alerts, public.job_runs
from public, anon, authenticated, service_role;

grant select, insert, update, delete on
  public.profiles, public.sessions, public.session_history, public.session_members, public.comments,
  public.session_embeddings, public.api_keys, public.generations, public.budgets, public.rate_limits,
  public.idempotency_keys, public.analytics_events, public.alerts, public.job_runs
to service_role;

revoke all on schema private from public;
grant usage on schema private to anon, authenticated, service_role;

alter table public.profiles enable row level security;
alter table public.sessions enable row level security;
alter table public.session_history enable row level security;
alter table public.session_members enable row level security;
alter table public.comments enable row level security;
alter table public.session_embeddings enable row level security;
alter table public.api_keys enable row level security;
alter table public.generations enable row level security;
alter table public.budgets enable row level security;
alter table public.rate_limits enable row level security; -- no policy: it is the limiting functions' alone
alter table public.idempotency_keys enable row level security;
alter table public.analytics_events enable row level security;
alter table public.alerts enable row level security;
alter table public.job_runs enable row level security;

-- Operators are named by a claim that users cannot write themselves.
create function private.is_operator() returns boolean
language sql stable set search_path = '' as $$
  select coalesce(auth.jwt() #> '{app_metadata,operator}' = 'true', false)
$$;

-- Security definer: the policy of `session_members` looks at `sessions`, whose policy looks here; with the caller's
-- rights the two would ask each other for ever. It answers for the caller alone.
create function private.sessions_shared_with_me(roles text[]) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.session_id from public.session_members as m
  where m.user_id = (select auth.uid()) and m.role = any (roles)
$$;

revoke all on function private.is_operator, private.sessions_shared_with_me from public, anon, authenticated, service_role;
grant execute on function private.is_operator, private.sessions_shared_with_me to authenticated, service_role;

-- Profiles: one's own. The columns that say who somebody is come from the authentication service.
grant select, update (preferences, updated_at) on public.profiles to authenticated;
create policy profiles_select on public.profiles for select to authenticated
  using (id = (select auth.uid()) or (select private.is_operator()));
create policy profiles_update on public.profiles for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));

-- Sessions: their owner's, and whoever's they are shared with. Operators see what they cost, not what they say.
grant
  select,
  insert (id, prompt, generation_status, current_ir, generated_code, evidence, metadata, change_description),
  update (
    prompt, status, generation_status, current_ir, generated_code, evidence, metadata, resolutions, change_description
  ),
  delete
on public.sessions to authenticated;
create policy sessions_select on public.sessions for select to authenticated
  using (
    user_id = (select auth.uid())
    or id in (select private.sessions_shared_with_me(array['viewer', 'editor']))
  );
create policy sessions_insert on public.sessions for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy sessions_update on public.sessions for update to authenticated
  using (user_id = (select auth.uid()) or id in (select private.sessions_shared_with_me(array['editor'])))
  with check (user_id = (select auth.uid()) or id in (select private.sessions_shared_with_me(array['editor'])));
create policy sessions_delete on public.sessions for delete to authenticated
  using (user_id = (select auth.uid()));

-- What hangs on a session is seen by those who see the session: the sub-select is subject to its policies.
grant select on public.session_history to authenticated;
create policy session_history_select on public.session_history for select to authenticated
  using (exists (select from public.sessions as s where s.id = session_history.session_id));

-- Members: seen by the owner and by themselves; chosen by the owner; free to leave.
grant select, insert (session_id, user_id, role, email), update (role, email), delete
on public.session_members to authenticated;
create policy session_members_select on public.session_members for select to authenticated
  using (
    user_id = (select auth.uid())
    or exists (
      select from public.sessions as s where s.id = session_members.session_id and s.user_id = (select auth.uid())
    )
  );
create policy session_members_insert on public.session_members for insert to authenticated
  with check (
    user_id <> (select auth.uid())
    and exists (
      select from public.sessions as s where s.id = session_members.session_id and s.user_id = (select auth.uid())
    )
  );
create policy session_members_update on public.session_members for update to authenticated
  using (
    exists (
      select from public.sessions as s where s.id = session_members.session_id and s.user_id = (select auth.uid())
    )
  )
  with check (
    exists (
      select from public.sessions as s where s.id = session_members.session_id and s.user_id = (select auth.uid())
    )
  );
create policy session_members_delete on public.session_members for delete to authenticated
  using (
    user_id = (select auth.uid())
    or exists (
      select from public.sessions as s where s.id = session_members.session_id and s.user_id = (select auth.uid())
    )
  );

-- Comments: read and written by all who see the session; their words are not changed by anybody afterwards.
grant select, insert (session_id, pointer, version, body), update (resolved_at, resolved_by), delete
on public.comments to authenticated;
create policy comments_select on public.comments for select to authenticated
  using (exists (select from public.sessions as s where s.id = comments.session_id));
create policy comments_insert on public.comments for insert to authenticated
  with check (
    author_id = (select auth.uid())
    and exists (select from public.sessions as s where s.id = comments.session_id)
  );
create policy comments_update on public.comments for update to authenticated
  using (
    exists (
      select from public.sessions as s
      where s.id = comments.session_id
        and (
          s.user_id = (select auth.uid())
          or comments.author_id = (select auth.uid())
          or s.id in (select private.sessions_shared_with_me(array['editor']))
        )
    )
  )
  with check (resolved_by is null or resolved_by = (select auth.uid()));
create policy comments_delete on public.comments for delete to authenticated
  using (
    exists (
      select from public.sessions as s
      where s.id = comments.session_id
        and (s.user_id = (select auth.uid()) or comments.author_id = (select auth.uid()))
    )
  );

-- Embeddings: those of the sessions one sees; written by those who may write the session.
grant select, insert (session_id, user_id, version, model, embedding), update (version, model, embedding, updated_at)
on public.session_embeddings to authenticated;
create policy session_embeddings_select on public.session_embeddings for select to authenticated
  using (
    user_id = (select auth.uid())
    or session_id in (select private.sessions_shared_with_me(array['viewer', 'editor']))
  );
create policy session_embeddings_insert on public.session_embeddings for insert to authenticated
  with check (
    (
      user_id = (select auth.uid())
      or session_id in (select private.sessions_shared_with_me(array['editor']))
    )
    and exists (
      select from public.sessions as s
      where s.id = session_embeddings.session_id and s.user_id = session_embeddings.user_id
    )
  );
create policy session_embeddings_update on public.session_embeddings for update to authenticated
  using (
    user_id = (select auth.uid())
    or session_id in (select private.sessions_shared_with_me(array['editor']))
  )
  with check (
    user_id = (select auth.uid())
    or session_id in (select private.sessions_shared_with_me(array['editor']))
  );

-- API keys: one's own; never their hashes. A revoked key stays, for the record.
grant
  select (id, user_id, name, prefix, scopes, expires_at, last_used_at, revoked_at, created_at),
  insert (name, key_hash, prefix, scopes, expires_at),
  update (revoked_at)
on public.api_keys to authenticated;
create policy api_keys_select on public.api_keys for select to authenticated
  using (user_id = (select auth.uid()));
create policy api_keys_insert on public.api_keys for insert to authenticated
  with check (user_id = (select auth.uid()));
-- A revocation is not taken back.
create policy api_keys_update on public.api_keys for update to authenticated
  using (user_id = (select auth.uid()) and revoked_at is null)
  with check (user_id = (select auth.uid()) and revoked_at is not null);

-- The ledger: read by whom it is about and by operators; written by the functions that admit and settle.
grant select on public.generations to authenticated;
create policy generations_select on public.generations for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_operator()));

-- Budgets: users limit their own keys, operators everybody. Nobody writes the sums.
grant
  select,
  insert (user_id, key_id, period, soft_limit_usd, hard_limit_usd),
  update (soft_limit_usd, hard_limit_usd)
on public.budgets to authenticated;
create policy budgets_select on public.budgets for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_operator()));
create policy budgets_insert on public.budgets for insert to authenticated
  with check (
    (
      user_id = (select auth.uid())
      and exists (select from public.api_keys as k where k.id = budgets.key_id and k.user_id = (select auth.uid()))
    )
    or (key_id is null and (select private.is_operator()))
  );
create policy budgets_update on public.budgets for update to authenticated
  using (
    (user_id = (select auth.uid()) and key_id is not null)
    or (key_id is null and (select private.is_operator()))
  )
  with check (
    (user_id = (select auth.uid()) and key_id is not null)
    or (key_id is null and (select private.is_operator()))
  );

-- Idempotency: one's own keys, in every respect: a wrong answer stored there would be replayed to its author alone.
grant
  select,
  insert (key, fingerprint, locked_until, expires_at),
  update (fingerprint, state, response_status, response_headers, response_body, created_at, locked_until, expires_at),
  delete
on public.idempotency_keys to authenticated;
create policy idempotency_keys_own on public.idempotency_keys for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Events: those of the sessions one sees; all of them for operators. Written by the server alone.
grant select on public.analytics_events to authenticated;
create policy analytics_events_select on public.analytics_events for select to authenticated
  using (
    (select private.is_operator())
    or exists (select from public.sessions as s where s.id = analytics_events.session_id)
  );

-- Operation: for operators to read, for scheduled jobs to write.
grant select on public.alerts, public.job_runs to authenticated;
create policy alerts_select on public.alerts for select to authenticated using ((select private.is_operator()));
create policy job_runs_select on public.job_runs for select to authenticated using ((select private.is_operator()));
