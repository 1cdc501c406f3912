"""Settings of strategies: they describe themselves and refuse what is out of range."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InvalidInput, Reason
from services.core.search import SettingDescription, describe_settings, parse_settings, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    width: int = setting(5, "How wide.", minimum=1, maximum=10)
    share: float = setting(0.5, "How much.", minimum=0, maximum=1)
    greedy: bool = setting(False, "Whether.")
    more: float = setting(1.0, "At least that.", minimum=1)
    less: int = setting(1, "At most that.", maximum=1)
    any: float = setting(0.0, "Whatever.")


def test_nothing_given_is_the_defaults():
    assert parse_settings(Settings, {}) == Settings()


def test_a_description_has_all_that_a_list_shows():
    width, share, greedy, *_ = describe_settings(Settings)
    assert width == SettingDescription("width", "int", 5, 1, 10, "How wide.")
    assert share == SettingDescription("share", "float", 0.5, 0, 1, "How much.")
    assert greedy == SettingDescription("greedy", "bool", False, None, None, "Whether.")


@given(st.integers(1, 10), st.floats(0, 1), st.booleans())
def test_what_is_in_range_is_taken(width, share, greedy):
    given_settings = {"width": width, "share": share, "greedy": greedy}
    assert parse_settings(Settings, given_settings) == Settings(width=width, share=share, greedy=greedy)


@given(st.integers(1, 10))
def test_a_whole_number_may_come_as_a_float(width):
    parsed = parse_settings(Settings, {"width": float(width), "share": 1})
    assert (parsed.width, parsed.share) == (width, 1.0)
    assert (type(parsed.width), type(parsed.share)) == (int, float)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("width", 0, "at least 1, not 0"),
        ("width", 11, "at most 10, not 11"),
        ("width", 2.5, "whole number, not 2.5"),
        ("width", float("nan"), "whole number, not nan"),
        ("width", float("inf"), "whole number, not inf"),
        ("width", 10**400, "at most 10"),
        ("width", True, "number, not True"),
        ("width", "5", "number, not '5'"),
        ("width", None, "number, not None"),
        ("width", [5], "number"),
        ("share", -0.1, "at least 0, not -0.1"),
        ("share", 1.1, "at most 1, not 1.1"),
        ("share", float("nan"), "not nan"),
        ("greedy", 1, "true or false, not 1"),
        ("greedy", "true", "true or false, not 'true'"),
        ("more", 0.5, "at least 1, not 0.5"),
        ("more", float("inf"), "finite"),
        ("less", 2, "at most 1, not 2"),
        ("any", float("nan"), "finite"),
        ("any", 10**400, "finite"),
        ("depht", 4, "no such setting; there are width, share, greedy"),
    ],
)
def test_what_is_wrong_is_refused_by_name(name, value, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_settings(Settings, {name: value})
    assert caught.value.field == f"settings.{name}"
    assert caught.value.reason is Reason.INVALID_SETTING


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from([*Settings.__dataclass_fields__, "other"]), values))
def test_whatever_is_given_is_taken_or_refused(given_settings):
    try:
        parsed = parse_settings(Settings, given_settings)
    except InvalidInput:
        return
    for name, value in given_settings.items():
        kept = getattr(parsed, name)
        assert kept == type(kept)(value)  # a float keeps 53 bits of a whole number
