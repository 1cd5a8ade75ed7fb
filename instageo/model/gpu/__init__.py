"""What a GPU needs to be busy: batches as large as suit it, copies beside its work, processes that read and write."""
