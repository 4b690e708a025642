"""skelbridge.training.config_file: YAML to configurations and back, and every kind of bad YAML."""

import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.data import Augmentation
from skelbridge.training.config import (
    DataConfig,
    FineTuningConfig,
    LossWeights,
    ModelConfig,
    RateConfig,
    TrainConfig,
)
from skelbridge.training.config_file import (
    as_mapping,
    config_of,
    config_text,
    merged,
    read_config,
    write_config,
)
from skelbridge.training.presets import mini
from skelbridge.training.schedules import Phases
from skeleton_defs import UserError

TEXT = "data: {formats: [smpl, h36m], three_d: {a: 8}, two_d: {c: 4}}\n"
FULL = TrainConfig(
    data=DataConfig(
        formats=("smpl", "coco_17"), three_d={"b": 3, "a": 5}, two_d={"no": 2, "1": 1},
        split="val", allow_missing=True, labels="all", crop=128, fov_2d_degrees=9.5, border_2d=0.9,
        shrinks_first=False, body_parts="prefix",
        augmentation=Augmentation(zoom=(0.5, 2), background_of={"x: y": 0.25}, colour=False),
    ),
    store="/a folder/with: colon #1", steps=123, seed=2**63 - 1,
    model=ModelConfig("small", "~", 8, 4, 1e3, "mixed_float16", "3d2d", 3),
    rates=RateConfig(1e-30, 2.5, 7.0, 0.1, 0.2, 1.0, 0.0),
    losses=LossWeights(0.1, 0.2, 0.3, 0.4), phases=Phases(1, 2, 3, 4),
    fine_tuning=FineTuningConfig("latent", "run", 7, "null"),
    threads=2, workers=3, checkpoint_every=4, keep=5, log_every=6,
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def make(text):
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


@pytest.mark.parametrize("config", [FULL, mini()], ids=["full", "mini"])
def test_round_trip(tmp_path, config):
    write_config(tmp_path / "c.yaml", config)
    again = read_config(tmp_path / "c.yaml")
    assert again == config
    assert list(again.data.three_d) == list(config.data.three_d)  # the order is that in the batch
    assert config_text(again) == config_text(config)
    assert config_of(as_mapping(config)) == config
    assert {f.name for f in tmp_path.iterdir()} == {"c.yaml"}


def test_what_is_not_stated_is_the_default(file):
    data = DataConfig(formats=("smpl_24", "h36m_17"), three_d={"a": 8}, two_d={"c": 4})
    assert read_config(file(TEXT)) == TrainConfig(data=data)


def test_defaults_and_changes(file):
    config = read_config(
        file("steps: 20000\ndata: {three_d: {x: 4}}\n"),
        changes=["data.crop=128", "rates.base = 1e-3", "data.formats=[smpl]", "store='a b'",
                 "model.output_stride=8", "rates.weight_decay=null", "data.crop=160"],
        defaults=as_mapping(mini()),
    )  # fmt: skip
    assert (config.steps, config.data.crop, config.rates.base) == (20000, 160, 1e-3)
    assert config.data.formats == ("smpl_24",) and config.store == "a b"
    assert config.model.output_stride == 8 and config.rates.weight_decay is None
    assert config.model.side_mm == mini().model.side_mm  # untouched neighbours


def test_datasets_are_replaced_as_a_whole(file):
    """Else nobody could leave out a dataset of the preset."""
    config = read_config(
        file("data: {three_d: {x: 4}}\n"),
        changes=["data.two_d={}", "data.augmentation.background_of={y: 1}"],
        defaults=as_mapping(mini()),
    )
    assert config.data.three_d == {"x": 4} and config.data.two_d == {}
    assert config.data.augmentation.background_of == {"y": 1.0}
    assert merged({"a": {"b": 1, "c": 2}, "two_d": {"k": 1}}, {"a": {"c": 3}, "two_d": {}}) == {
        "a": {"b": 1, "c": 3}, "two_d": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepss: 3", "stepss: no such key. Did you mean steps?"),
        ("data: {augmentation: {zom: [1, 1]}}", "data.augmentation.zom: no such key. Did you mean"),
        ("fine_tuning: {acea: x}", "fine_tuning.acea: no such key. Did you mean acae"),
        ("phases: {full_perspective: 1}", "phases.full_perspective: no such key"),
        ("5: 1", "5: no such key"),
        ("steps: many", "steps: Input should be a valid integer"),
        ("steps: 1.5", "steps: Input should be a valid integer"),
        ("steps: yes", "steps: expected another value than yes or no"),
        ("rates: {base: true}", "rates.base: expected another value than yes or no"),
        ("rates: {base: fast}", "rates.base: Input should be a valid number"),
        ("rates: {base: .nan}", "rates.base must be a number"),
        ("rates: 3", "rates: Input should be"),
        ("model: {depth: [1]}", "model.depth: Input should be a valid integer"),
        ("model: {batch_norm: gohst}", "model.batch_norm must be one of"),
        ("data: {three_d: [a, b]}", "data.three_d: Input should be a valid dictionary"),
        ("data: {three_d: {a: x}}", "data.three_d.a: Input should be a valid integer"),
        ("data: {three_d: {a: 0}}", "data: composition: the count of 'a'"),
        ("data: {formats: smpl}", "data.formats: Input should be a valid tuple"),
        ("data: {formats: [smlp]}", "smlp"),
        ("data: {augmentation: {zoom: [0, 1]}}", "data.augmentation: zoom must be from 0.1"),
        ("data: {augmentation: {zoom: 1}}", "data.augmentation.zoom: Input should be"),
        ("fine_tuning: {variant: output, run: x}", "fine_tuning.acae must be a file"),
        ("seed: -1", "seed must be from 0"),
        ("phases: {absolute_after: -1}", "phases.absolute_after must be 0 or more"),
        ("", "expected keys and values, found NoneType"),
        ("- a\n- b", "expected keys and values, found list"),
        ("just text", "expected keys and values, found str"),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(file, text, message):
    with pytest.raises(FileError) as caught:
        read_config(file(text), defaults=as_mapping(mini()) if text else None)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(file(text)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("steps", "a change must be written key=value"),
        ("=3", "a change must be written key=value"),
        ("steps=[1", "the value of steps: expected YAML"),
        ("steps=2024-99-99", "the value of steps: expected YAML"),
        ("steps=", "steps: Input should be a valid integer"),
        ("steps.x=1", "steps: Input should be a valid integer"),
        ("data.crp=1", "data.crp: no such key. Did you mean crop"),
        ("data..crop=1", "data.: no such key"),
        ("data=1", "data: Input should be"),
        ("store=!!python/name:os.system x", "the value of store: expected YAML"),
    ],
)
def test_wrong_changes_do_not_blame_the_file(file, change, message):
    with pytest.raises(UserError) as caught:
        read_config(file(TEXT), changes=["data.crop=64", change])
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not isinstance(caught.value, FileError)


def test_a_wrong_file_is_blamed_though_there_are_changes(file):
    with pytest.raises(FileError, match="steps"):
        read_config(file(TEXT + "steps: x"), changes=["data.crop=64"])


MERGE_BOMB = "a0: &a0 {x: 1, y: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)
LIST_BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!python/object/apply:os.system ['touch pwned']", "expected YAML"),
        ("steps: !!python/object/new:os.system ['touch pwned']", "expected YAML"),
        ("steps: !!python/name:os.system", "expected YAML"),
        (MERGE_BOMB, "expected YAML, found the alias"),
        (LIST_BOMB + "data: {formats: [*a11]}", "expected YAML, found the alias"),
        ("data: &d {three_d: *d}", "expected YAML, found the alias"),
        ("steps: 1\nsteps: 2", "expected YAML, found the key 'steps' twice"),
        ("data: {three_d: {a: 1, a: 2}}", "expected YAML, found the key 'a' twice"),
        ("[" * 20_000, "expected YAML"),
        ("{a: " * 20_000, "expected YAML"),
        ("#" + "x" * (2 << 20), "found more than 256 kB"),
        (b"\xff\xfe\x00a: 1", "expected YAML"),
        (b"store: \xe4\xff", "expected YAML"),
        (b"steps: \0", "expected YAML"),
        ("steps: 2024-99-99", "expected YAML"),
        ("steps: " + "9" * 5000, "expected YAML"),
        ("? [a]\n: 1", "expected YAML"),
        ("a: 1\n---\nb: 1", "expected YAML"),
        ("a: 'open", "expected YAML"),
        ("\ta: 1", "expected YAML"),
    ],
)
def test_malicious_yaml(file, text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as caught:
        read_config(file(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert {f.name for f in tmp_path.iterdir()} == {"config.yaml"}


def test_no_file(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            read_config(path)


def test_a_failed_writing_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="none"):
        write_config(tmp_path / "none" / "c.yaml", FULL)
    assert not list(tmp_path.iterdir())


def test_mutations(file):
    text = config_text(FULL).encode()
    for mutated in mutations(text, 150):
        path = file(mutated)
        assert_result_or_user_error(lambda path=path: read_config(path))
