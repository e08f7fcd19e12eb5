"""
Microseconds a signature, ours and the official SDK's, of the usual PUT.

Both sign the same request in turn, in one process; the least of all rounds counts,
since whatever else runs on the machine can only add to it.
"""

import argparse
import os
import tempfile
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

from batch_updater.frs.signing import AccessKey, Unsigned, sign

_CALLS = 5_000
_KEY = AccessKey("AKEXAMPLE", "SKEXAMPLE")
_HOST = "face.cn-north-4.myhuaweicloud.com"
_PROJECT = "0123456789abcdef0123456789abcdef"
_PATH = f"/v2/{_PROJECT}/face-sets/showFaceSet/faces"
_HEADERS = {"Content-Type": "application/json", "X-Project-Id": _PROJECT}
_BODY = b'{"face_id":"iexEBb6t","external_fields":{"timestamp":12,"id":"300018629"}}'


def ours() -> str:
    """Sign as this package does."""
    request = Unsigned("PUT", _HOST, _PATH, "", _HEADERS, _BODY)
    return sign(request, _KEY, datetime.now(UTC))["Authorization"]


def make_theirs() -> Callable[[], str]:
    """Return what signs as the SDK does, stamp included."""
    from huaweicloudsdkcore.sdk_request import SdkRequest  # noqa: PLC0415
    from huaweicloudsdkcore.signer.signer import Signer  # noqa: PLC0415

    signer = Signer(SimpleNamespace(ak=_KEY.access, sk=_KEY.secret))

    def theirs() -> str:
        request = SdkRequest(
            method="PUT",
            host=_HOST,
            resource_path=_PATH,
            query_params=[],
            header_params={
                **_HEADERS,
                "X-Sdk-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            },
            body=_BODY,
        )
        signer.sign(request)
        return str(request.header_params["Authorization"])

    return theirs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often."""
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    rounds: int = options.rounds
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home  # the SDK writes into it when it is imported
        theirs = make_theirs()
        assert len(ours()) == len(theirs())  # noqa: S101  (the same work)
        seen = [(_time(ours), _time(theirs)) for _ in range(rounds)]
    print(f"Signatures of the usual PUT, {rounds} rounds of {_CALLS:,}, the least\n")
    print("| signer | us a signature |")
    print("|---|---|")
    print(f"| batch_updater.frs.signing | {min(own for own, _ in seen):.1f} |")
    print(f"| huaweicloudsdkcore | {min(other for _, other in seen):.1f} |")
    print()


def _time(call: Callable[[], str]) -> float:
    return timeit.timeit(call, number=_CALLS) / _CALLS * 1e6
