"""Who may come in."""

import os
import stat

import pytest

from n2v_stem_keras.interop.serving import tokens


def test_a_token_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "token"
    made = tokens.read_or_make(path)
    assert len(made) >= 40
    assert tokens.read_or_make(path) == made
    assert tokens.read_or_make(tmp_path / "other") != made
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="of POSIX permissions")
def test_a_token_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "token"
    tokens.read_or_make(path)
    path.chmod(0o640)
    with pytest.raises(tokens.TokenError, match="chmod 600"):
        tokens.read_or_make(path)


@pytest.mark.parametrize("text", ["", "short", "x" * 257])
def test_a_token_of_a_wrong_length_is_refused(tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(tokens.TokenError, match=rf"of {len(text)} bytes, expected 16 to 256"):
        tokens.read_or_make(path)


def test_loopback_is_told_from_what_others_reach():
    assert tokens.is_loopback("127.0.0.1")
    assert tokens.is_loopback("127.9.9.9")
    assert tokens.is_loopback("::1")
    for host in ("0.0.0.0", "::", "192.0.2.1", "2001:db8::1"):
        assert not tokens.is_loopback(host)


def test_tokens_are_compared_whole():
    token = "a-token-of-many-letters"
    assert tokens.fits(token.encode(), token)
    for given in (b"", token[:-1].encode(), token.encode() + b"\0", b"\xff" * 300):
        assert not tokens.fits(given, token)
