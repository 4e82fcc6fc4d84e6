"""Drives the terminal UI 0.131, of the time before paginated threads.

Its model list must not name an effort it does not know, so the server's home gets a catalog of one plain model.
"""

import json
import sys

from approvals import Approvals
from bench import Bench
from tui import Tui

CATALOG = {
    "models": [
        {
            "slug": "mock-model",
            "display_name": "Mock model",
            "description": "Follows the script in the prompt.",
            "default_reasoning_level": "medium",
            "supported_reasoning_levels": [{"effort": "medium", "description": "The only one."}],
            "base_instructions": "Follow the script in the prompt.",
            "shell_type": "unified_exec",
            "truncation_policy": {"mode": "tokens", "limit": 10000},
            "context_window": 200000,
            "experimental_supported_tools": [],
            "support_verbosity": False,
            "supported_in_api": True,
            "visibility": "list",
            "priority": 1,
        }
    ]
}

CLIENT_CONFIG = """\
model = "mock-model"
model_provider = "elsewhere"
model_providers.elsewhere = { name = "elsewhere", base_url = "http://127.0.0.1:9/v1", wire_api = "responses" }
"""
"""This UI asks for a login unless its own config names a provider that needs none; it never calls that one."""


def add_catalog(bench):
    """Points the server's config at the catalog; the setting must stand before the first table."""
    path = bench.home / "catalog.json"
    path.write_text(json.dumps(CATALOG))
    config = bench.home / "config.toml"
    config.write_text(f"model_catalog_json = {json.dumps(str(path))}\n" + config.read_text())


def main():
    with Bench("tui131") as bench:
        add_catalog(bench)
        tui = Tui(bench, "tui131", lambda: bench.serve_ws("tui-0.131-ws"), r"^› ", CLIENT_CONFIG)
        bench.play(
            [
                ("starts a new thread over ws://", tui.start),
                ("runs a command and streams the answer", tui.turn_with_command),
                ("Ctrl-C interrupts a running turn", lambda: tui.interrupt("\x03", "Ctrl-C")),
                ("takes the next prompt after an interrupt", tui.turn_after_interrupt),
                ("leaves and names the thread", tui.quit),
                ("codex resume ID shows the history", tui.resume_shows_history),
            ],
            tui.screen,
        )
        tui.close()
        serve = lambda: bench.serve_ws("tui-0.131-approvals")
        tui = Tui(bench, "tui131", serve, r"^› ", CLIENT_CONFIG, policies="")
        bench.play(Approvals(tui).steps(), tui.screen)
    return bench.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
