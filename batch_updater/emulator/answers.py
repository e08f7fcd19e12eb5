"""What goes back over the wire: the code table and the two error envelopes; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

JSON_TYPE = "application/json; charset=UTF-8"  # pages 0005 and 0082
COMPACT = json.JSONEncoder(separators=(",", ":"))  # made once: dumps makes one a call
NOT_EXIST = "The face id is not exist, checkout your input."  # sample of page 0095
NOT_SUITABLE = "All the data not suitable, no data to be deleted."  # page 0096
OLD_TOKEN = "The token must be updated."  # noqa: S105 - a message, not a secret

# Status and message by code: frs-api.md tables 3.1 and 3.2. Messages are ours,
# except the samples on which clients are known to match.
CODES: Mapping[str, tuple[int, str]] = {
    "FRS.0002": (403, "The authentication token is abnormal."),
    "FRS.0010": (400, "A required request header is missing or empty."),
    "FRS.0011": (400, "A required parameter is missing."),
    "FRS.0012": (400, "A parameter has a wrong format."),
    "FRS.0013": (400, "The image is empty, or larger than 8 MB."),
    "FRS.0014": (400, "The request body is not a JSON object."),
    "FRS.0015": (400, "The image is not valid base64."),
    "FRS.0016": (400, "The image is no JPG, PNG or BMP file."),
    "FRS.0017": (400, "The request body is too large."),
    "FRS.0018": (500, "The service inner error."),
    "FRS.0019": (400, "The service has not been subscribed."),
    "FRS.0020": (400, "The sub-service has not been subscribed."),
    "FRS.0021": (400, "The image_url is no URL of an object in OBS."),
    "FRS.0022": (400, "The object in OBS cannot be read."),
    "FRS.0023": (400, "The object in OBS is too large."),
    "FRS.0024": (400, "The object in OBS does not exist."),
    "FRS.0027": (400, "The service is not authorized to read from OBS."),
    "FRS.0028": (403, "The project id in the URL is not the token's project."),
    "FRS.0032": (400, "A sort needs numeric fields, and asc or desc."),
    "FRS.0033": (429, "Too many requests: the flow control limit is reached."),
    "FRS.0202": (403, "The service has been freeze."),
    "FRS.0301": (400, "The face set exists already."),
    "FRS.0302": (400, "The face set does not exist."),
    "FRS.0303": (400, NOT_EXIST),
    "FRS.0304": (400, "Detect no face, can not search."),
    "FRS.0305": (400, "The number of face sets is at its maximum."),
    "FRS.0306": (403, "The capacity of the face set is exceeded."),
    "FRS.0401": (400, "No face has this value, so none can be deleted."),
    "FRS.0402": (400, "A custom field was not declared for the face set."),
    "FRS.0403": (400, NOT_EXIST),
    "FRS.0404": (400, "No face was detected in the image, so none can be added."),
    "FRS.0407": (400, NOT_SUITABLE),
    "APIGW.0101": (404, "The API does not exist or has not been published."),
    "APIGW.0201": (502, "Backend unavailable"),
    "APIGW.0301": (401, "Incorrect IAM authentication information"),
    "APIGW.0302": (403, "The IAM user is not authorized."),
    "APIGW.0307": (401, OLD_TOKEN),
    "APIGW.0308": (429, "The throttling threshold has been reached"),
    # IAM: frs-api.md 3.3.
    "IAM.0001": (401, "Authentication is required."),
    "IAM.0004": (404, "The resource does not exist."),
    "IAM.0006": (500, "IAM has an internal error."),
    "IAM.0012": (429, "Too many requests."),
    "IAM.0061": (401, "The account is locked."),
    "IAM.0062": (401, "The user name or the password is wrong."),
    "IAM.0066": (401, "The token has expired."),
    "IAM.0067": (401, "The token is invalid."),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, ready to be written."""

    status: int
    body: bytes
    code: str = ""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A check said no: carries the code and message of the answer."""

    def __init__(self, code: str, message: str = "", status: int = 0) -> None:
        usual_status, usual_message = CODES[code]
        self.code = code
        self.message = message or usual_message
        self.status = status or usual_status
        super().__init__(f"{code} {self.message}")


def success(content: Mapping[str, object]) -> Answer:
    """Return a 200 with this JSON object."""
    return Answer(200, encode(content))


def refused(
    refusal: Refusal, request_id: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """Return the error answer of a refusal."""
    body = envelope(refusal.code, refusal.message, request_id)
    return Answer(refusal.status, body, refusal.code, headers=headers or {})


def envelope(code: str, message: str, request_id: str) -> bytes:
    """Return the JSON body of an error; the prefix of `code` decides its shape.

    The gateway (`APIGW.`, `APIG.`) repeats the request id in the body, FRS does not.
    """
    content = {"error_code": code, "error_msg": message}
    if code.startswith(("APIGW.", "APIG.")):
        content = {"error_msg": message, "error_code": code, "request_id": request_id}
    return encode(content)


def encode(content: object) -> bytes:
    """Return compact JSON in ASCII, as any HTTP client can read it."""
    return COMPACT.encode(content).encode("ascii")
