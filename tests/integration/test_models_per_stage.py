"""A model per stage: what proposes and what judges may be two different models."""

import json

import pytest
from fleet import details, fleet, refusal, solve

from services.adapters.llm import create_model
from services.adapters.llm._named import NamedModels
from services.adapters.llm.scripted import ScriptedModel
from services.core.budget import Price
from services.core.errors import ModelUnusable
from services.settings import ModelSettings
from services.tasks.game24 import script


class _Recorder(ScriptedModel):
    def __init__(self):
        super().__init__(script.answer)
        self.requests = []

    async def complete(self, request):
        self.requests.append(request)
        async for event in super().complete(request):
            yield event


async def test_each_stage_asks_the_model_that_the_solve_names_in_its_style_and_sampling():
    large, small = _Recorder(), _Recorder()
    async with fleet(NamedModels(ScriptedModel(script.answer), {"large": large, "small": small})) as target:
        run = await solve(
            target, "4 5 6 10",
            propose={"model": "large", "prompt_style": "PROMPT_STYLE_FEW_SHOT", "sampling": {"temperature": 0.5}},
            value={"model": "small", "sampling": {"top_k": 5}},
            sampling={"top_p": 0.9},
        )  # fmt: skip
    assert run.status == "SOLVED"
    assert large.requests
    assert small.requests
    for request in large.requests:
        assert "Possible next steps" in request.prompt or "Steps:" in request.prompt
        assert (request.sampling.temperature, request.sampling.top_p) == (0.5, 0.9)
    for request in small.requests:
        assert request.prompt.endswith("Value:")
        assert (request.sampling.top_k, request.sampling.top_p, request.sampling.max_tokens) == (5, 1.0, 1)


async def test_the_settings_say_which_models_where_the_solve_does_not():
    large, small, default = _Recorder(), _Recorder(), _Recorder()
    async with fleet(
        NamedModels(default, {"big": large, "small": small}), prices={"big": Price(completion=1e6), "small": Price()}
    ) as target:
        run = await solve(target, "4 5 6 10")
    assert run.status == "SOLVED"
    assert large.requests
    assert small.requests
    assert not default.requests
    assert run.result.usage.dollars > 0


@pytest.mark.parametrize("stage", ["propose", "value"])
async def test_a_model_that_there_is_not_ends_the_solve_at_once_and_the_others_are_named(stage):
    async with fleet(NamedModels(ScriptedModel(script.answer), {"small": _Recorder()})) as target:
        error = await refusal(target, **{stage: {"model": "huge"}})
    _, info, _ = details(error)
    assert info.reason == "MODEL_UNUSABLE"
    assert "'huge'" in error.details()
    assert "small" in error.details()


async def test_further_models_have_the_settings_of_the_default_one_but_for_what_they_name():
    further = {"other": {"model": "scripted"}}
    model = create_model(ModelSettings(model="scripted", models=further))
    assert isinstance(model, NamedModels)
    await model.close()


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ({"small": {"modl": "embedded"}}, ["small", "modl"]),
        ({"small": {"model": "chatty"}}, ["chatty"]),
        ({"small": {"model_parallel": -1}}, ["small", "model_parallel"]),
        ({"small": {"model": "embedded", "model_path": "/no/such.gguf"}}, ["/no/such.gguf"]),
    ],
)
def test_a_wrong_model_is_named_at_the_start(models, says):
    with pytest.raises(ModelUnusable) as failure:
        create_model(ModelSettings(model="scripted", models=models))
    assert all(word in str(failure.value) for word in says)


def test_further_models_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("KOT_MODELS", json.dumps({"small": {"model": "scripted"}}))
    assert ModelSettings().models == {"small": {"model": "scripted"}}
