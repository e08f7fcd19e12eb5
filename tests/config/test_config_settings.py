"""Defaults < file < profile < environment < flags, and what each mistake is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from batch_updater.config.connection import connect_to_face_set, make_connection
from batch_updater.config.mapping_file import column_mapping, read_mapping
from batch_updater.config.options import BY_NAME, OPTIONS
from batch_updater.config.settings import Texts, check_table, resolve
from batch_updater.errors import UsageError
from batch_updater.files.formats import InputFormat
from batch_updater.frs.auth import Login, Machine
from batch_updater.frs.credentials import Credential, Password, SigningKey, Token
from batch_updater.frs.iam import Scope
from batch_updater.frs.proxies import Proxy
from batch_updater.frs.signing import AccessKey
from batch_updater.mapping.columns import FieldColumn
from batch_updater.models import FieldType, OnDuplicate, Reply

CANARY = "canary-token"
TOKEN = "BATCH_UPDATER_TOKEN"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for batch-updater.toml, which is read from where one stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "batch-updater.toml"


@pytest.fixture(autouse=True)
def _elsewhere(config: Path) -> None:
    """No test sees a batch-updater.toml that happens to lie around."""


def test_table_and_settings_share_every_name() -> None:
    """Each option has its place in Settings, and each place its option."""
    assert check_table() == []


def test_names_of_options() -> None:
    """One name gives the flag, the variable and the attribute."""
    option = BY_NAME["max-attempts"]
    assert option.variable == "BATCH_UPDATER_MAX_ATTEMPTS"
    assert option.attribute == "max_attempts"
    assert len({option.variable for option in OPTIONS}) == len(OPTIONS)


def test_the_defaults_are_those_of_the_contract() -> None:
    """Nothing said means the values that design.md promises."""
    settings = resolve({}, {}).settings
    assert settings.rate == 10.0
    assert settings.headroom == 0.01
    assert settings.concurrency == 32
    assert settings.max_attempts == 6
    assert (settings.max_elapsed, settings.timeout) == (300.0, 30.0)
    assert settings.on_duplicate is OnDuplicate.ERROR
    assert settings.format is None
    assert settings.field == ()
    assert settings.max_errors is None
    assert settings.same_failures == 50
    assert settings.max_outage == 900.0
    assert settings.settle == 0.0
    assert not settings.allow_http
    assert not settings.include_values


FLAG, ENV = {"rate": ("5",)}, {"BATCH_UPDATER_RATE": "4"}
TOP, PROFILE = "rate = 2\n", "[profile.night]\nrate = 3\n"
NIGHT = {"BATCH_UPDATER_PROFILE": "night"}


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "rate", "origin"),
    [
        ({}, {}, "", 10.0, "default"),
        ({}, {}, TOP, 2.0, "batch-updater.toml"),
        ({}, {}, TOP + PROFILE, 2.0, "batch-updater.toml"),
        ({}, NIGHT, TOP + PROFILE, 3.0, "batch-updater.toml [profile.night]"),
        ({}, NIGHT | ENV, TOP + PROFILE, 4.0, "environment"),
        (FLAG, NIGHT | ENV, TOP + PROFILE, 5.0, "flag"),
        (FLAG, {}, TOP, 5.0, "flag"),
        ({}, {"BATCH_UPDATER_RATE": ""}, TOP, 2.0, "batch-updater.toml"),
    ],
)
def test_precedence(
    config: Path,
    flags: dict[str, tuple[str, ...]],
    environ: dict[str, str],
    toml: str,
    rate: float,
    origin: str,
) -> None:
    """The nearest word wins, and --print-config says where it stood."""
    config.write_text(toml)
    resolved = resolve(flags, environ)
    assert resolved.settings.rate == rate
    described = {name: where for name, _, where in resolved.describe()}
    assert described["rate"] == origin


def test_a_recorded_run_hides_file_and_environment(config: Path) -> None:
    """resume goes on with what the run was given; only flags override it."""
    config.write_text("rate = 2\ntimeout = 5")
    recorded = {"rate": ("7",), "concurrency": ("3",)}
    resolved = resolve({"rate": ("8",)}, {**ENV, TOKEN: CANARY}, recorded=recorded)
    assert resolved.settings.rate == 8.0
    assert resolved.settings.concurrency == 3
    assert resolved.settings.timeout == 30.0
    assert resolved.origins == {"rate": "flag", "concurrency": "run.json"}
    assert resolved.environ[TOKEN] == CANARY


@pytest.mark.parametrize(
    ("flags", "recorded", "endpoint"),
    [
        ({"region": ("cn-east-3",)}, {"endpoint": ("https://old",)}, None),
        (
            {"endpoint": ("https://new",)},
            {"endpoint": ("https://old",)},
            "https://new",
        ),
        ({}, {"endpoint": ("https://old",), "region": ("cn-east-3",)}, "https://old"),
        (
            {"endpoint": ("https://new",), "region": ("cn-east-3",)},
            {"endpoint": ("https://old",)},
            "https://new",
        ),
    ],
)
def test_a_region_wins_over_an_endpoint_of_before(
    flags: Texts, recorded: Texts, endpoint: str | None
) -> None:
    """Rows never go to the endpoint of another day when a flag names a region."""
    assert resolve(flags, {}, recorded=recorded).settings.endpoint == endpoint
    named = {f"BATCH_UPDATER_{k.upper()}": value for k, (value,) in recorded.items()}
    assert resolve(flags, named).settings.endpoint == endpoint


def test_hints_for_the_way_that_is_asked_for() -> None:
    """--auth token is told where a token goes, and that there are other ways."""
    for auth, where in (("token", TOKEN), ("aksk", "HUAWEICLOUD_SDK_AK")):
        with pytest.raises(UsageError, match=f"for --auth {auth}") as caught:
            make_connection(resolve({**TARGET, "auth": (auth,)}, {}))
        assert where in caught.value.hint
        assert "another way" in caught.value.hint
        assert "_IAM_DOMAIN" not in caught.value.hint


def test_the_other_variable_of_the_project() -> None:
    """Our own variable is read before the one of Huawei's SDK."""
    sdk = {"HUAWEICLOUD_SDK_PROJECT_ID": "sdk"}
    assert resolve({}, sdk).settings.project_id == "sdk"
    ours = sdk | {"BATCH_UPDATER_PROJECT_ID": "ours"}
    assert resolve({}, ours).settings.project_id == "ours"


def test_every_kind_of_toml_value(config: Path) -> None:
    """Numbers, text, switches and lists of fields are taken as they stand."""
    config.write_text(
        'rate = 2.5\nconcurrency = 4\nstrict = true\nformat = "jsonl"\n'
        'field = ["age:integer=Age", "size=Size"]\ntimeout = "1m"\nmax-errors = "5%"\n'
    )
    settings = resolve({}, {}).settings
    assert (settings.rate, settings.concurrency, settings.strict) == (2.5, 4, True)
    assert settings.format is InputFormat("jsonl")
    assert [spec.name for spec in settings.field] == ["age", "size"]
    assert settings.timeout == 60.0
    assert settings.max_errors
    assert settings.max_errors.of(100) == 5


def test_fields_of_the_environment_are_separated_by_commas() -> None:
    """One variable carries several fields."""
    settings = resolve({}, {"BATCH_UPDATER_FIELD": "a=A,b:long=B"}).settings
    assert settings.field == (
        FieldColumn("a", "A"),
        FieldColumn("b", "B", FieldType.LONG),
    )


BAD_TEXTS = {
    "format": "xml",
    "delimiter": ",,",
    "encoding": "utf-99",
    "limit": "0",
    "on-duplicate": "all",
    "on-invalid": "go",
    "strict": "perhaps",
    "face-id": " ",
    "external-image-id": "a\x1bb",
    "field": "age",
    "face-set": "\t",
    "project-id": " ",
    "region": " ",
    "endpoint": " ",
    "allow-http": "2",
    "rate": "fast",
    "headroom": "50%",
    "share-quota": "maybe",
    "concurrency": "4097",
    "adaptive": "sometimes",
    "check-ahead": "some",
    "max-attempts": "0",
    "max-elapsed": "0",
    "timeout": "soon",
    "settle": "-1s",
    "dry-run": "x",
    "max-errors": "-1",
    "same-failures": "0",
    "max-outage": "-1s",
    "max-duration": "1 day",
    "stop-at": "6 am",
    "update-mode": "overwrite",
    "backup": "x",
    "changed-only": "x",
    "state-max-age": "0",
    "against": "memory",
    "drift-sample": "101%",
    "exit-code-no-change": "126",
    "max-changes": "-1",
    "max-age": "a day",
    "check-drift": "x",
    "yes": "x",
    "sample": "-1%",
    "to": "faces.xlsx",
    "page": "10001",
    "progress": "dots",
    "log-format": "xml",
    "output": "yaml",
    "results-format": "orc",
    "include-values": "x",
    "auth": "magic",
    "iam-endpoint": " ",
    "metadata-endpoint": " ",
}


def test_every_option_that_can_be_wrong_is_tried() -> None:
    """Only paths take any text; what may hold a password is tried on its own."""
    paths = {"mapping", "run-dir", "quota-dir", "token-file", "ca-cert", "state"}
    assert set(BY_NAME) - set(BAD_TEXTS) == paths | {"proxy", "notify-url"}


@pytest.mark.parametrize("origin", ["flag", "environment", "file"])
def test_a_bad_notify_url_is_not_repeated(config: Path, origin: str) -> None:
    """Whoever knows such an address may post there: it is told by its flag alone."""
    text = f"ftp://hooks.example.com/{CANARY}"
    config.write_text(f'notify-url = "{text}"\n' if origin == "file" else "")
    flags = {"notify-url": (text,)} if origin == "flag" else {}
    environ = {"BATCH_UPDATER_NOTIFY_URL": text} if origin == "environment" else {}
    with pytest.raises(UsageError, match=r"--notify-url.*give an address") as caught:
        resolve(flags, environ)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("origin", ["flag", "environment", "file"])
def test_a_bad_proxy_is_not_repeated(config: Path, origin: str) -> None:
    """A password that somebody put into --proxy is told by the flag's name alone."""
    text = f"http://user:{CANARY}@proxy:3128"
    config.write_text(f'proxy = "{text}"\n' if origin == "file" else "")
    flags = {"proxy": (text,)} if origin == "flag" else {}
    environ = {"BATCH_UPDATER_PROXY": text} if origin == "environment" else {}
    with pytest.raises(UsageError, match=r"^--proxy") as caught:
        resolve(flags, environ)
    assert "BATCH_UPDATER_PROXY_PASSWORD" in caught.value.message
    assert CANARY not in caught.value.message


@pytest.mark.parametrize(("name", "text"), BAD_TEXTS.items())
def test_bad_values_name_flag_and_origin(config: Path, name: str, text: str) -> None:
    """The message of a bad value says which setting, what it was and who said it."""
    with pytest.raises(UsageError) as caught:
        resolve({name: (text,)}, {})
    assert caught.value.message.startswith(f"--{name} {text!r}: ")
    with pytest.raises(UsageError) as caught:
        resolve({}, {BY_NAME[name].variable: text})
    assert f"--{name} " in caught.value.message
    assert "(from environment)" in caught.value.message
    config.write_text(f'"{name}" = {_toml(text)}\n')
    with pytest.raises(UsageError) as caught:
        resolve({}, {})
    assert f"--{name} {text!r} (from batch-updater.toml)" in caught.value.message


def _toml(text: str) -> str:
    return '"' + text.replace("\t", "\\t").replace("\x1b", "\\u001b") + '"'


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("rate = ", "batch-updater.toml is no TOML"),
        ("rate = 1\nrate = 2", "is no TOML"),
        ("rat = 1", "no setting 'rat'; did you mean 'rate'"),
        ("max_attempts = 1", "did you mean 'max-attempts'"),
        ("zzzz = 1", "no setting 'zzzz'"),
        (f'token = "{CANARY}"', "no setting 'token'"),
        ("rate = nan\n[profile.night]", "--rate 'nan'"),
        ("rate = [10, 20]", "rate takes one value, not a list"),
        ("rate = []", "rate takes one value, not a list"),
        ("rate = {a = 1}", "rate must be text, a number or true/false"),
        ("[rate]\na = 1", "rate must be text, a number or true/false"),
        ("rate = 2026-01-01", "rate must be text, a number or true/false"),
        ('field = [["a=A"]]', "field must be text"),
        ('profile = "night"', "profile must be a table: [profile.NAME]"),
        ("[profile]\nnight = 5", "profile must be a table"),
        ("profile = [1]", "profile must be a table"),
        ("[[profile]]\nrate = 1", "profile must be a table"),
        ("[profile.night]\nrat = 1", "no setting 'rat'"),
        ("[profile.day]\nrate = 1", "there is no [profile.night]"),
        ("", "there is no [profile.night]"),
    ],
)
def test_mistakes_in_the_file(config: Path, toml: str, said: str) -> None:
    """Each mistake in batch-updater.toml is a usage error that names the file."""
    config.write_text(toml)
    with pytest.raises(UsageError) as caught:
        resolve({}, NIGHT)
    assert "batch-updater.toml" in caught.value.message
    assert said in caught.value.message
    assert CANARY not in caught.value.message


def test_files_that_cannot_be_read(config: Path) -> None:
    """A file that is named must be there and be text; the default one may be absent."""
    assert resolve({}, {}).settings.rate == 10.0
    with pytest.raises(UsageError, match="No such file"):
        resolve({}, {"BATCH_UPDATER_CONFIG": "other.toml"})
    with pytest.raises(UsageError, match="Is a directory"):
        resolve({}, {"BATCH_UPDATER_CONFIG": str(config.parent)})
    with pytest.raises(UsageError) as caught:
        resolve({}, NIGHT)
    assert "'night'" in caught.value.message
    config.write_bytes(b'region = "\xff"')
    with pytest.raises(UsageError, match="is no TOML"):
        resolve({}, {})


def test_a_named_file_is_the_origin(config: Path) -> None:
    """--config takes the place of the default file."""
    config.write_text("rate = 2")
    other = config.with_name("other.toml")
    other.write_text("rate = 3")
    resolved = resolve({}, {"BATCH_UPDATER_CONFIG": str(other)})
    assert resolved.settings.rate == 3.0
    assert resolved.origins["rate"] == str(other)


def test_print_config_masks_the_token() -> None:
    """The token is said to be there, and nothing shows it."""
    resolved = resolve({}, {TOKEN: CANARY})
    lines = list(resolved.describe())
    assert ("token", "***", f"environment {TOKEN}") in lines
    assert CANARY not in f"{lines} {resolved!r} {resolved} {resolved.texts}"
    assert [name for name, _, _ in lines] == [*(o.name for o in OPTIONS), "token"]


def test_print_config_shows_lists_and_defaults() -> None:
    """Values stand as they were typed; what is not set is empty."""
    described = {
        name: value
        for name, value, _ in resolve({"field": ("a=A", "b=B")}, {}).describe()
    }
    assert described["field"] == "a=A, b=B"
    assert described["rate"] == "10"
    assert described["face-set"] == ""
    assert "token" not in described


# Connection

TARGET = {"face-set": ("set",), "project-id": ("p",), "region": ("cn-north-4",)}


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("face-set", "--face-set"),
        ("project-id", "--project-id"),
        ("region", "--region"),
    ],
)
def test_a_connection_names_what_is_missing(missing: str, said: str) -> None:
    """Each setting that a connection needs is asked for by its flag."""
    flags: Texts = {**TARGET, missing: ()}
    if missing == "project-id":  # a region alone would be enough to look it up
        flags = {**flags, "region": (), "endpoint": ("https://frs.example.com",)}
    with pytest.raises(UsageError) as caught:
        connect_to_face_set(resolve(flags, {TOKEN: CANARY}))
    assert said in caught.value.hint


def test_a_connection_needs_credentials() -> None:
    """Without a token the hint says where to put one; an empty variable is none."""
    for environ in ({}, {TOKEN: ""}):
        with pytest.raises(UsageError, match="no credentials") as caught:
            make_connection(resolve(TARGET, environ))
        assert TOKEN in caught.value.hint


async def nowhere(*request: object, **more: object) -> Reply:
    """Stand for a network that nobody may use."""
    raise AssertionError(request)


async def credential(flags: Texts, environ: Mapping[str, str]) -> Credential:
    """Return what a connection would use, where that needs no network."""
    connection = make_connection(resolve(flags, environ))
    return (await connection.source.fetch(nowhere)).credential


async def test_tokens(tmp_path: Path) -> None:
    """A token file given as a flag goes first, then the environment's token."""
    file = tmp_path / "token"
    file.write_text("other")
    flags = TARGET | {"token-file": (str(file),)}
    assert await credential(flags, {TOKEN: CANARY}) == Token("other")
    environ = {TOKEN: CANARY, "BATCH_UPDATER_TOKEN_FILE": str(file)}
    assert await credential(TARGET, environ) == Token(CANARY)
    assert await credential(TARGET, {**environ, TOKEN: ""}) == Token("other")


def test_endpoints() -> None:
    """An endpoint goes before a region; the SDK's names for regions are known."""
    connection = make_connection(resolve(TARGET, {TOKEN: CANARY}))
    assert connection.endpoint == "https://face.cn-north-4.myhuaweicloud.com"
    assert connection.iam_endpoint == "https://iam.cn-north-4.myhuaweicloud.com"
    assert connection.project_id == "p"
    assert CANARY not in repr(connection)
    flags = TARGET | {"endpoint": ("http://127.0.0.1:1/",)}
    connection = make_connection(resolve(flags, {TOKEN: CANARY}))
    assert connection.endpoint == "http://127.0.0.1:1"
    assert connection.iam_endpoint == "http://127.0.0.1:1"
    named = {"HUAWEICLOUD_SDK_REGION_FRS_CN_NORTH_4": "https://frs.example.com"}
    connection = make_connection(resolve(TARGET, {TOKEN: CANARY, **named}))
    assert connection.endpoint == "https://frs.example.com"


SECURITY_TOKEN = "HUAWEICLOUD_SDK_SECURITY_TOKEN"
KEY = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": CANARY}
USER = {
    "BATCH_UPDATER_IAM_DOMAIN": "domain",
    "BATCH_UPDATER_IAM_USER": "user",
    "BATCH_UPDATER_IAM_PASSWORD": CANARY,
}


async def test_access_keys(tmp_path: Path) -> None:
    """The environment's key goes before the SDK's file, which may hold the project too."""
    file = tmp_path / "credentials"
    file.write_text("[basic]\nak = FILE\nsk = secret\nproject_id = mine\n")
    named = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(file)}
    key = SigningKey(AccessKey("AK", CANARY, "T"))
    temporary = KEY | {"HUAWEICLOUD_SDK_SECURITY_TOKEN": "T"}
    assert await credential(TARGET, temporary | named) == key
    of_file = SigningKey(AccessKey("FILE", "secret"))
    assert await credential(TARGET, named) == of_file
    without = {name: text for name, text in TARGET.items() if name != "project-id"}
    assert make_connection(resolve(without, named)).project_id == "mine"


async def test_the_home_s_credentials_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """~/.huaweicloud/credentials is found without being named, if it is there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="no credentials"):
        make_connection(resolve(TARGET, {}))
    (tmp_path / ".huaweicloud").mkdir()
    file = tmp_path / ".huaweicloud" / "credentials"
    file.write_text(f"[basic]\nak = AK\nsk = {CANARY}\n")
    assert await credential(TARGET, {}) == SigningKey(AccessKey("AK", CANARY))


def test_passwords_and_machines() -> None:
    """A password asks the region's IAM; a machine's keys are used on request only."""
    source = make_connection(resolve(TARGET, USER)).source
    assert source == Login(
        "https://iam.cn-north-4.myhuaweicloud.com",
        Password("domain", "user", CANARY),
        Scope("p", "cn-north-4"),
    )
    flags = TARGET | {"auth": ("metadata",)}
    assert make_connection(resolve(flags, {})).source == Machine(
        "http://169.254.169.254"
    )


@pytest.mark.parametrize(
    ("auth", "kind"), [("auto", Token), ("token", Token), ("aksk", SigningKey)]
)
async def test_the_way_that_is_asked_for(auth: str, kind: type) -> None:
    """With several ways at hand, auto takes the token, and --auth says otherwise."""
    flags = TARGET | {"auth": (auth,)}
    given = await credential(flags, KEY | USER | {TOKEN: CANARY})
    assert isinstance(given, kind)


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ({"auth": ("aksk",)}, {TOKEN: CANARY}, "for --auth aksk"),
        ({"auth": ("token",)}, KEY, "for --auth token"),
        ({"auth": ("password",)}, {}, "_IAM_USER and .*_IAM_PASSWORD are not set$"),
        ({}, {"HUAWEICLOUD_SDK_AK": CANARY}, "HUAWEICLOUD_SDK_SK is not set, though"),
        ({}, {"BATCH_UPDATER_IAM_PASSWORD": CANARY}, "_IAM_DOMAIN and .*_IAM_USER are"),
        (
            {},
            {"BATCH_UPDATER_IAM_DOMAIN": "d", "BATCH_UPDATER_IAM_USER": "u"},
            "not set, though BATCH_UPDATER_IAM_DOMAIN and BATCH_UPDATER_IAM_USER are$",
        ),
        ({}, {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": "/nowhere"}, "/nowhere: No such"),
        ({"ca-cert": ("/nowhere",)}, {TOKEN: CANARY}, "--ca-cert /nowhere: No such"),
        ({"iam-endpoint": ("http://iam.example.com",)}, USER, "--iam-endpoint"),
        ({"endpoint": ("https://frs.example.com",), "region": ()}, USER, "where IAM"),
        (
            {},
            {"BATCH_UPDATER_IAM_PASSWORD": f"{CANARY}\udcff"},
            "_PASSWORD is not UTF-8",
        ),
        ({}, KEY | {SECURITY_TOKEN: f"{CANARY}\n{CANARY}"}, "the security token"),
        ({}, KEY | {SECURITY_TOKEN: f"{CANARY}é"}, "the security token"),
        ({}, {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": "~no-such-user/x"}, "could be"),
        ({"project-id": ("a b",)}, KEY, "project's id"),
        ({"project-id": ("p" * 100,)}, KEY, "project's id"),
        ({"endpoint": (f"https://{'a' * 64}.com",)}, KEY, "is not a URL"),
        ({"endpoint": ("https://a..b",)}, KEY, "is not a URL"),
    ],
)
def test_bad_credentials(flags: Texts, environ: dict[str, str], said: str) -> None:
    """What is missing or cannot be is named by its flag or variable, never by its value."""
    with pytest.raises(UsageError, match=said) as caught:
        make_connection(resolve({**TARGET, **flags}, environ))
    assert CANARY not in caught.value.message + caught.value.hint


def test_a_proxy_that_is_asked_for() -> None:
    """--proxy leads everywhere but to the machine's own metadata service."""
    flags = {**TARGET, "proxy": ("proxy.example.com:3128",)}
    environ = {TOKEN: "t", "BATCH_UPDATER_PROXY_USER": "u"}
    connection = make_connection(resolve(flags, environ))
    proxy = Proxy("http://proxy.example.com:3128", "u")
    assert connection.proxy_for("https://face.example.com") == proxy
    assert connection.proxy_for("http://127.0.0.1:8099") == proxy
    assert connection.proxy_for("http://169.254.169.254") is None


def test_secrets_are_masked() -> None:
    """--print-config shows which secrets there are and where they come from."""
    resolved = resolve({}, KEY | USER | {TOKEN: CANARY})
    told = {name: (value, origin) for name, value, origin in resolved.describe()}
    assert told["token"] == ("***", f"environment {TOKEN}")
    assert told["secret-key"] == ("***", "environment HUAWEICLOUD_SDK_SK")
    assert told["iam-password"] == ("***", "environment BATCH_UPDATER_IAM_PASSWORD")
    assert CANARY not in str(told) + repr(resolved)


def test_an_open_endpoint_must_be_allowed() -> None:
    """A token goes unencrypted only where the user allows it."""
    flags = TARGET | {"endpoint": ("http://frs.internal",)}
    with pytest.raises(UsageError, match="unencrypted"):
        make_connection(resolve(flags, {TOKEN: CANARY}))
    allowed = make_connection(
        resolve(flags | {"allow-http": ("true",)}, {TOKEN: CANARY})
    )
    assert allowed.endpoint == "http://frs.internal"


# The mapping file

MAPPING = """
face_id = "FID"
external_image_id = "IMG"
[fields]
age = {column = "Age", type = "integer"}
size = "Size"
only_type = {type = "long"}
"""


def test_a_mapping_file(tmp_path: Path) -> None:
    """A field is a column's name, or a table of column and type."""
    file = tmp_path / "mapping.toml"
    file.write_text(MAPPING)
    mapping = read_mapping(file)
    assert (mapping.face_id, mapping.external_image_id) == ("FID", "IMG")
    assert mapping.fields == (
        FieldColumn("age", "Age", FieldType.INTEGER),
        FieldColumn("size", "Size"),
        FieldColumn("only_type", "", FieldType.LONG),
    )


def test_flags_win_over_the_mapping_file(tmp_path: Path) -> None:
    """A flag replaces what it says, and leaves the rest of a field as it was."""
    file = tmp_path / "mapping.toml"
    file.write_text(MAPPING)
    fields = ("age:long", "size=Length", "new=New", "new:float")
    flags = {"mapping": (str(file),), "face-id": ("ID",), "field": fields}
    mapping = column_mapping(resolve(flags, {}).settings)
    assert (mapping.face_id, mapping.external_image_id) == ("ID", "IMG")
    assert mapping.fields == (
        FieldColumn("age", "Age", FieldType.LONG),
        FieldColumn("size", "Length"),
        FieldColumn("only_type", "", FieldType.LONG),
        FieldColumn("new", "New", FieldType.FLOAT),
    )


def test_no_mapping_at_all() -> None:
    """Without flags and file, columns are taken by their own names."""
    mapping = column_mapping(resolve({}, {}).settings)
    assert (mapping.face_id, mapping.external_image_id, mapping.fields) == (
        None,
        None,
        (),
    )


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("x", "is no TOML"),
        ("faceid = 'a'", "unknown key 'faceid'"),
        ("face_id = 1", "face_id must be the name of a column"),
        ("fields = 1", "fields must be a table"),
        ("[fields]\nage = 1", "field 'age' must be a column's name"),
        ("[fields]\nage = {col = 'A'}", "field 'age' must be a column's name"),
        ("[fields]\nage = {}", "field 'age' must be a column's name"),
        ("[fields]\nage = ''", "field 'age' must be a column's name"),
        ("[fields]\nage = {column = ''}", "field 'age' must be a column's name"),
        ("[fields]\nage = {type = 'int'}", "'int' is no field type"),
        ("[fields]\n'a b' = 'A'", "field name 'a b'"),
        ("[fields]\n_id = 'A'", "reserved by FRS"),
    ],
)
def test_mistakes_in_the_mapping_file(tmp_path: Path, toml: str, said: str) -> None:
    """Each mistake is a usage error that names the file."""
    file = tmp_path / "mapping.toml"
    file.write_text(toml)
    with pytest.raises(UsageError) as caught:
        read_mapping(file)
    assert str(file) in caught.value.message
    assert said in caught.value.message


def test_a_mapping_file_that_is_missing(tmp_path: Path) -> None:
    """The flag and the path are named."""
    with pytest.raises(UsageError, match=r"--mapping .*nowhere.*No such file"):
        read_mapping(tmp_path / "nowhere.toml")
