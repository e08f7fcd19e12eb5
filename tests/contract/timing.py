"""Order, lag, clock and names: what answers tell beside their content."""

import math
import re
from datetime import UTC, datetime

from batch_updater.frs.protocol import parse_date
from contract.cases import Found, NotAsked, by_rule
from contract.stage import FACES, Lag, Stage

_CLOCK_WORTH_SAYING = 60.0  # seconds; signatures hold for 900


def list_order(stage: Stage) -> Found:
    """In which order are faces listed"""
    ids: list[str] = []

    def complete() -> bool:
        listed = stage.ask("show_faces_by_limit", offset=0, limit=100).faces
        ids[:] = [str(face.get("face_id")) for face in listed]
        return set(ids) == set(stage.faces)

    if stage.until(complete).seconds is None:
        raise NotAsked(f"the listing shows {len(ids)} of {FACES} faces")
    orders = {"added": stage.faces, "reverse": stage.faces[::-1]}
    value = next((name for name, order in orders.items() if order == ids), "shuffled")
    places = ", ".join(str(stage.faces.index(face_id) + 1) for face_id in ids)
    return by_rule("list_order", value, f"faces by the time they were added: {places}")


def lag_after_add(stage: Stage) -> Found:
    """How long is a face unknown that was just added"""
    return _lag(stage, stage.lag, "--lag", "--settle")


def lag_after_update(stage: Stage) -> Found:
    """How long are readers shown the values from before an update"""
    return _lag(stage, stage.update_lag, "--update-lag", "")


def clock(stage: Stage) -> Found:
    """Is the service's clock right"""
    date = parse_date(stage.service.last.headers.get("Date", ""))
    if date is None:
        raise NotAsked("no answer has told the time")
    ahead = (date - datetime.now(UTC)).total_seconds()
    seen = f"Date: {date:%Y-%m-%d %H:%M:%S} UTC"
    if abs(ahead) < _CLOCK_WORTH_SAYING:
        return Found("agrees with ours", seen, expected=True)
    minutes = round(ahead / 60)
    how = f"{abs(minutes)} min {'ahead of' if ahead > 0 else 'behind'} ours"
    means = "set this machine's clock: signatures hold for 15 minutes"
    return Found(how, seen, f"--clock-offset={minutes}m", means, expected=False)


def request_id(stage: Stage) -> Found:
    """How does an answer name its request"""
    name = stage.service.last.headers.get("X-Request-Id", "")
    if not name:
        return Found("not at all", "no X-Request-Id", expected=False)
    shape = f"{len(name)} characters"
    if re.fullmatch(r"[0-9a-f]{32}", name):
        shape = "32 hexadecimal digits"
    return Found(shape, f"X-Request-Id: {name}", expected=True)


def _lag(stage: Stage, lag: Lag, switch: str, setting: str) -> Found:
    if lag.tries == 0:
        raise NotAsked("nothing was written that could have been waited for")
    if lag.seconds is None:
        return Found("never", f"not seen in {stage.patience:g} s", expected=False)
    seen = f"at most {lag.seconds:.1f} s, seen at look {lag.tries}"
    if lag.tries == 1:
        return Found("none", "seen at the first look", f"{switch} 0s", expected=True)
    up = math.ceil(lag.seconds * 10) / 10
    means = f"{setting} {math.ceil(up * 2)}s" if setting else ""
    return Found(f"{up:g} s", seen, f"{switch} {up:g}s", means, expected=False)
