"""The stages of a reproduction: order, folders, resuming, failures."""

import dataclasses
import json
import sys

import pytest

from skelbridge.reproduction import mini
from skelbridge.reproduction.plan import PRESETS, VARIANTS, MiniPlan, Stage, read_plan
from skeleton_defs import UserError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_what_the_numbers_need(name):
    plan = PRESETS[name]
    assert plan.test >= 160
    config = plan.config("store", plan.seeds[0])
    composition = config.data.composition()
    assert composition.n_3d == 32 and len(composition.three_d) == 4
    assert len(config.data.formats) == 4
    if name == "full":
        assert len(plan.seeds) == 2
        assert plan.steps * (composition.n_3d + composition.n_2d) >= 350_000


def test_every_stage_comes_after_what_it_needs():
    plan = dataclasses.replace(PRESETS["full"], variants=VARIANTS, batch_norm_table=True)
    stages = plan.stages()
    assert len(stages) == len(set(stages)) == 1 + 2 + 2 * len(VARIANTS) + 3
    for i, stage in enumerate(stages):
        assert stage.needs is None or stage.needs in stages[:i]


def test_the_plan_of_a_folder_is_kept(tmp_path):
    out = tmp_path / "out"
    plan = PRESETS["quick"]
    plan.keep(out)
    plan.keep(out)
    assert read_plan(out) == plan
    with pytest.raises(UserError, match="with other options"):
        dataclasses.replace(plan, seeds=(2,)).keep(out)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="expected an empty folder"):
        PRESETS["quick"].keep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seeds": 1, "variants": 2}', '{"seeds": ["a'])
def test_a_damaged_plan_is_told(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match="the plan of a reproduction"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"batch_norm": "group"}, {"variants": ("best",)}, {"seeds": ()}, {"seeds": (1, 1)}]
)
def test_wrong_plans_are_refused(changes):
    with pytest.raises(UserError):
        dataclasses.replace(PRESETS["quick"], **changes)


class Scripts:
    """Stands for the processes of stages: each writes its name into a list, and its result."""

    def __init__(self, out, monkeypatch, failing=()):
        self.out, self.failing = out, failing
        self.begun = out / "begun.txt"
        monkeypatch.setattr(mini, "_started", self.start)

    def start(self, out, stage):
        stage.folder(out).mkdir(parents=True, exist_ok=True)
        lines = [
            f"open({str(self.begun)!r}, 'a').write({str(stage)!r} + '\\n')",
            f"open({str(stage.result(out))!r}, 'w')" if stage.name not in self.failing else "1",
        ]
        if stage.name in self.failing:
            mini._log(out, stage).write_text("step 1\nError: the disk is full\n")
        return mini.subprocess.Popen([sys.executable, "-c", "\n".join(lines)])

    def order(self):
        return self.begun.read_text().splitlines() if self.begun.exists() else []


def run(out, plan, jobs=2):
    mini._run_stages(out, plan.stages(), jobs, mini._Times(out), lambda _line: None)


SMALL = MiniPlan("quick", 8, 4, 96, 10, 5, (1, 2), ("control", "output"))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_all_stages_run_once_each_after_its_need(tmp_path, monkeypatch, jobs):
    scripts = Scripts(tmp_path, monkeypatch)
    run(tmp_path, SMALL, jobs)
    order = scripts.order()
    assert sorted(order) == sorted(str(stage) for stage in SMALL.stages())
    for stage in SMALL.stages():
        if stage.needs:
            assert order.index(str(stage.needs)) < order.index(str(stage))
    assert json.loads((tmp_path / "times.json").read_text()).keys() == set(order)
    run(tmp_path, SMALL)
    assert scripts.order() == order  # Nothing is run again.


def test_a_failed_stage_is_told_with_its_last_words_and_can_go_on(tmp_path, monkeypatch):
    scripts = Scripts(tmp_path, monkeypatch, failing=("output",))
    with pytest.raises(UserError, match="'seed 1, output' failed: the disk is full .log: .*output"):
        run(tmp_path, SMALL, jobs=1)
    done = scripts.order()
    Scripts(tmp_path, monkeypatch)
    run(tmp_path, SMALL)
    again = scripts.order()[len(done) :]
    assert "truth" not in again and "seed 1, separate" not in again
    assert all(stage.result(tmp_path).exists() for stage in SMALL.stages())


def test_batch_norm_stages_wait_for_the_training_that_one_of_them_shares():
    plan = dataclasses.replace(SMALL, batch_norm_table=True)
    stages = [stage for stage in plan.stages() if stage.name.startswith("batch_norm_")]
    assert len(stages) == 3
    assert all(stage.needs == Stage("separate", plan.seeds[0]) for stage in stages)


def test_stage_names():
    assert str(Stage("truth", 0)) == "truth"
    assert str(Stage("control", 3)) == "seed 3, control"
    assert Stage("control", 3).needs == Stage("separate", 3)
