"""The analysis as plain data, in the shape `desk check-edit --json` prints."""

from __future__ import annotations

from typing import Any

from desk.ports import EditAnalysis


def to_json(analysis: EditAnalysis) -> dict[str, Any]:
    """Keys: similarity (4 digits), meaning_changed, changes, verdict, notes."""
    return {
        "similarity": round(analysis.similarity, 4),
        "meaning_changed": analysis.meaning_changed,
        "changes": [
            {
                "kind": change.kind,
                "before": change.before,
                "after": change.after,
                "span_before": list(change.span_before),
                "span_after": list(change.span_after),
                "meaning": change.meaning,
            }
            for change in analysis.changes
        ],
        "verdict": analysis.verdict,
        "notes": analysis.notes,
    }
