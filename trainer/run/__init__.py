"""One run: its folder, documents, state, launch, supervisor, queue, metrics, models, archive."""
