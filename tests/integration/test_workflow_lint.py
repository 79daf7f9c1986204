"""The workflows by their linter: what a schema cannot see, such as expressions, actions' inputs and jobs' names."""

from __future__ import annotations

from pathlib import Path

from scripts import workflow_lint


def test_the_linter_finds_nothing_in_the_workflows() -> None:
    assert len(workflow_lint.workflows()) == 3
    assert workflow_lint.lint(workflow_lint.workflows()) == ""


def test_the_linter_would_find_a_mistake(tmp_path: Path) -> None:
    for workflow in workflow_lint.workflows():
        broken = tmp_path / workflow.name
        broken.write_text(workflow.read_text().replace("needs: [test, dist]", "needs: [tests, dist]"))
        broken.write_text(broken.read_text().replace("matrix.zeebe }}", "matrix.zebe }}"))
    found = workflow_lint.lint(sorted(tmp_path.iterdir()))
    assert '"zebe" is not defined' in found
    assert '"tests"' in found
