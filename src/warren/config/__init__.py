"""The generic core of configuration: rows of fields, parsers, and reading and writing of TOML and JSON.

A settings dataclass declares one row per key (`fields.py`). Reading, `warren config show` and
`docs/reference/configuration.md` all come from these rows. This package knows no table: each slice declares its own
settings beside the code that uses them, and `warren.agent.config` assembles the tables of the agent.
"""
