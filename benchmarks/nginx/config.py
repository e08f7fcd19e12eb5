"""What nginx is told: to answer like FRS, to hold connections, to note the unusual."""

import json
from dataclasses import dataclass
from pathlib import Path

PROJECT = "0123456789abcdef0123456789abcdef"
FACE_SET = "bench"
FIELDS = {"timestamp": "long", "score": "double", "id": "string"}
"""The custom fields that the face set declares."""

_FACE_SET_ID = "T785tx1N"

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
{affinity}
pid {prefix}/pid;
error_log {prefix}/error.log warn;
events {{ worker_connections 2048; }}
http {{
  client_body_temp_path {prefix}/body;
  proxy_temp_path {prefix}/proxy;
  fastcgi_temp_path {prefix}/fastcgi;
  uwsgi_temp_path {prefix}/uwsgi;
  scgi_temp_path {prefix}/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  default_type application/json;
  map "$request_method $status" $odd {{ "PUT 200" 0; default 1; }}
  map $connection_requests $noted {{ 1 1; default $odd; }}
  log_format noted "$connection_requests $request_method $status $ssl_session_reused";
  access_log {prefix}/noted.log noted if=$noted;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    listen 127.0.0.1:{tls_port} ssl backlog=1024;
    ssl_certificate {prefix}/server.pem;
    ssl_certificate_key {prefix}/server.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    add_header X-Request-Id $request_id;
    location = {faces} {{
      if ($request_method != PUT) {{ return 405; }}
      return 200 '{updated}';
    }}
    location = {face_set} {{ return 200 '{shown}'; }}
    location / {{ return 404; }}
  }}
  server {{
    listen 127.0.0.1:{status_port};
    access_log off;
    location / {{ stub_status; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens, on loopback."""

    plain: int
    tls: int
    status: int


def write_config(prefix: Path, ports: Ports, *, core: int | None, root: bool) -> str:
    """
    Return nginx.conf.

    Only the first request of a connection, and what is not a PUT answered with 200,
    is logged: those are few, and the others are what is left of the requests.

    Args:
        prefix: an empty folder for whatever nginx writes; `server.pem` is there.
        core: the processor that the worker stays on, or None for any.
        root: whether it is started by root, and has to stay so to read the prefix.
    """
    face_set = f"/v2/{PROJECT}/face-sets/{FACE_SET}"
    return _CONFIG.format(
        prefix=prefix,
        port=ports.plain,
        tls_port=ports.tls,
        status_port=ports.status,
        user="user root;" if root else "",
        affinity="" if core is None else f"worker_cpu_affinity {1 << core:b};",
        face_set=face_set,
        faces=f"{face_set}/faces",
        updated=_compact(face_number=1, **_named()),
        shown=_compact(face_set_info=_shown()),
    )


def _named() -> dict[str, str]:
    return {"face_set_id": _FACE_SET_ID, "face_set_name": FACE_SET}


def _shown() -> dict[str, object]:
    return {
        "face_number": 100_000,
        **_named(),
        "create_date": "2026-11-24 08:00:00",
        "face_set_capacity": 100_000,
        "external_fields": {name: {"type": kind} for name, kind in FIELDS.items()},
    }


def _compact(**content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
