"""From words to arguments, and what is said about words that mean nothing."""

from __future__ import annotations

import pytest

from appliance.api.management import Option
from appliance.cli import parser, table
from appliance.cli.commands.command import Command
from appliance.cli.parser import UsageError
from appliance.errors import ExitCode


def command(words: str) -> Command:
    found = table.find(words.split())
    assert found is not None
    return found[0]


def test_two_words_before_one() -> None:
    assert command("plugin new x").words == "plugin new"
    assert command("plugins --json").words == "plugins"
    assert table.find(["plugin"]) is None


def test_every_command_is_in_the_help() -> None:
    text = parser.top_help()
    for one in table.COMMANDS:
        assert f"  {one.words} " in text
        assert one.summary in text


@pytest.mark.parametrize("one", table.COMMANDS, ids=lambda one: one.words)
def test_every_command_has_help_and_belongs_to_a_group(one: Command) -> None:
    text = parser.command_help(one)
    assert text.startswith(f"usage: appliance {one.words}")
    assert one.group in table.GROUPS
    for argument in one.arguments:
        assert (argument.flag if isinstance(argument, Option) else argument.metavar) in text


def test_a_profile_is_named_by_place_by_option_or_before_the_command() -> None:
    plan = command("plan")
    assert parser.parse(plan, ["a.yaml"]).profile == "a.yaml"
    assert parser.parse(plan, ["--config", "a.yaml"]).profile == "a.yaml"
    assert parser.parse(plan, [], "a.yaml").profile == "a.yaml"
    assert parser.parse(plan, []).profile is None


def test_two_profiles_are_one_too_many() -> None:
    with pytest.raises(UsageError, match=r"two profiles were named: a.yaml and b.yaml"):
        parser.parse(command("plan"), ["a.yaml", "--config", "b.yaml"])


def test_options_are_never_abbreviated() -> None:
    with pytest.raises(UsageError, match="appliance apply has no option --confirm"):
        parser.parse(command("apply"), ["--confirm", "60s"])


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("plan --jsn", "appliance plan has no option --jsn", "did you mean --json?"),
        ("plan --instance x", "--instance stands before the command", "appliance --instance NAME plan, or $APPLIANCE_INSTANCE"),
        ("plan --zzz=1", "appliance plan has no option --zzz", "see `appliance plan --help`"),
        ("confirm now then", "appliance confirm: 'then' is one argument too many", "see `appliance confirm --help`"),
        ("keys show", "appliance keys show: the following arguments are required: PATH", "see `appliance keys show --help`"),
        (
            "apply --confirm-within",
            "appliance apply: argument --confirm-within: expected one argument",
            "see `appliance apply --help`",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(words: str, message: str, hint: str) -> None:
    found = table.find(words.split())
    assert found is not None
    with pytest.raises(UsageError) as caught:
        parser.parse(*found)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_code is ExitCode.INVALID


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("pln", "'pln' is no command", "did you mean plan?"),
        ("stauts", "'stauts' is no command", "did you mean status?"),
        ("qqq", "'qqq' is no command", "see `appliance --help`"),
        ("keys", "'keys' is no command", "there are: appliance keys new, appliance keys show"),
        ("keys nw", "keys 'nw' is no command", "there are: appliance keys new, appliance keys show"),
    ],
)
def test_a_word_that_is_no_command(words: str, message: str, hint: str) -> None:
    error = parser.unknown_command(words.split())
    assert (error.message, error.hint) == (message, hint)


def test_commands_of_plugins_are_guessed_too() -> None:
    assert parser.unknown_command(["invnt"], ["invent"]).hint == "did you mean invent?"
