"""The part of the table of settings that is about plan, apply, verify and rollback."""

from pathlib import Path

from batch_updater.config.option import Option, choice
from batch_updater.config.parsing import (
    parse_count,
    parse_duration,
    parse_notify_url,
    parse_some,
    parse_switch,
)
from batch_updater.config.secrets import mask_url
from batch_updater.models import Against, UpdateMode

RECONCILING: tuple[Option, ...] = (
    Option(
        name="update-mode",
        group="update",
        help="what an update says of fields that its row does not name: nothing, "
        "nothing because no row may leave one out, or what the face holds, which is "
        "read first (default: read-modify-write where faces are read anyway, merge "
        "elsewhere)",
        **choice(UpdateMode),
    ),
    Option(
        name="backup",
        group="update",
        help="read each face before it is changed, and keep what it held in "
        "before.jsonl, so that rollback can put it back",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="changed-only",
        group="update",
        help="send only rows that differ from what was last applied (state)",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="state",
        group="state",
        help="where what was last applied is kept (default: "
        "$XDG_STATE_HOME/batch-updater/state)",
        parse=Path,
        metavar="DIR",
    ),
    Option(
        name="state-max-age",
        group="state",
        help="how old what was last applied may be and still be believed",
        parse=parse_duration,
        default="7d",
        metavar="TIME",
    ),
    Option(
        name="against",
        group="plan",
        help="where faces are looked at: in FRS, in the state, or in the state where "
        "it is fresh and in FRS elsewhere",
        default="auto",
        **choice(Against),
    ),
    Option(
        name="drift-sample",
        group="plan",
        help="with --against auto, how much of the fresh state is looked at in FRS "
        "too, to find drift",
        parse=parse_some,
        default="1%",
        metavar="N|N%",
    ),
    Option(
        name="exit-code-no-change",
        group="plan",
        help="the exit code when a plan has nothing to change",
        parse=lambda text: parse_count(text, least=0, most=125),
        default="0",
        metavar="N",
    ),
    Option(
        name="max-changes",
        group="apply",
        help="change no more faces than this, a number or a share of the face set; "
        "without it, more than 20% are asked about, or refused without a terminal",
        parse=parse_some,
        metavar="N|N%",
    ),
    Option(
        name="max-age",
        group="apply",
        help="how old a plan may be",
        parse=parse_duration,
        default="24h",
        metavar="TIME",
    ),
    Option(
        name="check-drift",
        group="apply",
        help="read each face first, and leave it alone when it no longer holds what "
        "the plan saw",
        parse=parse_switch,
        default="true",
        switch=True,
    ),
    Option(
        name="yes",
        group="apply",
        help="ask nothing: more changes than usual are meant",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="sample",
        group="verify",
        help="read only so many faces back, chosen at random",
        parse=parse_some,
        metavar="N|N%",
    ),
    Option(
        name="notify-url",
        group="output",
        help="post the summary there as JSON when the command has ended; better said "
        "in the environment, since such addresses are often secret",
        parse=parse_notify_url,
        metavar="URL",
        unquoted=True,
        mask=mask_url,
    ),
)
