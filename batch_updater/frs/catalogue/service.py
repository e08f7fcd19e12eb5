"""Codes of FRS itself (API page 0045 and the samples of pages 0095 and 0097)."""

from batch_updater.frs.catalogue.entry import (
    CHECK_TARGET,
    FIX_INPUT,
    NOT_FOR_UPDATES,
    RENEW,
    REPORT,
    RETRY,
    ROW,
    SETTLE,
    SLOW,
    STOP,
    TRY_LATER,
    ErrorCode,
    Group,
)

_CONSOLE = "subscribe to the service in the console of this account and region"
_NO_FACE = "the face id does not exist in this face set"
_FIND_FACE = (
    "remove these rows from the source, or check --face-set; --settle waits for "
    "faces that were just added"
)
_LIVENESS = "a code of liveness detection, not of face sets"
_ELSEWHERE = "seen in use, not in the table of FRS API page 0045"

_COMMON = (
    ErrorCode(
        "FRS.0002",
        (403, 400),
        RENEW,
        "the token is wrong or has expired",
        "get a new token (they live 24 hours)",
    ),
    ErrorCode("FRS.0010", (400,), STOP, "a request header is missing or empty", REPORT),
    ErrorCode("FRS.0011", (400,), ROW, "a parameter is missing", FIX_INPUT),
    ErrorCode("FRS.0012", (400,), ROW, "a parameter has the wrong format", FIX_INPUT),
    ErrorCode(
        "FRS.0013", (400,), ROW, "the image size is out of range", NOT_FOR_UPDATES
    ),
    ErrorCode("FRS.0014", (400,), STOP, "the body is not JSON", REPORT),
    ErrorCode("FRS.0015", (400,), ROW, "the base64 text is broken", NOT_FOR_UPDATES),
    ErrorCode("FRS.0016", (400,), ROW, "the file format is not known", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0017",
        (400,),
        ROW,
        "the body is too large",
        "shorten the values of these rows",
    ),
    ErrorCode("FRS.0018", (500, 400), RETRY, "the service failed inside", TRY_LATER),
    ErrorCode("FRS.0019", (400,), STOP, "the service is not subscribed", _CONSOLE),
    ErrorCode(
        "FRS.0020",
        (400,),
        STOP,
        "the sub-service is not subscribed, or the region is wrong",
        f"{_CONSOLE}, or {CHECK_TARGET}",
    ),
    ErrorCode("FRS.0021", (400,), ROW, "the OBS address is not valid", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0022", (), ROW, "OBS could not be read", NOT_FOR_UPDATES, source=_ELSEWHERE
    ),
    ErrorCode(
        "FRS.0023", (400,), ROW, "the OBS file has the wrong size", NOT_FOR_UPDATES
    ),
    ErrorCode("FRS.0024", (400,), ROW, "the OBS file does not exist", NOT_FOR_UPDATES),
    ErrorCode("FRS.0027", (400,), ROW, "access to OBS is not granted", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0028",
        (403,),
        STOP,
        "the project id does not belong to the token",
        "use the --project-id that the token was issued for",
    ),
    ErrorCode(
        "FRS.0032", (400,), ROW, "the sort field is not numeric", NOT_FOR_UPDATES
    ),
    ErrorCode(
        "FRS.0033",
        (429,),
        SLOW,
        "more requests a second than the quota allows",
        "lower --rate: the quota is shared by all programs of the account",
    ),
    ErrorCode(
        "FRS.0202",
        (),
        STOP,
        "the account is frozen",
        "settle the account's arrears",
        source="a sample on FRS API page 0045",
    ),
    ErrorCode(
        "FRS.0203",
        (400,),
        STOP,
        "the account could not be updated",
        "check the account in the console",
    ),
)

_FACE_SETS = (
    ErrorCode("FRS.0301", (400,), ROW, "the face set exists already", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0302",
        (400,),
        STOP,
        "the face set does not exist",
        "check --face-set, --project-id and --region",
    ),
    ErrorCode(
        "FRS.0303",
        (400,),
        SETTLE,
        _NO_FACE,
        _FIND_FACE,
        source="the sample of UpdateFace, FRS API page 0095",
    ),
    ErrorCode(
        "FRS.0304", (400,), ROW, "no face was found to search for", NOT_FOR_UPDATES
    ),
    ErrorCode("FRS.0305", (400,), ROW, "there are too many face sets", NOT_FOR_UPDATES),
    ErrorCode("FRS.0306", (403,), ROW, "the face set is full", NOT_FOR_UPDATES),
)

_FACES = (
    ErrorCode("FRS.0401", (400,), ROW, "there is no such value", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0402",
        (400,),
        ROW,
        "the face set does not declare this custom field",
        "send declared fields only: they are fixed when the face set is created",
    ),
    ErrorCode("FRS.0403", (400,), SETTLE, _NO_FACE, _FIND_FACE),
    ErrorCode("FRS.0404", (400,), ROW, "no face was found to add", NOT_FOR_UPDATES),
    ErrorCode(
        "FRS.0407",
        (400,),
        ROW,
        "nothing fits the condition",
        NOT_FOR_UPDATES,
        source="the sample of BatchDeleteFaces, FRS API page 0097",
    ),
    ErrorCode("FRS.0501", (400,), ROW, "no face was found", NOT_FOR_UPDATES),
)

SERVICE = Group(
    title="FRS",
    prefixes=("FRS",),
    source="FRS API page 0045, error codes",
    entries=(
        *_COMMON,
        *_FACE_SETS,
        *_FACES,
        *(
            ErrorCode(
                f"FRS.{number}",
                (400,),
                ROW,
                _LIVENESS,
                NOT_FOR_UPDATES,
                source=_ELSEWHERE,
            )
            for number in ("0701", "0707", "0708", "0709", "0861")
        ),
    ),
)
