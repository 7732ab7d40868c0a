"""What users deploy: a model file and what hears with it, on numpy and onnxruntime alone."""
