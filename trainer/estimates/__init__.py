"""What a training needs, estimated before anything is built."""
