"""The document of all that is served: document > calls > schemas."""
