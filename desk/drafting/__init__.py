"""Writing a draft: context, evidence, writer, checks, decision record."""
