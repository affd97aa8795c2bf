"""Raw files -> tidy Parquet; one module a data set."""
