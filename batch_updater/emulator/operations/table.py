"""Which function answers which operation; names are those of the SDK."""

from collections.abc import Mapping

from batch_updater.emulator.operations.calls import Operation
from batch_updater.emulator.operations.face_sets import (
    create_face_set,
    delete_face_set,
    show_all_face_sets,
    show_face_set,
)
from batch_updater.emulator.operations.faces import (
    add_faces,
    batch_delete,
    delete_face,
    show_face,
    show_faces_by_limit,
)
from batch_updater.emulator.operations.search import search
from batch_updater.emulator.operations.update import update_face

OPERATIONS: Mapping[str, Operation] = {
    "CreateFaceSet": create_face_set,
    "ShowAllFaceSets": show_all_face_sets,
    "ShowFaceSet": show_face_set,
    "DeleteFaceSet": delete_face_set,
    "AddFacesByBase64": add_faces,
    "AddFacesByFile": add_faces,
    "AddFacesByUrl": add_faces,
    "ShowFacesByLimit": show_faces_by_limit,
    "ShowFacesByFaceId": show_face,
    "UpdateFace": update_face,
    "DeleteFaceByFaceId": delete_face,
    "DeleteFaceByExternalImageId": delete_face,
    "DeleteFaceByField": delete_face,  # in no SDK, though on page 0096
    "BatchDeleteFaces": batch_delete,
    "SearchFaceByBase64": search,
    "SearchFaceByFile": search,
    "SearchFaceByUrl": search,
    "SearchFaceByFaceId": search,
}
