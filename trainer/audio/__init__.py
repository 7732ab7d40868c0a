"""One audio file of a stranger, its levels, where the word lies in it, and the manifests of splits."""
