"""IAM and the metadata service, beside FRS on the same port: service > tokens, metadata."""
