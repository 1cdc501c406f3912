"""The wire: the only package that knows protobuf and gRPC's server side."""
