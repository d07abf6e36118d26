"""From a target to SQL: a writer for each kind of statement that Step 5 creates."""
