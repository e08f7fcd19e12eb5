"""The suite: every case, in the order they are tried."""

from contract import documented, missing, quota, refusals, timing, values
from contract.cases import Entry, Fact, Question, ask_question, check_fact
from contract.stage import Stage

FACTS: tuple[Fact, ...] = (
    documented.create_face_set,
    documented.show_face_set,
    documented.show_all_face_sets,
    documented.add_faces,
    documented.update_both,
    documented.update_image_id_alone,
    documented.update_fields_alone,
    documented.every_type,
    documented.image_id_is_shown,
    documented.default_limit,
    documented.limit_and_offset,
    documented.window_edge,
    refusals.unknown_face,
    refusals.unknown_face_set,
    refusals.undeclared_field,
    refusals.nothing_to_update,
    refusals.no_face_id,
    refusals.long_image_id,
    refusals.image_id_charset,
    refusals.long_value,
    refusals.face_set_exists,
    refusals.plain_seed_body,
    refusals.plain_unknown_face,
)
QUESTIONS: tuple[Question, ...] = (
    values.merge_or_replace,
    values.image_id_kept,
    values.null_values,
    values.empty_values,
    values.nested_values,
    values.string_values,
    values.field_types,
    values.wrong_type_code,
    missing.missing_face_code,
    missing.missing_face_get,
    missing.missing_face_delete,
    missing.missing_face_set,
    missing.window_code,
    missing.versions,
    timing.list_order,
    timing.lag_after_add,
    timing.lag_after_update,
    timing.clock,
    timing.request_id,
    quota.quota_scope,
    quota.refused_count,
    quota.throttle_code,
    quota.retry_after,
    quota.ratelimit_headers,
)
# They take faces away, so they come last.
LAST_FACTS: tuple[Fact, ...] = (
    documented.delete_by_face_id,
    documented.delete_by_image_id,
    documented.batch_delete,
)


def examine(stage: Stage, entries: list[Entry]) -> None:
    """Try every case on a stage; `entries` holds what is known when it is cut off."""
    entries.extend(check_fact(case, stage) for case in FACTS)
    entries.extend(ask_question(case, stage) for case in QUESTIONS)
    entries.extend(check_fact(case, stage) for case in LAST_FACTS)
