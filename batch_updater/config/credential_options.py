"""The part of the table of settings that is about who we are."""

from pathlib import Path

from batch_updater.config.option import Option, text
from batch_updater.frs.endpoints import METADATA_ENDPOINT

CREDENTIALS: tuple[Option, ...] = (
    Option(
        name="auth",
        group="credentials",
        help="how to prove who we are; auto takes the first way there is: token, "
        "aksk, password",
        default="auto",
        **text("auto", "token", "aksk", "password", "metadata"),
    ),
    Option(
        name="iam-endpoint",
        group="credentials",
        help="IAM's URL, instead of the region's",
        metavar="URL",
        also="HUAWEICLOUD_SDK_IAM_ENDPOINT",
    ),
    Option(
        name="metadata-endpoint",
        group="credentials",
        help="where a cloud server asks for its own keys, for --auth metadata",
        default=METADATA_ENDPOINT,
        metavar="URL",
    ),
    Option(
        name="token-file",
        group="credentials",
        help="file of the token, if BATCH_UPDATER_TOKEN is not set",
        parse=Path,
        metavar="FILE",
    ),
)
