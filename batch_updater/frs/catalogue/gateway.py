"""
Codes of the API gateway, by number: APIG and APIGW use the same ones.

Sources: the error tables of the API gateway guide and of the signing guide
(devg-apisign), the details behind 0301 from there and from sister services.
"""

from batch_updater.frs.catalogue.entry import (
    CHECK_KEY,
    CHECK_TARGET,
    FIX_INPUT,
    GRANT,
    NEW_TOKEN,
    RENEW,
    REPORT,
    RETRY,
    ROW,
    SLOW,
    STOP,
    TRY_LATER,
    ErrorCode,
    Group,
)

_ACCESS_LIST = "check the network access list"
_FAILED = "the gateway failed inside"
_DETAILS = "signing guide (devg-apisign), incorrect IAM authentication information"
_LOCKED = "wait five minutes with every program that uses this key"

_ROUTING = (
    ErrorCode("0101", (404,), STOP, "the gateway knows no such API", CHECK_TARGET),
    ErrorCode(
        "0103", (404,), STOP, "the gateway finds no backend for it", CHECK_TARGET
    ),
    ErrorCode("0103", (500,), RETRY, "the gateway finds no backend for it", TRY_LATER),
    ErrorCode("0104", (400,), STOP, "the gateway's plug-in is missing", CHECK_TARGET),
    ErrorCode("0104", (500,), RETRY, "the gateway's plug-in is missing", TRY_LATER),
    ErrorCode(
        "0105", (400,), STOP, "the gateway's configuration is missing", CHECK_TARGET
    ),
    ErrorCode(
        "0105", (500,), RETRY, "the gateway's configuration is missing", TRY_LATER
    ),
    ErrorCode(
        "0106", (400,), STOP, "the gateway could not orchestrate it", CHECK_TARGET
    ),
    ErrorCode(
        "0201",
        (400, 413, 414, 494),
        ROW,
        "the gateway finds the request bad, or too large",
        FIX_INPUT,
    ),
    ErrorCode(
        "0201",
        (502, 504, 500),
        RETRY,
        "the backend is not available or took too long",
        TRY_LATER,
    ),
    ErrorCode(
        "0203",
        (),
        RETRY,
        "the backend took too long",
        TRY_LATER,
        source="seen with a sister service",
    ),
)

_DETAILS_OF_0301 = (
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the signature is not that of this key",
        f"{CHECK_KEY}, and this machine's clock",
        "verify aksk signature fail",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the access key is locked after more than five refused signatures",
        _LOCKED,
        "ak access failed to reach the limit",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the access key does not exist",
        CHECK_KEY,
        "ak not exist",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        RENEW,
        "the token is broken, or of another region",
        NEW_TOKEN,
        "decrypt token fail",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        RENEW,
        "the token has expired",
        NEW_TOKEN,
        "token expires",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "no token was sent",
        REPORT,
        "x-auth-token not found",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        RENEW,
        "the temporary key has expired, or the clock is off",
        "get new temporary keys, and check this machine's clock",
        "signature expired",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the access key is false or disabled",
        CHECK_KEY,
        "ak access failed",
        _DETAILS,
    ),
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the credentials are not accepted",
        "check the credentials: a false or disabled access key is refused so",
        "unauthorized",
        _DETAILS,
    ),
)

_CREDENTIALS = (
    ErrorCode(
        "0301",
        (401,),
        STOP,
        "the gateway does not accept the credentials",
        NEW_TOKEN,
    ),
    *_DETAILS_OF_0301,
    ErrorCode("0302", (403,), STOP, "this IAM user may not call it", GRANT),
    ErrorCode(
        "0303",
        (401,),
        STOP,
        "the signature is not accepted",
        "check the key and this machine's clock (15 minutes at the most)",
    ),
    ErrorCode("0304", (403,), STOP, "not authorised", GRANT),
    ErrorCode(
        "0305",
        (401,),
        STOP,
        "the credentials are not accepted",
        "check the credentials",
    ),
    ErrorCode("0306", (403,), STOP, "access is denied", GRANT),
    ErrorCode(
        "0307",
        (401,),
        RENEW,
        "the token must be renewed, or belongs to another region",
        "get a new token of this region",
    ),
    ErrorCode(
        "0308",
        (429,),
        SLOW,
        "the gateway's request limit is reached",
        "lower --rate: the limit may count by the minute and by user",
    ),
    ErrorCode("0310", (403,), STOP, "the project is not available", CHECK_TARGET),
    ErrorCode("0401", (403,), STOP, "the address is unknown", _ACCESS_LIST),
    ErrorCode("0402", (403,), STOP, "the address is not allowed", _ACCESS_LIST),
    ErrorCode("0404", (403,), STOP, "the address is not allowed", _ACCESS_LIST),
    ErrorCode(
        "0501", (405,), STOP, "the app's quota is used up", "raise the app's quota"
    ),
    ErrorCode("0502", (405,), STOP, "the app is frozen", "unfreeze the app"),
)

_INSIDE = (
    ErrorCode("0601", (500,), RETRY, _FAILED, TRY_LATER),
    ErrorCode("0602", (400,), STOP, "the gateway finds the request bad", REPORT),
    ErrorCode("0605", (500,), RETRY, _FAILED, TRY_LATER),
    ErrorCode("0606", (500,), RETRY, _FAILED, TRY_LATER),
    ErrorCode(
        "0607", (400,), STOP, "the protocol is not supported", "use an https endpoint"
    ),
    ErrorCode("0608", (500,), RETRY, _FAILED, TRY_LATER),
    ErrorCode("0610", (502,), RETRY, "the gateway reaches no backend", TRY_LATER),
    ErrorCode(
        "0613", (503,), RETRY, "IAM is not reachable from the gateway", TRY_LATER
    ),
    ErrorCode(
        "0801", (403,), STOP, "the service is closed in this region", CHECK_TARGET
    ),
    ErrorCode(
        "0802", (403,), STOP, "the user is forbidden in this region", CHECK_TARGET
    ),
)

GATEWAY = Group(
    title="API gateway",
    prefixes=("APIGW", "APIG"),
    source="error tables of the API gateway guide and of the signing guide",
    entries=(*_ROUTING, *_CREDENTIALS, *_INSIDE),
)
