"""Searching and sorting runs."""

import pytest

from trainer.catalog import run_rows, search
from trainer.catalog.run_rows import Row

ROWS = [
    Row("20260103-000000-0003", "failed", label="Night try", tags=("night", "two words"), model="bc_resnet",
        val_loss=0.15, f1=0.9, fpr=0.004, started=1767441600.0, size_bytes=250_000_000, duration_seconds=7300.0,
        changed={"model.name": "bc_resnet", "training.batch_size": 32}, archived=False, starred=True),
    Row("20260102-000000-0002", "completed", label="plain", model="tc_resnet", val_loss=0.3, f1=0.95, fpr=0.02,
        note="from the night", started=1764763200.0, size_bytes=90, duration_seconds=60.0),
    Row("20260101-000000-0001", "completed", label="old", model="tc_resnet", archived=True),
    Row("20251231-000000-0000", "damaged", label="20251231-000000-0000", problem="request.json is missing"),
]  # fmt: skip

FOUND = {
    "": "320",
    "model.name=bc_resnet val_loss<0.2 tag:night state:failed -archived": "3",
    "model.name=tc_resnet": "2",
    "night": "32",
    "-night": "0",
    "archived": "1",
    "archived=true state=completed": "1",
    "archived:no completed": "",
    "-starred": "20",
    "training.batch_size=32": "3",
    "batch_size>=64": "2",
    "batch_size!=32": "20",
    'tag:"two words"': "3",
    '"two words"': "3",
    '"val_loss<0.2"': "",
    "fpr<1%": "3",
    "size>200MB": "3",
    "duration>2h": "3",
    "duration<=1min": "2",
    "val_loss=none": "0",
    "-val_loss=none": "32",
    "started>=2026-01": "3",
    "started=2025": "2",
    "started<2026": "2",
    "STATE:Completed": "2",
    "label:NIGHT": "3",
    "label=night": "",
    "id:20260102": "2",
    "problem:missing": "0",
    "optimizer.schedule!=x training.exact=true": "32",
}


@pytest.mark.parametrize("query", FOUND)
def test_a_query_finds(query):
    found = "".join(row.run[-1] for row in search.find(ROWS, query))
    assert found == FOUND[query]


WRONG = {
    "vall_loss<0.2": "did you mean val_loss?",
    "modelname=x": "did you mean model.name?",
    "state:faild": "did you mean failed?",
    "val_loss<low": "not 'low'",
    "val_loss<": "has no value",
    "size>3parsecs": "units: b, kb",
    "label<b": "write label:b",
    "started>yesterday": "such as 2026-01-31",
    "archived=maybe": "true or false",
    "http://x": '"http://x"',
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_query_is_one_sentence(query):
    with pytest.raises(ValueError) as error:
        search.parse(query)
    assert WRONG[query] in str(error.value) and "\n" not in str(error.value)


def test_sorting_puts_the_best_first_and_the_unknown_last():
    def order(name, reverse=False):
        return "".join(row.run[-1] for row in run_rows.sorted_by(ROWS, name, reverse))

    assert order("val_loss") == "3210" and order("f1") == "2310" and order("f1", True) == "3210"
    assert order("id") == "3210" and order("label") == "0312" and order("size") == "3210"
    assert order("batch_size") == "3210"
    with pytest.raises(ValueError, match="did you mean accuracy"):
        order("acuracy")
