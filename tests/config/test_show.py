import tomllib

from diag.config import Config, load_config, show_config


def test_defaults_are_valid_toml_that_loads_back() -> None:
    text = show_config(load_config(None, {"raft_config.single": True}, {}))
    assert Config.model_validate(tomllib.loads(text)).raft_config.single


def test_secrets_are_redacted() -> None:
    given: dict[str, object] = {
        "raft_config.single": True,
        "admin.token": "planted-1",
        "raft_config.raft_secret": "planted-2",
    }
    given["raft_config.raft_accepted_secrets"] = ("planted-3",)
    text = show_config(load_config(None, given, {}))
    assert "planted" not in text
    assert 'token = "***"' in text
    assert 'raft_secret = "***"' in text
