"""The corridor an issue walks through, in order: intake, workspace, attempt, verify, land, report."""
