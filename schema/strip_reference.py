#!/usr/bin/env python3
"""Reduces the reference's JSON Schema export to facts.

    strip_reference.py EXPORT VERSION KIND

EXPORT is a folder that `codex app-server generate-json-schema --out EXPORT`
wrote (KIND `stable`) or the same with `--experimental` (KIND `experimental`).
Writes schema/reference/VERSION/KIND.json beside this script: minified, every
definition under `definitions`, all prose (`description`, `title`, `$schema`)
left out, and what a test needs to find the type of a message:

    methods         name -> {params, response}   null where there are no params
    serverRequests  name -> {params, response}
    notifications   name -> payload
"""

import json
import pathlib
import sys

# Where the response is not named after the params.
RESPONSES = {
    "account/gatewayOAuth/cancel": "GatewayOAuthCancelResponse",
    "account/logout": "LogoutAccountResponse",
    "account/securitySetup/read": "GetAccountSecuritySetupResponse",
    "account/workspaceMessages/read": "GetWorkspaceMessagesResponse",
    "accountSession/list": "AccountSessionsResponse",
    "config/batchWrite": "ConfigWriteResponse",
    "config/mcpServer/reload": "McpServerRefreshResponse",
    "config/value/write": "ConfigWriteResponse",
    "externalAgentConfig/import/readHistories": "ExternalAgentConfigImportHistoriesReadResponse",
}
# 0.131 had no params there.
RATE_LIMITS = ("account/rateLimits/read", "GetAccountRateLimitsResponse")


def stripped(schema):
    """The schema without prose. Members of `properties` are never prose."""
    if isinstance(schema, list):
        return [stripped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key in ("description", "title", "$schema") and isinstance(value, str):
            continue
        if key == "properties":
            out[key] = {name: stripped(member) for name, member in value.items()}
        elif key == "$ref":
            out[key] = "#/definitions/" + value.rsplit("/", 1)[-1]
        else:
            out[key] = stripped(value)
    return out


def definitions(export):
    bundle = json.loads((export / "codex_app_server_protocol.schemas.json").read_text())
    both = dict(bundle["definitions"])
    found = both.pop("v2")
    flat = json.loads((export / "codex_app_server_protocol.v2.schemas.json").read_text())
    for more in (flat["definitions"], both):
        for name, schema in more.items():
            found.setdefault(name, schema)
    return {name: stripped(found[name]) for name in sorted(found)}


def type_name(params):
    """The type of `params`: a reference, one that may be null, or nothing."""
    if params is None:
        return None
    for option in params.get("anyOf", [params]):
        if "$ref" in option:
            return option["$ref"].rsplit("/", 1)[-1]
    return None


def response_name(method, params, known):
    candidates = [RESPONSES.get(method)]
    if params:
        candidates.append(params.removesuffix("Params") + "Response")
    words = method.replace("_", "/").split("/")
    candidates.append("".join(word[:1].upper() + word[1:] for word in words) + "Response")
    if method == RATE_LIMITS[0]:
        candidates.append(RATE_LIMITS[1])
    for name in candidates:
        if name in known:
            return name
    raise SystemExit(f"no response type for {method}")


def rows(export, union):
    for row in json.loads((export / f"{union}.json").read_text())["oneOf"]:
        members = row["properties"]
        yield members["method"]["enum"][0], type_name(members.get("params"))


def main():
    export, version, kind = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    known = definitions(export)

    def calls(union):
        return {
            name: {"params": params, "response": response_name(name, params, known)}
            for name, params in rows(export, union)
        }

    out = {
        "methods": calls("ClientRequest"),
        "serverRequests": calls("ServerRequest"),
        "notifications": dict(rows(export, "ServerNotification")),
        "definitions": known,
    }
    target = pathlib.Path(__file__).parent / "reference" / version / f"{kind}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(out, separators=(",", ":"), sort_keys=True) + "\n")
    print(target, target.stat().st_size)


main()
