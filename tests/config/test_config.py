"""Options, their rules and configuration files."""

import os
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pages.ui.configuration import draft
from tests.preset_files import preset_text
from trainer.config import config_file, saved_configs
from trainer.config.config_file import ConfigError
from trainer.config.option_list import Option, options
from trainer.config.schema import Config
from trainer.system.workspace import PROJECT_ROOT, Workspace


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config_file.parse(text.encode())
    return [str(problem) for problem in caught.value.problems]


def test_every_option_says_what_it_is():
    for option in options():
        assert option.label and option.help.endswith("."), option.key
        assert option.choices or option.kind in (bool, str) or option.low is not None is not option.high, option.key
        assert not option.choices or option.default in option.choices


def test_a_dumped_configuration_reads_back_the_same():
    changed = config_file.parse(b"training: {epochs: 7}\nmodel: {name: bc_resnet, width: 2}\n")
    assert config_file.parse(config_file.dump(changed)) == changed != Config()


@pytest.mark.parametrize("name", config_file.presets())
def test_presets_are_valid_and_hold_only_differences(name: str):
    path = config_file.PRESETS / f"{name}.yaml"
    config_file.load(path)
    defaults = Config().model_dump()
    for group, values in (yaml.safe_load(path.read_text()) or {}).items():
        for option, value in values.items():
            assert defaults[group][option] != value, f"{name}: {group}.{option} is the default"


def test_presets_are_explained_by_the_declarations():
    assert config_file.presets()[:2] == ["recommended", "quick"]
    for name in config_file.presets():
        written = (config_file.PRESETS / f"{name}.yaml").read_bytes()
        assert written == preset_text(name), "run: python -m tests.preset_files"
        assert config_file.situation(name).endswith(".")


def test_what_a_file_does_not_say_is_as_in_the_preset_it_names():
    config = config_file.parse(b"preset: quick\ntraining: {epochs: 3}")
    assert config.training.epochs == 3 and config.training.patience == 0 and config.model.width == 1.5
    assert config.preset == "quick" == config_file.load(config_file.PRESETS / "quick.yaml").preset
    assert config_file.parse(b"preset: quick\ntraining: {}") == config_file.preset("quick"), (
        "an empty group says nothing"
    )
    assert b"\n\n" not in config_file.dump(config)


def test_a_file_that_gives_every_option_may_name_a_preset_that_is_gone():
    text = config_file.dump(Config()) + b"preset: gone\n"
    assert config_file.parse(text).preset == "gone"


def test_help_tells_what_happens_when_an_option_goes_up_or_down():
    for option in options():
        if option.kind in (int, float):
            assert re.search(r"[Hh]igher|[Ll]ower", option.help), option.key
        assert len(option.help) < 320 + 25 * len(option.choices), option.key  # each choice has a clause


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training: {epoch: 5}", "training.epoch: there is no such option; did you mean epochs?"),
        ("epochs: 5", "epochs: there is no such option; did you mean training.epochs?"),
        ("trainig: {}", "trainig: there is no such option; did you mean training?"),
        ("training: {epochs: 0}", "training.epochs: must be at least 1; 0 given."),
        ("training: {epochs: 99999}", "training.epochs: must be at most 10000; 99999 given."),
        ("training: {epochs: 2.5}", "training.epochs: must be a whole number; 2.5 given."),
        ("training: {epochs: true}", "training.epochs: must be a whole number; True given."),
        ("training: {epochs: many}", "training.epochs: must be a whole number; 'many' given."),
        ("optimizer: {learning_rate: fast}", "optimizer.learning_rate: must be a number; 'fast' given."),
        ("optimizer: {learning_rate: .nan}", "optimizer.learning_rate: must be a number; nan given."),
        ("optimizer: {learning_rate: 0}", "optimizer.learning_rate: must be above 0.0; 0 given."),
        ("training: {device: gpu}", "training.device: must be 'auto', 'cpu' or 'cuda'; 'gpu' given."),
        ("training: 5", "training: must contain options as `name: value`; 5 given."),
        ("training: {epochs: 010}", "training.epochs: must be a whole number; '010' given."),
        ("training: {epochs: 12:30}", "training.epochs: must be a whole number; '12:30' given."),
        ("training: {epochs: 0x10}", "training.epochs: must be a whole number; '0x10' given."),
        ("training: {epochs: no}", "training.epochs: must be a whole number; 'no' given."),
        ("training: {epochs: 1_000}", "training.epochs: must be a whole number; '1_000' given."),
        ("training: {epochs: 1" + "0" * 400 + "}", "line 1: a number of 401 digits is too long"),
        ("training: {epochs: 1" + "0" * 200 + "}", "training.epochs: must be at most 10000;"),
        ("model: {width: 1" + "0" * 299 + "}", "model.width: must be at most 8"),
        ("training: {batch_size: 1000000000}", "training.batch_size: must be at most 8192"),
        (
            "training: {start_from: ../../etc}",
            "training.start_from: must be the id of a run (with /epoch-00012 for one",
        ),
        ("preset: recomended", "preset: there is no preset 'recomended'; did you mean recommended?"),
        ("preset: 5", "preset: must be text; 5 given."),
        ("'': 5", "'': there is no such option"),
        ("5: 5", "5: there is no such option"),
        ("? [a]\n: 1", "line 1: a name must be plain text"),
        ("!!int x", "line 1: tags ('tag:yaml.org,2002:int') are not supported"),
        ("a: 1\n--- \nb: 2", "line 2: a second document begins; keep one."),
        ("\ta: 1", "line 1, column 1: found character"),
        ("- a\n- b", "must contain options as `name: value`; ['a', 'b'] given."),
        ("training: {epochs: 5, epochs: 6}", "line 1: 'epochs' is given twice; keep one."),
        ("a: &x {}\nb: *x", "line 2: aliases (*name) are not supported; write the value out."),
        ("training: [1", "line 1, column 13: expected ',' or ']', but got '<stream end>'."),
        ("x: " + "[" * 5000, "line 1: nested more than 20 deep; a configuration has two levels."),
        ("x: !!python/object/apply:os.system ['true']", "line 1: tags ('tag:yaml.org"),
    ],
)
def test_a_bad_document_gets_one_sentence(text: str, told: str):
    assert problems_of(text)[0].startswith(told)


def test_all_problems_are_told_at_once():
    found = problems_of("training: {epochs: 0, batch_size: 1}\nmodel: {width: 100}\nnoise: 1")
    assert len(found) == 4


def test_rules_between_options_name_the_option():
    found = problems_of("augmentation: {snr_low_db: 20, snr_high_db: 5}\nfeatures: {hop_ms: 32}")
    assert [line.split(":")[0] for line in found] == ["augmentation.snr_low_db", "features.hop_ms"]


def test_rules_between_options_are_told_beside_options_that_are_wrong_themselves():
    text = "augmentation: {snr_low_db: 30}\nfeatures: {mel_bands: 5, low_hz: many}\nmodel: 5"
    found = [line.split(":")[0] for line in problems_of(text)]
    assert sorted(found) == ["augmentation.snr_low_db", "features.low_hz", "features.mel_bands", "model"]
    assert [line.split(":")[0] for line in problems_of("training: 5\noptimizer: {warmup_epochs: 90}")] == ["training"]


def test_an_exponent_without_a_dot_is_a_number():
    assert config_file.parse(b"optimizer: {learning_rate: 1e-3}").optimizer.learning_rate == 0.001


def test_too_large_and_binary_files_are_refused():
    assert "at most 1,000,000" in problems_of("#" * 1_000_001)[0]
    with pytest.raises(ConfigError, match="not a text file"):
        config_file.parse(b"\xff\xfe\x00")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
junk = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=4), scalars, max_size=2)
MANY = int(os.environ.get("CONFIG_DOCUMENTS", "1000"))


def fitting(option: Option) -> st.SearchStrategy:
    """Values within the declared limits of one option."""
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind is str:
        return st.sampled_from(["", "latest", "20260101-120000-ab12"])
    if option.kind is bool:
        return st.booleans()
    if option.kind is int:
        return st.integers(int(option.low), int(option.high))
    return st.floats(option.low, option.high, exclude_min=option.above_low, exclude_max=option.below_high)


@st.composite
def documents(draw) -> dict:
    """A few options, most of them valid, a few not, some misspelt or misplaced."""
    document: dict = {}
    for option in draw(st.lists(st.sampled_from(options()), max_size=6)):
        held = document.setdefault(option.group, {})
        name = draw(st.sampled_from([option.name] * 9 + [option.name[:-1], "x"]))
        held[name] = draw(fitting(option) if draw(st.integers(0, 9)) else junk)
    if not draw(st.integers(0, 19)):
        document[draw(st.sampled_from(["epochs", "preset", "", "data"]))] = draw(junk)
    return document


@settings(max_examples=MANY, suppress_health_check=list(HealthCheck))
@given(documents())
def test_any_document_is_a_configuration_or_problems_of_fields(document: dict):
    """And a configuration is the same after it went through a file, the form's draft and a file again."""
    try:
        config = config_file.parse(yaml.safe_dump(document, allow_unicode=True).encode())
    except ConfigError as error:
        assert error.problems and all(problem.message for problem in error.problems)
        assert all(problem.option for problem in error.problems), "each names the option"
        return
    text = config_file.dump(config)
    edited = draft.of_config(config_file.parse(text), draft.Source("file", "x"))
    assert config_file.dump(config_file.build(draft.document(edited))) == text


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{},&*!|>'\"%@`#\n \t0189.", max_size=60).map(str.encode))
def test_any_bytes_are_a_configuration_or_problems(data: bytes):
    try:
        config_file.parse(data)
    except ConfigError as error:
        assert str(error)


def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_it(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)  # a hole: reading all of it would need a terabyte of memory
    with pytest.raises(ConfigError, match="too large"):
        config_file.load(path)


def test_a_preset_is_known_by_its_path_from_here_too(monkeypatch):
    monkeypatch.chdir(PROJECT_ROOT)
    found = config_file.load(config_file.find(Workspace(PROJECT_ROOT), "configs/presets/quick.yaml"))
    assert found.preset == "quick"


def test_a_text_too_long_for_a_file_name_names_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration"):
        config_file.find(Workspace(tmp_path), "n" * 5000)


def test_saving_under_a_name_and_finding_it(tmp_path):
    workspace = Workspace(tmp_path)
    saved_configs.save(workspace, "mine", Config())
    assert saved_configs.names(workspace) == ["mine"]
    assert config_file.find(workspace, "mine") == tmp_path / "configs" / "mine.yaml"
    assert config_file.find(workspace, "quick").parent == config_file.PRESETS


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "", ".hidden", "x\0y", "n" * 65, "a\n", "dot."])
def test_a_name_is_never_a_path(tmp_path, name: str):
    with pytest.raises(ConfigError, match="is not a valid name"):
        saved_configs.save(Workspace(tmp_path), name, Config())
    assert not list(tmp_path.iterdir())


def test_files_of_earlier_versions_are_read_unless_they_name_what_was_removed():
    old = {"name": "cross_entropy", "focal_gamma": 2.0, "tail_share": 0.1, "tail_weight": 1.0, "label_smoothing": 0.1}
    assert config_file.build({"loss": old}) == config_file.build({"loss": {"label_smoothing": 0.1}})
    with pytest.raises(ConfigError, match=r"^loss.name: 'focal' is no longer available, only cross_entropy; remove"):
        config_file.build({"loss": old | {"name": "focal"}})
    with pytest.raises(ConfigError, match=r"^model.name: must be 'tc_resnet', .* or 'mixednet'; 'mdtc' given"):
        config_file.build({"model": {"name": "mdtc"}})
