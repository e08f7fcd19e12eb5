"""Secrets in other people's words: no spelling of one gets through."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.frs.redaction import Redaction

SECRET = 'MII+canary/5ecret== <"\\&é'
TOKEN = "MIIEcanary" + "0123456789+/" * 200


def redaction(*secrets: str) -> Redaction:
    hidden = Redaction()
    for secret in secrets:
        hidden.hide(secret)
    return hidden


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET).replace("/", "\\/"),
        json.dumps(SECRET).replace("<", "\\u003c").replace("&", "\\u0026"),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
        quote_plus(SECRET),
        html.escape(SECRET),
    ],
)
def test_spellings(form: str) -> None:
    """JSON of several makes, URLs and HTML spell a secret in their own way."""
    said = redaction(SECRET).clean_text(f"You sent {form}, did you?")
    assert "canary" not in said
    assert "***" in said


@pytest.mark.parametrize("length", [16, 100, 2000])
def test_a_quotation_that_is_cut_off(length: int) -> None:
    """The start of a token is as good as taken out with the token."""
    said = redaction(TOKEN).clean_text(f'{{"token": "{TOKEN[:length]}"}}')
    assert said == '{"token": "***"}'


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    """An answer without a secret is not copied, and a short secret spoils nothing."""
    body = b'{"face_number": 1}'
    assert redaction(TOKEN, "f", "").clean(body) is body


def test_a_secret_that_ends_a_quotation() -> None:
    """A long password may hold quotes itself; what stands after it stays."""
    password = 'canary-"pass"\\word, and more of it than 32 signs'
    told = json.dumps({"message": f"{password} is wrong"})
    said = redaction(password).clean_text(told)
    assert json.loads(said) == {"message": "*** is wrong"}


def test_a_run_that_renews_for_ever() -> None:
    """Tokens of long ago are forgotten; a password that is named again is not."""
    hidden = Redaction()
    for number in range(200):
        hidden.hide("the-password")
        hidden.hide(f"token-{number}")
    said = hidden.clean_text("the-password token-199 token-190 token-0")
    assert said == "*** *** *** token-0"


@given(st.text(min_size=6), st.text(), st.text())
def test_any_secret(secret: str, before: str, after: str) -> None:
    """Whatever a secret consists of, and whatever stands around it, it is gone."""
    hidden = redaction(secret)
    body = f"{before}{secret}{after}".encode("utf-8", "replace")
    if secret.isascii():
        assert secret.encode() not in hidden.clean(body).replace(b"***", b"")


def test_half_a_character_is_no_trouble() -> None:
    """Names of files may hold bytes that are no UTF-8: what is beside them is hidden."""
    redaction = Redaction()
    redaction.hide("s3cret-token")
    assert redaction.clean_text("caf\udce9: s3cret-token") == "caf\udce9: ***"
