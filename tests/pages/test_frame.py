import re

import pytest

from pages.ui.shared.frame import error_sentence, plain


@pytest.mark.parametrize(
    "sentence",
    [
        "Dataset splits not found. Scan and split on the Dataset page first.",
        "training.batch_size: 512 needs an estimated 3.1 GB of memory; take a smaller batch (64, say).",
        "Clip hard_negative/anna/3.wav is missing on disk.",
        "Stopped at 23:45:18 by the user; the best model is of epoch 3.",
    ],
)
def test_ordinary_sentences_stay_as_they_are(sentence):
    assert plain(sentence) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "![x](y)",
        "<img src=x>",
        "*bold*",
        "`code`",
        "_a_",
        "# head",
        "- item",
        "a | b",
        "$x$",
        ":red[x]",
        "&amp;",
        "~x~",
    ],
)
def test_marks_of_layout_are_taken_literally(text):
    shown = plain(text)
    assert shown != text
    assert re.sub(r"\\([^A-Za-z0-9 ])", r"\1", shown) == text


def test_numbers_at_the_start_make_no_list():
    assert plain("1. one") == r"1\. one"
    assert plain("3) three") == r"3\) three"


def test_addresses_do_not_become_links():
    for text in ("see http://a.b/c", "www.a.b", "me@a.b"):
        assert plain(text) != text
        assert plain(text).replace("\N{WORD JOINER}", "") == text


def test_lines_are_joined():
    assert plain("a\n\n# b\n") == "a # b"


def test_errors_of_the_system_name_the_file():
    assert error_sentence(PermissionError(13, "Permission denied", "/x")) == "Permission denied: /x."
    assert error_sentence(FileNotFoundError("There is none.")) == "There is none."
