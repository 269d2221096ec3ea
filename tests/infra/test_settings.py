import json
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SETTINGS_FILE, SettingsError, load_secrets, load_settings


def edited(tmp_path: Path, *path: str, value: Any) -> Path:
    """A copy of the real settings with one value changed."""
    document = json.loads(SETTINGS_FILE.read_text())
    block = document
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    copy = tmp_path / "deployment_settings.json"
    copy.write_text(json.dumps(document))
    return copy


@pytest.mark.parametrize("environment", ["production", "staging", "development", "local"])
def test_every_environment_loads(environment: str):
    settings = load_settings(environment)
    assert settings.environment == environment
    assert set(settings.engine.gpu) <= settings.prices.gpu_usd_per_hour.keys(), "a GPU without a price"


def test_an_environments_value_wins_over_the_shared_one():
    assert load_settings("local").generation.max_tokens != load_settings("production").generation.max_tokens
    assert load_settings("local").generation.temperature == load_settings("production").generation.temperature


def test_an_unknown_environment_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"'prod' is not in .* development, local, production, staging"):
        load_settings("prod")


def test_the_environment_variable_chooses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIFT_SYS_ENV", "staging")
    assert load_settings().engine.gpu[0] == "L40S"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("engine", "gpus"), ["H100"]),
        (("engine", "max_model_len"), "32768"),
        (("engine", "gpu_memory_utilization"), 1.5),
        (("scaling", "scaledown_window_s"), 1),
        (("engine", "device"), "tpu"),
    ],
)
def test_a_bad_or_unknown_setting_is_refused_with_its_json_path(tmp_path: Path, path: tuple[str, str], value: Any):
    file = edited(tmp_path, "environments", "production", *path, value=value)
    with pytest.raises(SettingsError, match=f"/environments/production/{'/'.join(path)}: "):
        load_settings("production", file=file)


def test_settings_that_are_no_json_say_which_file(tmp_path: Path):
    file = tmp_path / "deployment_settings.json"
    file.write_text("{")
    with pytest.raises(SettingsError, match=r"deployment_settings\.json: Expecting"):
        load_settings("local", file=file)


def test_secrets_name_what_is_missing_and_never_show_a_value(monkeypatch: pytest.MonkeyPatch):
    load_secrets.cache_clear()
    monkeypatch.setenv("SUPABASE_URL", "hunter2 is not a URL")
    monkeypatch.delenv("SUPABASE_ANON_KEY", raising=False)
    with pytest.raises(SettingsError) as refusal:
        load_secrets()
    assert "SUPABASE_ANON_KEY" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_secret_is_not_shown_by_its_repr(monkeypatch: pytest.MonkeyPatch):
    load_secrets.cache_clear()
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:54321")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "hunter2")
    assert "hunter2" not in repr(load_secrets())
    load_secrets.cache_clear()
