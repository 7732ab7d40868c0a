"""Many runs: rows, index, search, notes, trash."""
