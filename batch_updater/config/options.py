"""
The table of settings: one line each for flag, environment variable and file key.

`--max-attempts` is BATCH_UPDATER_MAX_ATTEMPTS in the environment and
`max-attempts` in batch-updater.toml. README's table is compared with this one.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from batch_updater.config.credential_options import CREDENTIALS
from batch_updater.config.modes import LogFormat, OutputMode
from batch_updater.config.moments import parse_stop_at
from batch_updater.config.option import Option, choice, text
from batch_updater.config.parsing import (
    parse_count,
    parse_delimiter,
    parse_duration,
    parse_encoding,
    parse_field,
    parse_format,
    parse_max_outage,
    parse_rate,
    parse_same_failures,
    parse_share,
    parse_snapshot,
    parse_some,
    parse_switch,
)
from batch_updater.config.reconciling_options import RECONCILING
from batch_updater.files.formats import ROW_FORMATS
from batch_updater.frs.protocol import LIST_WINDOW
from batch_updater.frs.proxies import check_asked
from batch_updater.models import OnDuplicate, OnInvalid

OPTIONS: tuple[Option, ...] = (
    Option(
        name="format",
        group="input",
        help="what the inputs are; auto goes by the file's name",
        default="auto",
        parse=parse_format,
        choices=("auto", *ROW_FORMATS),
    ),
    Option(
        name="delimiter",
        group="input",
        help="what stands between cells (default: comma; tab for .tsv)",
        parse=parse_delimiter,
        metavar="CHAR",
    ),
    Option(
        name="encoding",
        group="input",
        help="how text is encoded",
        parse=parse_encoding,
        default="utf-8",
    ),
    Option(
        name="limit",
        group="input",
        help="take only the first N rows",
        parse=parse_count,
        metavar="N",
    ),
    Option(
        name="on-duplicate",
        group="input",
        help="rows that update the same face: refuse all of them, send the first "
        "or the last, or send all in input order",
        default="error",
        **choice(OnDuplicate),
    ),
    Option(
        name="on-invalid",
        group="input",
        help="rows that break a rule: skip them, or send nothing at all",
        default="skip",
        **choice(OnInvalid),
    ),
    Option(
        name="check-ahead",
        group="input",
        help="look at all rows before the first is sent; without it Parquet is sent "
        "at once, and each row is checked when its turn comes",
        parse=parse_switch,
        default="true",
        switch=True,
    ),
    Option(
        name="strict",
        group="input",
        help="refuse what is only a warning otherwise: string values beyond "
        "letters, digits, '_' and '-', and unusual face ids",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="face-id",
        group="mapping",
        help="column of the face id (default: face_id)",
        metavar="COLUMN",
    ),
    Option(
        name="external-image-id",
        group="mapping",
        help="column of the external image id (default: external_image_id)",
        metavar="COLUMN",
    ),
    Option(
        name="field",
        group="mapping",
        help="a custom field, its type if the face set should not say it, and its "
        "column; may be given more than once",
        parse=parse_field,
        metavar="NAME[:TYPE]=COLUMN",
        many=True,
    ),
    Option(
        name="mapping",
        group="mapping",
        help="a TOML file that says all of this",
        parse=Path,
        metavar="FILE",
    ),
    Option(
        name="face-set", group="target", help="the face set that holds all the faces"
    ),
    Option(
        name="to",
        group="export",
        help="the file to make; .csv or .parquet",
        parse=parse_snapshot,
        metavar="FILE",
        short="-o",
    ),
    Option(
        name="page",
        group="export",
        help="faces asked for at once when listing",
        parse=partial(parse_count, most=LIST_WINDOW),
        default="100",
        metavar="N",
    ),
    Option(
        name="project-id",
        group="target",
        help="the project of the credentials",
        metavar="ID",
        also="HUAWEICLOUD_SDK_PROJECT_ID",
    ),
    Option(name="region", group="target", help="the region, such as cn-north-4"),
    Option(
        name="endpoint",
        group="target",
        help="the service's URL, instead of a region",
        metavar="URL",
    ),
    Option(
        name="allow-http",
        group="target",
        help="allow an unencrypted endpoint beyond this machine",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="ca-cert",
        group="target",
        help="PEM file of an authority to trust besides the system's",
        parse=Path,
        metavar="FILE",
    ),
    Option(
        name="proxy",
        group="target",
        help="the proxy to go through, or `off`, instead of what HTTPS_PROXY says",
        parse=check_asked,
        metavar="URL",
        unquoted=True,
    ),
    Option(
        name="rate",
        group="pace",
        help="requests a second, a hard cap; fractions and `unlimited` are allowed",
        parse=parse_rate,
        default="10",
        metavar="R",
    ),
    Option(
        name="headroom",
        group="pace",
        help="share of the rate left free for requests that bunch up on the way",
        parse=parse_share,
        default="1%",
        metavar="SHARE",
    ),
    Option(
        name="share-quota",
        group="pace",
        help="share one quota with the other runs of this machine that say so",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="quota-dir",
        group="pace",
        help="where the shared quota is kept (default: "
        "$XDG_STATE_HOME/batch-updater/quota)",
        parse=Path,
        metavar="DIR",
    ),
    Option(
        name="concurrency",
        group="pace",
        help="requests in flight at once",
        parse=partial(parse_count, most=4096),
        default="32",
        metavar="N",
    ),
    Option(
        name="adaptive",
        group="pace",
        help="lower the rate for a while after throttled replies",
        parse=parse_switch,
        default="true",
        switch=True,
    ),
    Option(
        name="max-attempts",
        group="retry",
        help="tries a row gets, the first included",
        parse=parse_count,
        default="6",
        metavar="N",
    ),
    Option(
        name="max-elapsed",
        group="retry",
        help="time a row's tries and pauses may take",
        parse=parse_duration,
        default="5m",
        metavar="TIME",
    ),
    Option(
        name="timeout",
        group="retry",
        help="time one try may take",
        parse=parse_duration,
        default="30s",
        metavar="TIME",
    ),
    Option(
        name="settle",
        group="retry",
        help="time to wait for faces that do not exist, because they were just added; "
        "verify waits 3s, for values too that were just written, and rollback 10s",
        parse=partial(parse_duration, zero=True),
        default="0s",
        metavar="TIME",
    ),
    Option(
        name="dry-run",
        group="safety",
        help="do everything up to the first update, then stop",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    Option(
        name="max-errors",
        group="safety",
        help="stop when more rows than this have failed; 0 stops at the first",
        parse=parse_some,
        metavar="N|N%",
    ),
    Option(
        name="same-failures",
        group="safety",
        help="stop when the first N rows all fail with the same code",
        parse=parse_same_failures,
        default="50",
        metavar="N|off",
    ),
    Option(
        name="max-outage",
        group="safety",
        help="stop when the service has been down for this long; `off` never waits "
        "for it, each row fails for itself",
        parse=parse_max_outage,
        default="15m",
        metavar="TIME|off",
    ),
    Option(
        name="max-duration",
        group="safety",
        help="stop cleanly after this time",
        parse=parse_duration,
        metavar="TIME",
    ),
    Option(
        name="stop-at",
        group="safety",
        help="stop cleanly at this moment: 06:00 by this machine's clock, or a date "
        "and time such as 2026-11-25T06:00+08:00",
        parse=parse_stop_at,
        metavar="WHEN",
    ),
    Option(
        name="run-dir",
        group="output",
        help="where the run is recorded (default: runs/<UTC>-<id>)",
        parse=Path,
        metavar="DIR",
    ),
    Option(
        name="progress",
        group="output",
        help="what moves on stderr; auto is a bar on a terminal and a line every "
        "30 s elsewhere",
        default="auto",
        **text("auto", "bar", "plain", "none"),
    ),
    Option(
        name="log-format",
        group="output",
        help="lines on stderr: for people, or one JSON object each",
        default="text",
        **choice(LogFormat),
    ),
    Option(
        name="output",
        group="output",
        help="the summary on stdout; json is one object on the last line",
        default="text",
        **choice(OutputMode),
    ),
    Option(
        name="results-format",
        group="output",
        help="results.csv or results.parquet",
        default="csv",
        **text("csv", "parquet"),
    ),
    Option(
        name="include-values",
        group="output",
        help="record the values sent, not only their hash",
        parse=parse_switch,
        default="false",
        switch=True,
    ),
    *RECONCILING,
    *CREDENTIALS,
)

BY_NAME = {option.name: option for option in OPTIONS}
CONFIG_VARIABLE = "BATCH_UPDATER_CONFIG"
PROFILE_VARIABLE = "BATCH_UPDATER_PROFILE"


def mask_of(name: str) -> Callable[[str], str] | None:
    """Return how a setting is shown that is a secret; None where it may be shown."""
    option = BY_NAME.get(name)  # run.json may have one of a newer version
    return option.mask if option else None
