"""
The error catalogue: what each code means and what to do about it.

Sources: FRS API page 0045, the samples of pages 0095 and 0097, the error tables
of the API gateway and of IAM. Meanings and remedies are in our own words.
"""

from dataclasses import dataclass

from batch_updater.models import Verdict

_OK = Verdict.SUCCESS
_RETRY = Verdict.RETRY
_SLOW = Verdict.THROTTLED
_RENEW = Verdict.RENEW_CREDENTIALS
_ROW = Verdict.FAIL_ROW
_STOP = Verdict.STOP_RUN


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """
    One entry of the catalogue.

    Args:
        code: as the service writes it; gateway codes without their prefix.
        verdict: what it means for an UpdateFace call.
        meaning: what happened, in a few words.
        remedy: what the person at the keyboard should do.
    """

    code: str
    verdict: Verdict
    meaning: str
    remedy: str


_FIX_INPUT = "mend these rows in the input and run them again"
_REPORT = "report it: this tool should never send such a request"
_NOT_FOR_UPDATES = "not expected from an update; keep the request id for support"
_TRY_LATER = "send the failed rows again later with retry"
_CHECK_TARGET = "check --region or --endpoint, --project-id and --face-set"
_CONSOLE = "subscribe to the service in the console of this account and region"

FRS_CODES = (
    ErrorCode(
        "FRS.0002",
        _RENEW,
        "the token is wrong or has expired",
        "get a new token (they live 24 hours) and resume",
    ),
    ErrorCode("FRS.0010", _STOP, "a request header is missing or empty", _REPORT),
    ErrorCode("FRS.0011", _ROW, "a parameter is missing", _FIX_INPUT),
    ErrorCode("FRS.0012", _ROW, "a parameter has the wrong format", _FIX_INPUT),
    ErrorCode("FRS.0013", _ROW, "the image size is out of range", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0014", _STOP, "the body is not JSON", _REPORT),
    ErrorCode("FRS.0015", _ROW, "the base64 text is broken", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0016", _ROW, "the file format is not known", _NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0017", _ROW, "the body is too large", "shorten the values of these rows"
    ),
    ErrorCode("FRS.0018", _RETRY, "the service failed inside", _TRY_LATER),
    ErrorCode("FRS.0019", _STOP, "the service is not subscribed", _CONSOLE),
    ErrorCode(
        "FRS.0020",
        _STOP,
        "the sub-service is not subscribed, or the region is wrong",
        f"{_CONSOLE}, or {_CHECK_TARGET}",
    ),
    ErrorCode("FRS.0021", _ROW, "the OBS address is not valid", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0022", _ROW, "OBS could not be read", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0023", _ROW, "the OBS file has the wrong size", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0024", _ROW, "the OBS file does not exist", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0027", _ROW, "access to OBS is not granted", _NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0028",
        _STOP,
        "the project id does not belong to the token",
        "use the --project-id that the token was issued for",
    ),
    ErrorCode("FRS.0032", _ROW, "the sort field is not numeric", _NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0033",
        _SLOW,
        "more requests a second than the quota allows",
        "lower --rate: the quota is shared by all programs of the account",
    ),
    ErrorCode(
        "FRS.0202",
        _STOP,
        "the account is frozen",
        "settle the account's arrears, then resume",
    ),
    ErrorCode(
        "FRS.0203",
        _STOP,
        "the account could not be updated",
        "check the account in the console, then resume",
    ),
    ErrorCode("FRS.0301", _ROW, "the face set exists already", _NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0302",
        _STOP,
        "the face set does not exist",
        "check --face-set, --project-id and --region",
    ),
    ErrorCode(
        "FRS.0303",
        _ROW,
        "the face id does not exist in this face set",
        "remove these rows from the source, or check --face-set",
    ),
    ErrorCode("FRS.0304", _ROW, "no face was found to search for", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0305", _ROW, "there are too many face sets", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0306", _ROW, "the face set is full", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0401", _ROW, "there is no such value", _NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0402",
        _ROW,
        "the face set does not declare this custom field",
        "send declared fields only: they are fixed when the face set is created",
    ),
    ErrorCode(
        "FRS.0403",
        _ROW,
        "the face id does not exist in this face set",
        "remove these rows from the source, or check --face-set",
    ),
    ErrorCode("FRS.0404", _ROW, "no face was found to add", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0407", _ROW, "nothing fits the condition", _NOT_FOR_UPDATES),
    ErrorCode("FRS.0501", _ROW, "no face was found", _NOT_FOR_UPDATES),
)

# APIG and APIGW use the same numbers; "0201" and "0301" are judged by more than
# the number in verdicts.
GATEWAY_CODES = (
    ErrorCode("0101", _STOP, "the gateway knows no such API", _CHECK_TARGET),
    ErrorCode("0103", _STOP, "the gateway finds no backend for it", _CHECK_TARGET),
    ErrorCode("0104", _STOP, "the gateway's plug-in is missing", _CHECK_TARGET),
    ErrorCode("0105", _STOP, "the gateway's configuration is missing", _CHECK_TARGET),
    ErrorCode("0106", _STOP, "the gateway could not orchestrate it", _CHECK_TARGET),
    ErrorCode("0201", _ROW, "the gateway finds the request bad", _FIX_INPUT),
    ErrorCode("0203", _RETRY, "the backend took too long", _TRY_LATER),
    ErrorCode(
        "0301",
        _RENEW,
        "the gateway does not accept the credentials",
        "get a new token of this region and project, then resume",
    ),
    ErrorCode(
        "0302", _STOP, "this IAM user may not call it", "grant the user FRS access"
    ),
    ErrorCode(
        "0303",
        _STOP,
        "the signature is not accepted",
        "check the key and this machine's clock (15 minutes at the most)",
    ),
    ErrorCode("0304", _STOP, "not authorised", "grant the user FRS access"),
    ErrorCode(
        "0305", _STOP, "the credentials are not accepted", "check the credentials"
    ),
    ErrorCode("0306", _STOP, "access is denied", "grant the user FRS access"),
    ErrorCode(
        "0307",
        _RENEW,
        "the token must be renewed, or belongs to another region",
        "get a new token of this region, then resume",
    ),
    ErrorCode(
        "0308",
        _SLOW,
        "the gateway's request limit is reached",
        "lower --rate: the limit may count by the minute and by user",
    ),
    ErrorCode("0310", _STOP, "the project is not available", _CHECK_TARGET),
    ErrorCode("0401", _STOP, "the address is unknown", "check the network access list"),
    ErrorCode(
        "0402", _STOP, "the address is not allowed", "check the network access list"
    ),
    ErrorCode(
        "0404", _STOP, "the address is not allowed", "check the network access list"
    ),
    ErrorCode("0501", _STOP, "the app's quota is used up", "raise the app's quota"),
    ErrorCode("0502", _STOP, "the app is frozen", "unfreeze the app"),
    ErrorCode("0601", _RETRY, "the gateway failed inside", _TRY_LATER),
    ErrorCode("0602", _STOP, "the gateway finds the request bad", _REPORT),
    ErrorCode("0605", _RETRY, "the gateway could not resolve a name", _TRY_LATER),
    ErrorCode("0606", _RETRY, "the gateway failed inside", _TRY_LATER),
    ErrorCode("0607", _STOP, "the protocol is not supported", "use an https endpoint"),
    ErrorCode("0608", _RETRY, "the gateway failed inside", _TRY_LATER),
    ErrorCode("0610", _RETRY, "the gateway reaches no backend", _TRY_LATER),
    ErrorCode("0613", _RETRY, "IAM is not reachable from the gateway", _TRY_LATER),
    ErrorCode("0801", _STOP, "the service is closed in this region", _CHECK_TARGET),
    ErrorCode("0802", _STOP, "the user is forbidden in this region", _CHECK_TARGET),
)

IAM_CODES = (
    ErrorCode("IAM.0002", _STOP, "not authorised", "grant the user FRS access"),
    ErrorCode("IAM.0003", _STOP, "not authorised", "grant the user FRS access"),
    ErrorCode("IAM.0006", _RETRY, "IAM failed inside", _TRY_LATER),
    ErrorCode("IAM.0012", _SLOW, "too many requests to IAM", "wait, then resume"),
    ErrorCode("IAM.0061", _STOP, "the account is locked", "wait or unlock it"),
    ErrorCode("IAM.0062", _STOP, "the password is wrong", "check the password"),
    ErrorCode("IAM.0066", _RENEW, "the token has expired", "get a new token"),
    ErrorCode("IAM.0067", _RENEW, "the token is not valid", "get a new token"),
)

# Codes of our own, for answers that carry none.
OWN_CODES = (
    ErrorCode("TRANSPORT.TIMEOUT", _RETRY, "no answer in time", _TRY_LATER),
    ErrorCode("TRANSPORT.RESET", _RETRY, "the connection broke", _TRY_LATER),
    ErrorCode(
        "TRANSPORT.CONNECT",
        _RETRY,
        "the endpoint could not be reached",
        "check the network and --endpoint, then send the failed rows with retry",
    ),
    ErrorCode(
        "TRANSPORT.DNS",
        _RETRY,
        "the endpoint's name has no address",
        "check --region or --endpoint, and that this machine can resolve names; where "
        "only a proxy leads out, say it with --proxy or HTTPS_PROXY",
    ),
    ErrorCode(
        "TRANSPORT.TLS",
        _STOP,
        "the endpoint's certificate is not trusted",
        "if it is your own service or your company's proxy, name the certificate of "
        "its authority with --ca-cert FILE; if not, somebody listens in",
    ),
    ErrorCode(
        "TRANSPORT.TLS_HOST",
        _STOP,
        "the certificate belongs to another host",
        "check --endpoint: it must be the name that the certificate is made out to",
    ),
    ErrorCode(
        "TRANSPORT.TLS_EXPIRED",
        _STOP,
        "the certificate is not valid today",
        "check this machine's clock; if it is right, the certificate must be renewed",
    ),
    ErrorCode(
        "TRANSPORT.NO_TLS",
        _STOP,
        "the endpoint does not speak TLS",
        "check the port of --endpoint: it may speak plain http there",
    ),
    ErrorCode(
        "TRANSPORT.PROXY",
        _RETRY,
        "the proxy cannot be reached, or does not let us through",
        "check --proxy or HTTPS_PROXY; name hosts that need none in NO_PROXY",
    ),
    ErrorCode(
        "TRANSPORT.PROXY_LOGIN",
        _STOP,
        "the proxy wants a user and a password",
        "put them into BATCH_UPDATER_PROXY_USER and BATCH_UPDATER_PROXY_PASSWORD",
    ),
    ErrorCode(
        "TRANSPORT.CUT_OFF",
        _STOP,
        "the run was stopped before the answer came",
        "resume sends these rows again; the same update twice does no harm",
    ),
    ErrorCode(
        "REPLY.FACE_NUMBER",
        _ROW,
        "answered 200, but not that exactly one face was updated",
        "look these faces up: the service did not say that it changed them",
    ),
    ErrorCode(
        "REPLY.NOT_FRS",
        _ROW,
        "answered 200 with something that FRS does not send",
        "check --endpoint: a proxy or another service may have answered",
    ),
)

_BY_CODE = {entry.code: entry for entry in (*FRS_CODES, *IAM_CODES, *OWN_CODES)}
_BY_NUMBER = {entry.code: entry for entry in GATEWAY_CODES}


def find_code(code: str) -> ErrorCode | None:
    """Return the catalogue's entry for a code as the service wrote it."""
    prefix, _, number = code.partition(".")
    if prefix in {"APIG", "APIGW"}:
        return _BY_NUMBER.get(number)
    return _BY_CODE.get(code)
