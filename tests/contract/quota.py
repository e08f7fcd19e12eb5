"""What happens beyond the quota; asked for on purpose, or seen by chance."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from contract.asking import Answer, Ask
from contract.cases import Found, NotAsked
from contract.stage import Stage

QUOTA = 10  # calls a second, by default (frs-api.md section 4)
_QUIET = 1.2  # seconds after which no window remembers anything
_ROUNDS = 3
_ONE = "keep to one --rate for all commands that run at once"
_RATELIMIT = ("X-ratelimit", "X-ratelimit-used", "X-ratelimit-window")


def quota_scope(stage: Stage) -> Found:
    """Is there one quota for all calls, or one for each kind"""
    alone = _burst(stage, [_update(stage)] * QUOTA)
    if _refused(alone):
        seen = f"{_refused(alone)} of {QUOTA} updates at once were refused"
        return Found("lower than documented", seen, expected=False)
    mixed = _burst(stage, [_update(stage)] * QUOTA + [_show(stage)] * QUOTA)
    refused = _refused(mixed)
    seen = f"{QUOTA} updates and {QUOTA} GETs at once: {refused} refused"
    if refused:
        return Found("shared", seen, setting=_ONE, expected=True)
    more = _refused(_burst(stage, [_update(stage)] * 2 * QUOTA))
    seen += f"; {2 * QUOTA} updates at once: {more} refused"
    if more:
        return Found("per operation", seen, "--quota-per-operation", expected=False)
    return Found("higher, or none", seen, "--qps unlimited", expected=False)


def refused_count(stage: Stage) -> Found:
    """Do refused calls use up the quota"""
    for _ in range(_ROUNDS):
        found = _after_refusals(stage)
        if found is not None:
            return found
    raise NotAsked("answers came too slowly, or nothing was refused")


def throttle_code(stage: Stage) -> Found:
    """Who throttles, and by which code"""
    codes = {answer.code or "a body that was lost" for answer in _throttled(stage)}
    seen = f"429 with {', '.join(sorted(codes))}"
    return Found(", ".join(sorted(codes)), seen, expected=codes == {"FRS.0033"})


def retry_after(stage: Stage) -> Found:
    """Does a 429 say when to come again"""
    answers = _with_headers(stage)
    said = [answer.headers.get("Retry-After", "") for answer in answers]
    told = next((text for text in said if text), "")
    if told:
        seen = f"Retry-After: {told}"
        means = "the updater waits that long"
        return Found(f"{told} s", seen, f"--retry-after {told}", means, expected=False)
    return Found("no", f"{len(answers)} answers without Retry-After", expected=True)


def ratelimit_headers(stage: Stage) -> Found:
    """Do answers tell what is left of the quota"""
    headers = stage.service.last.headers
    told = [f"{name}: {headers[name]}" for name in _RATELIMIT if name in headers]
    if told:
        flag = "--gateway-quota N/TIME --ratelimit-headers"
        return Found("yes", ", ".join(told), flag, expected=False)
    return Found("no", "no X-ratelimit header in the last answer", expected=True)


def _after_refusals(stage: Stage) -> Found | None:
    """
    Fill the window, have calls refused in it, and ask again when only they are in it.

    None when the answers were too slow for that to say anything.
    """
    clock, sleep = stage.service.pace.clock, stage.service.pace.sleep
    first = _burst(stage, [_update(stage)] * 2 * QUOTA)
    filled = clock()
    sleep(0.55)
    began = clock()
    second = _send(stage, [_update(stage)] * QUOTA)
    sleep(max(0.0, filled + 1.05 - clock()))
    third = _send(stage, [_update(stage)])
    if clock() > began + 0.95 or _refused(second) < QUOTA or not _refused(first):
        return None
    seen = f"{QUOTA} refused calls, then one in the second after them: {third[0].said}"
    if _refused(third):
        return Found("yes", seen, "--count-refused", expected=False)
    return Found("no", seen, expected=True)


def _throttled(stage: Stage) -> list[Answer]:
    if not stage.service.throttled:
        raise NotAsked(_NONE_SEEN if stage.burst else _NOT_ALLOWED)
    return stage.service.throttled


def _with_headers(stage: Stage) -> list[Answer]:
    found = [answer for answer in _throttled(stage) if answer.headers]
    if not found:
        raise NotAsked("the SDK shows no headers of a 429; CLIENT=ours does")
    return found


def _burst(stage: Stage, asks: Sequence[Ask]) -> list[Answer]:
    """Send calls all at once, after a silence."""
    if not stage.burst:
        raise NotAsked(_NOT_ALLOWED)
    stage.service.pace.sleep(_QUIET)
    return _send(stage, asks)


def _send(stage: Stage, asks: Sequence[Ask]) -> list[Answer]:
    def one(ask: Ask) -> Answer:
        stage.service.pace.note()
        return stage.service.ask_once(ask)

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))


def _refused(answers: Sequence[Answer]) -> int:
    return sum(answer.status == 429 for answer in answers)


def _update(stage: Stage) -> Ask:
    body = {"face_id": stage.faces[0], "external_fields": {"count": 1}}
    return Ask("update_face", stage.name, body=body)


def _show(stage: Stage) -> Ask:
    query = {"face_id": stage.faces[0]}
    return Ask("show_faces_by_face_id", stage.name, query=query)


_NOT_ALLOWED = "it takes more calls at once than the quota allows: BURST=1"
_NONE_SEEN = "no call was throttled"
