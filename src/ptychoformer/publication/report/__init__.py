"""The report on one page, and what README says of results."""
