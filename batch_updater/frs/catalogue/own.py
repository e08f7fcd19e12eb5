"""Codes of our own, for answers that carry none."""

from batch_updater.frs.catalogue.entry import (
    NEW_TOKEN,
    RENEW,
    RETRY,
    ROW,
    SETTLE,
    SLOW,
    STOP,
    TRY_LATER,
    ErrorCode,
    Group,
)

_SOMEBODY_ELSE = (
    "check the token, --project-id, and --region or --endpoint: a proxy or another "
    "service may have answered"
)
_PROXY_LOGIN = "put them into BATCH_UPDATER_PROXY_USER and BATCH_UPDATER_PROXY_PASSWORD"
_NO_CODE = (
    "read the message: FRS sends a code, so something in between may have refused"
)
_ROUTE = "check --region or --endpoint: a proxy or another service may have answered"

_TRANSPORT = (
    ErrorCode("TRANSPORT.TIMEOUT", (), RETRY, "no answer in time", TRY_LATER),
    ErrorCode("TRANSPORT.RESET", (), RETRY, "the connection broke", TRY_LATER),
    ErrorCode(
        "TRANSPORT.CONNECT",
        (),
        RETRY,
        "the endpoint could not be reached",
        "check the network, --endpoint and whether a proxy leads there",
    ),
    ErrorCode(
        "TRANSPORT.DNS",
        (),
        RETRY,
        "the endpoint's name has no address",
        "check --region or --endpoint, and that this machine can resolve names; where "
        "only a proxy leads out, say it with --proxy or HTTPS_PROXY",
    ),
    ErrorCode(
        "TRANSPORT.TLS",
        (),
        STOP,
        "the endpoint's certificate is not trusted",
        "if it is your own service or your company's proxy, name the certificate of "
        "its authority with --ca-cert FILE; if not, somebody listens in",
    ),
    ErrorCode(
        "TRANSPORT.TLS_HOST",
        (),
        STOP,
        "the certificate belongs to another host",
        "check --endpoint: it must be the name that the certificate is made out to",
    ),
    ErrorCode(
        "TRANSPORT.TLS_EXPIRED",
        (),
        STOP,
        "the certificate is not valid today",
        "check this machine's clock; if it is right, the certificate must be renewed",
    ),
    ErrorCode(
        "TRANSPORT.NO_TLS",
        (),
        STOP,
        "the endpoint does not speak TLS",
        "check the port of --endpoint: it may speak plain http there",
    ),
    ErrorCode(
        "TRANSPORT.TLS_REFUSED",
        (),
        STOP,
        "the endpoint does not take our TLS",
        "TLS 1.2 or 1.3 is needed, and a certificate of ours cannot be shown: check "
        "--endpoint, and ask whoever runs the server or the proxy",
    ),
    ErrorCode(
        "TRANSPORT.PROXY",
        (),
        RETRY,
        "the proxy cannot be reached, or does not reach the endpoint",
        "check --proxy or HTTPS_PROXY; name hosts that need none in NO_PROXY",
    ),
    ErrorCode(
        "TRANSPORT.PROXY_REFUSED",
        (),
        STOP,
        "the proxy does not let us through to the endpoint",
        "ask those who run the proxy to allow the endpoint's host, or name it in "
        "NO_PROXY",
    ),
    ErrorCode(
        "TRANSPORT.PROXY_LOGIN",
        (),
        STOP,
        "the proxy wants a user and a password",
        _PROXY_LOGIN,
    ),
    ErrorCode(
        "TRANSPORT.CUT_OFF",
        (),
        STOP,
        "the run was stopped before the answer came",
        "resume sends these rows again; the same update twice does no harm",
    ),
)

_REPLY = (
    ErrorCode(
        "REPLY.FACE_NUMBER",
        (200,),
        ROW,
        "answered 200, but not that exactly one face was updated",
        "look these faces up: the service did not say that it changed them",
    ),
    ErrorCode(
        "REPLY.NO_FACE",
        (200,),
        SETTLE,
        "answered 200 with an empty list: the face is not there",
        "remove the id from the list, or check the name of the face set",
    ),
    ErrorCode(
        "REPLY.OTHER_FACE",
        (200,),
        ROW,
        "answered 200 with another face than the one asked for",
        "look this face up: nothing of the answer was taken",
    ),
    ErrorCode(
        "REPLY.MISMATCH",
        (200,),
        SETTLE,
        "the face that was read back holds other values than its row says",
        "look at mismatches.csv: another writer may have changed these faces since, or "
        "FRS kept something else; run writes the values again",
    ),
    ErrorCode(
        "REPLY.NOT_FRS",
        (200,),
        ROW,
        "answered 200 with something that FRS does not send",
        "check --endpoint: a proxy or another service may have answered",
    ),
)

# The last digits as `xx` stand for every status that has no entry of its own.
_HTTP = (
    ErrorCode("HTTP.2xx", (), STOP, "a success that FRS does not send", _ROUTE),
    ErrorCode("HTTP.3xx", (), STOP, "a redirect to somewhere else", _ROUTE),
    ErrorCode("HTTP.401", (401,), RENEW, "not authenticated", NEW_TOKEN),
    ErrorCode("HTTP.403", (403,), STOP, "forbidden", _SOMEBODY_ELSE),
    ErrorCode("HTTP.404", (404,), STOP, "nothing is there", _ROUTE),
    ErrorCode("HTTP.405", (405,), STOP, "the method is not allowed", _ROUTE),
    ErrorCode(
        "HTTP.407",
        (407,),
        STOP,
        "the proxy wants a user and a password",
        _PROXY_LOGIN,
    ),
    ErrorCode("HTTP.408", (408,), RETRY, "the request took too long", TRY_LATER),
    ErrorCode("HTTP.429", (429,), SLOW, "too many requests", "lower --rate"),
    ErrorCode("HTTP.4xx", (), ROW, "refused without a code", _NO_CODE),
    ErrorCode("HTTP.5xx", (), RETRY, "a server failed", TRY_LATER),
)

OWN = Group(
    title="this tool's own, for answers without a code",
    prefixes=("HTTP", "TRANSPORT", "REPLY"),
    source="README, Rate and retries",
    entries=(*_TRANSPORT, *_REPLY, *_HTTP),
)

PLANS = Group(
    title="this tool's own, for faces that are looked at before they are changed",
    prefixes=("PLAN",),
    source="README, Merge or replace",
    entries=(
        ErrorCode(
            "PLAN.DRIFTED",
            (),
            ROW,
            "the face no longer holds what the plan saw, and was left alone",
            "see in drifted.csv who else changes these faces; plan again to have what "
            "they hold now taken into account",
        ),
        ErrorCode(
            "PLAN.MISSING",
            (),
            ROW,
            "the face was not there when the plan was made",
            "remove the id from the source, or check --face-set, and plan again",
        ),
        ErrorCode(
            "PLAN.UNREADABLE",
            (),
            ROW,
            "the face could not be read when the plan was made, so nobody knows what "
            "would change",
            "plan again: the reason may have passed",
        ),
        ErrorCode(
            "PLAN.UNKEEPABLE",
            (),
            ROW,
            "the face holds a value that breaks FRS's own rules, so it cannot be sent "
            "back with the update",
            "name the field in the input, or send only what changes with --update-mode "
            "merge",
        ),
        ErrorCode(
            "PLAN.KEPT",
            (),
            ROW,
            "a rollback had to leave fields as they are: the API has no way to take "
            "them back",
            "see which fields in results; only adding the face anew gets rid of them",
        ),
    ),
)
