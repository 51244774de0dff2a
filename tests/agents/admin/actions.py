"""Custom actions as their editor posts them, and runs that have already ended."""

from typing import Any

from agents.models import ActionRun

STARTER = "return { success: true };"


def posted(*rows: dict[str, str], **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"title": "Send the lead", "name": "send_lead", "description": "Sends it.", "code": STARTER}
    for cell in ("name", "type", "required", "description", "enum", "default", "format"):
        data[f"parameter-{cell}"] = [({"type": "string"} | row).get(cell, "") for row in rows]
    return data | changes


def make_run(**fields: Any) -> ActionRun:
    fields.setdefault("state", "succeeded")
    return ActionRun.objects.create(**fields)
