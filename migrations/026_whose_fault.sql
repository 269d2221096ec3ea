-- What others do to a session while its code is written, or constraints that exclude each other, are no fault of the
-- service either.

-- As before (013), with the caller's own ends that are no refusals: error rates and alerts count what is left.
create or replace function private.is_fault(state text, error text) returns boolean
language sql immutable set search_path = '' as $$
  select state = 'expired' or coalesce(
    error not in (
      'Refused', 'ConstraintRefused', 'KeyReused', 'PromptTooLong', 'GenerationCut',
      'NotFound', 'UnknownDigest', 'StaleVersion', 'Conflict', 'ConstraintsConflict', 'StillRunning', 'Forbidden'
    ),
    false
  )
$$;
