"""Rights, shown: who may do what with a policy in force, what an attack costs others, and the audit of both."""
