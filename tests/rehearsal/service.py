"""The face set at the service: seeded, written by somebody else, and read back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.warehouse import TYPES, Fields
from served import PROJECT, SEED, ask

FACE_SET = "staff"


@dataclass(frozen=True)
class Service:
    """
    The emulator as everybody but the command under test sees it.

    Args:
        sdk: the official SDK's module: the other writer, and the other reader.
    """

    url: str
    sdk: Any

    def seed(self, faces: Mapping[str, Fields]) -> None:
        """Fill the face set."""
        listed = [
            {"face_id": face_id, "external_fields": fields}
            for face_id, fields in faces.items()
        ]
        for first in range(0, len(listed), SEED):
            body = {
                "face_set_name": FACE_SET,
                "faces": listed[first : first + SEED],
                "external_fields": TYPES,
            }
            ask(self.url, "seed", body)

    def plan_faults(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Let the service misbehave from now on; without any it behaves."""
        ask(self.url, "script", {"fault": list(faults)})

    def held(self) -> dict[str, Fields]:
        """Return what every face holds."""
        faces = ask(self.url, f"faces/{FACE_SET}")["faces"]
        return {face["face_id"]: face["external_fields"] for face in faces}

    def requests(self) -> dict[str, int]:
        """Return how many requests have arrived, by operation."""
        counts: dict[str, int] = ask(self.url, "witness")["by_operation"]
        return counts

    def write(self, faces: Mapping[str, Fields]) -> None:
        """Change faces as another program does that uses the SDK."""
        client = self._client()
        for face_id, fields in faces.items():
            request = self.sdk.UpdateFaceRequest(face_set_name=FACE_SET)
            request.body = self.sdk.UpdateFaceReq(
                face_id=face_id, external_fields=fields
            )
            assert client.update_face(request).face_number == 1

    def read(self, face_ids: Iterable[str]) -> dict[str, Fields]:
        """Read faces as another program does that uses the SDK."""
        client, found = self._client(), {}
        for face_id in face_ids:
            request = self.sdk.ShowFacesByFaceIdRequest(
                face_set_name=FACE_SET, face_id=face_id
            )
            [face] = client.show_faces_by_face_id(request).faces
            fields = face.external_fields
            found[face_id] = json.loads(fields) if isinstance(fields, str) else fields
        return found

    def _client(self) -> Any:
        from huaweicloudsdkcore.auth.credentials import (
            BasicCredentials,
        )

        keys = BasicCredentials("emulator-ak", "emulator-sk", PROJECT)
        builder = self.sdk.FrsClient.new_builder().with_credentials(keys)
        return builder.with_endpoint(self.url).build()
