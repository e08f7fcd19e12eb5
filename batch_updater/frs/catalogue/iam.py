"""
Codes of IAM, when a token is got and when one is refused (IAM's error codes).

The token API itself sends no code but a number under ``error``: the HTTP status,
which stands here as IAM.401.
"""

from batch_updater.frs.catalogue.entry import (
    CHECK_KEY,
    GRANT,
    NEW_TOKEN,
    RENEW,
    RETRY,
    SLOW,
    STOP,
    TRY_LATER,
    ErrorCode,
    Group,
)

_PAGE = "IAM API page iam_30_0001, getting a token"
_KEY_OWNER = "have an administrator look at the key's user in IAM"
_NEW_KEY = "create a new access key in IAM"
_CHECK_PROJECT = "check --region and --project-id"
_CHECK_LOGIN = (
    "check BATCH_UPDATER_IAM_DOMAIN, _IAM_USER and _IAM_PASSWORD, or the access key; "
    "do not try often: IAM locks the account; an account that was upgraded to a HUAWEI "
    "ID needs an IAM user of its own"
)

IAM = Group(
    title="IAM",
    prefixes=("IAM",),
    source="IAM error codes",
    entries=(
        ErrorCode(
            "IAM.400",
            (400,),
            STOP,
            "IAM finds the token request wrong",
            "check account, user and --region",
            source=_PAGE,
        ),
        ErrorCode(
            "IAM.401",
            (401,),
            STOP,
            "IAM does not accept the credentials",
            _CHECK_LOGIN,
            source=_PAGE,
        ),
        ErrorCode(
            "IAM.403", (403,), STOP, "IAM refuses this user", GRANT, source=_PAGE
        ),
        ErrorCode(
            "IAM.404",
            (404,),
            STOP,
            "IAM does not know what was asked for",
            _CHECK_PROJECT,
            source=_PAGE,
        ),
        ErrorCode(
            "IAM.429",
            (429,),
            SLOW,
            "too many requests to IAM",
            "wait, then try again",
            source=_PAGE,
        ),
        ErrorCode(
            "IAM.500", (500,), RETRY, "IAM failed inside", TRY_LATER, source=_PAGE
        ),
        ErrorCode(
            "IAM.0001",
            (401,),
            STOP,
            "IAM wants credentials",
            "check the credentials",
        ),
        ErrorCode("IAM.0002", (403,), STOP, "not authorised", GRANT),
        ErrorCode("IAM.0003", (403,), STOP, "not authorised", GRANT),
        ErrorCode(
            "IAM.0004",
            (404,),
            STOP,
            "IAM does not know what was asked for",
            _CHECK_PROJECT,
        ),
        ErrorCode("IAM.0006", (500,), RETRY, "IAM failed inside", TRY_LATER),
        ErrorCode(
            "IAM.0012", (429,), SLOW, "too many requests to IAM", "wait, then try again"
        ),
        ErrorCode(
            "IAM.0061",
            (401,),
            STOP,
            "the account is locked",
            "wait, or have an administrator unlock it",
        ),
        ErrorCode("IAM.0062", (401,), STOP, "the password is wrong", _CHECK_LOGIN),
        ErrorCode("IAM.0066", (401,), RENEW, "the token has expired", NEW_TOKEN),
        ErrorCode("IAM.0067", (401,), RENEW, "the token is not valid", NEW_TOKEN),
        ErrorCode(
            "IAM.0080", (403,), STOP, "the access key's user is disabled", _KEY_OWNER
        ),
        ErrorCode(
            "IAM.0081",
            (403,),
            STOP,
            "the access key's user has no programmatic access",
            _KEY_OWNER,
        ),
        ErrorCode("IAM.0082", (403,), STOP, "the user is disabled", _KEY_OWNER),
        ErrorCode("IAM.1104", (400,), STOP, "the access key is blacklisted", _NEW_KEY),
        ErrorCode("IAM.1105", (400,), STOP, "the access key has expired", _NEW_KEY),
        ErrorCode(
            "IAM.1106", (400,), STOP, "the access key has no owner any more", _NEW_KEY
        ),
        ErrorCode("IAM.1107", (400,), STOP, "the access key is inactive", CHECK_KEY),
        ErrorCode(
            "IAM.1108",
            (400,),
            STOP,
            "the security token has expired",
            "get new temporary keys",
        ),
        ErrorCode(
            "IAM.1109",
            (400,),
            STOP,
            "the access key's project is missing",
            "check --project-id",
        ),
    ),
)
