import pytest

from dataset_adapters.containers.file_text import (
    decode,
    decode_text,
    list_names,
    number_repeats,
    printable,
    quote,
)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_both_encodings_are_read(encoding):
    assert decode("Hüfte".encode(encoding)) == "Hüfte"
    assert decode_text(b' "' + "Hüfte".encode(encoding) + b'"\0 \r\n') == "Hüfte"


def test_what_does_not_print_is_replaced():
    assert printable("a\nb\x1b\ud800ü") == "a?b??ü"
    assert decode_text(b"a\nb") == "a?b"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("C7", "'C7'"),
        (b"C7  ", "'C7'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 40, "'" + "x" * 40 + "'"),
        ("x" * 41, "'" + "x" * 37 + "...'"),
    ],
)
def test_quotes_are_one_short_line(text, quoted):
    assert quote(text) == quoted


def test_lists_are_cut_and_told_so():
    assert list_names(iter(["a", "b\n"])) == "a, b?"
    assert list_names(["a", "b", "c"], most=3) == "a, b, c"
    assert list_names(["a", "b", "c"], most=2) == "a, b, ..."
    assert list_names([]) == "none"


def test_repeats_are_numbered_around_the_names_that_are_there():
    names, notes = number_repeats(["a", "b", "a", "a#2", "a", "b", "a#2"])
    assert names == ("a", "b", "a#3", "a#2", "a#4", "b#2", "a#2#2")
    assert notes == ("names come more than once ('a', ...); the others are numbered ('a#2')",)
    assert number_repeats(("a", "b")) == (("a", "b"), ())
