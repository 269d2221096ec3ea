-- Where a session's events stand: what who watches it from now on begins with.

-- One statement, so that no event falls between the version and the number.
create function public.get_session_position(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  answer jsonb := (
    select jsonb_build_object(
      'version', s.version,
      'last_event_id', coalesce(
        (select e.id from public.analytics_events as e where e.session_id = s.id order by e.id desc limit 1), 0
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

revoke all on function public.get_session_position from public, anon, authenticated, service_role;
grant execute on function public.get_session_position to authenticated;
