"""From numbers to tables, figures and the report."""
