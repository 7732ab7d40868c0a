"""The popover of the Training page that asks to be told when a run ends."""

import pytest

from tests.pages.tools import draw, field, press, texts
from tests.run.test_tell import Listener, listener  # noqa: F401 (a fixture)
from trainer.run import notifications
from trainer.run.notifications import Notifications


def stands(app) -> list[str]:
    """What the popover says; the page has warnings of its own."""
    return [text for text in texts(app) if "No configuration" not in text and "splits" not in text]


def test_a_webhook_is_saved_and_the_command_stays(empty):
    notifications.write(empty, Notifications(command=("/bin/echo", "it's over")))
    app = draw("Training")
    assert "/bin/echo 'it'\"'\"'s over'" in [code.value for code in app.code]
    field(app, "text_input", "Webhook").set_value(" https://example.org/hook ")
    field(app, "button_group", "When a run is").set_value(["failed", "stopped"])
    press(app, "Save")
    assert [text for text in stands(app) if text.startswith("Saved")]
    wanted = notifications.read(empty)
    assert wanted == Notifications(
        webhook="https://example.org/hook", command=("/bin/echo", "it's over"), ends=("stopped", "failed")
    )
    assert field(draw("Training"), "text_input", "Webhook").value == "https://example.org/hook"


@pytest.mark.parametrize(("url", "told"), [("file:///x", "must be an address"), ("ftp://*x*", "ftp")])
@pytest.mark.parametrize("button", ["Save", "Send a test"])
def test_a_bad_address_is_a_sentence_and_is_not_kept(empty, url, told, button):
    app = draw("Training")
    field(app, "text_input", "Webhook").set_value(url)
    press(app, button)
    assert told in app.error[0].value and "*x*" not in app.error[0].value.replace("\\*", "")
    assert not notifications.file_of(empty).exists()


def test_a_test_goes_to_what_the_form_says(empty, listener: Listener):  # noqa: F811
    app = draw("Training")
    press(app, "Send a test")
    assert "No notification is set" in app.error[0].value
    field(app, "text_input", "Webhook").set_value(listener.url)
    press(app, "Send a test")
    assert [document["state"] for _, _, document in listener.heard] == ["test"]
    assert "Notified the webhook at 127.0.0.1." in stands(app)
    assert not notifications.file_of(empty).exists(), "a test saves nothing"


def test_a_damaged_file_is_a_sentence(empty):
    notifications.write(empty, Notifications())
    notifications.file_of(empty).write_text("[]")
    assert "tell --off" in draw("Training").error[0].value
