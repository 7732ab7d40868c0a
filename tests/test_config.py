"""Options, their rules and configuration files."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainer import config_file
from trainer.config import Config
from trainer.config_file import ConfigError
from trainer.options import options
from trainer.workspace import Workspace


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


def test_there_are_the_two_presets_everybody_starts_from():
    assert config_file.presets()[0] == "recommended"
    assert "quick" in config_file.presets()


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
        ("model: {name: vgg}", "model.name: must be 'tc_resnet', 'bc_resnet' or 'resnet18'; 'vgg' given."),
        ("training: 5", "training: must hold options as `name: value`; 5 given."),
        ("- a\n- b", "must hold options as `name: value`; ['a', 'b'] given."),
        ("training: {epochs: 5, epochs: 6}", "line 1: 'epochs' is given twice; keep one."),
        ("a: &x {}\nb: *x", "line 2: aliases (*name) are not taken; write the value out."),
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


def test_an_exponent_without_a_dot_is_a_number():
    assert config_file.parse(b"optimizer: {learning_rate: 1e-3}").optimizer.learning_rate == 0.001


def test_too_large_and_binary_files_are_refused():
    assert "at most 1,000,000" in problems_of("#" * 1_000_001)[0]
    with pytest.raises(ConfigError, match="not a text file"):
        config_file.parse(b"\xff\xfe\x00")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from([*Config.model_fields, "epochs", "name", "width", "x"])


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3) | values, max_size=4))
def test_any_document_is_a_configuration_or_problems(document: dict):
    try:
        assert isinstance(config_file.build(document), Config)
    except ConfigError as error:
        assert error.problems and all(problem.message for problem in error.problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_problems(data: bytes):
    try:
        config_file.parse(data)
    except ConfigError as error:
        assert str(error)


def test_saving_under_a_name_and_finding_it(tmp_path):
    workspace = Workspace(tmp_path)
    config_file.save(workspace, "mine", Config())
    assert config_file.saved(workspace) == ["mine"]
    assert config_file.find(workspace, "mine") == tmp_path / "configs" / "mine.yaml"
    assert config_file.find(workspace, "quick").parent == config_file.PRESETS


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "", ".hidden", "x\0y", "n" * 65, "a\n", "dot."])
def test_a_name_is_never_a_path(tmp_path, name: str):
    with pytest.raises(ConfigError, match="cannot be a name"):
        config_file.save(Workspace(tmp_path), name, Config())
    assert not list(tmp_path.iterdir())
