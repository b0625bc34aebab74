"""The ledger side: workbooks and CSV files in, the journal of issues that are already somewhere in their life, reports out."""
