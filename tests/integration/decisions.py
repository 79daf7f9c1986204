"""Decisions of the tests as DMN texts, named by each test so that every test deploys its own."""

from __future__ import annotations

RULES = ((4, "&lt; 5"), (9, "&gt;= 5"))
"""The fee, and for which weight."""


def fee(name: str) -> str:
    """Requirements `name` with two decisions: a fee by `weight`, and `name`-guard, which it requires.

    The guard fails for a weight above 100. Without rules for what is no number the fee is null.
    """
    rules = "".join(
        f'<rule id="{name}-{output}"><inputEntry id="{name}-in-{output}"><text>{test}</text></inputEntry>'
        f'<outputEntry id="{name}-out-{output}"><text>{output}</text></outputEntry></rule>\n'
        for output, test in RULES
    )
    table = (
        f'<decisionTable id="{name}-table"><input id="{name}-input" label="Weight">'
        f'<inputExpression id="{name}-expression" typeRef="number"><text>weight</text></inputExpression></input>'
        f'<output id="{name}-output" label="Fee" name="fee" typeRef="number" />\n{rules}</decisionTable>'
    )
    guard = f'<variable id="{name}-variable" name="guard" /><literalExpression id="{name}-literal">' + (
        "<text>assert(weight, weight &lt;= 100)</text></literalExpression>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="{name}-requirements" name="Fees"'
        ' namespace="http://example.org/">\n'
        f'<decision id="{name}-guard" name="Guard">{guard}</decision>\n'
        f'<decision id="{name}" name="Fee"><informationRequirement id="{name}-needs">'
        f'<requiredDecision href="#{name}-guard" /></informationRequirement>{table}</decision>\n'
        "</definitions>\n"
    )
