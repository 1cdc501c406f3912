"""The settings of the openai_compatible backend: what is wrong is said before anything is sent."""

import sys

import pytest

from services.adapters.llm.openai_compatible import create
from services.core.errors import ModelUnusable
from services.settings import ModelSettings


def settings(**changes):
    return ModelSettings(**{"openai_model": "some-model", "openai_base_url": "http://localhost:1/v1", **changes})


def key_of(model):
    return model._endpoint.headers().get("Authorization")


def test_the_revision_is_the_server_and_the_model_and_no_secret():
    model = create(settings(openai_api_key="secret"))
    assert model.name == "some-model"
    assert model.revision == "http://localhost:1/v1/chat/completions some-model"
    assert "secret" not in repr(settings(openai_api_key="secret"))


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"openai_model": ""}, "KOT_OPENAI_MODEL"),
        ({"openai_base_url": "localhost:8000"}, "KOT_OPENAI_BASE_URL"),
        ({"openai_base_url": "ftp://localhost"}, "KOT_OPENAI_BASE_URL"),
        ({"openai_base_url": "http://[::1/v1"}, "KOT_OPENAI_BASE_URL"),
        ({"openai_base_url": "http://localhost:99999/v1"}, "KOT_OPENAI_BASE_URL"),
        ({"openai_base_url": "http://me:secret@localhost/v1"}, "KOT_OPENAI_API_KEY"),
        ({"openai_base_url": "http://localhost/v1?key=secret"}, "KOT_OPENAI_API_KEY"),
        ({"openai_api_key": "secret\r\nHost: evil"}, "KOT_OPENAI_API_KEY"),
        ({"openai_api_key_file": "/there/is/none"}, "KOT_OPENAI_API_KEY_FILE"),
    ],
)
def test_a_wrong_setting_is_named(changes, advice):
    with pytest.raises(ModelUnusable, match=advice) as failure:
        create(settings(**changes))
    assert "secret" not in str(failure.value)


def test_the_key_comes_from_the_file_if_there_is_one(tmp_path):
    file = tmp_path / "key"
    file.write_text("from the file\n")
    assert key_of(create(settings(openai_api_key="from the environment"))) == "Bearer from the environment"
    assert key_of(create(settings(openai_api_key="no", openai_api_key_file=file))) == "Bearer from the file"
    assert key_of(create(settings())) is None
    file.write_text("\n")
    with pytest.raises(ModelUnusable, match="is empty"):
        create(settings(openai_api_key_file=file))


def test_without_its_packages_it_says_which_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "services.adapters.llm.openai_compatible.model", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ModelUnusable, match=r"kube-of-thoughts\[openai\]"):
        create(settings())
